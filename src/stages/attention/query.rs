//! A head's query: quantised, or as it is.

use super::codes::quantize_each;
use crate::buffer::{Buffer, init};
use crate::error::{Error, Result, check_len, check_nonzero};
use crate::kernels::Backend;
use crate::stages::statistics::max_magnitude;
use crate::stages::workspace::{Size, Workspace};

/// How queries take part in scores.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueryBits {
    /// Quantised to 4 bits, as keys are: scores are exact integers before their factor.
    Four = 4,
    /// As they are.
    F32 = 32,
}

impl QueryBits {
    /// Both.
    pub const ALL: &'static [QueryBits] = &[QueryBits::Four, QueryBits::F32];
}

impl TryFrom<u32> for QueryBits {
    type Error = Error;

    /// 4 or 32, or [`Error::Value`].
    fn try_from(number: u32) -> Result<QueryBits> {
        let found = Self::ALL.iter().copied().find(|&bits| bits as u32 == number);
        found.ok_or(Error::Value { argument: "bits of the queries", value: number as usize })
    }
}

/// One head of a token's queries, after the rotary embedding, ready for scores.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// What it is worth, in f32.
    values: &'a [f32],
    codes: Option<Codes<'a>>,
}

/// A quantised query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Codes<'a> {
    /// `2q − 15`, then zeros up to a multiple of 32.
    pub(super) odd: &'a [i8],
    /// γ / 15.
    pub(super) scale: f32,
}

impl<'a> Query<'a> {
    /// As it is. Its elements are taken as they are: see [the module](super).
    ///
    /// # Errors
    /// [`Error::Zero`] without elements.
    pub fn plain(query: &'a [f32]) -> Result<Query<'a>> {
        check_nonzero("head size", query.len())?;
        Ok(Query { values: query, codes: None })
    }

    /// Bytes of storage that [`Query::quantized`] needs for a head of so many elements.
    ///
    /// # Errors
    /// [`Error::SizeOverflow`].
    pub fn storage_len(head_size: usize) -> Result<usize> {
        Ok(Self::storage(head_size)?.bytes())
    }

    fn storage(head_size: usize) -> Result<Size> {
        Size::EMPTY.and::<f32>(head_size)?.and::<i8>(head_size.saturating_add(31))
    }

    /// Quantised to 4 bits by its largest magnitude. The storage need not be initialised.
    ///
    /// # Errors
    /// [`Error::Zero`] without elements; [`Error::Workspace`] if the storage is shorter than [`Query::storage_len`];
    /// [`Error::NonFinite`] (row 0) if an element is not finite. Then the storage is untouched.
    ///
    /// ```
    /// use hbitlinear::{Backend, Query};
    /// let mut storage = vec![0; Query::storage_len(3)?];
    /// let query = Query::quantized(Backend::best(), &[1.5, -1.5, 0.05], &mut storage)?;
    /// assert_eq!(query.values(), [1.5, -1.5, 0.1]); // codes 15, 0 and 8 of 15
    /// # Ok::<(), hbitlinear::Error>(())
    /// ```
    pub fn quantized(
        backend: Backend,
        query: &[f32],
        storage: impl Into<Buffer<'a, u8>>,
    ) -> Result<Query<'a>> {
        check_nonzero("head size", query.len())?;
        let mut workspace = Workspace::new(storage.into(), Self::storage(query.len())?)?;
        let gamma = max_magnitude(backend, query);
        if !gamma.is_finite() {
            return Err(Error::NonFinite { argument: "query", row: 0 });
        }
        let scale = gamma / 15.0;
        let values = workspace.take::<f32>(query.len());
        let odd = workspace.take::<i8>(query.len().next_multiple_of(32));
        let (codes, padding) = odd.split_at_mut(query.len());
        padding.fill(core::mem::MaybeUninit::new(0));
        quantize_each(backend, query, gamma, 15, |i, code| {
            let odd = 2 * code as i8 - 15;
            codes[i].write(odd);
            values[i].write(f32::from(odd) * scale);
        });
        // SAFETY: every element was just written.
        let (values, odd) = unsafe { (init(values), init(odd)) };
        Ok(Query { values, codes: Some(Codes { odd, scale }) })
    }

    /// The elements; of a quantised query, what its codes are worth.
    #[must_use]
    pub const fn values(&self) -> &'a [f32] {
        self.values
    }

    /// Whether it is quantised.
    #[must_use]
    pub const fn is_quantized(&self) -> bool {
        self.codes.is_some()
    }

    pub(super) fn codes(&self) -> Option<Codes<'a>> {
        self.codes
    }

    /// [`Error::Length`] unless it has so many elements.
    pub(super) fn check(&self, head_size: usize) -> Result<()> {
        check_len("query", head_size, self.values.len())
    }
}
