//! From a container to the file that it came from, and what writing any file from one needs.

use std::path::Path;

use hbitlinear::container::{Container, Entry, Kind};
use hbitlinear::interop::{Export, Format, Import};
use hbitlinear::{Layout, Scaling, Weights};
use serde_json::{Value, json};

use super::output::Output;
use super::pack::PIECE;
use crate::file::gguf::Gguf;
use crate::file::safetensors::Safetensors;
use crate::file::{Result, Stated};
use crate::model::{FileKind, SOURCE_HEADER, SOURCE_NOTE, source_len};
use crate::{json, progress, share};

/// Bytes of a new file, and where they go.
pub(super) enum Part<'a> {
    /// These.
    Bytes(&'a [u8]),
    /// An entry's data, checked while they are read.
    Data(Entry<'a>),
    /// An entry's weights in that format.
    Weights(Entry<'a>, Format),
    /// A tensor of another format, with one scale, in that format.
    Import(&'a Import<'a>, Format),
}

/// Kind of the file that a container came from.
pub(super) fn source_kind(container: &Container<'_>) -> Result<FileKind> {
    let note = container.find(SOURCE_NOTE).ok_or("the container does not say what file it came from")?;
    let note = note.text().map_err(|error| format!("{SOURCE_NOTE}: {error}"))?;
    let kind = json::parse(note).and_then(|note| FileKind::named(note.get("format")?.as_str()?));
    kind.ok_or_else(|| format!("{SOURCE_NOTE}: expected a known format"))
}

pub(super) fn restore(container: &Container<'_>, to: &Path, threads: usize) -> Result<Value> {
    let len = source_len(container)?;
    let header = container.find(SOURCE_HEADER).ok_or("the container has no header of its source")?;
    header.verify().map_err(|error| format!("{SOURCE_HEADER}: {error}"))?;
    let tensors = match source_kind(container)? {
        FileKind::Gguf => Gguf::read(header.data(), len)?.tensors,
        FileKind::Safetensors => Safetensors::read(header.data(), len)?.tensors,
        FileKind::Hbl => return Err(format!("{SOURCE_NOTE}: a container cannot come from one")),
    };
    let mut parts = vec![(0, Part::Data(header))];
    for tensor in &tensors {
        parts.push((tensor.place.start, part_of(container, tensor)?));
    }
    for entry in container.entries().filter(|entry| entry.kind() == Kind::Source) {
        if entry.name() != SOURCE_HEADER {
            let place = entry.name().strip_prefix("source@").and_then(|place| place.parse().ok());
            let place: u64 =
                place.ok_or_else(|| format!("{}: expected source@ and a place", entry.name()))?;
            parts.push((place, Part::Data(entry)));
        }
    }
    write(&parts, len, to, threads)?;
    Ok(json!({ "to": to.display().to_string(), "bytes": len, "tensors": tensors.len() }))
}

/// What goes where a header states a tensor.
fn part_of<'a>(container: &Container<'a>, tensor: &Stated) -> Result<Part<'a>> {
    let named = |what: &str| format!("tensor {}: {what}", tensor.name);
    let entry = container.find(&tensor.name).ok_or_else(|| named("not in the container"))?;
    match entry.kind() {
        Kind::Tensor => Ok(Part::Data(entry)),
        Kind::Weights => {
            let format = entry.type_name().parse();
            Ok(Part::Weights(entry, format.map_err(|_| named("packed from a format that is not known"))?))
        }
        _ => Err(named("its entry in the container is none")),
    }
}

/// Writes a file of that length from its parts; zeros between them.
pub(super) fn write(parts: &[(u64, Part<'_>)], len: u64, to: &Path, threads: usize) -> Result<()> {
    let out = Output::create(to)?;
    out.set_len(len)?;
    let bar = progress::bar(len, "writing");
    for (place, part) in parts {
        let write_at = |at: usize, bytes: &[u8]| {
            bar.inc(bytes.len() as u64);
            let place = place + at as u64;
            let end = place.checked_add(bytes.len() as u64);
            if end.is_none_or(|end| end > len) {
                return Err(String::from("more bytes than its source had"));
            }
            out.write_at(place, bytes)
        };
        let (name, written) = match part {
            Part::Bytes(bytes) => ("header", write_at(0, bytes)),
            Part::Data(entry) => (entry.name(), write_data(entry, threads, write_at)),
            Part::Weights(entry, format) => (entry.name(), write_weights(entry, *format, threads, write_at)),
            Part::Import(import, format) => ("weights", write_import(import, *format, threads, write_at)),
        };
        written.map_err(|error| format!("tensor {name}: {error}"))?;
    }
    out.finish()?;
    bar.finish_and_clear();
    Ok(())
}

fn write_data(
    entry: &Entry<'_>,
    threads: usize,
    write_at: impl Fn(usize, &[u8]) -> Result<()> + Sync,
) -> Result<()> {
    entry.verify().map_err(|error| error.to_string())?;
    let data = entry.data();
    share::pieces(threads, data.len(), PIECE, || (), |(), range| write_at(range.start, &data[range]))
        .map(drop)
}

fn write_weights(
    entry: &Entry<'_>,
    format: Format,
    threads: usize,
    write_at: impl Fn(usize, &[u8]) -> Result<()> + Sync,
) -> Result<()> {
    entry.verify().map_err(text)?;
    write_export(&entry.weights_unread().map_err(text)?, format, threads, write_at)
}

fn write_import(
    import: &Import<'_>,
    format: Format,
    threads: usize,
    write_at: impl Fn(usize, &[u8]) -> Result<()> + Sync,
) -> Result<()> {
    let spec = import.spec(Layout::TwoBit, Scaling::Tensor).map_err(text)?;
    let mut blob = vec![0; spec.packed_len()];
    import.pack(&spec, &mut blob).map_err(text)?;
    write_export(&Weights::open(&blob).map_err(text)?, format, threads, write_at)
}

fn write_export(
    weights: &Weights<'_>,
    format: Format,
    threads: usize,
    write_at: impl Fn(usize, &[u8]) -> Result<()> + Sync,
) -> Result<()> {
    let export = Export::new(format, weights).map_err(text)?;
    let line = export.line_len();
    let lines = (PIECE / 2 / line).max(1);
    share::pieces(threads, export.lines(), lines, Vec::new, |bytes, lines| {
        let start = lines.start * line;
        bytes.resize(lines.len() * line, 0);
        export.write_lines(lines, &mut *bytes).map_err(text)?;
        write_at(start, bytes)
    })?;
    let mut tail = vec![0; export.tail_len()];
    export.write_tail(&mut tail).map_err(text)?;
    write_at(export.len() - tail.len(), &tail)
}

fn text(error: hbitlinear::Error) -> String {
    error.to_string()
}
