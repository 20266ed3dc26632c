//! Scores, softmax and weighted sum for some heads of one token.

use core::ops::Range;

use super::query::{Query, QueryBits};
use super::softmax::softmax;
use super::states::States;
use crate::buffer::Buffer;
use crate::error::{Error, Result, check_len, check_nonzero, check_range, checked_size};
use crate::kernels::Backend;
use crate::stages::statistics::max_magnitude;
use crate::stages::workspace::{Size, Workspace};

/// Bytes of workspace that [`attend`] needs for heads of so many elements and so many tokens.
///
/// # Errors
/// [`Error::SizeOverflow`].
pub fn attend_workspace_len(head_size: usize, tokens_visible: usize) -> Result<usize> {
    Ok(workspace_size(head_size, tokens_visible)?.bytes())
}

fn workspace_size(head_size: usize, tokens_visible: usize) -> Result<Size> {
    Size::EMPTY.and::<f32>(tokens_visible)?.and::<u8>(Query::storage_len(head_size)?)
}

/// Attention of one token: for each query head of `heads`, `softmax(scale · q·k) · v` over the first `tokens_visible` tokens
/// of the cache.
///
/// `queries` is `[query heads, head_size]`, all heads of the token, after the rotary embedding; their number is a multiple of
/// the kv heads, and query head h goes with kv head `h / (query heads / kv heads)`. `out` takes `[heads.len(), head_size]`.
/// Threads call it with ranges of heads; for a prompt, call it with each token and what that token sees.
///
/// # Errors
/// [`Error::Multiple`] unless `queries` is whole heads and a multiple of the kv heads; [`Error::Zero`] if no token is visible;
/// [`Error::Range`] if `heads` or `tokens_visible` goes beyond what there is; [`Error::Length`] for `out`;
/// [`Error::Workspace`] if the workspace is shorter than [`attend_workspace_len`]; [`Error::NonFinite`] naming the first head
/// of `heads` with a NaN or an infinity (as a row of `queries`). Then `out` is untouched.
pub fn attend<'o, 'w>(
    backend: Backend,
    states: States<'_>,
    queries: &[f32],
    query_bits: QueryBits,
    heads: Range<usize>,
    tokens_visible: usize,
    scale: f32,
    out: impl Into<Buffer<'o, f32>>,
    workspace: impl Into<Buffer<'w, u8>>,
) -> Result<()> {
    let (out, head_size) = (out.into(), states.spec().head_size());
    let multiple = states.spec().row_len();
    if queries.is_empty() || !queries.len().is_multiple_of(multiple) {
        return Err(Error::Multiple { argument: "queries", multiple, actual: queries.len() });
    }
    let query_heads = queries.len() / head_size;
    check_range("heads", &heads, query_heads)?;
    check_nonzero("tokens visible", tokens_visible)?;
    check_range("tokens visible", &(0..tokens_visible), states.len())?;
    check_len("out", checked_size(heads.len(), head_size, "heads * head size")?, out.len())?;
    let mut workspace = Workspace::new(workspace.into(), workspace_size(head_size, tokens_visible)?)?;
    for head in heads.clone() {
        if !max_magnitude(backend, &queries[head * head_size..][..head_size]).is_finite() {
            return Err(Error::NonFinite { argument: "queries", row: head });
        }
    }
    let group = query_heads / states.spec().kv_heads();
    let scores = workspace.take_filled(tokens_visible, 0.0_f32);
    let mut storage = Buffer::uninit(workspace.take(Query::storage_len(head_size)?));
    let out = out.into_uninit().chunks_exact_mut(head_size);
    for (head, out) in heads.zip(out) {
        let query = &queries[head * head_size..][..head_size];
        let query = match query_bits {
            QueryBits::Four => Query::quantized(backend, query, storage.reborrow())?,
            QueryBits::F32 => Query::plain(query)?,
        };
        states.scores(backend, head / group, &query, 0..tokens_visible, scale, &mut *scores)?;
        softmax(backend, scores);
        states.weighted_sum(backend, head / group, scores, 0..head_size, Buffer::uninit(out))?;
    }
    Ok(())
}
