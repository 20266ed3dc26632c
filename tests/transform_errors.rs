//! Every bad transform, matrix, sign or length gives its own error, which says what was refused.

mod common;

use common::data::{assert_painted, painted};
use common::for_each_backend;
use hbitlinear::{Direction, Error, Family, SignMatrix, Transform};

fn length(argument: &'static str, expected: usize, actual: usize) -> Error {
    Error::Length { argument, expected, actual }
}

#[test]
fn parts() {
    let h12 = Family::Paley1.matrix(12).unwrap();
    for value in [0, 3, 12, 1000, 1536] {
        let error = Error::PowerOfTwo { value };
        assert_eq!(Transform::sylvester(value).unwrap_err(), error);
        assert_eq!(Transform::new(&[h12], value).unwrap_err(), error);
    }
    for actual in 4..6 {
        let error = Error::FactorCount { limit: 3, actual };
        assert_eq!(Transform::new(&vec![h12; actual], 2).unwrap_err(), error);
        let name = "paley1:12*".repeat(actual) + "4";
        assert_eq!(Transform::named(&name).unwrap_err(), error);
    }
    let error = Error::SizeOverflow { argument: "product of the transform's orders" };
    assert_eq!(Transform::new(&[h12], 1 << (usize::BITS - 1)).unwrap_err(), error);
    assert_eq!(Transform::new(&[h12; 3], 1 << (usize::BITS - 8)).unwrap_err(), error);
    let name = format!("paley1:12*{}", 1_usize << (usize::BITS - 1));
    assert_eq!(Transform::named(&name).unwrap_err(), error);
}

/// A name that is misspelt is refused from the part on that is; one that is well spelt by what it names.
#[test]
fn names() {
    for (name, at) in [
        ("", 0),
        ("x", 0),
        ("-4", 0),
        ("+4", 0),
        ("04", 0),
        ("4 ", 0),
        ("0x10", 0),
        ("٤", 0),
        ("paley1", 0),
        ("nope:12*4", 0),
        ("Paley1:12*4", 0),
        ("paley1:*4", 0),
        ("paley1:012*128", 0),
        ("paley1:+12*128", 0),
        ("paley1:-12*128", 0),
        ("paley1: 12*128", 0),
        ("paley1:12:4", 0),
        ("12*4", 0),
        ("4*paley1:12", 0),
        ("paley1:12*", 10),
        ("paley1:12*+4", 10),
        ("paley1:12*04", 10),
        ("paley1:12**4", 10),
        ("paley1:12*4*4", 10),
        ("paley1:12*paley1:012*4", 10),
        ("paley1:12*nope:12*4", 10),
        ("paley1:12", 9),
        ("paley1:12*paley1:12", 19),
        ("99999999999999999999999", 0),
    ] {
        assert_eq!(Transform::named(name).unwrap_err(), Error::TransformName { at }, "{name}");
        assert_eq!(name.parse::<Transform<'_>>().unwrap_err(), Error::TransformName { at }, "{name}");
    }
    for &family in Family::ALL {
        let (order, error) = (13, Error::FamilyOrder { family: family.name(), order: 13 });
        assert_eq!(Transform::named(&format!("{family}:{order}*4")).unwrap_err(), error);
        assert_eq!(family.matrix(order).unwrap_err(), error);
    }
    for (name, value) in [("1536", 1536), ("paley1:12*12", 12), ("3", 3)] {
        assert_eq!(Transform::named(name).unwrap_err(), Error::PowerOfTwo { value }, "{name}");
    }
}

#[test]
fn blocks_and_signs() {
    let t = Transform::sylvester(8).unwrap();
    assert_eq!(t.with_blocks(0).unwrap_err(), Error::Zero { argument: "blocks" });
    let error = Error::SizeOverflow { argument: "blocks * block length" };
    assert_eq!(t.with_blocks(usize::MAX / 4).unwrap_err(), error);
    assert_eq!(t.with_signs(&[1; 7]).unwrap_err(), length("signs", 8, 7));
    assert_eq!(t.with_blocks(2).unwrap().with_signs(&[1; 8]).unwrap_err(), length("signs", 16, 8));
    assert_eq!(t.with_signs(&[1; 8]).unwrap().with_blocks(2).unwrap_err(), length("signs", 16, 8));
    for value in [0, 2, -2, 7, 127, -128] {
        let error = Error::Sign { index: 5, value };
        assert_eq!(t.with_signs(&[1, -1, 1, -1, 1, value, value, 1]).unwrap_err(), error);
        assert_eq!(error.to_string(), format!("sign 5: expected 1 or -1, got {value}"));
    }
}

#[test]
fn lengths() {
    let transforms = [
        Transform::sylvester(16).unwrap(),
        Transform::sylvester(4).unwrap().with_blocks(3).unwrap(),
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
fn own_matrices() {
    let h4: [i8; 16] = [1, 1, 1, 1, 1, -1, 1, -1, 1, 1, -1, -1, 1, -1, -1, 1];
    let mut storage: Vec<u32> = painted(9);
    let mut case = |order, signs: &[i8], words: usize, error| {
        assert_eq!(SignMatrix::pack(order, signs, &mut storage[..words]).unwrap_err(), error);
        assert_painted(&storage, "storage");
    };
    case(0, &[], 0, Error::MatrixOrder { limit: 256, actual: 0 });
    case(257, &h4, 8, Error::MatrixOrder { limit: 256, actual: 257 });
    case(usize::MAX, &h4, 8, Error::MatrixOrder { limit: 256, actual: usize::MAX });
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

/// Words that somebody stored: their number is checked.
#[test]
fn words_of_own_matrices() {
    let (rows, columns) = ([0; 9], [0; 9]);
    let from =
        |order, r: usize, c: usize| SignMatrix::from_words(order, &rows[..r], &columns[..c]).map(|_| ());
    for actual in [0, 257, usize::MAX] {
        assert_eq!(from(actual, 4, 4), Err(Error::MatrixOrder { limit: 256, actual }));
        assert_eq!(SignMatrix::storage_len(actual), Err(Error::MatrixOrder { limit: 256, actual }));
    }
    assert_eq!(from(4, 3, 4), Err(length("row words of the matrix", 4, 3)));
    assert_eq!(from(4, 4, 5), Err(length("column words of the matrix", 4, 5)));
    assert_eq!(from(4, 4, 4), Ok(()));
}

/// Messages that a user has to understand without the source.
#[test]
fn messages() {
    for (name, message) in [
        (
            "paly1:12*128",
            "transform's name: expected family:order, joined by *, and a power of two last, such as paley1:12*128; refused from byte 0 on",
        ),
        (
            "1536",
            "transform: expected a power of two as its innermost length, got 1536; other factors are named, such as paley1:12",
        ),
        ("paley1:13*4", "transform: family paley1 has no matrix of order 13"),
    ] {
        assert_eq!(Transform::named(name).unwrap_err().to_string(), message);
    }
    let error = SignMatrix::storage_len(257).unwrap_err().to_string();
    assert_eq!(error, "matrix: expected an order of 1 to 256, got 257");
}
