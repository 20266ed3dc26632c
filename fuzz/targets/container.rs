//! Containers: any bytes, and files with edited bytes behind right checksums, are opened or refused. What opens is what a
//! writer leaves, and its entries are found.

#![no_main]

use hbitlinear::Error;
use hbitlinear::container::{Container, Kind, Record, data_place, index_len, index_place, write_index};
use libfuzzer_sys::{arbitrary, fuzz_target};

#[derive(arbitrary::Arbitrary, Debug)]
struct Input<'a> {
    any: &'a [u8],
    entries: Vec<Entry<'a>>,
    /// What to XOR where, of header and index.
    edits: Vec<(u16, u8)>,
    sealed: bool,
    name: &'a str,
}

#[derive(arbitrary::Arbitrary, Debug)]
struct Entry<'a> {
    name: &'a str,
    kind: u8,
    type_name: &'a str,
    shape: Vec<u64>,
    data: &'a [u8],
    /// What to add to its place and to its length.
    off: Option<(i8, u64)>,
}

fuzz_target!(|input: Input| {
    open(input.any, input.name);
    let Some(mut file) = build(&input.entries) else { return };
    open(&file, input.name);
    let index = u64::from_le_bytes(file[16..24].try_into().expect("eight")) as usize;
    let len = file.len();
    for &(at, flip) in &input.edits {
        let at = usize::from(at) % (64 + len - index);
        file[if at < 64 { at } else { index + at - 64 }] ^= flip;
    }
    if input.sealed {
        let index = u64::from_le_bytes(file[16..24].try_into().expect("eight")) as usize;
        if let Some(index) = file.get(index..) {
            let crc = crc32fast::hash(index);
            file[28..32].copy_from_slice(&crc.to_le_bytes());
        }
        let crc = crc32fast::hash(&file[..60]);
        file[60..64].copy_from_slice(&crc.to_le_bytes());
    }
    open(&file, input.name);
});

/// A file of these entries, or none if the writer refuses them.
fn build(entries: &[Entry<'_>]) -> Option<Vec<u8>> {
    let mut file = vec![0; 64];
    let mut records = Vec::new();
    for entry in entries.iter().take(12) {
        let place = data_place(file.len() as u64).expect("a short file");
        file.resize(place as usize, 0);
        file.extend(entry.data);
        let (move_by, more) = entry.off.unwrap_or_default();
        records.push(Record {
            name: entry.name,
            kind: Kind::ALL[usize::from(entry.kind) % Kind::ALL.len()],
            type_name: entry.type_name,
            shape: &entry.shape,
            place: place.wrapping_add_signed(move_by.into()),
            len: (entry.data.len() as u64).wrapping_add(more),
            crc: crc32fast::hash(entry.data),
        });
    }
    let mut index = vec![0xEE; index_len(&records).expect("a short index")];
    let header = match write_index(&records, &mut index) {
        Ok(header) => header,
        Err(Error::ContainerEntry { entry, .. }) => {
            assert!(entry < records.len());
            return None;
        }
        Err(error) => {
            assert!(matches!(error, Error::SizeOverflow { .. }), "{error}");
            return None;
        }
    };
    // A wrong length may still be a place behind the data.
    let place = index_place(&records).expect("as the writer found");
    if place != data_place(file.len() as u64).expect("a short file") {
        return None;
    }
    file.resize(place as usize, 0);
    file.extend(index);
    file[..64].copy_from_slice(&header);
    assert!(Container::open(&file).is_ok(), "what was written opens");
    Some(file)
}

/// Opens, and if that succeeds checks that a writer could have left it.
fn open(file: &[u8], name: &str) {
    let container = match Container::open(file) {
        Ok(container) => container,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let shapes: Vec<Vec<u64>> = container.entries().map(|entry| entry.shape().collect()).collect();
    let mut records = Vec::new();
    for (entry, shape) in container.entries().zip(&shapes) {
        assert_eq!(container.find(entry.name()).map(|found| found.number()), Some(entry.number()));
        let whole = entry.verify().is_ok();
        assert!(entry.text().is_err() || whole && entry.kind() == Kind::Text);
        let (weights, unread) = (entry.weights(), entry.weights_unread());
        assert!(weights.is_err() || unread.is_ok() && entry.kind() == Kind::Weights);
        records.push(Record {
            name: entry.name(),
            kind: entry.kind(),
            type_name: entry.type_name(),
            shape,
            place: entry.place(),
            len: entry.data().len() as u64,
            crc: entry.crc(),
        });
    }
    let by_hand = records.iter().position(|record| record.name == name);
    assert_eq!(container.find(name).map(|entry| entry.number()), by_hand);
    let mut index = vec![0xEE; index_len(&records).expect("as long as it is")];
    let header = write_index(&records, &mut index).expect("what opens can be written");
    let place = index_place(&records).expect("within the file") as usize;
    assert!(file[..64] == header && file[place..] == index, "another form of the same");
}
