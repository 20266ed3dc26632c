//! Containers: what is written is what the description says, and whatever else is refused.

#[path = "container/by_hand.rs"]
mod by_hand;

use by_hand::{Row, build, rows, sealed};
use hbitlinear::container::{Container, Kind, Record, data_place, index_len, index_place, write_index};
use hbitlinear::{Error, Layout, Scaling, WeightSpec};

fn open(file: &[u8]) -> Result<(), Error> {
    Container::open(file).map(|_| ())
}

fn entry(entry: usize, expected: &'static str) -> Result<(), Error> {
    Err(Error::ContainerEntry { entry, expected })
}

/// The same file by the crate's writer.
fn written(rows: &[Row]) -> Result<Vec<u8>, Error> {
    let mut file = vec![0; 64];
    let mut records = Vec::new();
    for row in rows {
        let place = data_place(file.len() as u64).unwrap();
        file.resize(place as usize, 0);
        file.extend(&row.data);
        records.push(Record {
            name: &row.name,
            kind: Kind::try_from(u32::from(row.kind))?,
            type_name: &row.type_name,
            shape: &row.shape,
            place,
            len: row.data.len() as u64,
            crc: crc32fast::hash(&row.data),
        });
    }
    file.resize(index_place(&records)? as usize, 0);
    let mut index = vec![0xee; index_len(&records)?];
    file[..64].copy_from_slice(&write_index(&records, &mut index)?);
    file.extend(index);
    Ok(file)
}

#[test]
fn written_as_described_and_read_back() {
    for rows in [rows(), Vec::new(), rows()[..1].to_vec()] {
        let file = written(&rows).unwrap();
        assert_eq!(file, build(&rows));
        let container = Container::open(&file).unwrap();
        assert_eq!((container.len(), container.is_empty()), (rows.len(), rows.is_empty()));
        assert_eq!(container.entries().len(), rows.len());
        for (index, (entry, row)) in container.entries().zip(&rows).enumerate() {
            assert_eq!(
                (entry.number(), entry.name(), entry.type_name()),
                (index, &*row.name, &*row.type_name)
            );
            assert_eq!((entry.kind() as u8, entry.data()), (row.kind, &*row.data));
            assert_eq!(entry.shape().collect::<Vec<_>>(), row.shape);
            assert_eq!(entry.crc(), crc32fast::hash(&row.data));
            assert_eq!(entry.place() % 64, 0);
            assert_eq!(entry.c_name().to_bytes(), row.name.as_bytes());
            assert_eq!(entry.verify(), Ok(()));
            assert_eq!(container.find(&row.name).unwrap().number(), index);
            assert_eq!(container.entry(index).unwrap().name(), row.name);
            assert_eq!(entry.text().is_ok(), row.kind == 3);
            assert_eq!(entry.weights().is_ok(), row.kind == 1);
            assert_eq!(entry.weights_unread().is_ok(), row.kind == 1);
        }
        assert!(container.entry(rows.len()).is_none());
        for none in ["", "a", "zz", "blk.1", "blk.10.ffn_down.weight."] {
            assert!(container.find(none).is_none(), "{none}");
        }
    }
}

#[test]
fn every_truncation() {
    let file = build(&rows());
    for len in 0..file.len() {
        let expected = if len < 64 { 64 } else { file.len() as u64 };
        let error = Error::ContainerLength { expected, actual: len as u64 };
        assert_eq!(open(&file[..len]), Err(error));
    }
    let longer = [&file[..], &[0]].concat();
    let (expected, actual) = (file.len() as u64, longer.len() as u64);
    assert_eq!(open(&longer), Err(Error::ContainerLength { expected, actual }));
}

/// Every value of every byte of the header and of the index; bytes of the data are found when they are read.
#[test]
fn every_flip() {
    let mut file = build(&rows());
    let index = by_hand::index_place(&file);
    for at in (0..64).chain(index..file.len()) {
        for flip in 1..=255 {
            file[at] ^= flip;
            let expected = match at {
                0..4 => Error::ContainerMagic,
                4..6 => {
                    let actual = u16::from_le_bytes([file[4], file[5]]).into();
                    Error::ContainerVersion { expected: 1, actual }
                }
                6..64 => Error::ContainerHeader,
                _ => Error::ContainerIndex,
            };
            assert_eq!(open(&file), Err(expected), "byte {at} ^ {flip:#x}");
            file[at] ^= flip;
        }
    }
    for at in 64..index {
        file[at] ^= 0x10;
        let container = Container::open(&file).unwrap();
        let refused: Vec<_> = container.entries().filter_map(|entry| entry.verify().err()).collect();
        assert!(matches!(refused[..], [Error::ContainerEntry { .. }]), "byte {at}: {refused:?}");
        file[at] ^= 0x10;
    }
}

/// The same behind right checksums: what opens is another file that a writer could have left.
#[test]
fn every_sealed_flip() {
    let whole = build(&rows());
    let index = by_hand::index_place(&whole);
    for at in (0..60).chain(index..whole.len()) {
        for flip in 1..=255 {
            let mut file = whole.clone();
            file[at] ^= flip;
            let file = sealed(file);
            let Ok(container) = Container::open(&file) else { continue };
            let names: Vec<_> = container.entries().map(|entry| entry.name().to_owned()).collect();
            assert_eq!(names.len(), rows().len(), "byte {at} ^ {flip:#x}");
            assert!(names.iter().all(|name| container.find(name).is_some_and(|found| found.name() == name)));
            let records: Vec<_> =
                container.entries().map(|entry| entry.shape().collect::<Vec<_>>()).collect();
            let records: Vec<_> = container
                .entries()
                .zip(&records)
                .map(|(entry, shape)| Record {
                    name: entry.name(),
                    kind: entry.kind(),
                    type_name: entry.type_name(),
                    shape,
                    place: entry.place(),
                    len: entry.data().len() as u64,
                    crc: entry.crc(),
                })
                .collect();
            let mut again = vec![0; index_len(&records).unwrap()];
            let header = write_index(&records, &mut again).unwrap();
            assert_eq!((&file[..64], &file[index..]), (&header[..], &again[..]), "byte {at} ^ {flip:#x}");
        }
    }
}

/// A header that says what no file has, behind a right checksum.
#[test]
fn absurd_headers() {
    let whole = build(&rows());
    let with = |at: usize, bytes: &[u8]| {
        let mut file = whole.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        open(&by_hand::seal_header(file))
    };
    let actual = whole.len() as u64;
    for expected in [0, 63, 64, actual + 1, u64::MAX] {
        let refused = Err(Error::ContainerLength { expected, actual });
        assert_eq!(with(8, &expected.to_le_bytes()), refused);
    }
    for place in [0, 63, actual - 1, actual + 64, u64::MAX, u64::MAX - 63] {
        assert_eq!(with(16, &place.to_le_bytes()), Err(Error::ContainerHeader), "{place}");
    }
    for count in [0, 1, rows().len() as u32 + 1, 1 << 31, u32::MAX] {
        assert!(with(24, &count.to_le_bytes()).is_err(), "{count}");
    }
    assert_eq!(with(24, &u32::MAX.to_le_bytes()), Err(Error::ContainerIndex));
    assert_eq!(open(b"GGUF".repeat(32).as_slice()), Err(Error::ContainerMagic));
}

/// Changes one field of the second record, behind right checksums.
#[test]
fn damaged_records() {
    let whole = build(&rows());
    let record = by_hand::index_place(&whole) + 64;
    let place = u64::from_le_bytes(whole[record..record + 8].try_into().unwrap());
    let with = |at: usize, bytes: &[u8]| {
        let mut file = whole.clone();
        file[record + at..record + at + bytes.len()].copy_from_slice(bytes);
        open(&sealed(file))
    };
    let place_of = |place: u64| with(0, &place.to_le_bytes());
    let len_of = |len: u64| with(8, &len.to_le_bytes());
    assert_eq!(place_of(place + 1), entry(1, "data at a multiple of 64"));
    assert_eq!(place_of(place - 64), entry(1, "data that do not overlap what is before them"));
    assert_eq!(place_of(0), entry(1, "data that do not overlap what is before them"));
    let behind = "data at the next multiple of 64 behind what is before them";
    assert_eq!(place_of(place + 64), entry(1, behind));
    assert_eq!(place_of(u64::MAX - 63), entry(1, behind));
    assert_eq!(len_of(u64::MAX), entry(1, "data whose end fits in 64 bits"));
    assert_eq!(len_of(whole.len() as u64), entry(1, "data that end before the index"));
    assert_eq!(len_of(u64::MAX - place), entry(1, "data that end before the index"));
    assert_eq!(with(60, &[5]), entry(1, "at most 4 dimensions"));
    assert_eq!(with(16, &u64::MAX.to_le_bytes()), entry(1, "a shape whose size fits in 64 bits"));
    assert_eq!(with(40, &[1]), entry(1, "zeros behind the shape's dimensions"));
    for kind in [0, 5, 255] {
        assert_eq!(with(61, &[kind]), entry(1, "a kind of 1 to 4"));
    }
    assert_eq!(with(61, &[3]), entry(1, "no shape for this kind"));
    assert_eq!(with(61, &[4]), entry(1, "no shape for this kind"));
    assert_eq!(with(61, &[1]), entry(1, "two dimensions of at least 1, N and K"));
    assert_eq!(with(62, &[1]), entry(1, "zeros at the end of its record"));
    assert_eq!(with(52, &[0xff; 4]), entry(1, "names that follow on those before"));
    assert_eq!(with(56, &[0xff; 2]), entry(1, "names within the index, each ended by a NUL"));
    assert_eq!(with(58, &[0xff; 2]), entry(1, "names within the index, each ended by a NUL"));
}

#[test]
fn damaged_names() {
    let with = |change: &dyn Fn(&mut Vec<Row>)| {
        let mut rows = rows();
        change(&mut rows);
        (open(&build(&rows)), written(&rows).map(|_| ()))
    };
    let both = |result: Result<(), Error>| (result, result);
    assert_eq!(with(&|rows| rows[2].name.clear()), both(entry(2, "a name")));
    let nul = "a name of UTF-8 without a NUL";
    assert_eq!(with(&|rows| rows[2].name = "a\0b".into()), both(entry(2, nul)));
    assert_eq!(
        with(&|rows| rows[2].type_name = "\0".into()),
        both(entry(2, "a type's name of UTF-8 without a NUL"))
    );
    // The second of the two, in the order by name, is not determined: they are equal.
    let (read, wrote) = with(&|rows| rows[2].name = rows[0].name.clone());
    for result in [read, wrote] {
        let Err(Error::ContainerEntry { entry: 0 | 2, expected }) = result else { panic!("{result:?}") };
        assert_eq!(expected, "a name that no other entry has");
    }
    // Not UTF-8.
    let file = build(&rows());
    let name = file.windows(4).rposition(|bytes| bytes == b"blk.").unwrap();
    let mut damaged = file.clone();
    damaged[name] = 0xff;
    assert!(matches!(open(&sealed(damaged)), Err(Error::ContainerEntry { expected, .. }) if expected == nul));
    // In another order, and an order that is none.
    let order = by_hand::index_place(&file) + 64 * rows().len();
    for (at, bytes) in [(0, [0_u32, 0]), (0, [u32::MAX, 0]), (0, [9, 1])] {
        let mut damaged = file.clone();
        damaged[order + at..][..4].copy_from_slice(&bytes[0].to_le_bytes());
        damaged[order + at + 4..][..4].copy_from_slice(&bytes[1].to_le_bytes());
        assert!(open(&sealed(damaged)).is_err());
    }
    let mut damaged = file;
    let (first, second) = damaged[order..order + 8].split_at_mut(4);
    first.swap_with_slice(second);
    assert_eq!(open(&sealed(damaged)), Err(Error::ContainerIndex));
}

/// What the writer refuses without a byte written.
#[test]
fn refused_records() {
    let record =
        Record { name: "a", kind: Kind::Tensor, type_name: "f32", shape: &[3], place: 64, len: 12, crc: 0 };
    let refused = |record: Record| {
        let mut index = vec![0xee; index_len(&[record]).unwrap()];
        let result = write_index(&[record], &mut index).map(|_| ());
        assert!(index.iter().all(|&byte| byte == 0xee), "{result:?}");
        result
    };
    let long = "x".repeat(65536);
    assert_eq!(refused(Record { name: &long, ..record }), entry(0, "names of 65535 bytes at most"));
    assert_eq!(refused(Record { type_name: &long, ..record }), entry(0, "names of 65535 bytes at most"));
    assert_eq!(refused(Record { shape: &[1; 5], ..record }), entry(0, "at most 4 dimensions"));
    assert_eq!(refused(Record { place: 65, ..record }), entry(0, "data at a multiple of 64"));
    assert_eq!(refused(Record { len: u64::MAX, ..record }), entry(0, "data whose end fits in 64 bits"));
    let overflow = Err(Error::SizeOverflow { argument: "data of the container" });
    assert_eq!(refused(Record { len: u64::MAX - 64, ..record }), overflow);
    let short = write_index(&[record], &mut [0; 3]);
    assert_eq!(short, Err(Error::Length { argument: "index", expected: 64 + 4 + 1 + 3 + 2, actual: 3 }));
    let mut index = vec![0; index_len(&[record]).unwrap()];
    assert!(write_index(&[Record { name: &long[1..], ..record }], &mut vec![0; 64 + 4 + 65535 + 5]).is_ok());
    assert!(write_index(&[record], &mut index).is_ok());
}

/// A blob of another shape than the index says, and entries that are no weights.
#[test]
fn weights_of_another_shape() {
    let spec = WeightSpec::new(3, 5, Layout::TwoBit, Scaling::Tensor).unwrap();
    let mut blob = vec![0; spec.packed_len()];
    spec.pack(&[1; 15], &[0.5], &mut blob).unwrap();
    let row = |shape: &[u64], data: &[u8]| Row {
        name: "w".into(),
        type_name: String::new(),
        kind: 1,
        shape: shape.into(),
        data: data.into(),
    };
    let both = |row: Row| {
        let file = build(&[row]);
        let entry = Container::open(&file).unwrap().find("w").unwrap();
        (entry.weights().map(|_| ()), entry.weights_unread().map(|_| ()))
    };
    assert_eq!(both(row(&[3, 5], &blob)), (Ok(()), Ok(())));
    let refused = entry(0, "weights of the index's shape");
    assert_eq!(both(row(&[5, 3], &blob)), (refused, refused));
    let short = Error::BlobLength { expected: blob.len(), actual: blob.len() - 1 };
    assert_eq!(both(row(&[3, 5], &blob[1..])).0, Err(Error::BlobMagic));
    assert_eq!(both(row(&[3, 5], &blob[..blob.len() - 1])), (Err(short), Err(short)));
    let damaged = {
        let mut damaged = blob.clone();
        *damaged.last_mut().unwrap() ^= 3;
        damaged
    };
    assert_eq!(both(row(&[3, 5], &damaged)), (Err(Error::BlobPayload), Ok(())));
    let file = build(&rows());
    let container = Container::open(&file).unwrap();
    let tensor = container.entries().find(|entry| entry.kind() == Kind::Tensor).unwrap();
    assert_eq!(tensor.weights().map(|_| ()), entry(tensor.number(), "weights"));
    assert_eq!(tensor.text().map(|_| ()), entry(tensor.number(), "a text"));
    let text = Row { kind: 3, shape: Vec::new(), data: vec![0xff], ..row(&[], &[]) };
    let file = build(&[text]);
    assert_eq!(Container::open(&file).unwrap().find("w").unwrap().text().map(|_| ()), entry(0, "UTF-8"));
}

#[test]
fn kinds_have_numbers_and_names() {
    for &kind in Kind::ALL {
        assert_eq!(Kind::try_from(kind as u32), Ok(kind));
        assert_eq!(kind.to_string(), kind.name());
    }
    assert_eq!(Kind::try_from(0), Err(Error::Value { argument: "kind", value: 0 }));
}
