//! Files across machines: packed blobs and a container of them have the same bytes wherever they were written, and another
//! machine's multiply to the same bits.
//!
//! With `HBITLINEAR_WRITE_FILES` a folder, its files are written; with `HBITLINEAR_READ_FILES` those of another machine are
//! read. Without either, the machine's own go through memory alone.

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;

use common::data::Random;
use common::owned::{OwnedActivations, OwnedWeights, formats};
use common::run::run_f32;
use hbitlinear::container::{Container, Kind, Record, data_place, index_len, index_place, write_index};
use hbitlinear::{Backend, Bits, Weights};

/// More than one panel, and more than one group of most lengths.
const OUTPUTS: usize = 35;
const INPUTS: usize = 600;

/// What this machine writes, by file name: a blob and its product for every format, and a container of the blobs.
fn own() -> BTreeMap<String, Vec<u8>> {
    let mut random = Random::new(41);
    let mut files = BTreeMap::new();
    let mut blobs = Vec::new();
    for (i, format) in formats().enumerate() {
        let weights = OwnedWeights::random(OUTPUTS, INPUTS, format, &mut random);
        files.insert(format!("{i}.product"), products(&weights.view()));
        files.insert(format!("{i}.blob"), weights.blob.clone());
        blobs.push((format!("blk.{i}.ffn_down.weight"), weights.blob));
    }
    files.insert("all.hbl".to_owned(), container(&blobs));
    files
}

/// The products of both widths, as bytes that are the same everywhere.
fn products(weights: &Weights<'_>) -> Vec<u8> {
    let mut random = Random::new(43);
    let mut bytes = Vec::new();
    for bits in [Bits::Four, Bits::Eight] {
        let x = OwnedActivations::random(bits, 3, INPUTS, &mut random);
        let y = run_f32(Backend::best(), weights, &x.view());
        bytes.extend(y.iter().flat_map(|y| y.to_bits().to_le_bytes()));
    }
    bytes
}

fn container(blobs: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut file = vec![0; 64];
    let mut records = Vec::new();
    for (name, blob) in blobs {
        let place = data_place(file.len() as u64).unwrap();
        file.resize(place as usize, 0);
        file.extend(blob);
        records.push(Record {
            name,
            kind: Kind::Weights,
            type_name: "",
            shape: &[OUTPUTS as u64, INPUTS as u64],
            place,
            len: blob.len() as u64,
            crc: crc32fast::hash(blob),
        });
    }
    file.resize(index_place(&records).unwrap() as usize, 0);
    let mut index = vec![0; index_len(&records).unwrap()];
    file[..64].copy_from_slice(&write_index(&records, &mut index).unwrap());
    file.extend(index);
    file
}

/// Opens what some machine wrote.
fn check(file: impl Fn(&str) -> Vec<u8>) {
    let own = own();
    for (name, expected) in &own {
        assert!(file(name) == *expected, "{name} has other bytes");
    }
    let all = file("all.hbl");
    let container = Container::open(&all).unwrap();
    assert_eq!(container.len(), formats().count());
    for (i, entry) in container.entries().enumerate() {
        let (blob, product) = (file(&format!("{i}.blob")), file(&format!("{i}.product")));
        for weights in [Weights::open(&blob).unwrap(), entry.weights().unwrap()] {
            assert!(products(&weights) == product, "{i}: another product");
        }
    }
}

fn folder(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

#[test]
fn files() {
    let files = own();
    check(|name| files[name].clone());
    if let Some(folder) = folder("HBITLINEAR_WRITE_FILES") {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in &files {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        common::log(&format!("{} files written", files.len()));
    }
    match folder("HBITLINEAR_READ_FILES") {
        Some(folder) => {
            check(|name| std::fs::read(folder.join(name)).unwrap());
            common::log(&format!("{} files of another machine: the same", files.len()));
        }
        None => common::log("HBITLINEAR_READ_FILES is not set: another machine's files NOT READ"),
    }
}
