//! A file that is there when it is complete, and not before.

use std::fs::File;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::file::Result;

/// A file under a temporary name beside its final one. Dropped, it is deleted.
#[derive(Debug)]
pub(super) struct Output {
    file: NamedTempFile,
    path: PathBuf,
}

impl Output {
    pub(super) fn create(path: &Path) -> Result<Output> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".hbl-").suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Output { file, path: path.into() })
    }

    fn named(&self, error: std::io::Error) -> String {
        format!("{}: {error}", self.path.display())
    }

    /// Writes bytes at a place; any thread, any order.
    pub(super) fn write_at(&self, place: u64, bytes: &[u8]) -> Result<()> {
        write_at(self.file.as_file(), place, bytes).map_err(|error| self.named(error))
    }

    /// Zeros up to that length, where nothing was written.
    pub(super) fn set_len(&self, len: u64) -> Result<()> {
        self.file.as_file().set_len(len).map_err(|error| self.named(error))
    }

    /// Some bytes that were written.
    pub(super) fn map(&self, place: u64, len: usize) -> Result<memmap2::Mmap> {
        let mut options = memmap2::MmapOptions::new();
        options.offset(place).len(len);
        // SAFETY: the file has a name that nobody knows, and nothing is written there while the map lives.
        unsafe { options.map(self.file.as_file()) }.map_err(|error| self.named(error))
    }

    /// Gives the file its final name, once it is on the disk.
    pub(super) fn finish(self) -> Result<()> {
        let synced = self.file.as_file().sync_all().map_err(|error| self.named(error));
        synced?;
        let Output { file, path } = self;
        file.persist(&path).map(drop).map_err(|error| format!("{}: {}", path.display(), error.error))
    }
}

#[cfg(unix)]
fn write_at(file: &File, place: u64, bytes: &[u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, place)
}

#[cfg(windows)]
fn write_at(file: &File, mut place: u64, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, place)?;
        (place, bytes) = (place + written as u64, &bytes[written..]);
    }
    Ok(())
}
