//! Contracts and containers.

use core::ffi::c_char;

use core_crate::container::{
    Container, Kind as EntryKind, Record, data_place, index_len, index_place, write_index,
};
use core_crate::interop::contract::Contract;

use super::buffers::{Buffers, Described, Kind, call};
use super::input::{Odd, Size, Wrong};
use super::library::container::{
    hbl_container, hbl_container_entry, hbl_container_find, hbl_container_len, hbl_container_open,
    hbl_container_verify, hbl_container_weights, hbl_container_weights_verified, hbl_entry,
};
use super::library::contract::hbl_contract_layer;
use super::library::transform::hbl_transform;
use super::library::weights::hbl_weights;
use super::program::Program;

const NULL: *mut super::library::error::hbl_error = core::ptr::null_mut();

impl Program {
    pub(super) fn contract(
        &mut self,
        b: &mut Buffers<'_>,
        w: &mut Wrong,
        silent: bool,
        text: &str,
        tensor: &str,
        inputs: Size,
    ) {
        let inputs = inputs.get(w, 64);
        let whole = format!("hbitlinear-contract 1\n{text}");
        let text = if w.next().is_some() { text } else { &whole };
        let name: Vec<u8> = tensor.bytes().take_while(|&byte| byte != 0).collect();
        let contract = b.add(Kind::Read, text.as_bytes());
        let (says, rule) = (b.add(Kind::Written, &[9_u32]), b.add(Kind::Written, &[9_u32]));
        let name_buffer = b.add(Kind::Read, &[&name[..], &[0]].concat());
        // Only the text has a length.
        b.odd = b.odd.filter(|(index, odd)| index % 4 == 0 || matches!(odd, Odd::Null));
        let mut transform = self.transform;
        let ok = call(b, silent, |b, error| unsafe {
            let (text, len) = (b.ptr::<c_char>(contract), b.len(contract));
            let (says, rule) = (b.ptr(says), b.ptr(rule));
            hbl_contract_layer(text, len, b.ptr(name_buffer), inputs, says, &mut transform, rule, error)
        });
        if ok && b.odd.is_none() {
            let name = core::str::from_utf8(&name).expect("a name");
            let parsed = Contract::parse(text).expect("what C reads");
            let expected = parsed.layer(name, inputs).expect("what C reads");
            let (says, rule) = (b.get::<u32>(says)[0], b.get::<u32>(rule)[0]);
            let transforms = expected.map(|layer| layer.transform.is_some());
            assert_eq!(says, transforms.map_or(0, |transforms| 1 + u32::from(transforms)));
            assert_eq!(rule, expected.map_or(9, |layer| layer.rule as u32));
            if says == 2 {
                self.set_transform(transform, inputs);
            }
        }
    }

    fn set_transform(&mut self, transform: hbl_transform, inputs: usize) {
        (self.transform, self.named) = (transform, None);
        assert_eq!(self.row_len(), Some(inputs));
    }

    pub(super) fn container(
        &mut self,
        b: &mut Buffers<'_>,
        w: &mut Wrong,
        silent: bool,
        (edits, sealed): (&[(u16, u8)], bool),
        number: Size,
        name: &str,
        how: u8,
    ) {
        let Some(mut content) = self.file(name) else { return };
        let len = content.len();
        for &(at, flip) in edits {
            content[usize::from(at) % len] ^= flip;
        }
        if sealed {
            let index = u64::from_le_bytes(content[16..24].try_into().expect("eight")) as usize;
            if let Some(index) = content.get(index..) {
                let crc = crc32fast::hash(index);
                content[28..32].copy_from_slice(&crc.to_le_bytes());
            }
            let crc = crc32fast::hash(&content[..60]);
            content[60..64].copy_from_slice(&crc.to_le_bytes());
        }
        let mut container = hbl_container { opaque: [0; 16] };
        let file = b.add(Kind::Read, &content);
        let ok = call(b, silent, |b, error| unsafe {
            hbl_container_open(b.ptr(file), b.len(file), &mut container, error)
        });
        if b.odd.is_some() {
            return;
        }
        assert_eq!(ok, Container::open(&content).is_ok());
        let (mut count, mut weights) = (77, hbl_weights { opaque: [0; 32] });
        let number = number.get(w, 0);
        let mut entry = Described::new(EMPTY_ENTRY, w);
        let name: Vec<u8> = name.bytes().take_while(|&byte| byte != 0).chain([0]).collect();
        // SAFETY: the file is where it was opened, until the next call; strings end with NUL.
        unsafe {
            assert_eq!(hbl_container_len(&container, &mut count, NULL) == 0, ok);
            assert_eq!(count == 77, !ok);
            let there = ok && number < count;
            let status = hbl_container_entry(&container, number, &mut entry.it, NULL);
            assert!(status != 0 || there && entry.it.kind.wrapping_sub(1) < 4);
            let status = hbl_container_find(&container, name.as_ptr().cast(), &mut entry.it, NULL);
            assert!(status != 0 || ok);
            let opener =
                if how.is_multiple_of(2) { hbl_container_weights } else { hbl_container_weights_verified };
            let status = opener(&container, number, &mut weights, NULL);
            assert!(status != 0 || there);
            assert!(hbl_container_verify(&container, number, NULL) != 0 || there);
        }
        b.check(ok);
    }

    /// The open weights, and a text, as a file.
    fn file(&self, name: &str) -> Option<Vec<u8>> {
        let shape = self.weights(|weights| [weights.outputs() as u64, weights.inputs() as u64])?;
        if self.blob.len() > 1 << 14 {
            return None;
        }
        let text = b"hbitlinear-contract 1";
        let record = |name, kind, shape, place, data: &[u8]| {
            let (len, crc) = (data.len() as u64, crc32fast::hash(data));
            Record { name, kind, type_name: "", shape, place, len, crc }
        };
        let behind = data_place(64 + self.blob.len() as u64)?;
        let records = [
            record("w", EntryKind::Weights, &shape[..], 64, &self.blob),
            record(name, EntryKind::Text, &[], behind, text),
        ];
        let mut index = vec![0; index_len(&records).ok()?];
        let header = write_index(&records, &mut index).ok()?;
        let mut file = [&header[..], &self.blob].concat();
        file.resize(behind as usize, 0);
        file.extend(text);
        file.resize(index_place(&records).ok()? as usize, 0);
        file.extend(index);
        Some(file)
    }
}

const EMPTY_ENTRY: hbl_entry = hbl_entry {
    struct_size: 0,
    flags: 0,
    kind: 0,
    number: 0,
    name: core::ptr::null(),
    type_name: core::ptr::null(),
    data: core::ptr::null(),
    data_len: 0,
    shape: [0; 4],
    dimensions: 0,
    crc: 0,
};
