//! Transforms with a caller's own matrices as outer factors, those of orders 1, 2 and 4 among them: alone, first, last, and
//! between others.

mod common;

use common::data::Random;
use common::owned::{OwnedWeights, formats};
use common::{assert_same_bits, for_each_backend, run};
use hbitlinear::{BitLinear, Direction, Family, Quantizer, Rule, SignMatrix, Transform, reference};

const DIRECTIONS: [Direction; 2] = [Direction::Forward, Direction::Transpose];

/// Signs of a matrix of an order that is a power of two. Those of 4 and above are neither Sylvester's nor symmetric.
fn signs(order: usize) -> Vec<i8> {
    let mut random = Random::new(order as u64 + 3);
    let (rows, columns) = (random.signs(order), random.signs(order));
    let entry = |i: usize, j: usize| {
        let parity = (i & ((j + 1) % order)).count_ones() % 2;
        rows[i] * columns[j] * (1 - 2 * parity as i8)
    };
    (0..order * order).map(|at| entry(at / order, at % order)).collect()
}

fn storage(order: usize) -> Vec<u32> {
    vec![u32::MAX; SignMatrix::storage_len(order).unwrap()]
}

/// The smallest case: one factor of order 1, whose transform is that of four points.
#[test]
fn order_1_by_hand() {
    for (sign, half) in [(1, 0.5), (-1, -0.5)] {
        let mut words = [7; 2];
        let one = SignMatrix::pack(1, &[sign], &mut words).unwrap();
        for count in 1..=3 {
            let transform = Transform::new(&[one; 3][..count], 4).unwrap();
            let half = if count == 2 { 0.5 } else { half };
            for direction in DIRECTIONS {
                for_each_backend(|backend| {
                    let y = run::transform(backend, &transform, direction, &[1.0, 0.0, 0.0, 0.0]);
                    assert_eq!(y, [half; 4], "{backend:?} {count} of {sign}, {direction:?}");
                });
                let mut y = [1.0, 0.0, 0.0, 0.0];
                transform.apply_f64(direction, &mut y).unwrap();
                assert_eq!(y, [f64::from(half); 4], "{count} of {sign}, {direction:?} in f64");
            }
        }
    }
}

/// A factor of order 1 changes no bit, wherever it stands.
#[test]
fn order_1_is_no_factor() {
    let mut words = [0; 2];
    let one = SignMatrix::pack(1, &[1], &mut words).unwrap();
    let [h12, h44] = [12, 44].map(|order| Family::Paley1.matrix(order).unwrap());
    for (plain, with) in [
        (&[][..], vec![vec![one], vec![one; 2], vec![one; 3]]),
        (&[h12], vec![vec![one, h12], vec![h12, one], vec![one, h12, one], vec![h12, one, one]]),
        (&[h44, h12], vec![vec![one, h44, h12], vec![h44, one, h12], vec![h44, h12, one]]),
    ] {
        for (power, factors) in [1, 2, 8, 64].iter().flat_map(|&p| with.iter().map(move |f| (p, f))) {
            let (plain, with) =
                (Transform::new(plain, power).unwrap(), Transform::new(factors, power).unwrap());
            let orders: Vec<_> = with.factors().map(|factor| factor.order()).collect();
            let x = Random::new(1).normals(2 * plain.row_len());
            for direction in DIRECTIONS {
                for_each_backend(|backend| {
                    let [expected, actual] =
                        [plain, with].map(|t| run::transform(backend, &t, direction, &x));
                    let what = format_args!("{backend:?} {orders:?}*{power} {direction:?}");
                    assert_same_bits(&expected, &actual, what);
                });
            }
        }
    }
}

/// Nor of a layer.
#[test]
fn layers_with_order_1() {
    let mut words = [0; 2];
    let one = SignMatrix::pack(1, &[1], &mut words).unwrap();
    let [plain, with] = [&[][..], &[one]].map(|factors| Transform::new(factors, 64).unwrap());
    let x = Random::new(1).normals(3 * 64);
    for (&rule, format) in Rule::ALL.iter().flat_map(|rule| formats().map(move |format| (rule, format))) {
        let w = OwnedWeights::random(5, 64, format, &mut Random::new(2));
        for_each_backend(|backend| {
            let [expected, actual] = [plain, with].map(|transform| {
                let quantizer = Quantizer::new(rule, 1e-5).unwrap();
                let stages = run::input_stages(64, quantizer, None, Some(transform)).unwrap();
                run::layer(backend, &BitLinear::new(stages, w.view()).unwrap(), &x, 3).unwrap()
            });
            assert_same_bits(&expected, &actual, format_args!("{backend:?} {rule} {format:?}"));
        });
    }
}

/// Every list of up to three of the matrices of orders 1, 2, 4 and 12, with small powers of two.
#[test]
fn every_mixture_equals_the_oracle() {
    let orders = [1, 2, 4];
    let [mut s1, mut s2, mut s4] = orders.map(storage);
    let [m1, m2, m4] = orders.map(signs);
    let own = [
        (m1.clone(), SignMatrix::pack(1, &m1, &mut s1).unwrap()),
        (m2.clone(), SignMatrix::pack(2, &m2, &mut s2).unwrap()),
        (m4.clone(), SignMatrix::pack(4, &m4, &mut s4).unwrap()),
    ];
    let h12 = Family::Paley1.matrix(12).unwrap();
    let table = (0..144).map(|at| h12.entry(at / 12, at % 12)).collect();
    let all = [&own[..], &[(table, h12)]].concat();
    let mut mixtures = vec![vec![]];
    for start in 0..3 {
        let longer = mixtures.iter().filter(|m: &&Vec<usize>| m.len() == start);
        let longer: Vec<_> =
            longer.flat_map(|m| (0..all.len()).map(|next| [&m[..], &[next]].concat())).collect();
        mixtures.extend(longer);
    }
    assert_eq!(mixtures.len(), 1 + 4 + 16 + 64);
    for (mixture, power) in mixtures.iter().flat_map(|m| [1, 2, 4, 16].map(|power| (m, power))) {
        let factors: Vec<_> = mixture.iter().map(|&index| all[index].1).collect();
        let plain = Transform::new(&factors, power).unwrap();
        let n = plain.block_len();
        if n > 600 {
            continue;
        }
        // The Kronecker product, by index.
        let dense = |mut i: usize, mut j: usize| {
            let mut entry = 1 - 2 * ((i & j & (power - 1)).count_ones() % 2) as i8;
            (i, j) = (i / power, j / power);
            for &index in mixture.iter().rev() {
                let (signs, matrix) = &all[index];
                entry *= signs[i % matrix.order() * matrix.order() + j % matrix.order()];
                (i, j) = (i / matrix.order(), j / matrix.order());
            }
            entry
        };
        let what = format!("{:?}*{power}", factors.iter().map(SignMatrix::order).collect::<Vec<_>>());
        assert!((0..n * n).all(|at| plain.entry(at / n, at % n) == dense(at / n, at % n)), "{what}");

        let mut random = Random::new(n as u64);
        let flips = random.signs(2 * n);
        let transform = plain.with_blocks(2).unwrap().with_signs(&flips).unwrap();
        let x = random.normals(2 * n);
        let wide: Vec<f64> = x.iter().map(|&x| x.into()).collect();
        for direction in DIRECTIONS {
            let mut expected = vec![0.0; 2 * n];
            reference::hadamard(&transform, direction, &wide, &mut expected).unwrap();
            let close = |actual: Vec<f64>, tolerance: f64, who: &str| {
                for (i, (a, e)) in actual.iter().zip(&expected).enumerate() {
                    let near = (a - e).abs() <= tolerance * (n as f64).sqrt();
                    assert!(near, "{who} {what} {direction:?}: element {i} is {a}, expected {e}");
                }
            };
            for_each_backend(|backend| {
                let y = run::transform(backend, &transform, direction, &x);
                close(y.into_iter().map(f64::from).collect(), 4e-7, backend.name());
            });
            let mut y = wide.clone();
            transform.apply_f64(direction, &mut y).unwrap();
            close(y, 1e-14, "f64");
        }
    }
}

/// The words of a matrix, stored and viewed again, are the matrix.
#[test]
fn words_come_back() {
    for order in [1, 2, 4, 16, 64, 256] {
        let (signs, mut words) = (signs(order), storage(order));
        let packed = SignMatrix::pack(order, &signs, &mut words).unwrap();
        let again = SignMatrix::from_words(order, packed.row_words(), packed.column_words()).unwrap();
        for (at, &sign) in signs.iter().enumerate() {
            let (i, j) = (at / order, at % order);
            assert_eq!([packed.entry(i, j), again.entry(i, j)], [sign; 2], "{order}: ({i}, {j})");
        }
        assert_eq!((packed.entry(order, 0), packed.entry(0, order)), (0, 0), "outside");
        let [first, second] = [packed, again].map(|matrix| {
            let transform = Transform::new(&[matrix], 4).unwrap();
            run::transform(
                common::scalar(),
                &transform,
                Direction::Transpose,
                &Random::new(9).normals(4 * order),
            )
        });
        assert_same_bits(&first, &second, format_args!("{order}"));
    }
}
