//! Opening any bytes never panics, and what opens is exactly what packing its content writes.

#![no_main]

use hbitlinear::weights::{Layout, Scaling, WeightSpec, Weights};
use hbitlinear_fuzz::cycle;
use libfuzzer_sys::{arbitrary, fuzz_target};

#[derive(arbitrary::Arbitrary, Debug)]
struct Input<'a> {
    raw: &'a [u8],
    rows: u8,
    columns: u16,
    scaling: u8,
    /// `T5` instead of `T2`.
    trits: bool,
    scales: Vec<u32>,
    /// Damage: what to XOR where.
    edits: Vec<(u16, u8)>,
    /// Whether the checksums are made right again, so that the checks behind them are reached.
    mend: bool,
}

fuzz_target!(|input: Input| {
    check(input.raw);
    if let Some(mut blob) = packed(&input) {
        for &(at, flip) in &input.edits {
            let at = usize::from(at) % blob.len();
            blob[at] ^= flip;
        }
        if input.mend {
            mend(&mut blob);
        }
        check(&blob);
    }
});

/// A blob of the input's shape, or nothing where that shape does not exist.
fn packed(input: &Input) -> Option<Vec<u8>> {
    let scaling = match input.scaling % 8 {
        0 => Scaling::Tensor,
        1 => Scaling::Row,
        group @ 2..5 => Scaling::Group(32 << (group - 1)),
        group => Scaling::GroupF16(32 << (group - 4)),
    };
    let layout = if input.trits { Layout::T5 } else { Layout::T2 };
    let spec =
        WeightSpec::new(usize::from(input.rows) % 40, usize::from(input.columns) % 300, layout, scaling)
            .ok()?;
    let ternary: Vec<i8> =
        cycle(input.raw, spec.rows() * spec.columns()).iter().map(|byte| (byte % 3) as i8 - 1).collect();
    let scales: Vec<f32> = cycle(&input.scales, spec.scale_count())
        .into_iter()
        .map(f32::from_bits)
        .map(|scale| match scaling {
            // Any f16 of moderate size.
            Scaling::GroupF16(_) => (scale.to_bits() % 2048) as f32 / 256.0,
            _ if scale.is_finite() => scale,
            _ => 1.0,
        })
        .collect();
    let mut blob = vec![0xAA; spec.packed_len()];
    spec.pack(&ternary, &scales, &mut blob).expect("ternary weights and finite scales of the right lengths");
    check(&blob);
    Some(blob)
}

/// Rewrites both checksums.
fn mend(blob: &mut [u8]) {
    let (header, payload) = blob.split_at_mut(64);
    header[40..44].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    let crc = crc32fast::hash(&header[..60]);
    header[60..].copy_from_slice(&crc.to_le_bytes());
}

fn check(blob: &[u8]) {
    let Ok(weights) = Weights::open(blob) else { return };
    assert!(Weights::open_verified(blob).is_ok());
    let spec = weights.spec();
    let mut ternary = vec![0; spec.rows() * spec.columns()];
    weights.unpack(&mut ternary).expect("room for rows * columns");
    let scales: Vec<f32> = (0..spec.scale_count())
        .map(|index| weights.scale(index / spec.groups(), index % spec.groups()))
        .collect();
    let mut again = vec![0x55; spec.packed_len()];
    spec.pack(&ternary, &scales, &mut again).expect("what opened is packable");
    assert_eq!(blob, again, "not the bytes that packing writes");
}
