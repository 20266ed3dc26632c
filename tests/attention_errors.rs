//! What attention refuses, with the argument's name, and that nothing is written then.

mod common;

use common::data::{assert_painted, painted};
use common::{for_each_backend, scalar};
use hbitlinear::layout::states::MAX_HEAD_SIZE;
use hbitlinear::{CacheSpec, Error, Input, Query, QueryBits, StateBits, attend, attend_workspace_len};

#[test]
fn specs() {
    let new = |size, heads, capacity| CacheSpec::new(size, heads, capacity, StateBits::Four, StateBits::F32);
    assert_eq!(new(0, 1, 1), Err(Error::Zero { argument: "head size" }));
    assert_eq!(new(1, 0, 1), Err(Error::Zero { argument: "kv heads" }));
    assert_eq!(new(1, 1, 0), Err(Error::Zero { argument: "capacity" }));
    assert!(new(MAX_HEAD_SIZE, 1, 1).is_ok());
    assert_eq!(new(MAX_HEAD_SIZE + 1, 1, 1), Err(Error::SizeOverflow { argument: "head size" }));
    let overflow = Err(Error::SizeOverflow { argument: "bytes of the cache" });
    for (size, heads, capacity) in [
        (1, 1, usize::MAX),
        (1, usize::MAX, 1),
        (1024, 1, usize::MAX / 1024),
        (1, usize::MAX / 64, 2),
        (128, 1 << 30, usize::MAX >> 36),
    ] {
        assert_eq!(new(size, heads, capacity), overflow, "{size} {heads} {capacity}");
    }
    let spec = new(3, 2, 5).unwrap();
    let (keys, values) = (spec.keys(), spec.values());
    assert_eq!((spec.head_size(), spec.kv_heads(), spec.capacity()), (3, 2, 5));
    assert_eq!((keys, values), (StateBits::Four, StateBits::F32));
    let mut short = vec![0; spec.bytes_len() - 1];
    let expected = spec.bytes_len();
    let error = Error::Length { argument: "memory of the cache", expected, actual: expected - 1 };
    assert_eq!(spec.create(&mut short).unwrap_err(), error);
    for number in [0, 1, 2, 5, 64, u32::MAX] {
        assert!(StateBits::try_from(number).is_err() && QueryBits::try_from(number).is_err());
    }
    for &bits in StateBits::ALL {
        assert_eq!(StateBits::try_from(bits as u32), Ok(bits));
    }
}

#[test]
fn appending() {
    for_each_backend(|backend| {
        for &bits in StateBits::ALL {
            let spec = CacheSpec::new(3, 2, 4, bits, bits).unwrap();
            let mut memory = vec![0; spec.bytes_len()];
            let mut cache = spec.create(&mut memory).unwrap();
            let good = [0.5; 12];
            cache.append(backend, &good, &good).unwrap();
            let before = format!("{:?}", cache.states());
            let length = |argument, expected, actual| Err(Error::Length { argument, expected, actual });
            assert_eq!(cache.append(backend, &good[..11], &good[..11]), length("x", 6, 11));
            assert_eq!(cache.append(backend, &good, &good[..6]), length("x", 12, 6));
            let strided = Input::strided(&good, 2, 5).unwrap();
            let stride = Error::Stride { argument: "stride of x", expected: 6, actual: 5 };
            assert_eq!(cache.append(backend, strided, &good), Err(stride));
            let range = Error::Range { argument: "tokens of the cache", start: 2, end: 5, limit: 4 };
            assert_eq!(cache.append(backend, &[0.5; 18], &[0.5; 18]), Err(range));
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for at in 0..12 {
                    let mut row = good;
                    row[at] = bad;
                    let error =
                        |argument| Err(Error::NonFiniteHead { argument, token: at / 6, head: at / 3 % 2 });
                    assert_eq!(cache.append(backend, &row, &good), error("keys"));
                    assert_eq!(cache.append(backend, &good, &row), error("values"));
                }
            }
            let mut large = good;
            large[7] = 65_520.0;
            let refused = cache.append(backend, &large, &good);
            if bits == StateBits::F16 {
                let error = Error::NonFiniteHead { argument: "keys", token: 1, head: 0 };
                assert_eq!(refused, Err(error));
                assert!(error.to_string().starts_with("keys: head 0 of row 1"));
            } else {
                assert_eq!(refused, Ok(()));
                cache.truncate(2).unwrap();
            }
            assert_eq!((cache.len(), format!("{:?}", cache.states())), (2, before));
            let range = Error::Range { argument: "tokens to keep", start: 0, end: 3, limit: 2 };
            assert_eq!(cache.truncate(3), Err(range));
            large[7] = 65_519.0;
            assert_eq!(cache.append(backend, &large, &large), Ok(()));
        }
    });
}

#[test]
fn reading() {
    let spec = CacheSpec::new(3, 2, 9, StateBits::Four, StateBits::Three).unwrap();
    let mut memory = vec![0; spec.bytes_len()];
    let mut cache = spec.create(&mut memory).unwrap();
    let backend = scalar();
    let row = [1.0, -0.5, 0.25, 1.0, 1.0, 1.0];
    let mut out = painted::<f32>(6);
    {
        // Nothing in it.
        let states = cache.states();
        assert!(states.is_empty());
        assert_eq!((states.key(0, 0, 0), states.value(0, 0, 0)), (0.0, 0.0));
        let query = Query::plain(&row[..3]).unwrap();
        assert_eq!(states.scores(backend, 1, &query, 0..0, 1.0, &mut [] as &mut [f32]), Ok(()));
        let mut sum = [1.0; 3];
        assert_eq!(states.weighted_sum(backend, 0, &[], 0..3, &mut sum), Ok(()));
        assert_eq!(sum, [0.0; 3]);
    }
    cache.append(backend, &row, &row).unwrap();
    let states = cache.states();
    assert_eq!((states.key(1, 0, 0), states.key(0, 2, 0), states.value(0, 0, 3)), (0.0, 0.0, 0.0));
    let query = Query::plain(&row[..3]).unwrap();
    let range = |argument, start, end, limit| Err(Error::Range { argument, start, end, limit });
    let length = |argument, expected, actual| Err(Error::Length { argument, expected, actual });
    assert_eq!(states.scores(backend, 2, &query, 0..1, 1.0, &mut out[..1]), range("kv head", 2, 3, 2));
    assert_eq!(states.scores(backend, 0, &query, 0..2, 1.0, &mut out[..2]), range("tokens", 0, 2, 1));
    assert_eq!(states.scores(backend, 0, &query, 0..1, 1.0, &mut out[..2]), length("scores", 1, 2));
    let short = Query::plain(&row[..2]).unwrap();
    assert_eq!(states.scores(backend, 0, &short, 0..1, 1.0, &mut out[..1]), length("query", 3, 2));
    let sum = |head, weights: &[f32], inputs, out: &mut [f32]| {
        states.weighted_sum(backend, head, weights, inputs, out)
    };
    assert_eq!(sum(usize::MAX, &[1.0], 0..3, &mut out[..3]), range("kv head", usize::MAX, usize::MAX, 2));
    assert_eq!(sum(0, &[1.0; 2], 0..3, &mut out[..3]), range("tokens with a weight", 0, 2, 1));
    assert_eq!(sum(0, &[1.0], 1..4, &mut out[..3]), range("elements", 1, 4, 3));
    assert_eq!(sum(0, &[1.0], 1..3, &mut out[..3]), length("out", 2, 3));

    let len = attend_workspace_len(3, 1).unwrap();
    let mut workspace = vec![0; len];
    let call = |queries: &[f32], heads, tokens, out: &mut [f32], workspace: &mut [u8]| {
        attend(backend, states, queries, QueryBits::Four, heads, tokens, 1.0, out, workspace)
    };
    let multiple = |actual| Err(Error::Multiple { argument: "queries", multiple: 6, actual });
    assert_eq!(call(&row[..3], 0..1, 1, &mut out[..3], &mut workspace), multiple(3));
    assert_eq!(call(&[], 0..0, 1, &mut out[..0], &mut workspace), multiple(0));
    assert_eq!(call(&row, 1..3, 1, &mut out, &mut workspace), range("heads", 1, 3, 2));
    let zero = Err(Error::Zero { argument: "tokens visible" });
    assert_eq!(call(&row, 0..2, 0, &mut out, &mut workspace), zero);
    assert_eq!(call(&row, 0..2, 2, &mut out, &mut workspace), range("tokens visible", 0, 2, 1));
    assert_eq!(call(&row, 0..1, 1, &mut out, &mut workspace), length("out", 3, 6));
    let short = Err(Error::Workspace { expected: len, actual: len - 1 });
    assert_eq!(call(&row, 0..2, 1, &mut out, &mut workspace[1..]), short);
    let mut bad = row;
    bad[4] = f32::NAN;
    let refused = Err(Error::NonFinite { argument: "queries", row: 1 });
    assert_eq!(call(&bad, 0..2, 1, &mut out, &mut workspace), refused);
    assert_painted(&out, "out");
    assert_eq!(call(&bad, 0..1, 1, &mut out[..3], &mut workspace), Ok(()));
    assert!(attend_workspace_len(usize::MAX, 1).is_err() && attend_workspace_len(1, usize::MAX).is_err());
}

#[test]
fn queries() {
    let mut storage = vec![7_u8; Query::storage_len(5).unwrap()];
    assert_eq!(Query::plain(&[]).unwrap_err(), Error::Zero { argument: "head size" });
    let quantized = |x: &[f32], storage: &mut [u8]| Query::quantized(scalar(), x, storage).map(|_| ());
    assert_eq!(quantized(&[], &mut storage), Err(Error::Zero { argument: "head size" }));
    let expected = storage.len();
    let short = Err(Error::Workspace { expected, actual: expected - 1 });
    assert_eq!(quantized(&[1.0; 5], &mut storage[1..]), short);
    let mut bad = [1.0; 5];
    bad[4] = f32::INFINITY;
    assert_eq!(quantized(&bad, &mut storage), Err(Error::NonFinite { argument: "query", row: 0 }));
    assert!(storage.iter().all(|&byte| byte == 7));
    assert!(Query::storage_len(usize::MAX).is_err());
}
