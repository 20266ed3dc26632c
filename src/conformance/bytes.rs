//! Packed weights, foreign formats and containers: bytes that one machine writes and another reads.

use super::digest::Digest;
use super::group::Grid;
use super::inputs::Random;
use super::subject::{Failure, Outcome};
use crate::container::{Container, Kind, Record, data_place, index_len, index_place, write_index};
use crate::interop::{Export, Format, Import};
use crate::layout::{Layout, Scaling, WeightSpec, Weights};
use crate::stages::Workspace;

/// Outputs, inputs; the first are the reduced grid's.
const SHAPES: [(usize, usize); 8] =
    [(1, 1), (3, 5), (16, 32), (17, 33), (5, 257), (2, 640), (40, 1030), (100, 320)];
const REDUCED: usize = 5;

/// Weights and scales, which are all f16 and powers of two, so that every format can hold them.
fn weights(ternary: &mut [i8], scales: &mut [f32]) {
    Random::new((ternary.len() + scales.len()) as u64).ternary(ternary);
    for (i, scale) in scales.iter_mut().enumerate() {
        *scale = 1.0 / (1 << (i * 5 % 11)) as f32;
    }
}

/// What the blob says of its weights and scales.
fn hash(weights: &Weights<'_>, out: &mut Digest) {
    let spec = weights.spec();
    for output in 0..spec.outputs() {
        for input in 0..spec.inputs() {
            out.i8s(&[weights.weight(output, input)]);
        }
        for group in 0..spec.groups() {
            out.float(weights.scale(output, group));
        }
    }
}

pub(super) fn blobs(grid: Grid, mut memory: Workspace<'_>, out: &mut Digest) -> Outcome {
    let most = if grid == Grid::Full { 64 << 10 } else { 4 << 10 };
    let ternary = memory.take_filled(most, 0);
    let scales = memory.take_filled(most, 0.0);
    let blob = memory.take_filled(4 * most, 0);
    let again = memory.take_filled(4 * most, 0);
    for &(outputs, inputs) in grid.of(&SHAPES, REDUCED) {
        for &scaling in Scaling::ALL {
            for &layout in Layout::ALL {
                let spec = WeightSpec::new(outputs, inputs, layout, scaling)?;
                let (ternary, scales) = (&mut ternary[..outputs * inputs], &mut scales[..spec.scale_count()]);
                weights(ternary, scales);
                let blob = &mut blob[..spec.packed_len()];
                spec.pack(ternary, scales, &mut *blob)?;
                out.bytes(blob);
                let weights = Weights::open(blob)?;
                hash(&weights, out);
                for &layout in Layout::ALL {
                    let again = &mut again[..spec.with_layout(layout)?.packed_len()];
                    weights.repack(layout, &mut *again)?;
                    out.bytes(again);
                }
            }
        }
    }
    Ok(())
}

pub(super) fn formats(grid: Grid, mut memory: Workspace<'_>, out: &mut Digest) -> Outcome {
    let shapes = [(2, 256), (17, 768)];
    let most = if grid == Grid::Full { 17 * 768 } else { 2 * 256 };
    let ternary = memory.take_filled(most, 0);
    let scales = memory.take_filled(most, 0.0);
    let blob = memory.take_filled(2 * most + 4096, 0);
    let again = memory.take_filled(2 * most + 4096, 0);
    let tensor = memory.take_filled(2 * most, 0);
    for &(outputs, inputs) in grid.of(&shapes, 1) {
        for &format in Format::ALL {
            let spec = WeightSpec::new(outputs, inputs, Layout::TwoBit, format.scaling())?;
            let (ternary, scales) = (&mut ternary[..outputs * inputs], &mut scales[..spec.scale_count()]);
            weights(ternary, scales);
            let blob = &mut blob[..spec.packed_len()];
            spec.pack(ternary, scales, &mut *blob)?;
            let export = Export::new(format, &Weights::open(blob)?)?;
            let tensor = &mut tensor[..export.len()];
            export.write(&mut *tensor)?;
            out.bytes(tensor);
            let mut import = Import::new(format, outputs, inputs, tensor)?;
            if let Some(scale) = export.weight_scale() {
                out.float(scale);
                import = import.with_weight_scale(scale)?;
            }
            for &layout in Layout::ALL {
                let spec = import.spec(layout, import.scaling()?)?;
                let again = &mut again[..spec.packed_len()];
                import.pack(&spec, &mut *again)?;
                out.bytes(again);
            }
        }
    }
    Ok(())
}

pub(super) fn container(grid: Grid, mut memory: Workspace<'_>, out: &mut Digest) -> Outcome {
    let (outputs, inputs) = if grid == Grid::Full { (70, 640) } else { (5, 129) };
    let ternary = memory.take_filled(outputs * inputs, 0);
    let scales = memory.take_filled(outputs, 0.0);
    weights(ternary, scales);
    let file = memory.take_filled(outputs.next_multiple_of(16) * inputs + 4096, 0);
    let text = b"{\"name\": \"na\xc3\xafve\"}";

    let mut end = 64;
    let mut records =
        [Record { name: "", kind: Kind::Text, type_name: "", shape: &[], place: 0, len: 0, crc: 0 }; 3];
    let shape = [outputs as u64, inputs as u64];
    for (record, (name, layout)) in records.iter_mut().zip([
        ("blk.0.ffn_down.weight", Some(Layout::TwoBit)),
        ("blk.0.attn_output.weight", Some(Layout::FiveTrit)),
        ("config", None),
    ]) {
        let too_long = Failure::Refused(crate::Error::SizeOverflow { argument: "file" });
        let place = data_place(end as u64).ok_or(too_long)?;
        let at = place as usize;
        *record = if let Some(layout) = layout {
            let spec = WeightSpec::new(outputs, inputs, layout, Scaling::Row)?;
            let blob = &mut file[at..][..spec.packed_len()];
            spec.pack(ternary, scales, &mut *blob)?;
            let crc = crc32fast::hash(blob);
            Record {
                name,
                kind: Kind::Weights,
                type_name: "",
                shape: &shape,
                place,
                len: blob.len() as u64,
                crc,
            }
        } else {
            file[at..][..text.len()].copy_from_slice(text);
            let (crc, len) = (crc32fast::hash(text), text.len() as u64);
            Record { name, kind: Kind::Text, type_name: "json", shape: &[], place, len, crc }
        };
        end = at + record.len as usize;
    }
    let at = index_place(&records)? as usize;
    let len = index_len(&records)?;
    let header = write_index(&records, &mut file[at..][..len])?;
    file[..header.len()].copy_from_slice(&header);
    let file = &file[..at + len];
    out.bytes(file);
    for entry in Container::open(file)?.entries() {
        out.bytes(entry.name().as_bytes());
        match entry.kind() {
            Kind::Weights => hash(&entry.weights()?, out),
            _ => out.bytes(entry.text()?.as_bytes()),
        }
    }
    Ok(())
}
