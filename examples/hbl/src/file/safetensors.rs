//! The header of a safetensors file: JSON that the crate `safetensors` has the types for. It is checked here, because the
//! crate needs the whole file for that, and does not always name the tensor.

use std::collections::HashSet;
use std::fmt;

use safetensors::tensor::TensorInfo;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::{Result, Stated, check_places};

/// Longest header; the crate's own limit.
const MAX_HEADER: u64 = 100_000_000;

/// A header.
#[derive(Debug)]
pub struct Safetensors {
    /// The tensors, in the order of their bytes.
    pub tensors: Vec<Stated>,
    /// The texts under `__metadata__`.
    pub metadata: Vec<(String, String)>,
    /// Bytes of the header and its length.
    pub data_start: u64,
}

/// The JSON object in its own order, with keys that are there twice.
struct Pairs(Vec<(String, serde_json::Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> core::result::Result<Pairs, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> core::result::Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}

impl Safetensors {
    /// Reads the header that a file of `file_len` bytes starts with.
    ///
    /// # Errors
    /// Says what is wrong with which tensor.
    pub fn read(bytes: &[u8], file_len: u64) -> Result<Safetensors> {
        let (len, rest) =
            bytes.split_first_chunk::<8>().ok_or("not a safetensors file: shorter than 8 bytes")?;
        let len = u64::from_le_bytes(*len);
        if len > MAX_HEADER || len > rest.len() as u64 {
            return Err(format!("not a safetensors file, or cut short: a header of {len} bytes"));
        }
        let data_start = 8 + len;
        let Pairs(pairs) = serde_json::from_slice(&rest[..len as usize])
            .map_err(|error| format!("safetensors header: {error}"))?;
        let (mut tensors, mut metadata, mut names) = (Vec::new(), Vec::new(), HashSet::new());
        for (name, value) in pairs {
            if !names.insert(name.clone()) {
                return Err(format!("tensor {name}: there twice"));
            }
            if name == "__metadata__" {
                let texts: std::collections::BTreeMap<String, String> = serde_json::from_value(value)
                    .map_err(|error| format!("safetensors header: __metadata__: {error}"))?;
                metadata.extend(texts);
                continue;
            }
            tensors.push(stated(name, value, data_start)?);
        }
        check_places(&mut tensors, file_len)?;
        Ok(Safetensors { tensors, metadata, data_start })
    }
}

fn stated(name: String, value: serde_json::Value, data_start: u64) -> Result<Stated> {
    if name.is_empty() {
        return Err("a tensor without a name".into());
    }
    let info: TensorInfo =
        serde_json::from_value(value).map_err(|error| format!("tensor {name}: {error}"))?;
    let (start, end) = (info.data_offsets.0 as u64, info.data_offsets.1 as u64);
    let shape: Vec<u64> = info.shape.iter().map(|&size| size as u64).collect();
    let place = data_start.checked_add(start).zip(data_start.checked_add(end));
    let (start, end) = place
        .filter(|(start, end)| start <= end)
        .ok_or_else(|| format!("tensor {name}: its offsets {start}..{end} are no range"))?;
    let tensor =
        Stated { name, shape, type_name: info.dtype.to_string(), ggml_type: None, place: start..end };
    let bits = tensor.elements()?.checked_mul(info.dtype.bitsize() as u64);
    if bits.is_none_or(|bits| !bits.is_multiple_of(8) || bits / 8 != end - start) {
        return Err(format!(
            "tensor {}: {} {:?} does not have {} bytes",
            tensor.name,
            tensor.type_name,
            tensor.shape,
            end - start
        ));
    }
    Ok(tensor)
}
