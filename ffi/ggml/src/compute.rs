//! A graph of the device's own backend: its products in batches, by a team of threads.
//!
//! ```text
//! batch: quantise rows (cut by tokens) ── barrier ── multiply (cut by outputs, a queue) ── barrier ── next batch
//! ```

use core::sync::atomic::{AtomicUsize, Ordering};

use hbitlinear::Result;

use crate::abi::{Graph, TENSOR_FLAG_COMPUTE, Tensor, ops};
use crate::batch::{Batch, Outcome, Part, Room};
use crate::guard::instance;
use crate::others::Others;
use crate::product::supports_product;
use crate::threads::Team;

/// Memory that is kept between graphs.
#[derive(Default)]
struct Scratch {
    values: Vec<u8>,
    scales: Vec<f32>,
    sums: Vec<i32>,
    workspaces: Vec<Vec<u8>>,
}

/// Workspaces as threads see them, each its own.
struct Workspaces(Vec<(*mut u8, usize)>);

// SAFETY: a thread uses the one with its index.
unsafe impl Sync for Workspaces {}

/// What computes graphs.
pub(crate) struct Engine {
    team: Team,
    scratch: Scratch,
    /// Made when it is first needed.
    others: Option<Others>,
}

impl Engine {
    pub(crate) fn new() -> Engine {
        Engine { team: Team::find(), scratch: Scratch::default(), others: None }
    }

    /// Computes a graph with so many threads.
    ///
    /// # Safety
    /// The host's graph, whose tensors are allocated and which it leaves alone meanwhile.
    pub(crate) unsafe fn compute(
        &mut self,
        graph: *mut Graph,
        threads: usize,
    ) -> core::result::Result<(), String> {
        let host = &instance().host;
        let (mut batches, mut others): (Vec<Batch>, Vec<*mut Tensor>) = (Vec::new(), Vec::new());
        // SAFETY: the host's graph.
        for at in 0..unsafe { (host.ggml_graph_n_nodes)(graph) } {
            // SAFETY: one of its nodes.
            let pointer = unsafe { (host.ggml_graph_node)(graph, at) };
            // SAFETY: as above.
            let node = unsafe { &*pointer };
            let idle =
                matches!(node.op, ops::NONE | ops::RESHAPE | ops::VIEW | ops::PERMUTE | ops::TRANSPOSE);
            if idle || node.flags & TENSOR_FLAG_COMPUTE == 0 {
                continue;
            }
            if supports_product(node) {
                // SAFETY: promised.
                unsafe { self.finish_others(&mut others) }?;
                // SAFETY: promised.
                let batch = unsafe { Batch::new(node) }?;
                let alone = batch.and_then(|batch| match batches.last_mut() {
                    Some(last) => last.join(batch),
                    None => Some(batch),
                });
                batches.extend(alone);
            } else {
                self.finish_batches(&mut batches, threads)?;
                others.push(pointer);
            }
        }
        self.finish_batches(&mut batches, threads)?;
        // SAFETY: promised.
        unsafe { self.finish_others(&mut others) }
    }

    /// Computes the operations that nobody asked whether they are supported.
    ///
    /// # Safety
    /// As [`Engine::compute`].
    unsafe fn finish_others(&mut self, nodes: &mut Vec<*mut Tensor>) -> core::result::Result<(), String> {
        if nodes.is_empty() {
            return Ok(());
        }
        let others = match &mut self.others {
            Some(others) => others,
            none => none.insert(Others::new()?),
        };
        // SAFETY: promised.
        let outcome = unsafe { others.compute(nodes) };
        nodes.clear();
        outcome
    }

    fn finish_batches(
        &mut self,
        batches: &mut Vec<Batch>,
        threads: usize,
    ) -> core::result::Result<(), String> {
        if batches.is_empty() {
            return Ok(());
        }
        self.scratch.reserve(batches, threads).map_err(|error| error.to_string())?;
        let outcome = run(batches, &self.team, threads, &mut self.scratch);
        batches.clear();
        outcome
    }
}

fn run(
    batches: &[Batch],
    team: &Team,
    threads: usize,
    scratch: &mut Scratch,
) -> core::result::Result<(), String> {
    let Scratch { values, scales, sums, workspaces } = scratch;
    let room = Room { values: values.as_mut_ptr(), scales: scales.as_mut_ptr(), sums: sums.as_mut_ptr() };
    let own = |workspace: &mut Vec<u8>| (workspace.as_mut_ptr(), workspace.len());
    let workspaces = Workspaces(workspaces.iter_mut().map(own).collect());
    let queues: Vec<AtomicUsize> = batches.iter().map(|_| AtomicUsize::new(0)).collect();
    let (backend, outcome) = (instance().settings.backend, Outcome::default());
    team.run(threads, &|member| {
        let workspaces = &workspaces;
        let (workspace, workspace_len) = workspaces.0[member.index];
        let (index, count) = (member.index, member.count);
        for (at, (batch, queue)) in batches.iter().zip(&queues).enumerate() {
            if at > 0 {
                member.barrier();
            }
            let part = Part { batch, backend, room, workspace, workspace_len, index, count };
            // SAFETY: `reserve` made room for the largest batch.
            outcome.attempt(|| unsafe { part.quantize() });
            member.barrier();
            // SAFETY: behind the barrier; a failure is seen by `attempt`.
            outcome.attempt(|| unsafe { part.multiply(|| queue.fetch_add(1, Ordering::Relaxed)) });
        }
    });
    outcome.into_result()
}

impl Scratch {
    /// Makes room for the largest batch and for each thread.
    fn reserve(&mut self, batches: &[Batch], threads: usize) -> Result<()> {
        let tokens = batches.iter().map(Batch::tokens).max().unwrap_or(0);
        let bytes = batches.iter().map(Batch::value_bytes).max().unwrap_or(0);
        let mut workspace = 0;
        for batch in batches {
            workspace = workspace.max(batch.workspace_len()?);
        }
        grow(&mut self.values, bytes);
        grow(&mut self.scales, tokens);
        grow(&mut self.sums, tokens);
        grow(&mut self.workspaces, threads.max(1));
        self.workspaces.iter_mut().for_each(|own| grow(own, workspace));
        Ok(())
    }
}

fn grow<T: Clone + Default>(vector: &mut Vec<T>, len: usize) {
    if vector.len() < len {
        vector.resize(len, T::default());
    }
}
