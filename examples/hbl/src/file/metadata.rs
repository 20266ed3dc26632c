//! Values of GGUF metadata, read where they lie.

use hbitlinear::interop::contract;

use super::Result;

/// Most arrays within arrays.
const MAX_DEPTH: usize = 4;

/// A value: numbers are widened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// An unsigned integer.
    Unsigned(u64),
    /// A signed integer.
    Signed(i64),
    /// A float.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// A string.
    Text(&'a str),
    /// An array.
    Array(Array<'a>),
}

/// An array whose elements were checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Array<'a> {
    kind: u32,
    len: u64,
    bytes: &'a [u8],
}

/// A place in the file's header.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of the bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
    }

    /// Bytes from the start.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Bytes that are left.
    #[must_use]
    pub const fn left(&self) -> u64 {
        (self.bytes.len() - self.at) as u64
    }

    /// The next bytes.
    ///
    /// # Errors
    /// If the file ends before.
    pub fn take(&mut self, len: u64) -> Result<&'a [u8]> {
        if len > self.left() {
            return Err(format!(
                "the file ends {} bytes before it should, at byte {}",
                len - self.left(),
                self.at
            ));
        }
        let taken = &self.bytes[self.at..][..len as usize];
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.take(N as u64)?;
        Ok(*bytes.first_chunk().expect("as many as were taken"))
    }

    /// A little-endian u32.
    ///
    /// # Errors
    /// As [`Cursor::take`].
    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// A little-endian u64.
    ///
    /// # Errors
    /// As [`Cursor::take`].
    pub fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A length, and as many bytes of UTF-8.
    ///
    /// # Errors
    /// As [`Cursor::take`], and if it is no UTF-8.
    pub fn text(&mut self) -> Result<&'a str> {
        let len = self.u64()?;
        let at = self.at;
        core::str::from_utf8(self.take(len)?).map_err(|_| format!("the string at byte {at} is not UTF-8"))
    }

    /// A value of the type with that number.
    ///
    /// # Errors
    /// As [`Cursor::text`]; for an unknown type; for a boolean that is neither 0 nor 1; for arrays in arrays beyond four.
    pub fn value(&mut self, kind: u32) -> Result<Value<'a>> {
        self.value_at(kind, 0)
    }

    fn value_at(&mut self, kind: u32, depth: usize) -> Result<Value<'a>> {
        Ok(match kind {
            0 => Value::Unsigned(self.array().map(u8::from_le_bytes)?.into()),
            1 => Value::Signed(self.array().map(i8::from_le_bytes)?.into()),
            2 => Value::Unsigned(self.array().map(u16::from_le_bytes)?.into()),
            3 => Value::Signed(self.array().map(i16::from_le_bytes)?.into()),
            4 => Value::Unsigned(self.array().map(u32::from_le_bytes)?.into()),
            5 => Value::Signed(self.array().map(i32::from_le_bytes)?.into()),
            6 => Value::Float(self.array().map(f32::from_le_bytes)?.into()),
            7 => match self.array::<1>()?[0] {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                other => return Err(format!("expected a boolean of 0 or 1, got {other}")),
            },
            8 => Value::Text(self.text()?),
            9 if depth == MAX_DEPTH => return Err("arrays in arrays, too deep".into()),
            9 => {
                let (kind, len) = (self.u32()?, self.u64()?);
                let start = self.at;
                match width(kind) {
                    Some(width) => {
                        let bytes = len.checked_mul(width).ok_or("an array that is too long")?;
                        self.take(bytes)?;
                    }
                    None if len > self.left() => {
                        return Err(format!("an array of {len} elements does not fit in the file"));
                    }
                    None => {
                        for _ in 0..len {
                            self.value_at(kind, depth + 1)?;
                        }
                    }
                }
                Value::Array(Array { kind, len, bytes: &self.bytes[start..self.at] })
            }
            10 => Value::Unsigned(self.u64()?),
            11 => Value::Signed(self.array().map(i64::from_le_bytes)?),
            12 => Value::Float(self.array().map(f64::from_le_bytes)?),
            _ => return Err(format!("unknown type {kind} of a value")),
        })
    }
}

/// Bytes of a number; booleans are not among them, because theirs are checked.
const fn width(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

impl<'a> Array<'a> {
    /// Number of elements.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its elements.
    pub fn values(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let (kind, mut cursor) = (self.kind, Cursor::new(self.bytes));
        (0..self.len).map_while(move |_| cursor.value_at(kind, 1).ok())
    }
}

/// Values in the form that the rotation contract takes, with the arrays that it borrows.
#[derive(Debug)]
pub enum Owned<'a> {
    /// No array.
    Plain(contract::Value<'a>),
    /// Strings.
    Texts(Vec<&'a str>),
    /// Integers.
    Ints(Vec<i64>),
    /// Integers that fit in an i8.
    Signs(Vec<i8>),
}

impl<'a> Owned<'a> {
    /// `None` if the contract has no values of that type.
    #[must_use]
    pub fn of(value: Value<'a>) -> Option<Owned<'a>> {
        Some(Owned::Plain(match value {
            Value::Unsigned(number) => contract::Value::Int(i64::try_from(number).ok()?),
            Value::Signed(number) => contract::Value::Int(number),
            Value::Bool(boolean) => contract::Value::Bool(boolean),
            Value::Text(text) => contract::Value::Text(text),
            Value::Float(_) => return None,
            Value::Array(array) if array.kind == 8 => {
                let text = |value| if let Value::Text(text) = value { Some(text) } else { None };
                return array.values().map(text).collect::<Option<_>>().map(Owned::Texts);
            }
            Value::Array(array) => {
                let int = |value| match value {
                    Value::Unsigned(number) => i64::try_from(number).ok(),
                    Value::Signed(number) => Some(number),
                    _ => None,
                };
                let ints = array.values().map(int).collect::<Option<Vec<i64>>>()?;
                // Signs are wanted narrow, everything else wide.
                let signs = ints.iter().all(|&int| int == 1 || int == -1);
                return Some(if signs {
                    Owned::Signs(ints.into_iter().map(|int| int as i8).collect())
                } else {
                    Owned::Ints(ints)
                });
            }
        }))
    }

    /// A view of it.
    #[must_use]
    pub fn value(&'a self) -> contract::Value<'a> {
        match self {
            Owned::Plain(value) => *value,
            Owned::Texts(texts) => contract::Value::Texts(texts),
            Owned::Ints(ints) => contract::Value::Ints(ints),
            Owned::Signs(signs) => contract::Value::Signs(signs),
        }
    }
}
