//! `hbl convert`: a model file to a container of packed weights, and back; a checkpoint to a file for llama.cpp.
//!
//! # What is in the container
//! The tensors of the source under their own names: ternary ones packed (kind weights, with the format that they came from),
//! all others as they were (kind tensor). Besides:
//!
//! | entry | kind | what it is |
//! |---|---|---|
//! | `source.json` | text | `{"format": …, "bytes": …}`: what file it was, and how long |
//! | `source@0` | source | the source's bytes before its tensors: its header |
//! | `source@N` | source | bytes from N on that neither tensors nor zeros give: rare, see below |
//! | `config.json` | text | a checkpoint's configuration, if it lay beside it |
//! | `contract` | text | the rotation contract, if one was given |
//!
//! # Back with the same bytes
//! Each tensor that was packed is written back at once and compared with its source. Scales are packed for each row where a
//! row has one; if that loses something (the scale of a block of zeros), for each block, as the source has them. What differs
//! even then, because another writer rounded base-3 bytes in another way or left something in padding, is kept beside
//! (`source@N`). So the same file comes back, always.

mod cross;
mod llama_cpp;
mod output;
mod pack;
mod restore;

use std::path::Path;

use hbitlinear::Layout;
use hbitlinear::interop::Format;
use serde_json::Value;

use crate::file::Result;
use crate::mapped::Mapped;
use crate::model::{FileKind, Told};

/// What to convert how.
#[derive(Debug)]
pub struct Convert {
    /// What the file does not say.
    pub told: Told,
    /// How weights are packed.
    pub layout: Layout,
    /// A rotation contract's text, to be stored.
    pub contract: Option<String>,
    /// The format of ternary weights in a file of another kind than the source was, or for llama.cpp.
    pub format: Option<Format>,
    /// Threads to share the work.
    pub threads: usize,
}

impl Convert {
    /// Converts; the kind of the new file is what its name ends with. Gives a report.
    ///
    /// # Errors
    /// What is refused, and why. Then there is no new file, and one that was there is as it was.
    pub fn convert(&self, from: &Path, to: &Path) -> Result<Value> {
        let kind = kind_of(to)?;
        let file = Mapped::open(from)?;
        let model = file.model()?;
        match (model.container(), kind) {
            (None, FileKind::Hbl) => pack::pack(self, &model, to),
            (Some(_), FileKind::Hbl) => Err(format!("{}: it is a container already", file.path.display())),
            (Some(container), kind) if restore::source_kind(container)? == kind => {
                restore::restore(container, to, self.threads)
            }
            (Some(container), kind) => cross::write(self, container, kind, to),
            (None, FileKind::Gguf) if model.kind == FileKind::Safetensors => {
                llama_cpp::write(self, &file, &model, to)
            }
            (None, _) => {
                Err(format!("{}: convert it to .hbl first, and that to {}", file.path.display(), kind.name()))
            }
        }
    }
}

/// The kind of file that a name asks for.
///
/// # Errors
/// If it ends with none of them.
pub fn kind_of(path: &Path) -> Result<FileKind> {
    let kind = path.extension().and_then(|extension| FileKind::named(extension.to_str()?));
    kind.ok_or_else(|| {
        format!("{}: expected a name that ends with .hbl, .gguf or .safetensors", path.display())
    })
}
