//! Every bad argument of a stage gives its own error, with the right content, and leaves the outputs alone.
//! Damaged blobs are in `damage.rs`, the layer in `layer_errors.rs`.

mod common;

use common::data::{OwnedActivations, OwnedWeights, Random, assert_painted, painted};
use common::for_each_backend;
use hbitlinear::error::{Error, Status};
use hbitlinear::hadamard::{Direction, Family, SignMatrix, Transform};
use hbitlinear::norm::RmsNorm;
use hbitlinear::quantize::{Activations, ActivationsMut, Bits, Quantizer, Rule};
use hbitlinear::weights::{Layout, Scaling, WeightSpec, Weights, absmean, absmean_rows};
use hbitlinear::{Backend, BackendId, OutputMut, gemm, layout};

const BAD_FLOATS: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];

fn length(argument: &'static str, expected: usize, actual: usize) -> Error {
    Error::Length { argument, expected, actual }
}

#[test]
fn epsilon() {
    let mut ternary: Vec<i8> = painted(4);
    for epsilon in [-1.0, -f32::MIN_POSITIVE, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let same = |error: Error| match error {
            Error::Epsilon { value } => value.to_bits() == epsilon.to_bits(),
            _ => false,
        };
        assert!(same(RmsNorm::new(None, epsilon).unwrap_err()));
        for rule in Rule::ALL {
            assert!(same(Quantizer::new(rule, epsilon).unwrap_err()));
        }
        assert!(same(absmean(common::scalar(), &[1.0; 4], epsilon, &mut ternary).unwrap_err()));
        assert_painted(&ternary, "ternary");
    }
    assert!(RmsNorm::new(None, -0.0).is_ok(), "-0 is not negative");
}

#[test]
fn norm() {
    for_each_backend(|backend| {
        let gains = [1.0; 5];
        let (plain, weighted) = (RmsNorm::new(None, 0.0).unwrap(), RmsNorm::new(Some(&gains), 0.0).unwrap());
        let mut y: Vec<f32> = painted(9);
        let mut case = |norm: &RmsNorm<'_>, features, x: &[f32], y_len: usize, error| {
            assert_eq!(norm.forward(backend, features, x, &mut y[..y_len]), Err(error));
            assert_painted(&y, "y");
        };
        case(&plain, 0, &[1.0; 8], 8, Error::Zero { argument: "features" });
        case(&plain, 4, &[1.0; 9], 9, length("x", 8, 9));
        case(&plain, 4, &[1.0; 8], 7, length("y", 8, 7));
        case(&plain, 4, &[1.0; 8], 9, length("y", 8, 9));
        case(&weighted, 4, &[1.0; 8], 8, length("norm weight", 4, 5));
    });
    for gain in BAD_FLOATS {
        let error = RmsNorm::new(Some(&[1.0, gain]), 0.0).unwrap_err();
        assert_eq!(error, Error::NonFinite { argument: "norm weight", row: 0 });
    }
}

/// A NaN or an infinity in the first, a middle and the last row, at places that fall in every part of a vector loop.
#[test]
fn non_finite_rows() {
    let lengths = [1, 2, 7, 8, 9, 31, 32, 33, 64, 100, 130];
    for_each_backend(|backend| {
        for (features, bad) in lengths.iter().flat_map(|&f| BAD_FLOATS.map(|bad| (f, bad))) {
            for (row, column) in [0, 2, 4].iter().flat_map(|&r| (0..features).map(move |c| (r, c))) {
                let mut x = Random::new(features as u64).normals(5 * features);
                x[row * features + column] = bad;
                if row < 4 {
                    x[5 * features - 1] = f32::NAN;
                }
                let mut y: Vec<f32> = painted(x.len());
                let error = Err(Error::NonFinite { argument: "x", row });
                assert_eq!(RmsNorm::new(None, 0.0).unwrap().forward(backend, features, &x, &mut y), error);
                assert_painted(&y, "y");

                for rule in Rule::ALL {
                    let mut values: Vec<u8> = painted(5 * rule.bits().row_bytes(features));
                    let (mut scales, mut sums): (Vec<f32>, Vec<i32>) = (painted(5), painted(5));
                    let mut out =
                        ActivationsMut::new(rule.bits(), features, &mut values, &mut scales, &mut sums)
                            .unwrap();
                    assert_eq!(Quantizer::new(rule, 1e-5).unwrap().forward(backend, &x, &mut out), error);
                    assert_painted(&values, "values");
                    assert_painted(&scales, "scales");
                    assert_painted(&sums, "sums");
                }

                let (mut ternary, mut scales): (Vec<i8>, Vec<f32>) = (painted(x.len()), painted(5));
                let refused = absmean_rows(backend, features, &x, 0.0, &mut ternary, &mut scales);
                assert_eq!(refused, Err(Error::NonFinite { argument: "weights", row }));
                assert_painted(&ternary, "ternary");
                assert_painted(&scales, "scales");
            }
        }
    });
}

#[test]
fn quantizer_and_activations() {
    let (mut values, mut scales, mut sums): (Vec<u8>, Vec<f32>, Vec<i32>) =
        (painted(10), painted(2), painted(2));
    for (bits, features, lengths, error) in [
        (Bits::Four, 0, [10, 2, 2], Error::Zero { argument: "features" }),
        (Bits::Eight, layout::MAX_COLUMNS + 1, [10, 2, 2], Error::SizeOverflow { argument: "features" }),
        (Bits::Eight, usize::MAX, [10, 2, 2], Error::SizeOverflow { argument: "features" }),
        (Bits::Eight, 5, [9, 2, 2], length("values", 10, 9)),
        (Bits::Eight, 5, [10, 1, 2], length("values", 5, 10)),
        (Bits::Four, 5, [10, 2, 2], length("values", 6, 10)),
        (Bits::Eight, 5, [10, 2, 1], length("sums", 2, 1)),
    ] {
        let [v, c, m] = lengths;
        let view = Activations::new(bits, features, &values[..v], &scales[..c], &sums[..m]);
        assert_eq!(view.unwrap_err(), error);
        let room = ActivationsMut::new(bits, features, &mut values[..v], &mut scales[..c], &mut sums[..m]);
        assert_eq!(room.unwrap_err(), error);
    }
    for_each_backend(|backend| {
        let (mut values, mut scales, mut sums): (Vec<u8>, Vec<f32>, Vec<i32>) =
            (painted(10), painted(2), painted(2));
        let mut out = ActivationsMut::new(Bits::Eight, 5, &mut values, &mut scales, &mut sums).unwrap();
        let quantizer = Quantizer::new(Rule::Int8AbsMax, 0.0).unwrap();
        for actual in [0, 5, 9, 11] {
            assert_eq!(
                quantizer.forward(backend, &vec![1.0; actual], &mut out),
                Err(length("x", 10, actual))
            );
        }
        let other = Quantizer::new(Rule::Int4AbsMean, 0.0).unwrap();
        let error = Error::Value { argument: "bits of the activations", value: 8 };
        assert_eq!(other.forward(backend, &[1.0; 10], &mut out), Err(error));
        assert_painted(&values, "values");
        assert_painted(&scales, "scales");
        assert_painted(&sums, "sums");
    });
}

#[test]
fn transform_descriptions() {
    let h12 = Family::Paley1.matrix(12).unwrap();
    for order in [0, 3, 12, 1000] {
        let error = Error::Transform { what: "the innermost power of two", order };
        assert_eq!(Transform::sylvester(order).unwrap_err(), error);
        assert_eq!(Transform::new(&[h12], order).unwrap_err(), error);
    }
    let error = Error::Transform { what: "the list of outer factors", order: 4 };
    assert_eq!(Transform::new(&[h12; 4], 2).unwrap_err(), error);
    let error = Error::SizeOverflow { argument: "product of the transform's orders" };
    assert_eq!(Transform::new(&[h12], 1 << (usize::BITS - 1)).unwrap_err(), error);

    let spelling = Error::Transform { what: "the transform's name", order: 0 };
    for name in
        ["", "x", "-4", "paley1", "paley1:12", "paley1:12*", "12*4", "nope:12*4", "Paley1:12*4", "paley1:*4"]
    {
        assert_eq!(Transform::named(name).unwrap_err(), spelling, "{name}");
    }
    for family in Family::ALL {
        let order = 13;
        let name = format!("{}:{order}*4", family.name());
        assert_eq!(Transform::named(&name).unwrap_err(), Error::Transform { what: family.name(), order });
    }
    let four = "paley1:12*paley1:12*paley1:12*paley1:12*4";
    assert_eq!(Transform::named(four).unwrap_err(), error_of_factors(4));

    let t = Transform::sylvester(8).unwrap();
    assert_eq!(t.blocks(0).unwrap_err(), Error::Zero { argument: "blocks" });
    let error = Error::SizeOverflow { argument: "blocks * block length" };
    assert_eq!(t.blocks(usize::MAX / 4).unwrap_err(), error);
    assert_eq!(t.with_signs(&[1; 7]).unwrap_err(), length("signs", 8, 7));
    assert_eq!(t.with_signs(&[1; 8]).unwrap().blocks(2).unwrap_err(), length("signs", 16, 8));
    for bad in [0, 2, -2, 127] {
        let error = Error::Value { argument: "index of a sign that is not 1 or -1", value: 5 };
        assert_eq!(t.with_signs(&[1, -1, 1, -1, 1, bad, bad, 1]).unwrap_err(), error);
    }
}

fn error_of_factors(order: usize) -> Error {
    Error::Transform { what: "the list of outer factors", order }
}

#[test]
fn transform_lengths() {
    let transforms = [
        Transform::sylvester(16).unwrap(),
        Transform::sylvester(4).unwrap().blocks(3).unwrap(),
        Transform::named("paley1:12*2").unwrap(),
    ];
    for_each_backend(|backend| {
        for t in transforms {
            let block = t.row_len();
            for actual in [1, 4, block - 1, block + 1, 2 * block - 4] {
                let error = Err(Error::TransformLength { block, actual });
                let mut x: Vec<f32> = painted(actual);
                assert_eq!(t.forward(backend, &mut x), error);
                assert_eq!(t.transpose(backend, &mut x), error);
                assert_painted(&x, "x");
                let mut x: Vec<f64> = painted(actual);
                assert_eq!(t.apply_f64(Direction::Forward, &mut x), error);
                assert_painted(&x, "x");
            }
        }
    });
}

#[test]
fn custom_matrix() {
    let h4: [i8; 16] = [1, 1, 1, 1, 1, -1, 1, -1, 1, 1, -1, -1, 1, -1, -1, 1];
    let mut storage: Vec<u32> = painted(9);
    let mut case = |order, signs: &[i8], words: usize, error| {
        assert_eq!(SignMatrix::pack(order, signs, &mut storage[..words]).unwrap_err(), error);
        assert_painted(&storage, "storage");
    };
    case(0, &[], 0, Error::Transform { what: "custom", order: 0 });
    case(257, &h4, 8, Error::Transform { what: "custom", order: 257 });
    case(usize::MAX, &h4, 8, Error::Transform { what: "custom", order: usize::MAX });
    case(4, &h4[..15], 8, length("signs", 16, 15));
    case(4, &h4, 7, length("storage", 8, 7));
    case(4, &h4, 9, length("storage", 8, 9));
    for (index, bad) in (0..16).flat_map(|i| [0, 2, -h4[i]].map(|bad| (i, bad))) {
        let mut signs = h4;
        signs[index] = bad;
        // A wrong value is seen in its own row; a flipped sign of row 0 only when row 1 is held against it.
        let row = if bad == -h4[index] { (index / 4).max(1) } else { index / 4 };
        case(4, &signs, 8, Error::NotHadamard { row });
    }
    let ones = [1; 9];
    case(3, &ones, 6, Error::NotHadamard { row: 1 });
}

#[test]
fn weight_shapes() {
    let spec = |rows, columns, scaling| WeightSpec::new(rows, columns, Layout::T2, scaling);
    assert_eq!(spec(0, 4, Scaling::Row), Err(Error::Zero { argument: "rows" }));
    assert_eq!(spec(4, 0, Scaling::Row), Err(Error::Zero { argument: "columns" }));
    for (rows, columns, argument) in [
        (layout::MAX_ROWS + 1, 1, "rows"),
        (usize::MAX, 1, "rows"),
        (usize::MAX, usize::MAX, "rows"),
        (1, layout::MAX_COLUMNS + 1, "columns"),
        (1, usize::MAX, "columns"),
    ] {
        assert_eq!(spec(rows, columns, Scaling::Tensor), Err(Error::SizeOverflow { argument }));
    }
    // The largest matrix of the format is a petabyte: it has a size where usize holds that, and is refused elsewhere.
    let largest = spec(layout::MAX_ROWS, layout::MAX_COLUMNS, Scaling::Group(64));
    if usize::BITS < 64 {
        assert_eq!(largest, Err(Error::SizeOverflow { argument: "bytes of packed weights" }));
    } else {
        assert!(largest.is_ok());
    }
    for value in [0, 1, 32, 63, 65, 512, usize::MAX] {
        let error = Error::Value { argument: "scale group", value };
        assert_eq!(spec(4, 4, Scaling::Group(value)), Err(error));
        assert_eq!(spec(4, 4, Scaling::GroupF16(value)), Err(error));
    }
}

#[test]
fn packing() {
    let spec = WeightSpec::new(3, 70, Layout::T2, Scaling::Group(64)).unwrap();
    let (len, weights) = (spec.packed_len(), vec![0; 210]);
    let mut blob: Vec<u8> = painted(len + 1);
    let mut case = |ternary: &[i8], scales: &[f32], blob_len: usize, error| {
        assert_eq!(spec.pack(ternary, scales, &mut blob[..blob_len]), Err(error));
        assert_painted(&blob, "blob");
    };
    case(&weights[..209], &[1.0; 6], len, length("ternary", 210, 209));
    case(&weights, &[1.0; 5], len, length("scales", 6, 5));
    case(&weights, &[1.0; 6], len - 1, length("blob", len, len - 1));
    case(&weights, &[1.0; 6], len + 1, length("blob", len, len + 1));
    for (index, bad) in [0, 69, 70, 209].iter().flat_map(|&i| [2, -2, 127, -128].map(|bad| (i, bad))) {
        let mut ternary = weights.clone();
        ternary[index] = bad;
        case(&ternary, &[1.0; 6], len, Error::Code { row: index / 70, column: index % 70 });
    }
    for (index, bad) in (0..6).flat_map(|i| BAD_FLOATS.map(|bad| (i, bad))) {
        let mut scales = [1.0; 6];
        scales[index] = bad;
        case(&weights, &scales, len, Error::Scale { index });
    }
    let halves = WeightSpec::new(1, 300, Layout::T2, Scaling::GroupF16(128)).unwrap();
    for (index, bad) in (0..3).flat_map(|i| [0.1, 65536.0, 1e-9, f32::INFINITY, f32::NAN].map(|bad| (i, bad)))
    {
        let mut scales = [1.0, -65504.0, 2.0_f32.powi(-24)];
        scales[index] = bad;
        let mut blob: Vec<u8> = painted(halves.packed_len());
        assert_eq!(halves.pack(&[0; 300], &scales, &mut blob), Err(Error::Scale { index }));
        assert_painted(&blob, "blob");
    }

    let w = OwnedWeights::new(2, 5, Scaling::Tensor, vec![1; 10]);
    let mut ternary: Vec<i8> = painted(11);
    for actual in [0, 9, 11] {
        let error = Err(length("ternary", 10, actual));
        assert_eq!(Weights::open(&w.blob).unwrap().unpack(&mut ternary[..actual]), error);
        assert_painted(&ternary, "ternary");
    }
}

#[test]
fn weight_quantiser() {
    let backend = common::scalar();
    let (mut ternary, mut scales): (Vec<i8>, Vec<f32>) = (painted(7), painted(2));
    let mut case = |columns, x: &[f32], t: usize, error| {
        assert_eq!(absmean_rows(backend, columns, x, 0.0, &mut ternary[..t], &mut scales), Err(error));
        assert_painted(&ternary, "ternary");
        assert_painted(&scales, "scales");
    };
    case(0, &[1.0; 6], 6, Error::Zero { argument: "columns" });
    case(3, &[1.0; 5], 6, length("weights", 6, 5));
    case(3, &[1.0; 6], 7, length("ternary", 6, 7));
    case(usize::MAX, &[1.0; 6], 6, Error::SizeOverflow { argument: "rows * columns" });
    assert_eq!(absmean(backend, &[], 0.0, &mut []), Err(Error::Zero { argument: "columns" }));
    assert_eq!(absmean(backend, &[1.0; 6], 0.0, &mut ternary), Err(length("ternary", 6, 7)));
    assert_painted(&ternary, "ternary");
}

#[test]
fn outputs() {
    let mut y = [0.0_f32; 10];
    let new = |y: &mut [f32], tokens, outputs, stride| OutputMut::new(y, tokens, outputs, stride).map(|_| ());
    let stride = Error::Stride { argument: "stride of y", expected: 4, actual: 3 };
    assert_eq!(new(&mut y, 2, 4, 3), Err(stride));
    assert_eq!(new(&mut y, 0, 4, 3), Err(stride));
    assert_eq!(new(&mut y[..9], 2, 4, 6), Err(length("y", 10, 9)));
    assert_eq!(new(&mut y, 2, 4, 6), Ok(()), "the last row needs no gap");
    let overflow = Error::SizeOverflow { argument: "tokens * stride" };
    assert_eq!(new(&mut y, 3, 4, usize::MAX / 2 + 1), Err(overflow));
    assert_eq!(new(&mut y, usize::MAX, 2, 2), Err(overflow));
    assert_eq!(new(&mut y, 2, usize::MAX / 2 + 2, usize::MAX / 2 + 2), Err(overflow));
    for at in [5, usize::MAX] {
        let whole = OutputMut::new(&mut y, 2, 4, 6).unwrap();
        let error = Error::Range { argument: "outputs", start: 0, end: at, limit: 4 };
        assert_eq!(whole.split_outputs(at).unwrap_err(), error);
        let whole = OutputMut::new(&mut y, 2, 4, 6).unwrap();
        let error = Error::Range { argument: "tokens", start: 0, end: at, limit: 2 };
        assert_eq!(whole.split_tokens(at).unwrap_err(), error);
    }
}

#[test]
fn products() {
    for_each_backend(|backend| {
        let mut random = Random::new(1);
        let w = OwnedWeights::random(20, 10, Scaling::Tensor, &mut random);
        let weights = Weights::open(&w.blob).unwrap();
        let x = OwnedActivations::random(Bits::Four, 3, 10, &mut random);
        let narrow = OwnedActivations::random(Bits::Four, 3, 9, &mut random);
        let full = gemm::workspace_len();
        let case = |x: &OwnedActivations,
                    tokens: (usize, usize),
                    outputs: (usize, usize),
                    shape,
                    room,
                    error| {
            let (tokens, outputs) = (tokens.0..tokens.1, outputs.0..outputs.1);
            let (m, n): (usize, usize) = shape;
            let mut workspace = vec![0; room];
            let mut y: Vec<f32> = painted(60);
            let mut out = OutputMut::new(&mut y, m, n, n).unwrap();
            let (t, o) = (tokens.clone(), outputs.clone());
            assert_eq!(
                gemm::product(backend, &weights, &x.view(), t, o, &mut out, &mut workspace),
                Err(error)
            );
            assert_painted(&y, "y");
            let mut y: Vec<i32> = painted(60);
            let mut out = OutputMut::new(&mut y, m, n, n).unwrap();
            let refused =
                gemm::product_i32(backend, &weights, &x.view(), tokens, outputs, &mut out, &mut workspace);
            assert_eq!(refused, Err(error));
            assert_painted(&y, "y");
        };
        let range = |argument, start, end, limit| Error::Range { argument, start, end, limit };
        case(&narrow, (0, 3), (0, 20), (3, 20), full, length("features of the activations", 10, 9));
        case(&x, (2, 1), (0, 20), (3, 20), full, range("tokens", 2, 1, 3));
        case(&x, (0, 4), (0, 20), (3, 20), full, range("tokens", 0, 4, 3));
        case(&x, (4, 4), (0, 20), (0, 20), full, range("tokens", 4, 4, 3));
        case(&x, (0, 3), (20, 0), (3, 20), full, range("outputs", 20, 0, 20));
        case(&x, (0, 3), (1, 21), (3, 20), full, range("outputs", 1, 21, 20));
        case(&x, (0, 3), (0, usize::MAX), (3, 20), full, range("outputs", 0, usize::MAX, 20));
        case(&x, (0, 2), (0, 20), (3, 20), full, length("tokens of y", 2, 3));
        case(&x, (0, 3), (1, 20), (3, 20), full, length("outputs of y", 19, 20));
        let short = Error::Workspace { expected: full, actual: full - 1 };
        case(&x, (0, 3), (0, 20), (3, 20), full - 1, short);
        case(&x, (0, 3), (0, 20), (3, 20), 0, Error::Workspace { expected: full, actual: 0 });
    });
}

#[test]
fn backends() {
    for name in ["", "AVX2", "avx", "scalar ", "neon2"] {
        assert_eq!(BackendId::from_name(name), Err(Error::UnknownBackend));
    }
    for number in [200, 255, 256, 257, u32::MAX] {
        assert_eq!(BackendId::from_number(number), Err(Error::UnknownBackend));
    }
    for &id in BackendId::ALL {
        if Backend::available().all(|backend| backend.id() != id) {
            let error = Error::BackendUnavailable { backend: id.name() };
            assert_eq!(Backend::new(id), Err(error));
            assert_eq!(Backend::force(id), Err(error));
        }
    }
}

#[test]
fn statuses_are_numbered_without_gaps_and_say_something() {
    let mut numbers = 0;
    while let Some(status) = Status::from_number(numbers) {
        assert_eq!(status as i32, numbers);
        assert!(status.text().to_bytes().is_ascii() && !status.text().is_empty());
        numbers += 1;
    }
    assert_eq!(numbers, Status::Misaligned as i32 + 1, "the last one so far");
    assert_eq!(Status::from_number(-1), None);
    let message = Error::Range { argument: "tokens", start: 2, end: 1, limit: 3 }.to_string();
    assert_eq!(message, "tokens: expected a range within 0..3, got 2..1");
}
