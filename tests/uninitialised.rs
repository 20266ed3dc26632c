//! Results, packed weights and workspaces in memory that was never written: the bits of memory that was. Under valgrind, this
//! program also shows that nothing is read before it is written:
//! `valgrind --error-exitcode=1 target/debug/deps/uninitialised-…`.

mod common;

use core::mem::MaybeUninit;

use common::data::Random;
use common::owned::{OwnedActivations, OwnedWeights, formats};
use common::run::{input_stages, run_f32, run_i32};
use common::states::{self, OwnedStates};
use common::{assert_same, assert_same_bits, for_each_backend, run};
use hbitlinear::{
    ActivationsMut, BitLinear, Bits, Buffer, CacheSpec, OutputMut, Quantizer, Query, QueryBits, RmsNorm,
    Rule, SignMatrix, Transform, Weights, absmean, absmean_rows, attend, attend_workspace_len, product,
    product_i32, product_workspace_len,
};

/// Fresh memory.
struct Fresh<T>(Box<[MaybeUninit<T>]>);

impl<T: Copy> Fresh<T> {
    fn new(len: usize) -> Fresh<T> {
        Fresh(Box::new_uninit_slice(len))
    }

    fn buffer(&mut self) -> Buffer<'_, T> {
        Buffer::uninit(&mut self.0)
    }

    /// The same, by its address.
    fn raw(&mut self) -> Buffer<'_, T> {
        // SAFETY: the box has so many elements and is borrowed.
        unsafe { Buffer::from_raw(self.0.as_mut_ptr().cast(), self.0.len()) }
    }

    /// # Safety
    /// All of it is written.
    unsafe fn written(&self) -> &[T] {
        // SAFETY: as promised.
        unsafe { core::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len()) }
    }
}

#[test]
fn weights() {
    for format in formats() {
        let w = OwnedWeights::random(19, 300, format, &mut Random::new(1));
        let mut blob = Fresh::new(w.blob.len());
        w.spec.pack(&w.ternary, &w.scales, blob.buffer()).unwrap();
        // SAFETY: packing succeeded, and writes the whole blob.
        assert_same(&w.blob, unsafe { blob.written() }, format_args!("{format:?}"));
        let (mut ternary, mut scales) = (Fresh::new(w.ternary.len()), Fresh::new(w.scales.len()));
        w.view().unpack(ternary.buffer(), scales.raw()).unwrap();
        // SAFETY: unpacking succeeded, and writes all weights and scales.
        let (ternary, scales) = unsafe { (ternary.written(), scales.written()) };
        assert_same(&w.ternary, ternary, format_args!("{format:?}"));
        assert_same_bits(&w.scales, scales, format_args!("{format:?}"));
        for other in w.layouts() {
            let mut blob = Fresh::new(other.blob.len());
            w.view().repack(other.spec.layout(), blob.raw()).unwrap();
            // SAFETY: repacking succeeded, and writes the whole blob.
            let blob = unsafe { blob.written() };
            assert_same(&other.blob, blob, format_args!("{format:?} as {}", other.spec.layout()));
            assert!(Weights::open(blob).is_ok());
        }
    }
}

#[test]
fn norms_and_weight_quantisers() {
    for_each_backend(|backend| {
        let x = Random::new(2).normals(3 * 130);
        let norm = RmsNorm::new(Some(&x[..130]), 1e-6).unwrap();
        let (mut expected, mut y) = (vec![0.0; 390], Fresh::new(390));
        norm.forward(backend, 130, &x, &mut expected).unwrap();
        norm.forward(backend, 130, &x, y.buffer()).unwrap();
        // SAFETY: the norm succeeded, and writes every element.
        assert_same_bits(&expected, unsafe { y.written() }, format_args!("{backend:?}"));

        let (mut expected, mut ternary) = (vec![0; 390], Fresh::new(390));
        let alpha = absmean(backend, &x, 0.0, &mut expected).unwrap();
        assert_eq!(absmean(backend, &x, 0.0, ternary.buffer()), Ok(alpha));
        // SAFETY: it succeeded, and writes every weight.
        assert_same(&expected, unsafe { ternary.written() }, format_args!("{backend:?}"));

        let (mut alphas, mut scales) = ([0.0; 3], Fresh::new(3));
        absmean_rows(backend, 130, &x, 0.0, &mut expected, &mut alphas).unwrap();
        absmean_rows(backend, 130, &x, 0.0, ternary.raw(), scales.raw()).unwrap();
        // SAFETY: it succeeded, and writes every weight and scale.
        let (ternary, scales) = unsafe { (ternary.written(), scales.written()) };
        assert_same(&expected, ternary, format_args!("{backend:?} by row"));
        assert_same_bits(&alphas, scales, format_args!("{backend:?} by row"));
    });
}

#[test]
fn own_matrices() {
    let signs: Vec<i8> =
        (0..64 * 64_u32).map(|at| 1 - 2 * (((at / 64) & (at % 64)).count_ones() % 2) as i8).collect();
    let mut words = vec![0; SignMatrix::storage_len(64).unwrap()];
    let mut fresh = Fresh::new(words.len());
    let expected = SignMatrix::pack(64, &signs, &mut words).unwrap();
    let matrix = SignMatrix::pack(64, &signs, fresh.buffer()).unwrap();
    assert_eq!((expected.row_words(), expected.column_words()), (matrix.row_words(), matrix.column_words()));
}

#[test]
fn products() {
    for_each_backend(|backend| {
        for (format, &bits) in formats().flat_map(|f| Bits::ALL.iter().map(move |bits| (f, bits))) {
            let mut random = Random::new(3);
            let w = OwnedWeights::random(19, 300, format, &mut random);
            for tokens in [1, 3, 20] {
                let x = OwnedActivations::random(bits, tokens, 300, &mut random);
                let (weights, x, what) =
                    (w.view(), x.view(), format!("{backend:?} {format:?} {bits} {tokens}"));
                let mut workspace = Fresh::new(product_workspace_len());
                let mut y = Fresh::new(tokens * 19);
                let out = OutputMut::rows(y.buffer(), 19).unwrap();
                product(backend, &weights, &x, 0..tokens, 0..19, out, workspace.buffer()).unwrap();
                // SAFETY: the product succeeded, and writes every output.
                assert_same_bits(
                    &run_f32(backend, &weights, &x),
                    unsafe { y.written() },
                    format_args!("{what}"),
                );
                let mut workspace = Fresh::new(product_workspace_len());
                let mut y = Fresh::new(tokens * 19);
                let out = OutputMut::rows(y.raw(), 19).unwrap();
                product_i32(backend, &weights, &x, 0..tokens, 0..19, out, workspace.raw()).unwrap();
                // SAFETY: the product succeeded, and writes every output.
                assert_same(&run_i32(backend, &weights, &x), unsafe { y.written() }, format_args!("{what}"));
            }
        }
    });
}

/// With and without norm and transform, one row and several: what of the workspace a layer does not fill it must not read.
#[test]
fn layers() {
    let mut formats = formats().cycle();
    for case in 0..Rule::ALL.len() * 4 {
        let rule = Rule::ALL[case / 4];
        let norm = (case & 1 != 0).then(|| RmsNorm::new(None, 1e-6).unwrap());
        let transform = (case & 2 != 0).then(|| Transform::named("paley1:12*4").unwrap());
        let stages = input_stages(48, Quantizer::new(rule, 1e-5).unwrap(), norm, transform).unwrap();
        let w = OwnedWeights::random(19, 48, formats.next().unwrap(), &mut Random::new(4));
        let layer = BitLinear::new(stages, w.view()).unwrap();
        for_each_backend(|backend| {
            for tokens in [1, 2, 5] {
                let (x, what) =
                    (Random::new(5).normals(tokens * 48), format!("{backend:?} case {case}, M {tokens}"));
                let mut workspace = Fresh::new(layer.workspace_len(tokens).unwrap());
                let mut y = Fresh::new(tokens * 19);
                let out = OutputMut::rows(y.buffer(), 19).unwrap();
                layer.forward(backend, &x, out, workspace.buffer()).unwrap();
                let expected = run::layer(backend, &layer, &x, tokens).unwrap();
                // SAFETY: the layer succeeded, and writes every output.
                assert_same_bits(&expected, unsafe { y.written() }, format_args!("{what}"));

                let mut workspace = Fresh::new(stages.workspace_len().unwrap());
                let (mut values, mut scales, mut sums) =
                    (Fresh::new(tokens * rule.bits().row_bytes(48)), Fresh::new(tokens), Fresh::new(tokens));
                let room = ActivationsMut::new(rule.bits(), 48, values.buffer(), scales.buffer(), sums.raw());
                let q = stages.quantize(backend, &x, room.unwrap(), workspace.buffer()).unwrap();
                let expected = run::stages(backend, &stages, &x, tokens).unwrap();
                assert_same(&expected.values, q.values(), format_args!("{what}"));
                assert_same_bits(&expected.scales, q.scales(), format_args!("{what}"));
                assert_same(&expected.sums, q.sums(), format_args!("{what}"));
            }
        });
    }
}

/// The cache's memory, scores, sums and workspaces; also a cache that was filled in parts.
#[test]
fn attention_states() {
    for_each_backend(|backend| {
        for ((keys, values), &bits) in
            states::widths().flat_map(|widths| QueryBits::ALL.iter().map(move |bits| (widths, bits)))
        {
            let (size, tokens) = (37, 41);
            let spec = CacheSpec::new(size, 2, 70, keys, values).unwrap();
            let mut random = Random::new(6);
            let mut owned = OwnedStates::random(spec, tokens, &mut random);
            let (queries, row) = (random.normals(4 * size), 2 * size);
            let mut memory = Fresh::new(spec.bytes_len());
            let mut cache = spec.create(memory.buffer()).unwrap();
            for rows in [0..1, 1..33, 33..41] {
                let rows = row * rows.start..row * rows.end;
                cache.append(backend, &owned.keys[rows.clone()], &owned.values[rows]).unwrap();
            }
            let mut out = Fresh::new(4 * size);
            let mut workspace = Fresh::new(attend_workspace_len(size, tokens).unwrap());
            let (states, out_buffer) = (cache.states(), out.buffer());
            attend(backend, states, &queries, bits, 0..4, tokens, 0.2, out_buffer, workspace.raw()).unwrap();
            let what = format!("{backend:?} {keys} {values} {bits:?}");
            let expected =
                states::attention(backend, owned.cache(backend).states(), &queries, bits, tokens, 0.2);
            // SAFETY: it succeeded, and writes every element.
            assert_same_bits(&expected, unsafe { out.written() }, format_args!("{what}"));

            let mut storage = Fresh::new(Query::storage_len(size).unwrap());
            let query = Query::quantized(backend, &queries[..size], storage.buffer()).unwrap();
            let mut scores = Fresh::new(tokens - 5);
            states.scores(backend, 1, &query, 5..tokens, 0.2, scores.raw()).unwrap();
            let expected = states::scores(backend, states, 1, &queries[..size], QueryBits::Four, 0.2);
            // SAFETY: it succeeded, and writes every element.
            assert_same_bits(&expected[5..], unsafe { scores.written() }, format_args!("{what}"));
        }
    });
}
