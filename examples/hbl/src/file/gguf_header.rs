//! Writing the header of a GGUF file.

use super::Result;

/// What tensors begin at a multiple of.
pub const ALIGNMENT: usize = 32;

/// A header that grows: keys and tensors, each in the order in which they are added.
#[derive(Debug, Default)]
pub struct Header {
    keys: Vec<u8>,
    key_count: u64,
    tensors: Vec<u8>,
    starts: Vec<u64>,
    /// Bytes of the tensors so far, up to the next one's place.
    end: u64,
}

impl Header {
    /// A string.
    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key, 8);
        push_text(&mut self.keys, value);
    }

    /// A u32.
    pub fn u32(&mut self, key: &str, value: u32) {
        self.key(key, 4);
        self.keys.extend(value.to_le_bytes());
    }

    /// An f32.
    pub fn f32(&mut self, key: &str, value: f32) {
        self.key(key, 6);
        self.keys.extend(value.to_le_bytes());
    }

    /// A boolean.
    pub fn bool(&mut self, key: &str, value: bool) {
        self.key(key, 7);
        self.keys.push(value.into());
    }

    /// An array of strings.
    pub fn texts(&mut self, key: &str, values: &[String]) {
        self.array(key, 8, values.len());
        values.iter().for_each(|value| push_text(&mut self.keys, value));
    }

    /// An array of i32.
    pub fn i32s(&mut self, key: &str, values: &[i32]) {
        self.array(key, 5, values.len());
        values.iter().for_each(|value| self.keys.extend(value.to_le_bytes()));
    }

    fn key(&mut self, key: &str, kind: u32) {
        push_text(&mut self.keys, key);
        self.keys.extend(kind.to_le_bytes());
        self.key_count += 1;
    }

    fn array(&mut self, key: &str, kind: u32, len: usize) {
        self.key(key, 9);
        self.keys.extend(kind.to_le_bytes());
        self.keys.extend((len as u64).to_le_bytes());
    }

    /// A tensor of that shape, outermost first, and that many bytes.
    ///
    /// # Errors
    /// If all tensors together have too many bytes.
    pub fn tensor(&mut self, name: &str, shape: &[u64], ggml_type: u32, len: usize) -> Result<()> {
        push_text(&mut self.tensors, name);
        let shape = if shape.is_empty() { &[1][..] } else { shape };
        self.tensors.extend((shape.len() as u32).to_le_bytes());
        self.tensors.extend(shape.iter().rev().flat_map(|size| size.to_le_bytes()));
        self.tensors.extend(ggml_type.to_le_bytes());
        self.tensors.extend(self.end.to_le_bytes());
        self.starts.push(self.end);
        let end =
            self.end.checked_add(len as u64).and_then(|end| end.checked_next_multiple_of(ALIGNMENT as u64));
        self.end = end.ok_or_else(|| format!("tensor {name}: the file gets too large"))?;
        Ok(())
    }

    /// The header's bytes, each tensor's place in the file, and the file's length.
    #[must_use]
    pub fn finish(self) -> (Vec<u8>, Vec<u64>, u64) {
        let mut header = b"GGUF\x03\0\0\0".to_vec();
        header.extend((self.starts.len() as u64).to_le_bytes());
        header.extend(self.key_count.to_le_bytes());
        header.extend(self.keys);
        header.extend(self.tensors);
        header.resize(header.len().next_multiple_of(ALIGNMENT), 0);
        let data_start = header.len() as u64;
        let places = self.starts.iter().map(|start| data_start + start).collect();
        (header, places, data_start + self.end)
    }
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}
