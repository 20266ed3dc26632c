//! Files that are mapped, not read.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::file::Result;
use crate::model::{CONFIG, CONTRACT_FILE, FileKind, Model};

/// A mapped file.
#[derive(Debug)]
pub struct Mapped {
    /// Where it is.
    pub path: PathBuf,
    map: memmap2::Mmap,
}

impl Mapped {
    /// Maps a file, or the one safetensors file of a folder.
    ///
    /// # Errors
    /// If there is none, or it cannot be mapped.
    pub fn open(path: &Path) -> Result<Mapped> {
        let path = if path.is_dir() { only_checkpoint(path)? } else { path.to_path_buf() };
        let named = |error| format!("{}: {error}", path.display());
        let file = File::open(&path).map_err(named)?;
        if file.metadata().map_err(named)?.len() == 0 {
            return Err(format!("{}: it is empty", path.display()));
        }
        // SAFETY: the file is mapped for reading. Whoever cuts it short meanwhile ends the process; whoever writes into it
        // gets wrong numbers. Any reader of mapped files takes that.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(named)?;
        Ok(Mapped { path, map })
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Reads its header.
    ///
    /// # Errors
    /// As [`Model::read`], with the file's name.
    pub fn model(&self) -> Result<Model<'_>> {
        let mut model =
            Model::read(self.bytes()).map_err(|error| format!("{}: {error}", self.path.display()))?;
        if model.kind == FileKind::Safetensors {
            let beside = |name| std::fs::read_to_string(self.path.with_file_name(name)).ok();
            (model.config, model.contract) = (beside(CONFIG), beside(CONTRACT_FILE));
        }
        Ok(model)
    }
}

fn only_checkpoint(folder: &Path) -> Result<PathBuf> {
    let named = |error| format!("{}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(named)? {
        let path = entry.map_err(named)?.path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            found.push(path);
        }
    }
    match (found.pop(), found.len()) {
        (Some(path), 0) => Ok(path),
        (None, _) => Err(format!("{}: no .safetensors file in this folder", folder.display())),
        (Some(_), others) => {
            Err(format!("{}: {} .safetensors files in this folder; name one", folder.display(), others + 1))
        }
    }
}
