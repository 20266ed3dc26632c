//! The files: what their headers say, checked, without reading the tensors; and a new GGUF file's header.
//!
//! A reader gets the header's bytes and the file's length, so that it also reads a header that is kept in a container. It
//! gives the tensors in the order of their bytes, none outside the file and none over another.

pub mod ggml_types;
pub mod gguf;
pub mod gguf_header;
pub mod metadata;
pub mod safetensors;

use core::ops::Range;

/// Why something is refused; names the file's part at fault.
pub type Result<T> = core::result::Result<T, String>;

/// A tensor as the header states it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stated {
    /// Its name: not empty, and no other's.
    pub name: String,
    /// Dimensions, outermost first.
    pub shape: Vec<u64>,
    /// What the format calls its type, such as `q6_k` or `BF16`.
    pub type_name: String,
    /// Its number, in a GGUF file.
    pub ggml_type: Option<u32>,
    /// Where its bytes are in the file.
    pub place: Range<u64>,
}

impl Stated {
    /// Number of elements.
    ///
    /// # Errors
    /// If a u64 does not hold it.
    pub fn elements(&self) -> Result<u64> {
        let product = self.shape.iter().try_fold(1_u64, |product, &size| product.checked_mul(size));
        product
            .ok_or_else(|| format!("tensor {}: its shape {:?} has too many elements", self.name, self.shape))
    }
}

/// Sorts by place, and refuses tensors that overlap or end outside the file.
fn check_places(tensors: &mut [Stated], file_len: u64) -> Result<()> {
    tensors.sort_by_key(|tensor| (tensor.place.start, tensor.place.end));
    for tensor in &*tensors {
        if tensor.place.end > file_len {
            return Err(format!(
                "tensor {}: its bytes {}..{} end beyond the file's {file_len}",
                tensor.name, tensor.place.start, tensor.place.end
            ));
        }
    }
    for pair in tensors.windows(2) {
        if pair[1].place.start < pair[0].place.end {
            return Err(format!("tensor {}: overlaps tensor {}", pair[1].name, pair[0].name));
        }
    }
    Ok(())
}
