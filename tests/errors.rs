//! Every bad argument of a stage gives its own error, with the right content, and leaves the outputs alone.
//! Damaged blobs are in
//! `damage.rs`, the layer in `layer_errors.rs`, transforms and their matrices in `transform_errors.rs`, rows of an input in
//! `strided.rs`, names and numbers in `names.rs`.

mod common;

use common::data::{Random, assert_painted, painted};
use common::for_each_backend;
use common::owned::{OwnedActivations, OwnedWeights, Quantised, formats};
use hbitlinear::{
    Activations, ActivationsMut, Bits, Error, GroupLen, Layout, OutputMut, Quantizer, RmsNorm, Rule, Scaling,
    WeightSpec, absmean, absmean_rows, layout, product, product_i32, product_workspace_len,
};

const BAD_FLOATS: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];

fn length(argument: &'static str, expected: usize, actual: usize) -> Error {
    Error::Length { argument, expected, actual }
}

/// Each ε is named.
#[test]
fn epsilon() {
    let (negative, infinite) = ("a negative one", "an infinite one");
    for (epsilon, came) in [
        (-1.0, negative),
        (-f32::MIN_POSITIVE, negative),
        (f32::NAN, "NaN"),
        (f32::INFINITY, infinite),
        (f32::NEG_INFINITY, infinite),
    ] {
        let check = |error: Error, expected: &str| match error {
            Error::Epsilon { argument, value } => {
                assert_eq!((argument, value.to_bits()), (expected, epsilon.to_bits()));
                let text = error.to_string();
                assert_eq!(text, format!("{expected}: expected a finite value >= 0, got {came}"));
            }
            _ => panic!("{error}"),
        };
        check(RmsNorm::new(None, epsilon).unwrap_err(), "epsilon of the norm");
        for &rule in Rule::ALL {
            check(Quantizer::new(rule, epsilon).unwrap_err(), "epsilon of the quantiser");
        }
        for_each_backend(|backend| {
            let mut ternary: Vec<i8> = painted(4);
            check(absmean(backend, &[1.0; 4], epsilon, &mut ternary).unwrap_err(), "epsilon");
            assert_painted(&ternary, "ternary");
        });
    }
    assert!(RmsNorm::new(None, -0.0).is_ok(), "-0 is not negative");
    assert!(absmean(common::scalar(), &[1.0; 4], -0.0, &mut [0; 4]).is_ok(), "-0 is not negative");
}

#[test]
fn norm() {
    for_each_backend(|backend| {
        let gains = [1.0; 5];
        let (plain, weighted) = (RmsNorm::new(None, 0.0).unwrap(), RmsNorm::new(Some(&gains), 0.0).unwrap());
        let mut y: Vec<f32> = painted(9);
        let mut case = |norm: &RmsNorm<'_>, inputs, x: &[f32], y_len: usize, error| {
            assert_eq!(norm.forward(backend, inputs, x, &mut y[..y_len]), Err(error));
            assert_painted(&y, "y");
        };
        case(&plain, 0, &[1.0; 8], 8, Error::Zero { argument: "inputs" });
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
        for (inputs, bad) in lengths.iter().flat_map(|&f| BAD_FLOATS.map(|bad| (f, bad))) {
            for (row, column) in [0, 2, 4].iter().flat_map(|&r| (0..inputs).map(move |c| (r, c))) {
                let mut x = Random::new(inputs as u64).normals(5 * inputs);
                x[row * inputs + column] = bad;
                if row < 4 {
                    x[5 * inputs - 1] = f32::NAN;
                }
                let mut y: Vec<f32> = painted(x.len());
                let error = Err(Error::NonFinite { argument: "x", row });
                assert_eq!(RmsNorm::new(None, 0.0).unwrap().forward(backend, inputs, &x, &mut y), error);
                assert_painted(&y, "y");

                for &rule in Rule::ALL {
                    let mut memory = Quantised::painted(rule.bits(), 5, inputs);
                    let quantizer = Quantizer::new(rule, 1e-5).unwrap();
                    let refused = quantizer.forward(backend, &x, memory.room()).map(|_| ());
                    assert_eq!(refused, error);
                    memory.assert_painted();
                    // A part of the rows counts from its own first one; a single row is row 0.
                    for tokens in [1, 5 - row] {
                        let mut memory = Quantised::painted(rule.bits(), tokens, inputs);
                        let x = &x[row * inputs..][..tokens * inputs];
                        let refused = quantizer.forward(backend, x, memory.room()).unwrap_err();
                        assert_eq!(refused, Error::NonFinite { argument: "x", row: 0 });
                        memory.assert_painted();
                    }
                }

                let (mut ternary, mut scales): (Vec<i8>, Vec<f32>) = (painted(x.len()), painted(5));
                let refused = absmean_rows(backend, inputs, &x, 0.0, &mut ternary, &mut scales);
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
    for (bits, inputs, lengths, error) in [
        (Bits::Four, 0, [10, 2, 2], Error::Zero { argument: "inputs" }),
        (Bits::Eight, layout::MAX_INPUTS + 1, [10, 2, 2], Error::SizeOverflow { argument: "inputs" }),
        (Bits::Eight, usize::MAX, [10, 2, 2], Error::SizeOverflow { argument: "inputs" }),
        (Bits::Eight, 5, [9, 2, 2], length("values", 10, 9)),
        (Bits::Eight, 5, [10, 1, 2], length("values", 5, 10)),
        (Bits::Four, 5, [10, 2, 2], length("values", 6, 10)),
        (Bits::Eight, 5, [10, 2, 1], length("sums", 2, 1)),
    ] {
        let [v, c, m] = lengths;
        let view = Activations::new(bits, inputs, &values[..v], &scales[..c], &sums[..m]);
        assert_eq!(view.unwrap_err(), error);
        let room = ActivationsMut::new(bits, inputs, &mut values[..v], &mut scales[..c], &mut sums[..m]);
        assert_eq!(room.unwrap_err(), error);
    }
    for_each_backend(|backend| {
        for &rule in Rule::ALL {
            let mut memory = Quantised::painted(rule.bits(), 2, 5);
            let quantizer = Quantizer::new(rule, 0.0).unwrap();
            for actual in [0, 5, 9, 11] {
                let refused = quantizer.forward(backend, &vec![1.0; actual], memory.room()).unwrap_err();
                assert_eq!(refused, length("x", 10, actual));
            }
            memory.assert_painted();
            for &bits in Bits::ALL.iter().filter(|&&bits| bits != rule.bits()) {
                let mut memory = Quantised::painted(bits, 2, 5);
                let error = Error::Value { argument: "bits of the activations", value: bits as usize };
                assert_eq!(quantizer.forward(backend, &[1.0; 10], memory.room()).unwrap_err(), error);
                memory.assert_painted();
            }
        }
    });
}

#[test]
fn weight_shapes() {
    for (layout, scaling) in formats() {
        let spec = |outputs, inputs| WeightSpec::new(outputs, inputs, layout, scaling);
        assert_eq!(spec(0, 4), Err(Error::Zero { argument: "outputs" }));
        assert_eq!(spec(4, 0), Err(Error::Zero { argument: "inputs" }));
        for (outputs, inputs, argument) in [
            (layout::MAX_OUTPUTS + 1, 1, "outputs"),
            (usize::MAX, 1, "outputs"),
            (usize::MAX, usize::MAX, "outputs"),
            (1, layout::MAX_INPUTS + 1, "inputs"),
            (1, usize::MAX, "inputs"),
        ] {
            assert_eq!(spec(outputs, inputs), Err(Error::SizeOverflow { argument }), "{layout} {scaling:?}");
        }
        // The largest matrix of the format is a petabyte: it has a size where usize holds that, and is refused elsewhere.
        let largest = spec(layout::MAX_OUTPUTS, layout::MAX_INPUTS);
        if usize::BITS < 64 {
            assert_eq!(largest, Err(Error::SizeOverflow { argument: "bytes of packed weights" }));
        } else {
            assert!(largest.is_ok());
        }
    }
    for value in [0, 1, 32, 63, 65, 512, usize::MAX] {
        assert_eq!(GroupLen::try_from(value), Err(Error::Value { argument: "scale group", value }));
    }
}

#[test]
fn packing() {
    for (layout, scaling) in formats() {
        let spec = WeightSpec::new(3, 300, layout, scaling).unwrap();
        let (len, count) = (spec.packed_len(), spec.scale_count());
        let (weights, ones) = (vec![0; 900], vec![1.0; count + 1]);
        let mut blob: Vec<u8> = painted(len + 1);
        let mut case = |ternary: &[i8], scales: &[f32], blob_len: usize, error| {
            assert_eq!(spec.pack(ternary, scales, &mut blob[..blob_len]), Err(error), "{spec:?}");
            assert_painted(&blob, "blob");
        };
        case(&weights[..899], &ones[..count], len, length("ternary", 900, 899));
        case(&weights, &ones[..count - 1], len, length("scales", count, count - 1));
        case(&weights, &ones, len, length("scales", count, count + 1));
        case(&weights, &ones[..count], len - 1, length("blob", len, len - 1));
        case(&weights, &ones[..count], len + 1, length("blob", len, len + 1));
        for (index, bad) in [0, 299, 300, 899].iter().flat_map(|&i| [2, -2, 127, -128].map(|bad| (i, bad))) {
            let mut ternary = weights.clone();
            ternary[index] = bad;
            case(&ternary, &ones[..count], len, Error::Code { output: index / 300, input: index % 300 });
        }
        // Not finite; and where scales are stored as f16, not one of them.
        let no_f16 = if matches!(scaling, Scaling::GroupF16(_)) { &[0.1, 65536.0, 1e-9][..] } else { &[] };
        for (index, bad) in (0..count).flat_map(|i| BAD_FLOATS.iter().chain(no_f16).map(move |&bad| (i, bad)))
        {
            let mut scales: Vec<f32> = [1.0, -65504.0, 2.0_f32.powi(-24)].repeat(count)[..count].to_vec();
            scales[index] = bad;
            case(&weights, &scales, len, Error::Scale { index });
        }
    }
}

#[test]
fn unpacking_and_repacking() {
    for format in formats() {
        let w = OwnedWeights::random(2, 5, format, &mut Random::new(1));
        let (weights, count) = (w.view(), w.scales.len());
        let (mut ternary, mut scales): (Vec<i8>, Vec<f32>) = (painted(11), painted(count + 1));
        let mut case = |t: usize, s: usize, error| {
            assert_eq!(weights.unpack(&mut ternary[..t], &mut scales[..s]), Err(error));
            assert_painted(&ternary, "ternary");
            assert_painted(&scales, "scales");
        };
        for actual in [0, 9, 11] {
            case(actual, count, length("ternary", 10, actual));
        }
        case(10, count - 1, length("scales", count, count - 1));
        case(10, count + 1, length("scales", count, count + 1));
        for &layout in Layout::ALL {
            let expected = w.spec.with_layout(layout).unwrap().packed_len();
            let mut blob: Vec<u8> = painted(expected + 1);
            for actual in [0, expected - 1, expected + 1] {
                let refused = weights.repack(layout, &mut blob[..actual]);
                assert_eq!(refused, Err(length("blob", expected, actual)), "{format:?} as {layout}");
                assert_painted(&blob, "blob");
            }
        }
    }
}

#[test]
fn weight_quantiser() {
    for_each_backend(|backend| {
        let (mut ternary, mut scales): (Vec<i8>, Vec<f32>) = (painted(7), painted(2));
        let mut case = |inputs, x: &[f32], t: usize, error| {
            let refused = absmean_rows(backend, inputs, x, 0.0, &mut ternary[..t], &mut scales);
            assert_eq!(refused, Err(error));
            assert_painted(&ternary, "ternary");
            assert_painted(&scales, "scales");
        };
        case(0, &[1.0; 6], 6, Error::Zero { argument: "inputs" });
        case(3, &[1.0; 5], 6, length("weights", 6, 5));
        case(3, &[1.0; 6], 7, length("ternary", 6, 7));
        case(usize::MAX, &[1.0; 6], 6, Error::SizeOverflow { argument: "outputs * inputs" });
        assert_eq!(absmean(backend, &[], 0.0, &mut []), Err(Error::Zero { argument: "inputs" }));
        assert_eq!(absmean(backend, &[1.0; 6], 0.0, &mut ternary), Err(length("ternary", 6, 7)));
        assert_painted(&ternary, "ternary");
        for bad in BAD_FLOATS {
            let mut ternary: Vec<i8> = painted(3);
            let error = Error::NonFinite { argument: "weights", row: 0 };
            assert_eq!(absmean(backend, &[1.0, 2.0, bad], 0.0, &mut ternary), Err(error));
            assert_painted(&ternary, "ternary");
        }
    });
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

/// As many tokens as there is room for, and no part of one.
#[test]
fn contiguous_outputs() {
    let mut y = [0.0_f32; 12];
    let rows = |y: &mut [f32], outputs| OutputMut::rows(y, outputs).map(|y| (y.tokens(), y.outputs()));
    assert_eq!(rows(&mut y, 0), Err(Error::Zero { argument: "outputs" }));
    assert_eq!(rows(&mut [], 0), Err(Error::Zero { argument: "outputs" }));
    for (outputs, expected) in [(5, 10), (7, 7), (11, 11), (13, 0), (usize::MAX, 0)] {
        assert_eq!(rows(&mut y, outputs), Err(length("y", expected, 12)));
    }
    for (outputs, tokens) in [(1, 12), (3, 4), (4, 3), (12, 1)] {
        assert_eq!(rows(&mut y, outputs), Ok((tokens, outputs)));
    }
    assert_eq!(rows(&mut [], 3), Ok((0, 3)));
}

#[test]
fn products() {
    for_each_backend(|backend| {
        for format in formats() {
            let mut random = Random::new(1);
            let w = OwnedWeights::random(20, 10, format, &mut random);
            let weights = w.view();
            let x = OwnedActivations::random(Bits::Four, 3, 10, &mut random);
            let narrow = OwnedActivations::random(Bits::Four, 3, 9, &mut random);
            let full = product_workspace_len();
            let case = |x: &OwnedActivations,
                        tokens: (usize, usize),
                        outputs: (usize, usize),
                        shape,
                        room,
                        error| {
                let (tokens, outputs) = (tokens.0..tokens.1, outputs.0..outputs.1);
                let ((m, n), mut workspace): ((usize, usize), _) = (shape, vec![0; room]);
                let mut y: Vec<f32> = painted(60);
                let out = OutputMut::new(&mut y, m, n, n).unwrap();
                let (t, o) = (tokens.clone(), outputs.clone());
                let refused = product(backend, &weights, &x.view(), t, o, out, &mut workspace);
                assert_eq!(refused, Err(error), "{backend:?} {format:?}");
                assert_painted(&y, "y");
                let mut y: Vec<i32> = painted(60);
                let out = OutputMut::new(&mut y, m, n, n).unwrap();
                let refused = product_i32(backend, &weights, &x.view(), tokens, outputs, out, &mut workspace);
                assert_eq!(refused, Err(error), "{backend:?} {format:?}");
                assert_painted(&y, "y");
            };
            let range = |argument, start, end, limit| Error::Range { argument, start, end, limit };
            case(&narrow, (0, 3), (0, 20), (3, 20), full, length("inputs of the activations", 10, 9));
            case(&x, (2, 1), (0, 20), (3, 20), full, range("tokens", 2, 1, 3));
            case(&x, (0, 4), (0, 20), (3, 20), full, range("tokens", 0, 4, 3));
            case(&x, (4, 4), (0, 20), (0, 20), full, range("tokens", 4, 4, 3));
            case(&x, (0, usize::MAX), (0, 20), (3, 20), full, range("tokens", 0, usize::MAX, 3));
            case(&x, (0, 3), (20, 0), (3, 20), full, range("outputs", 20, 0, 20));
            case(&x, (0, 3), (1, 21), (3, 20), full, range("outputs", 1, 21, 20));
            case(&x, (0, 3), (0, usize::MAX), (3, 20), full, range("outputs", 0, usize::MAX, 20));
            case(&x, (0, 2), (0, 20), (3, 20), full, length("tokens of y", 2, 3));
            case(&x, (0, 3), (1, 20), (3, 20), full, length("outputs of y", 19, 20));
            let short = Error::Workspace { expected: full, actual: full - 1 };
            case(&x, (0, 3), (0, 20), (3, 20), full - 1, short);
            case(&x, (0, 3), (0, 20), (3, 20), 0, Error::Workspace { expected: full, actual: 0 });
        }
    });
}
