//! From somebody's file to a container.

use core::ops::Range;
use std::path::Path;

use crc32fast::Hasher;
use hbitlinear::container::{self, HEADER_BYTES, Kind, Record, data_place};
use hbitlinear::interop::{Export, Import};
use hbitlinear::layout::{BlobHead, BlobRows, PANEL_ROWS, Written};
use hbitlinear::{Scaling, WeightSpec, Weights};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::Convert;
use super::output::Output;
use crate::file::Result;
use crate::model::{CONFIG, CONTRACT, Model, SOURCE_HEADER, SOURCE_NOTE, Tensor};
use crate::rotation::Stored;
use crate::ternary::Ternary;
use crate::{progress, share};

/// Bytes that a thread reads or writes at a time.
pub(super) const PIECE: usize = 1 << 20;

/// A record whose texts are its own.
struct Row {
    name: String,
    kind: Kind,
    type_name: String,
    shape: Vec<u64>,
    place: u64,
    len: u64,
    crc: u32,
}

/// A container that is being written.
struct Packing<'c> {
    convert: &'c Convert,
    out: Output,
    rows: Vec<Row>,
    end: u64,
    bar: ProgressBar,
}

pub(super) fn pack(convert: &Convert, model: &Model<'_>, to: &Path) -> Result<Value> {
    // Refused before anything is written: a contract that is not known, weights that have to be told.
    Stored::of(model, convert.contract.clone())?.parse()?;
    for tensor in &model.tensors {
        model
            .format(tensor, &convert.told)
            .map_err(|error| format!("tensor {}: {error}", tensor.stated.name))?;
    }
    let mut packing = Packing {
        convert,
        out: Output::create(to)?,
        rows: Vec::new(),
        end: HEADER_BYTES as u64,
        bar: progress::bar(model.bytes.len() as u64, "packing"),
    };
    let note = json!({ "format": model.kind.name(), "bytes": model.bytes.len() }).to_string();
    packing.bytes(SOURCE_NOTE, Kind::Text, "json", &[], note.as_bytes())?;
    let header = &model.bytes[..model.data_start as usize];
    packing.bytes(SOURCE_HEADER, Kind::Source, model.kind.name(), &[], header)?;
    let contract = convert.contract.as_ref().or(model.contract.as_ref());
    for (name, type_name, text) in [(CONFIG, "json", model.config.as_ref()), (CONTRACT, CONTRACT, contract)] {
        if let Some(text) = text {
            packing.bytes(name, Kind::Text, type_name, &[], text.as_bytes())?;
        }
    }
    let mut kept = gaps(model);
    let (mut packed, mut weights) = (0, 0_u64);
    for tensor in &model.tensors {
        let stated = &tensor.stated;
        match model.ternary(tensor, &convert.told)? {
            Some(Ternary::Foreign(import)) => {
                let differences = packing
                    .weights(tensor, &import)
                    .map_err(|error| format!("tensor {}: {error}", stated.name))?;
                let start = stated.place.start as usize;
                kept.extend(differences.into_iter().map(|range| range.start + start..range.end + start));
                packed += 1;
                weights += import.outputs() as u64 * import.inputs() as u64;
            }
            _ => packing.bytes(&stated.name, Kind::Tensor, &stated.type_name, &stated.shape, tensor.bytes)?,
        }
    }
    let mut kept_bytes = 0;
    for range in kept {
        kept_bytes += range.len();
        let name = format!("source@{}", range.start);
        packing.bytes(&name, Kind::Source, model.kind.name(), &[], &model.bytes[range])?;
    }
    let tensors = model.tensors.len();
    let bytes = packing.finish()?;
    Ok(json!({
        "to": to.display().to_string(), "bytes": bytes, "tensors": tensors, "packed": packed, "weights": weights,
        "kept_beside": kept_bytes,
    }))
}

/// What lies between the tensors, where it is not zeros.
fn gaps(model: &Model<'_>) -> Vec<Range<usize>> {
    let (mut gaps, mut end) = (Vec::new(), model.data_start as usize);
    let ends = model
        .tensors
        .iter()
        .map(|tensor| tensor.stated.place.start as usize..tensor.stated.place.end as usize);
    for place in ends.chain(core::iter::once(model.bytes.len()..model.bytes.len())) {
        let gap = end..place.start.max(end);
        if model.bytes[gap.clone()].iter().any(|&byte| byte != 0) {
            gaps.push(gap);
        }
        end = end.max(place.end);
    }
    gaps
}

impl Packing<'_> {
    /// Where the next entry's data begins.
    fn next_place(&self) -> Result<u64> {
        data_place(self.end).ok_or_else(|| "the container becomes too long".into())
    }

    fn record(&mut self, row: Row) {
        self.end = row.place + row.len;
        self.rows.push(row);
    }

    /// An entry of bytes as they are.
    fn bytes(&mut self, name: &str, kind: Kind, type_name: &str, shape: &[u64], bytes: &[u8]) -> Result<()> {
        let place = self.next_place()?;
        let sums = share::pieces(
            self.convert.threads,
            bytes.len(),
            PIECE,
            || (),
            |(), range| {
                let mut sum = Hasher::new();
                sum.update(&bytes[range.clone()]);
                self.out.write_at(place + range.start as u64, &bytes[range.clone()])?;
                if kind != Kind::Text {
                    self.bar.inc(range.len() as u64);
                }
                Ok::<_, String>(sum)
            },
        )?;
        self.record(Row {
            name: name.into(),
            kind,
            type_name: type_name.into(),
            shape: shape.into(),
            place,
            len: bytes.len() as u64,
            crc: combined(sums),
        });
        Ok(())
    }

    /// An entry of packed weights. Returns which bytes of the tensor are not what is written back.
    fn weights(&mut self, tensor: &Tensor<'_>, import: &Import<'_>) -> Result<Vec<Range<usize>>> {
        let (place, own) = (self.next_place()?, import.format().scaling());
        // One scale for a tensor of rows with their own would have to be looked for in each piece again.
        let scaling = match import.scaling().map_err(text)? {
            Scaling::Tensor if own != Scaling::Tensor => Scaling::Row,
            scaling => scaling,
        };
        let write = |scaling| {
            let spec = import.spec(self.convert.layout, scaling).map_err(text)?;
            let crc = self.blob(import, &spec, place)?;
            let differences = self.differences(tensor.bytes, import, &spec, place)?;
            Ok::<_, String>((spec, crc, differences))
        };
        let (mut spec, mut crc, mut differences) = write(scaling)?;
        if !differences.is_empty() && scaling != own {
            (spec, crc, differences) = write(own)?;
        }
        self.bar.inc(tensor.bytes.len() as u64);
        self.record(Row {
            name: tensor.stated.name.clone(),
            kind: Kind::Weights,
            type_name: import.format().name().into(),
            shape: vec![spec.outputs() as u64, spec.inputs() as u64],
            place,
            len: spec.packed_len() as u64,
            crc,
        });
        Ok(differences)
    }

    /// Writes a blob, a few rows at a time in each thread; returns the checksum of it all.
    fn blob(&self, import: &Import<'_>, spec: &WeightSpec, place: u64) -> Result<u32> {
        let [_, panel] = spec.rows_bytes(&(0..PANEL_ROWS.min(spec.outputs()))).map_err(text)?;
        let rows = (PIECE / panel.len()).max(1) * PANEL_ROWS;
        let parts = share::pieces(
            self.convert.threads,
            spec.outputs(),
            rows,
            || (Vec::new(), Vec::new()),
            |(scales, codes), outputs| {
                let [scales_at, codes_at] = spec.rows_bytes(&outputs).map_err(text)?;
                scales.resize(scales_at.len(), 0);
                codes.resize(codes_at.len(), 0);
                let mut rows = BlobRows::new(spec, outputs, &mut *scales, &mut *codes).map_err(text)?;
                import.push_rows(&mut rows).map_err(text)?;
                let written = rows.finish().map_err(text)?;
                self.out.write_at(place + scales_at.start as u64, scales)?;
                self.out.write_at(place + codes_at.start as u64, codes)?;
                Ok::<_, String>((written, sum(scales), sum(codes)))
            },
        )?;
        let (mut scales, mut codes, mut all): (Vec<_>, Vec<_>, Option<Written>) = (vec![], vec![], None);
        for (written, of_scales, of_codes) in parts {
            scales.push(of_scales);
            codes.push(of_codes);
            all = Some(match all {
                Some(before) => before.join(written).map_err(text)?,
                None => written,
            });
        }
        let [header_at, other_at] = spec.head_bytes();
        let (mut header, mut other) = (vec![0; header_at.len()], vec![0; other_at.len()]);
        let head = BlobHead::new(spec, &mut header, &mut other).map_err(text)?;
        head.finish(&all.ok_or("no rows")?).map_err(text)?;
        self.out.write_at(place, &header)?;
        self.out.write_at(place + other_at.start as u64, &other)?;
        Ok(combined([sum(&header)].into_iter().chain(scales).chain([sum(&other)]).chain(codes)))
    }

    /// Writes the weights back, a few lines at a time, and compares.
    fn differences(
        &self,
        source: &[u8],
        import: &Import<'_>,
        spec: &WeightSpec,
        place: u64,
    ) -> Result<Vec<Range<usize>>> {
        let blob = self.out.map(place, spec.packed_len())?;
        let weights = Weights::open_verified(&blob).map_err(text)?;
        let export = Export::new(import.format(), &weights).map_err(text)?;
        let line = export.line_len();
        let lines = (PIECE / 4 / line).max(1);
        let found = share::pieces(self.convert.threads, export.lines(), lines, Vec::new, |bytes, lines| {
            let start = lines.start * line;
            bytes.resize(lines.len() * line, 0);
            export.write_lines(lines, &mut *bytes).map_err(text)?;
            Ok::<_, String>(difference(start, bytes, &source[start..]))
        })?;
        let mut tail = vec![0; export.tail_len()];
        export.write_tail(&mut tail).map_err(text)?;
        let start = source.len() - tail.len();
        let of_tail = difference(start, &tail, &source[start..]);
        Ok(found.into_iter().chain([of_tail]).flatten().collect())
    }

    /// Writes index and header, and gives the file its name; returns its length.
    fn finish(mut self) -> Result<u64> {
        let rows = core::mem::take(&mut self.rows);
        let records = rows.iter().map(|row| Record {
            name: &row.name,
            kind: row.kind,
            type_name: &row.type_name,
            shape: &row.shape,
            place: row.place,
            len: row.len,
            crc: row.crc,
        });
        let records: Vec<Record<'_>> = records.collect();
        let place = container::index_place(&records).map_err(text)?;
        let mut index = vec![0; container::index_len(&records).map_err(text)?];
        let header = container::write_index(&records, &mut index).map_err(|error| match error {
            hbitlinear::Error::ContainerEntry { entry, expected } => {
                format!("tensor {}: expected {expected}", rows[entry].name)
            }
            error => error.to_string(),
        })?;
        self.out.write_at(place, &index)?;
        self.out.write_at(0, &header)?;
        self.out.finish()?;
        self.bar.finish_and_clear();
        Ok(place + index.len() as u64)
    }
}

/// From the first byte that differs to the last.
fn difference(start: usize, written: &[u8], source: &[u8]) -> Option<Range<usize>> {
    let source = &source[..written.len()];
    if written == source {
        return None;
    }
    let mut pairs = written.iter().zip(source);
    let first = pairs.position(|(a, b)| a != b)?;
    let last = written.iter().zip(source).rposition(|(a, b)| a != b)?;
    Some(start + first..start + last + 1)
}

fn sum(bytes: &[u8]) -> Hasher {
    let mut sum = Hasher::new();
    sum.update(bytes);
    sum
}

fn combined(sums: impl IntoIterator<Item = Hasher>) -> u32 {
    let mut all = Hasher::new();
    for sum in sums {
        all.combine(&sum);
    }
    all.finalize()
}

fn text(error: hbitlinear::Error) -> String {
    error.to_string()
}
