//! The header of a GGUF file.
//!
//! Written here because no kept crate reads all files that hold ternary weights: ggus, gguf-rs-lib, gguf-rs and candle know a
//! fixed list of types and refuse a file (or, ggus, make an enum of any number) with those of bitnet.cpp, ik_llama.cpp and
//! Ternary-Bonsai, which is what this tool is for. Values and names are views of the file.

use std::collections::HashSet;

use super::metadata::{Cursor, Value};
use super::{Result, Stated, check_places, ggml_types};
use hbitlinear::interop::Format;

/// The first bytes.
pub const MAGIC: &[u8; 4] = b"GGUF";

/// What a tensor begins at a multiple of, unless the file says otherwise.
const ALIGNMENT: u64 = 32;

/// Most dimensions of a tensor.
const MAX_DIMENSIONS: u32 = 4;

/// A header.
#[derive(Debug)]
pub struct Gguf<'a> {
    /// Keys and values, in the file's order.
    pub metadata: Vec<(&'a str, Value<'a>)>,
    /// The tensors, in the order of their bytes.
    pub tensors: Vec<Stated>,
    /// Bytes before the first tensor's place.
    pub data_start: u64,
}

/// A tensor before its bytes are known.
struct Info<'a> {
    name: &'a str,
    /// K first.
    dimensions: Vec<u64>,
    ggml_type: u32,
    start: u64,
}

impl<'a> Gguf<'a> {
    /// Reads the header that a file of `file_len` bytes starts with.
    ///
    /// # Errors
    /// Says what is wrong with which key or tensor.
    pub fn read(bytes: &'a [u8], file_len: u64) -> Result<Gguf<'a>> {
        let mut cursor = Cursor::new(bytes);
        if cursor.take(4)? != MAGIC {
            return Err("not a GGUF file".into());
        }
        match cursor.u32()? {
            2 | 3 => {}
            version if version.swap_bytes() < 16 => {
                return Err("a big-endian GGUF file, which is not supported".into());
            }
            version => return Err(format!("GGUF version {version}; 2 and 3 are supported")),
        }
        let (tensors, keys) = (cursor.u64()?, cursor.u64()?);
        // A key and its value have 13 bytes at least, a tensor 32.
        for (what, count, bytes) in [("keys", keys, 13), ("tensors", tensors, 32)] {
            if count > cursor.left() / bytes {
                return Err(format!("{count} {what} do not fit in the file"));
            }
        }
        let metadata = read_metadata(&mut cursor, keys)?;
        let alignment = alignment(&metadata)?;
        let infos = (0..tensors).map(|index| read_info(&mut cursor, index)).collect::<Result<Vec<_>>>()?;
        let header_end = cursor.at() as u64;
        let data_start =
            header_end.checked_next_multiple_of(alignment).ok_or("general.alignment: too large")?;
        let tensors = place(infos, data_start, alignment, file_len)?;
        Ok(Gguf { metadata, tensors, data_start: data_start.min(file_len) })
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        self.metadata.iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }
}

fn read_metadata<'a>(cursor: &mut Cursor<'a>, keys: u64) -> Result<Vec<(&'a str, Value<'a>)>> {
    let (mut metadata, mut known) = (Vec::new(), HashSet::new());
    for index in 0..keys {
        let key = cursor.text().map_err(|error| format!("key {index} of the metadata: {error}"))?;
        if !known.insert(key) {
            return Err(format!("key {key}: there twice"));
        }
        let value = cursor.u32().and_then(|kind| cursor.value(kind));
        metadata.push((key, value.map_err(|error| format!("key {key}: {error}"))?));
    }
    Ok(metadata)
}

fn alignment(metadata: &[(&str, Value<'_>)]) -> Result<u64> {
    match metadata.iter().find(|(key, _)| *key == "general.alignment") {
        None => Ok(ALIGNMENT),
        Some((_, Value::Unsigned(alignment))) if alignment.is_power_of_two() => Ok(*alignment),
        Some((_, value)) => Err(format!("general.alignment: expected a power of two, got {value:?}")),
    }
}

fn read_info<'a>(cursor: &mut Cursor<'a>, index: u64) -> Result<Info<'a>> {
    let name = cursor.text().map_err(|error| format!("tensor {index}: its name: {error}"))?;
    if name.is_empty() {
        return Err(format!("tensor {index}: it has no name"));
    }
    let named = |error| format!("tensor {name}: {error}");
    let count = cursor.u32().map_err(named)?;
    if !(1..=MAX_DIMENSIONS).contains(&count) {
        return Err(named(format!("expected 1 to {MAX_DIMENSIONS} dimensions, got {count}")));
    }
    let dimensions = (0..count).map(|_| cursor.u64()).collect::<Result<Vec<_>>>().map_err(named)?;
    if dimensions.contains(&0) {
        return Err(named(format!("a dimension of 0 in {dimensions:?}")));
    }
    let ggml_type = cursor.u32().map_err(named)?;
    let start = cursor.u64().map_err(named)?;
    Ok(Info { name, dimensions, ggml_type, start })
}

/// Where the tensors' bytes are: as many as their types say, or, if the type is unknown, up to the next tensor.
fn place(infos: Vec<Info<'_>>, data_start: u64, alignment: u64, file_len: u64) -> Result<Vec<Stated>> {
    let (mut starts, mut names) = (Vec::new(), HashSet::new());
    for info in &infos {
        if !names.insert(info.name) {
            return Err(format!("tensor {}: there twice", info.name));
        }
        if !info.start.is_multiple_of(alignment) {
            return Err(format!(
                "tensor {}: its offset {} is no multiple of {alignment}",
                info.name, info.start
            ));
        }
        let start = data_start.checked_add(info.start);
        starts.push(
            start.ok_or_else(|| format!("tensor {}: its offset {} is too large", info.name, info.start))?,
        );
    }
    let mut ends: Vec<u64> = starts.iter().copied().chain([file_len]).collect();
    ends.sort_unstable();
    let mut tensors = Vec::new();
    for (info, start) in infos.iter().zip(starts) {
        let next = ends[ends.partition_point(|&end| end <= start).min(ends.len() - 1)];
        tensors.push(
            info.stated(start, next.max(start)).map_err(|error| format!("tensor {}: {error}", info.name))?,
        );
    }
    check_places(&mut tensors, file_len)?;
    Ok(tensors)
}

impl Info<'_> {
    /// With the bytes from `start` on, which the next tensor or the file's end follows at `next`.
    fn stated(&self, start: u64, next: u64) -> Result<Stated> {
        let shape: Vec<u64> = self.dimensions.iter().rev().copied().collect();
        let elements = shape.iter().try_fold(1_u64, |product, &size| product.checked_mul(size));
        let elements = elements.ok_or_else(|| format!("its shape {shape:?} has too many elements"))?;
        let (inputs, rows) = (self.dimensions[0], elements / self.dimensions[0]);
        let mut type_name = ggml_types::name(self.ggml_type);
        let len = if let Some(format) = ggml_types::formats(self.ggml_type).next() {
            let mut len = ternary_len(format, rows, inputs)?;
            // Early Ternary-Bonsai files hold PQ2_0 under the number of Q2_0; it is shorter.
            if format == Format::Q2_0 && start.checked_add(len).is_none_or(|end| end > next) {
                let other = ternary_len(Format::Pq2_0, rows, inputs);
                if let Ok(other) = other
                    && start.checked_add(other).is_some_and(|end| end <= next)
                {
                    (len, type_name) = (other, Format::Pq2_0.name().into());
                }
            }
            len
        } else {
            match ggml_types::row_bytes(self.ggml_type, inputs) {
                Some(row) => row?.checked_mul(rows).ok_or("it has too many bytes")?,
                None => next - start,
            }
        };
        let end = start.checked_add(len).ok_or("it has too many bytes")?;
        let ggml_type = Some(self.ggml_type);
        Ok(Stated { name: self.name.into(), shape, type_name, ggml_type, place: start..end })
    }
}

/// Both orders of I2_S have tensors of the same length, but the Arm one more shapes.
fn ternary_len(format: Format, rows: u64, inputs: u64) -> Result<u64> {
    let size =
        |size: u64| usize::try_from(size).map_err(|_| String::from("it is too large for this machine"));
    let (rows, inputs) = (size(rows)?, size(inputs)?);
    let formats = ggml_types::formats(format.ggml_type().expect("a type of GGUF")).chain([format]);
    let lens = formats.map(|format| format.tensor_len(rows, inputs).map_err(|error| error.to_string()));
    let len = lens.reduce(|first, other| first.or(other)).expect("at least one")?;
    Ok(len as u64)
}
