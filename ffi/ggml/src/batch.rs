//! Products of one input: quantised once, multiplied together. Each thread calls the two phases, with a barrier between.

use core::ops::Range;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicBool, Ordering};
use std::panic::catch_unwind;
use std::sync::{Arc, Mutex};

use hbitlinear::layout::PANEL_ROWS;
use hbitlinear::{
    Activations, ActivationsMut, Backend, Buffer, Input, InputStages, OutputMut, Result, product,
    product_workspace_len,
};

use crate::abi::Tensor;
use crate::matrix::{Content, Matrix};
use crate::product::{Rows, store, taken};
use crate::rules::name_of;
use crate::undecoded;

/// Outputs that a thread takes from the queue at a time, at least: kernels read eight panels side by side.
const CHUNK: usize = 8 * PANEL_ROWS;
/// Chunks for each thread, at most: few, because each stages the activations once more.
const CHUNKS_EACH: usize = 4;

/// One product.
struct Product {
    matrix: Arc<Matrix>,
    content: Content,
    y: *mut f32,
    outputs: usize,
}

/// Products of one input, by one rule.
pub(crate) struct Batch {
    source: *const Tensor,
    rule: usize,
    stages: InputStages<'static>,
    rows: Rows,
    products: Vec<Product>,
}

// SAFETY: the pointers are into tensors that the host leaves alone while the graph is computed; threads write disjoint
// outputs.
unsafe impl Sync for Batch {}

impl Batch {
    /// The batch of one node; `None` if there is nothing to compute in it.
    ///
    /// # Safety
    /// A node of the host's, whose tensors are allocated and left alone while the batch lives.
    pub(crate) unsafe fn new(node: &Tensor) -> core::result::Result<Option<Batch>, String> {
        let rows = taken(node).ok_or_else(|| format!("operation {} was not offered", node.op))?;
        // SAFETY: `taken` found sources that are tensors.
        let (weights, store) = unsafe { (&*node.src[0], store(node)) };
        let name = name_of(&weights.name);
        let matrix = store.and_then(|store| store.matrix(weights));
        let matrix = matrix.ok_or_else(|| format!("{name} is not in a buffer of this backend"))?;
        let rule = matrix.rule(name)?;
        if rows.count() == 0 {
            return Ok(None);
        }
        let (y, outputs) = (node.data.cast(), matrix.form.outputs);
        let product = Product { content: matrix.ready(), y, outputs, matrix };
        let source = node.src[1].cast_const();
        let (stages, rule) = (rule.stages, rule.identity);
        Ok(Some(Batch { source, rule, stages, rows, products: vec![product] }))
    }

    /// Takes the other's products if they are of the same input by the same rule; else gives it back.
    pub(crate) fn join(&mut self, other: Batch) -> Option<Batch> {
        if self.source != other.source || self.rule != other.rule {
            return Some(other);
        }
        self.products.extend(other.products);
        None
    }

    pub(crate) fn tokens(&self) -> usize {
        self.rows.count()
    }

    /// Bytes of the quantised values.
    pub(crate) fn value_bytes(&self) -> usize {
        self.tokens() * self.row_bytes()
    }

    fn row_bytes(&self) -> usize {
        self.stages.quantizer().rule().bits().row_bytes(self.stages.inputs())
    }

    /// Bytes of workspace for each thread.
    pub(crate) fn workspace_len(&self) -> Result<usize> {
        Ok(self.stages.workspace_len()?.max(product_workspace_len()))
    }

    /// What a product gives that could not be computed where no error can be returned.
    pub(crate) fn spoil(&self) {
        for product in &self.products {
            for index in 0..self.tokens() * product.outputs {
                // SAFETY: the product's own result.
                unsafe { product.y.add(index).write(f32::NAN) };
            }
        }
    }
}

/// Room for the activations of a batch, which all threads share.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    pub(crate) values: *mut u8,
    pub(crate) scales: *mut f32,
    pub(crate) sums: *mut i32,
}

// SAFETY: threads write the tokens that are their own, and read after a barrier.
unsafe impl Send for Room {}
// SAFETY: as above.
unsafe impl Sync for Room {}

/// One thread's part of a batch.
pub(crate) struct Part<'a> {
    pub(crate) batch: &'a Batch,
    pub(crate) backend: Backend,
    pub(crate) room: Room,
    /// This thread's alone.
    pub(crate) workspace: *mut u8,
    pub(crate) workspace_len: usize,
    pub(crate) index: usize,
    pub(crate) count: usize,
}

impl Part<'_> {
    fn workspace(&self) -> Buffer<'_, u8> {
        // SAFETY: whoever makes a part gives it memory of that length, for itself.
        unsafe { Buffer::from_raw(self.workspace, self.workspace_len) }
    }

    /// The first phase: a thread's share of the tokens.
    ///
    /// # Safety
    /// The room is large enough for the batch, and all threads of `count` have the same.
    pub(crate) unsafe fn quantize(&self) -> Result<()> {
        let batch = self.batch;
        let (tokens, inputs, bytes) = (batch.tokens(), batch.stages.inputs(), batch.row_bytes());
        let bits = batch.stages.quantizer().rule().bits();
        let end = tokens * (self.index + 1) / self.count;
        let mut token = tokens * self.index / self.count;
        while token < end {
            let (start, run, stride) = batch.rows.run(token);
            let count = run.min(end - token);
            // SAFETY: `Rows` keeps within the tensor, whose rows the host leaves alone; the stride of one row is not used.
            let x = unsafe { Input::<f32>::from_raw(start, count, stride.max(inputs)) };
            // SAFETY: there is room for all tokens, as promised; these are this thread's.
            let room = unsafe {
                ActivationsMut::new(
                    bits,
                    inputs,
                    Buffer::from_raw(self.room.values.add(token * bytes), count * bytes),
                    Buffer::from_raw(self.room.scales.add(token), count),
                    Buffer::from_raw(self.room.sums.add(token), count),
                )?
            };
            batch.stages.quantize(self.backend, x, room, self.workspace())?;
            token += count;
        }
        Ok(())
    }

    /// The second phase: chunks of outputs, by numbers from a queue that all threads share, until there are no more.
    ///
    /// # Safety
    /// All threads have finished the first phase, without an error; no number comes twice.
    pub(crate) unsafe fn multiply(&self, next: impl Fn() -> usize) -> Result<()> {
        let batch = self.batch;
        let tokens = batch.tokens();
        // SAFETY: written by all threads, as promised.
        let x = unsafe {
            Activations::new(
                batch.stages.quantizer().rule().bits(),
                batch.stages.inputs(),
                core::slice::from_raw_parts(self.room.values, batch.value_bytes()),
                core::slice::from_raw_parts(self.room.scales, tokens),
                core::slice::from_raw_parts(self.room.sums, tokens),
            )?
        };
        let mut taken = next();
        let mut first = 0;
        for product in &batch.products {
            let chunk = product.outputs.div_ceil(self.count * CHUNKS_EACH).next_multiple_of(CHUNK);
            let chunk = if self.count == 1 { product.outputs } else { chunk };
            let end = first + product.outputs.div_ceil(chunk);
            while taken < end {
                let start = (taken - first) * chunk;
                self.outputs(product, &x, start..(start + chunk).min(product.outputs))?;
                taken = next();
            }
            first = end;
        }
        Ok(())
    }

    fn outputs(&self, part: &Product, x: &Activations<'_>, outputs: Range<usize>) -> Result<()> {
        let tokens = 0..x.tokens();
        match &part.content {
            Content::Packed(weights) => {
                // SAFETY: the result is `[tokens, outputs]`, contiguous, as `taken` found; these columns are this thread's.
                let y = unsafe {
                    OutputMut::from_raw(part.y.add(outputs.start), tokens.len(), outputs.len(), part.outputs)
                };
                product(self.backend, weights, x, tokens, outputs, y, self.workspace())
            }
            // SAFETY: as above.
            Content::File { .. } => unsafe {
                undecoded::multiply(&part.matrix, x, outputs, part.y, part.outputs)
            },
        }
    }
}

/// The first problem that a thread had. Threads with problems go on to the barriers, or the others would wait for ever.
#[derive(Default)]
pub(crate) struct Outcome {
    failed: AtomicBool,
    problem: Mutex<Option<String>>,
}

impl Outcome {
    /// Does it unless something failed before.
    pub(crate) fn attempt(&self, step: impl FnOnce() -> Result<()>) {
        if self.failed.load(Ordering::Acquire) {
            return;
        }
        let error = match catch_unwind(AssertUnwindSafe(step)) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "a defect: a thread panicked".into(),
        };
        self.problem.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(error);
        self.failed.store(true, Ordering::Release);
    }

    pub(crate) fn into_result(self) -> core::result::Result<(), String> {
        self.problem.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).map_or(Ok(()), Err)
    }
}
