//! A file of packed weights and what belongs to them, to be mapped and used where it lies: [`Container`] reads one,
//! [`write_index`] and plain bytes make one. Its name ends with `.hbl`.
//!
//! # The file, byte by byte
//! All numbers are little-endian and unsigned. A **place** is a number of bytes from the start of the file.
//!
//! ```text
//! header, 64 bytes │ data of entry 0 │ 0… │ data of entry 1 │ 0… │ … │ index
//!                  ▲ each begins at the next multiple of 64, zeros before it ▲
//! ```
//!
//! | bytes of the header | field |
//! |---|---|
//! | 0..4 | magic `HBLC` |
//! | 4..6 | version, u16: 1 |
//! | 8..16 | length of the file, u64 |
//! | 16..24 | place of the index, u64 |
//! | 24..28 | number of entries n, u32 |
//! | 28..32 | CRC-32 of the index |
//! | 60..64 | CRC-32 of bytes 0..60 |
//!
//! The bytes not named are zero. The **index** reaches to the end of the file and has three parts without gaps: n records of
//! 64 bytes, in the order of the data; n numbers, u32, the records' in the order of their names' bytes, so that one is found
//! by halving; and the names.
//!
//! | bytes of a record | field |
//! |---|---|
//! | 0..8 | place of the data, u64 |
//! | 8..16 | length of the data, u64 |
//! | 16..48 | shape, four u64, outermost dimension first; those that it does not have are 0 |
//! | 48..52 | CRC-32 of the data |
//! | 52..56 | where among the names this record's begin, u32 |
//! | 56..58 | length of the name, u16 |
//! | 58..60 | length of the type's name, u16 |
//! | 60 | dimensions, 0 to 4 |
//! | 61 | kind, see below |
//! | 62..64 | 0 |
//!
//! The names are, record after record: the entry's name, a byte 0, its type's name, a byte 0. Both are UTF-8 without a byte 0;
//! a name has at least one byte, and no two are the same. CRC-32 is that of zip and PNG.
//!
//! | kind | the data | the shape | the type's name |
//! |---|---|---|---|
//! | 1 weights | a weight blob ([`layout`](crate::layout), which has the bytes) | N, K | the [`Format`](crate::interop::Format) that they came from, or empty |
//! | 2 tensor | as it was in the source | as in the source, outermost first | as the source calls it, such as `f32` or `q6_k` |
//! | 3 text | UTF-8 | none | any, such as `contract` or `json` |
//! | 4 source | the header of the source file | none | its format, such as `gguf` |
//!
//! Every byte is determined by what is stored, and what no writer leaves is refused: [`Container::open`] checks header and
//! index and reads nothing else, so that it takes no longer for more weights; [`Entry::verify`] and [`Entry::weights`] read
//! the data of one entry. A later version has another number; this one is refused by none that follows without being named.
//!
//! # Writing one
//! In one pass, with no more in memory than the index: 64 zero bytes; the data, each padded with zeros to [`data_place`];
//! the index; and last the header, over those zeros. Until then, the file opens for nobody.
//!
//! ```
//! use hbitlinear::container::{Container, Kind, Record, data_place, index_len, index_place, write_index};
//! use hbitlinear::{Layout, Scaling, WeightSpec};
//!
//! let spec = WeightSpec::new(2, 3, Layout::TwoBit, Scaling::Tensor)?;
//! let mut blob = vec![0; spec.packed_len()];
//! spec.pack(&[1, 0, -1, 0, 1, 1], &[0.5], &mut blob)?;
//! let text = b"{}";
//!
//! let mut file = vec![0; 64];
//! let mut record = |name, kind, shape, data: &[u8]| {
//!     let place = data_place(file.len() as u64).expect("a file of that length");
//!     file.resize(place as usize, 0);
//!     file.extend(data);
//!     Record { name, kind, type_name: "", shape, place, len: data.len() as u64, crc: crc32fast::hash(data) }
//! };
//! let records = [
//!     record("blk.0.ffn_down.weight", Kind::Weights, &[2, 3], &blob),
//!     record("config.json", Kind::Text, &[], text),
//! ];
//! file.resize(index_place(&records)? as usize, 0);
//! let mut index = vec![0; index_len(&records)?];
//! let header = write_index(&records, &mut index)?;
//! file.extend(index);
//! file[..64].copy_from_slice(&header);
//!
//! let container = Container::open(&file)?;
//! let entry = container.find("blk.0.ffn_down.weight").expect("it was written");
//! assert_eq!(entry.weights()?.weight(0, 2), -1);
//! # Ok::<(), hbitlinear::Error>(())
//! ```

mod entry;
mod header;
mod index;
mod reader;
mod record;
mod writer;

pub use entry::Entry;
pub use header::{HEADER_BYTES, VERSION};
pub use reader::Container;
pub use record::{Kind, MAX_DIMENSIONS, data_place};
pub use writer::{Record, index_len, index_place, write_index};
