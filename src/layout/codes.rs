//! What a packed layout is to everything that is not a kernel: functions over the bytes of one panel.

/// Columns that are packed and unpacked at a time: whole blocks of every layout, whole scale groups.
pub(crate) const SEGMENT: usize = 256;

/// The codes of a segment of a row; those beyond the row are 1, weight 0.
pub(crate) type Segment = [u8; SEGMENT];

/// A place in a panel that no writer produces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// The functions of one layout. A panel holds [`PANEL_ROWS`](super::PANEL_ROWS) rows and any number of columns; a code is
/// w + 1.
pub(crate) struct Codes {
    /// Columns that a panel's rows are padded to a multiple of: divides every scale group.
    pub(crate) column_multiple: usize,
    /// Bytes of a panel of so many columns.
    pub(crate) panel_bytes: fn(columns: usize) -> usize,
    /// One code; 0 to 2 unless its byte is damaged.
    pub(crate) code: fn(panel: &[u8], row: usize, column: usize) -> u8,
    /// Replaces all that a panel stores of a row's segment, whose first column is a multiple of [`SEGMENT`].
    pub(crate) write: fn(panel: &mut [u8], row: usize, first: usize, codes: &Segment),
    /// The codes of a row's segment, those that the panel stores.
    pub(crate) read: fn(panel: &[u8], row: usize, first: usize, codes: &mut Segment),
    /// Fills a panel of so many columns with zero weights.
    pub(crate) clear: fn(panel: &mut [u8], columns: usize),
    /// End of the columns that a panel of so many may hold codes of.
    pub(crate) padding_end: fn(columns: usize) -> usize,
    /// Whether a panel of so many columns has a code of this one, which lies below the padding's end.
    pub(crate) holds: fn(columns: usize, column: usize) -> bool,
    /// The first place of a panel that no writer produces.
    pub(crate) damage: fn(panel: &[u8]) -> Option<Damage>,
}

impl Codes {
    /// Columns of a row that hold codes but no weights.
    pub(super) fn padding(&self, columns: usize) -> impl Iterator<Item = usize> + Clone + use<> {
        let holds = self.holds;
        (columns..(self.padding_end)(columns)).filter(move |&column| holds(columns, column))
    }
}

/// The code of a weight; beyond 2 if that is none of −1, 0, 1.
#[inline(always)]
pub(super) const fn code_of(weight: i8) -> u8 {
    weight.wrapping_add(1) as u8
}

/// The first code that is none. Looks at all of them first, which becomes vectors, for there is none as a rule.
#[inline(always)]
pub(super) fn first_bad_code(codes: impl Iterator<Item = u8> + Clone) -> Option<usize> {
    if codes.clone().fold(0, u8::max) <= 2 {
        return None;
    }
    codes.into_iter().position(|code| code > 2)
}
