//! A container written from the description alone.

use hbitlinear::{Layout, Scaling, WeightSpec};

#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) type_name: String,
    pub(crate) kind: u8,
    pub(crate) shape: Vec<u64>,
    pub(crate) data: Vec<u8>,
}

/// Entries of every kind, with empty data, and data whose ends are at, before and behind multiples of 64.
pub(crate) fn rows() -> Vec<Row> {
    let spec = WeightSpec::new(2, 3, Layout::TwoBit, Scaling::Row).unwrap();
    let mut blob = vec![0; spec.packed_len()];
    spec.pack(&[1, 0, -1, 0, 1, 1], &[0.5, 2.0], &mut blob).unwrap();
    let row = |name: &str, type_name: &str, kind, shape: &[u64], data: &[u8]| Row {
        name: name.into(),
        type_name: type_name.into(),
        kind,
        shape: shape.into(),
        data: data.into(),
    };
    vec![
        row("source", "gguf", 4, &[], &[7; 65]),
        row("norm", "f32", 2, &[2, 4, 2], &[1; 64]),
        row("blk.10.ffn_down.weight", "tq2_0", 1, &[2, 3], &blob),
        row("blk.1.ffn_down.weight", "", 1, &[2, 3], &blob),
        row("größe", "f32", 2, &[], &[2; 4]),
        row("nothing", "u8", 2, &[4, 0, 1, 9], &[]),
        row("config.json", "json", 3, &[], "{\"ä\":1}".as_bytes()),
    ]
}

pub(crate) fn build(rows: &[Row]) -> Vec<u8> {
    let mut file = vec![0; 64];
    let (mut records, mut names) = (Vec::new(), Vec::new());
    for row in rows {
        file.resize(file.len().div_ceil(64) * 64, 0);
        let mut record = Vec::new();
        record.extend((file.len() as u64).to_le_bytes());
        record.extend((row.data.len() as u64).to_le_bytes());
        for dimension in 0..4 {
            record.extend(row.shape.get(dimension).copied().unwrap_or(0).to_le_bytes());
        }
        record.extend(crc32fast::hash(&row.data).to_le_bytes());
        record.extend((names.len() as u32).to_le_bytes());
        record.extend((row.name.len() as u16).to_le_bytes());
        record.extend((row.type_name.len() as u16).to_le_bytes());
        record.extend([row.shape.len() as u8, row.kind, 0, 0]);
        assert_eq!(record.len(), 64);
        records.extend(record);
        for text in [&row.name, &row.type_name] {
            names.extend(text.bytes());
            names.push(0);
        }
        file.extend(&row.data);
    }
    file.resize(file.len().div_ceil(64) * 64, 0);
    let index = file.len() as u64;
    let mut order: Vec<_> = (0..rows.len() as u32).collect();
    order.sort_by_key(|&row| rows[row as usize].name.as_bytes());
    file.extend(records);
    file.extend(order.into_iter().flat_map(u32::to_le_bytes));
    file.extend(names);
    let len = file.len() as u64;
    file[0..4].copy_from_slice(b"HBLC");
    file[4] = 1;
    file[8..16].copy_from_slice(&len.to_le_bytes());
    file[16..24].copy_from_slice(&index.to_le_bytes());
    file[24..28].copy_from_slice(&(rows.len() as u32).to_le_bytes());
    sealed(file)
}

pub(crate) fn index_place(file: &[u8]) -> usize {
    u64::from_le_bytes(file[16..24].try_into().unwrap()) as usize
}

/// With right checksums, of the index if there is one where the header says.
pub(crate) fn sealed(mut file: Vec<u8>) -> Vec<u8> {
    if let Some(index) = file.get(index_place(&file)..) {
        let crc = crc32fast::hash(index);
        file[28..32].copy_from_slice(&crc.to_le_bytes());
    }
    seal_header(file)
}

/// With a right checksum of the header.
pub(crate) fn seal_header(mut file: Vec<u8>) -> Vec<u8> {
    let crc = crc32fast::hash(&file[..60]);
    file[60..64].copy_from_slice(&crc.to_le_bytes());
    file
}
