//! Which products are taken, and what they are made of.

use std::collections::BTreeSet;
use std::sync::Mutex;

use crate::abi::{Buffer, Tensor, ops, types};
use crate::buffer::{Store, store_of};
use crate::guard::{instance, report};
use crate::matrix::Form;
use crate::rules::name_of;
use crate::settings::Way;

const F32_BYTES: usize = size_of::<f32>();

/// Rows of f32 in up to three dimensions, each with its stride.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) start: *const f32,
    counts: [usize; 3],
    /// In elements.
    strides: [usize; 3],
}

// SAFETY: memory of the host's that is read while the host waits.
unsafe impl Send for Rows {}
// SAFETY: as above.
unsafe impl Sync for Rows {}

impl Rows {
    /// The rows of a tensor; `None` where elements of a row lie apart, or rows overlap.
    fn of(tensor: &Tensor) -> Option<Rows> {
        if tensor.kind != types::F32 || tensor.nb[0] != F32_BYTES {
            return None;
        }
        let row = usize::try_from(tensor.ne[0]).ok()?;
        let (mut counts, mut strides) = ([0; 3], [0; 3]);
        for dimension in 0..3 {
            let (count, bytes) = (usize::try_from(tensor.ne[dimension + 1]).ok()?, tensor.nb[dimension + 1]);
            let fits = bytes.is_multiple_of(F32_BYTES) && (bytes / F32_BYTES >= row || count < 2);
            (counts[dimension], strides[dimension]) = fits.then_some((count, bytes / F32_BYTES))?;
        }
        Some(Rows { start: tensor.data.cast(), counts, strides })
    }

    pub(crate) fn count(&self) -> usize {
        self.counts.iter().product()
    }

    /// From a row on: its address, and how many rows follow at the first stride.
    pub(crate) fn run(&self, row: usize) -> (*const f32, usize, usize) {
        let [first, second, _] = self.counts;
        let (i, j, k) = (row % first, row / first % second, row / first / second);
        let offset = i * self.strides[0] + j * self.strides[1] + k * self.strides[2];
        (self.start.wrapping_add(offset), first - i, self.strides[0])
    }
}

/// The input rows of a product that is taken, from its shapes alone.
pub(crate) fn taken(op: &Tensor) -> Option<Rows> {
    let hint = op.op_params[1];
    if op.op != ops::MUL_MAT || hint != 0 {
        return None;
    }
    // SAFETY: sources are null or tensors.
    let (weights, x) = unsafe { (op.src[0].as_ref()?, op.src[1].as_ref()?) };
    let form = Form::of(weights)?;
    let rows = Rows::of(x)?;
    let y = Rows::of(op)?;
    let contiguous = op.nb[1] == form.outputs * F32_BYTES
        && (1..3).all(|d| {
            Some(op.nb[d + 1]) == usize::try_from(op.ne[d]).ok().and_then(|n| n.checked_mul(op.nb[d]))
        });
    let same = x.ne[0] == weights.ne[0] && op.ne[0] == weights.ne[1] && x.ne[1..] == op.ne[1..];
    (contiguous && same && y.count() == rows.count()).then_some(rows)
}

/// `supports_op`.
pub(crate) fn supports(op: &Tensor) -> bool {
    match op.op {
        ops::NONE | ops::RESHAPE | ops::VIEW | ops::PERMUTE | ops::TRANSPOSE => true,
        ops::MUL_MAT => {
            let supported = supports_product(op);
            if !supported {
                warn_of_contract(op);
            }
            supported
        }
        _ => false,
    }
}

/// The contract's tensors that are left to the CPU, which knows nothing of it: its results will be wrong.
fn warn_of_contract(op: &Tensor) {
    static WARNED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    // SAFETY: sources are null or tensors.
    let (Some(contract), Some(weights)) = (&instance().settings.contract, unsafe { op.src[0].as_ref() })
    else {
        return;
    };
    let name = name_of(&weights.name);
    let inputs = usize::try_from(weights.ne[0]).unwrap_or(0);
    if matches!(contract.layer(name, inputs), Ok(None)) {
        return;
    }
    if WARNED.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(name.to_owned()) {
        report(&format!(
            "the contract names {name}, which this backend does not take: it will be computed without it"
        ));
    }
}

/// Whether it is a product that is taken, of weights in our buffers.
pub(crate) fn supports_product(op: &Tensor) -> bool {
    taken(op).is_some() && weights_are_ours(op)
}

/// Whether the weights are in a buffer of our type, or will be: where both buffer types are ours, those of a tensor without a
/// buffer.
fn weights_are_ours(op: &Tensor) -> bool {
    // SAFETY: `taken` found it; buffers are null or alive.
    let buffer: Option<&Buffer> = unsafe { (*op.src[0]).buffer.as_ref() };
    match buffer {
        None => instance().settings.way == Way::Own,
        Some(buffer) => buffer.buffer_type == instance().buffer_type,
    }
}

/// The store of a product's weights.
///
/// # Safety
/// `taken` accepted the product, and its tensors are alive during `'a`.
pub(crate) unsafe fn store<'a>(op: &Tensor) -> Option<&'a Store> {
    // SAFETY: promised.
    unsafe { store_of((*op.src[0]).buffer) }
}
