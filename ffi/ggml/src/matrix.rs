//! One ternary tensor in a buffer of ours: packed in an arena of the buffer's. The file's bytes come back from there; the
//! tensor's own place, as large as the file's tensor, stays empty, so that nothing is resident twice. It is used where
//! bytes come in parts or are not ternary.

use core::ffi::c_void;
use core::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread;

use hbitlinear::interop::{Export, Format, Import};
use hbitlinear::layout::{BlobRows, PANEL_ROWS, Written};
use hbitlinear::{Buffer, Error, Layout, Scaling, WeightSpec, Weights};

use crate::abi::{Tensor, types};
use crate::guard::instance;
use crate::memory::{Arena, release};
use crate::rules::{InputRule, rule_of};

/// Weights from which on several threads pack.
const SHARED_FROM: usize = 1 << 20;

/// The format of a type that is taken.
pub(crate) const fn format_of(kind: i32) -> Option<Format> {
    match kind {
        types::TQ1_0 => Some(Format::Tq1_0),
        types::TQ2_0 => Some(Format::Tq2_0),
        types::Q2_0 => Some(Format::Q2_0),
        _ => None,
    }
}

/// Format and shape of a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Form {
    pub(crate) format: Format,
    pub(crate) outputs: usize,
    pub(crate) inputs: usize,
    /// Bytes of the file.
    pub(crate) len: usize,
}

impl Form {
    /// The form of a whole tensor that is a contiguous matrix of a ternary type.
    pub(crate) fn of(tensor: &Tensor) -> Option<Form> {
        let format = format_of(tensor.kind)?;
        if !tensor.view_src.is_null() || tensor.ne[2] != 1 || tensor.ne[3] != 1 {
            return None;
        }
        let (inputs, outputs) = (usize::try_from(tensor.ne[0]).ok()?, usize::try_from(tensor.ne[1]).ok()?);
        let len = format.tensor_len(outputs, inputs).ok()?;
        let row = len / outputs;
        let contiguous =
            tensor.nb[1] == row && tensor.nb[0] == format.tensor_len(1, block_of(format)).ok()?;
        contiguous.then_some(Form { format, outputs, inputs, len })
    }

    /// The largest blob that the tensor may need.
    pub(crate) fn room(&self, layout: Layout) -> Option<usize> {
        let spec = WeightSpec::new(self.outputs, self.inputs, layout, self.format.scaling()).ok()?;
        Some(spec.packed_len())
    }
}

fn block_of(format: Format) -> usize {
    match format.scaling() {
        Scaling::Group(group) | Scaling::GroupF16(group) => group.get(),
        Scaling::Tensor | Scaling::Row => 1,
    }
}

/// What is in the tensor's memory.
#[derive(Clone, Copy)]
pub(crate) enum Content {
    /// The file's bytes; `refused` if they hold something that is not ternary.
    File { refused: bool },
    /// A blob.
    Packed(Weights<'static>),
}

/// A tensor that lives in a buffer.
pub(crate) struct Matrix {
    pub(crate) form: Form,
    /// The tensor's own place.
    pub(crate) data: NonNull<u8>,
    arena: Arc<Arena>,
    /// [`Form::room`] bytes of the arena, taken when the first blob is made.
    blob: OnceLock<Option<NonNull<u8>>>,
    layout: Layout,
    content: Mutex<Content>,
    /// Of the name that it had when it was first multiplied.
    rule: OnceLock<(String, Result<InputRule, String>)>,
}

// SAFETY: `data` is memory of the buffer that holds the matrix; its content is behind a lock where it changes.
unsafe impl Send for Matrix {}
// SAFETY: as above.
unsafe impl Sync for Matrix {}

impl Matrix {
    /// A tensor whose memory holds the file's bytes, or zeros.
    ///
    /// # Safety
    /// `data` is valid for the file's bytes as long as the matrix lives, part of pages, and only used through it.
    pub(crate) unsafe fn new(form: Form, data: NonNull<u8>, arena: &Arc<Arena>, layout: Layout) -> Matrix {
        let content = Mutex::new(Content::File { refused: false });
        let (arena, blob, rule) = (Arc::clone(arena), OnceLock::new(), OnceLock::new());
        Matrix { form, data, arena, blob, layout, content, rule }
    }

    /// What its input goes through, as a tensor of that name.
    pub(crate) fn rule(&self, name: &str) -> Result<InputRule, String> {
        let find = || rule_of(instance().settings.contract.as_ref(), name, self.form.inputs);
        let (known, rule) = self.rule.get_or_init(|| (name.to_owned(), find()));
        if known == name { rule.clone() } else { find() }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn bytes(&self) -> *mut u8 {
        self.data.as_ptr()
    }

    /// Takes the whole tensor, as it is in the file.
    pub(crate) fn set(&self, bytes: &[u8]) {
        let mut content = self.content();
        *content = self.pack(bytes);
    }

    /// Takes some bytes of the file.
    pub(crate) fn set_part(&self, offset: usize, bytes: &[u8]) {
        self.with_file_bytes(|file| {
            if let Some(part) = file.get_mut(offset..).and_then(|rest| rest.get_mut(..bytes.len())) {
                part.copy_from_slice(bytes);
            }
        });
    }

    /// Changes the file's bytes in the tensor's place; they are packed again when they are needed.
    pub(crate) fn with_file_bytes(&self, change: impl FnOnce(&mut [u8])) {
        let mut content = self.content();
        if let Content::Packed(weights) = *content {
            let file = self.file(&weights);
            // SAFETY: `data` has room for the file's bytes.
            unsafe { core::ptr::copy_nonoverlapping(file.as_ptr(), self.bytes(), file.len()) };
        }
        // SAFETY: the tensor's own memory, initialised (the pages are), used under the lock.
        change(unsafe { core::slice::from_raw_parts_mut(self.bytes(), self.form.len) });
        *content = Content::File { refused: false };
    }

    /// Copies some of the file's bytes to `to`.
    ///
    /// # Safety
    /// `to` is valid for `len` bytes.
    pub(crate) unsafe fn get(&self, offset: usize, to: *mut c_void, len: usize) {
        let content = self.content();
        let copy = |file: &[u8]| {
            if let Some(part) = file.get(offset..).and_then(|rest| rest.get(..len)) {
                // SAFETY: promised by the caller.
                unsafe { core::ptr::copy_nonoverlapping(part.as_ptr(), to.cast(), part.len()) };
            }
        };
        match &*content {
            Content::Packed(weights) => copy(&self.file(weights)),
            // SAFETY: the tensor's own memory, used under the lock.
            Content::File { .. } => copy(unsafe { core::slice::from_raw_parts(self.bytes(), self.form.len) }),
        }
    }

    /// The weights for a product: packed now if they came in parts.
    pub(crate) fn ready(&self) -> Content {
        let mut content = self.content();
        if let Content::File { refused: false } = *content {
            // SAFETY: the tensor's own memory, used under the lock.
            let file = unsafe { core::slice::from_raw_parts(self.bytes(), self.form.len) }.to_vec();
            *content = self.pack(&file);
        }
        *content
    }

    /// Packs the file's bytes, or keeps them where they hold what is not ternary.
    fn pack(&self, file: &[u8]) -> Content {
        match self.try_pack(file) {
            Ok(weights) => {
                // SAFETY: the tensor's own place, which is not read before it is written again.
                unsafe { release(self.data, self.form.len) };
                Content::Packed(weights)
            }
            Err(_) => {
                // SAFETY: `data` has room for the file's bytes, which are elsewhere.
                unsafe {
                    core::ptr::copy_nonoverlapping(file.as_ptr(), self.bytes(), file.len().min(self.form.len))
                };
                Content::File { refused: true }
            }
        }
    }

    fn try_pack(&self, file: &[u8]) -> Result<Weights<'static>, Error> {
        let Form { format, outputs, inputs, .. } = self.form;
        let import = Import::new(format, outputs, inputs, file)?;
        let shared = outputs.saturating_mul(inputs) >= SHARED_FROM;
        let threads = if shared { packers() } else { 1 };
        let idle = keeps_idle_scales(format, file, threads)?;
        let scaling = if idle { format.scaling() } else { import.scaling()? };
        let spec = import.spec(self.layout, scaling)?;
        let (len, room) = (spec.packed_len(), self.form.room(self.layout).unwrap_or(0));
        let blob = *self.blob.get_or_init(|| self.arena.take(room));
        let blob = blob.filter(|_| len <= room).ok_or(Error::SizeOverflow { argument: "blob" })?.as_ptr();
        // SAFETY: the matrix's part of the arena, which the lock guards.
        let (head, rows) = spec.writer(unsafe { Buffer::from_raw(blob, len) })?;
        head.finish(&push_rows(&import, rows, threads)?)?;
        // SAFETY: written by now, and left alone until the next `set`, before which the host ends its products.
        Weights::open_verified(unsafe { core::slice::from_raw_parts(blob, len) })
    }

    fn file(&self, weights: &Weights<'_>) -> Vec<u8> {
        let mut file = vec![0; self.form.len];
        let written = Export::new(self.form.format, weights).and_then(|export| export.write(&mut file));
        debug_assert!(written.is_ok(), "what was read can be written");
        file
    }
}

/// Threads that pack a large tensor.
fn packers() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}

/// Whether a block of zeros has a scale of its own, which only the finest scaling keeps.
fn keeps_idle_scales(format: Format, file: &[u8], threads: usize) -> Result<bool, Error> {
    let block = block_of(format);
    let spec = WeightSpec::new(1, block, Layout::TwoBit, format.scaling())?;
    let mut blob = vec![0; spec.packed_len()];
    let mut idle = Vec::new();
    for scale in [0.0, 1.0] {
        spec.pack(&vec![0; block], &[scale], &mut blob)?;
        let export = Export::new(format, &Weights::open(&blob)?)?;
        let mut bytes = vec![0; export.len()];
        export.write(&mut bytes)?;
        idle.push(bytes);
    }
    // The scale's bytes, where a one differs from a zero or may.
    let len = idle[0].len();
    let scale = if idle[0][..2] == idle[1][..2] { len - 2..len } else { 0..2 };
    let codes = if scale.start == 0 { 2..len } else { 0..len - 2 };
    let idle_scale =
        |bytes: &[u8]| bytes[scale.clone()] != [0; 2] && bytes[codes.clone()] == idle[0][codes.clone()];
    let any = |part: &[u8]| part.chunks_exact(len).any(idle_scale);
    let part = (file.len() / len).div_ceil(threads).max(1) * len;
    let (first, others) = file.split_at(part.min(file.len()));
    Ok(thread::scope(|scope| {
        let others: Vec<_> = others.chunks(part).map(|part| scope.spawn(|| any(part))).collect();
        // All are joined.
        others.into_iter().fold(any(first), |found, other| found | other.join().unwrap_or(true))
    }))
}

/// Cuts the rows in halves until there is one part for each thread.
fn push_rows(import: &Import<'_>, mut rows: BlobRows<'_>, threads: usize) -> Result<Written, Error> {
    let outputs = rows.outputs();
    let half = (outputs.start + outputs.len() / 2).next_multiple_of(PANEL_ROWS);
    if threads < 2 || half >= outputs.end {
        import.push_rows(&mut rows)?;
        return rows.finish();
    }
    let (top, bottom) = rows.split_at(half)?;
    let (top, bottom) = thread::scope(|scope| {
        let top = scope.spawn(|| push_rows(import, top, threads / 2));
        let bottom = push_rows(import, bottom, threads - threads / 2);
        (top.join(), bottom)
    });
    match top {
        Ok(top) => top?.join(bottom?),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
