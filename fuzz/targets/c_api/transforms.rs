//! Matrices and transforms.

use core_crate::{Direction, Transform};
use hbitlinear_fuzz::rows::Floats;
use hbitlinear_fuzz::transform::{Own, apply};
use hbitlinear_fuzz::{cycle, same};

use super::buffers::{Buffers, Kind, call};
use super::input::{Name, Odd, Size, Wrong};
use super::library::matrix::{hbl_matrix, hbl_matrix_named, hbl_matrix_pack, hbl_matrix_storage_len};
use super::library::transform::{
    hbl_hadamard_forward_f32, hbl_hadamard_forward_f64, hbl_hadamard_transpose_f32,
    hbl_hadamard_transpose_f64, hbl_transform_named, hbl_transform_new, hbl_transform_set_blocks,
    hbl_transform_set_signs,
};
use super::program::Program;

impl Program {
    pub(super) fn named(&mut self, b: &mut Buffers<'_>, silent: bool, name: &Name<'_>) {
        let text = match name {
            Name::Power(log2) => (1_u64 << (log2 % 12)).to_string(),
            Name::Family(family, order, log2) => {
                let all = core_crate::Family::ALL;
                let family = all[usize::from(*family) % all.len()];
                let order = family.orders()[usize::from(*order) % family.orders().len()];
                format!("{family}:{order}*{}", 1 << (log2 % 5))
            }
            Name::Text(text) => (*text).to_owned(),
        };
        // A string ends with its first NUL.
        let text: Vec<u8> = text.bytes().take_while(|&byte| byte != 0).collect();
        let name = b.add(Kind::Read, &[&text[..], &[0]].concat());
        b.odd = b.odd.filter(|(_, odd)| matches!(odd, Odd::Null));
        let mut made = self.transform;
        if call(b, silent, |b, error| unsafe { hbl_transform_named(b.ptr(name), &mut made, error) }) {
            let name = core::str::from_utf8(&text).expect("a name");
            self.named = Some(Transform::named(name).expect("what C accepts"));
        }
        self.transform = made;
    }

    pub(super) fn matrix_named(&mut self, b: &mut Buffers<'_>, silent: bool, family: u8, order: u16) {
        let all = core_crate::Family::ALL;
        let family = all[usize::from(family) % all.len()];
        let order = match usize::from(order) {
            order if order < 1000 => family.orders()[order % family.orders().len()],
            order => order % 300,
        };
        let name = b.add(Kind::Read, &[family.name().as_bytes(), &[0]].concat());
        b.odd = b.odd.filter(|(_, odd)| matches!(odd, Odd::Null));
        let mut made = hbl_matrix { opaque: [0; 16] };
        call(b, silent, |b, error| unsafe { hbl_matrix_named(b.ptr(name), order, &mut made, error) });
        self.matrices.push(made);
    }

    pub(super) fn matrix_pack(&mut self, b: &mut Buffers<'_>, silent: bool, own: &Own) {
        let own = own.build();
        let (mut words, mut made) = (0, hbl_matrix { opaque: [0; 16] });
        let status = unsafe { hbl_matrix_storage_len(own.order, &mut words, core::ptr::null_mut()) };
        assert_eq!(status, 0);
        let signs = b.add(Kind::Read, &own.signs);
        let storage = b.add(Kind::Written, &vec![0x5555_u32; words]);
        if call(b, silent, |b, error| unsafe {
            let (signs, storage) = ((b.ptr(signs), b.len(signs)), (b.ptr(storage), b.len(storage)));
            hbl_matrix_pack(own.order, signs.0, signs.1, storage.0, storage.1, &mut made, error)
        }) {
            // In memory that stays; the buffers are the next call's.
            let mut kept = vec![0; words];
            let status = unsafe {
                let (signs, len) = (own.signs.as_ptr(), own.signs.len());
                hbl_matrix_pack(
                    own.order,
                    signs,
                    len,
                    kept.as_mut_ptr(),
                    words,
                    &mut made,
                    core::ptr::null_mut(),
                )
            };
            assert!(status == 0 && kept == b.get::<u32>(storage));
            self.storages.push(kept);
        }
        self.matrices.push(made);
    }

    pub(super) fn transform_new(
        &mut self,
        b: &mut Buffers<'_>,
        w: &mut Wrong,
        silent: bool,
        count: u8,
        power: Size,
    ) {
        let count = usize::from(count) % 5;
        let factors: Vec<_> = self.matrices.iter().rev().take(count).copied().collect();
        let power = match power {
            Size::Small(log2) => 1 << (log2 % 6),
            other => other.get(w, 1),
        };
        let mut made = self.transform;
        if call(b, silent, |_, error| unsafe {
            hbl_transform_new(factors.as_ptr(), factors.len(), power, &mut made, error)
        }) {
            self.named = None;
        }
        self.transform = made;
    }

    pub(super) fn set_blocks(&mut self, b: &mut Buffers<'_>, w: &mut Wrong, silent: bool, blocks: Size) {
        let blocks = blocks.get(w, 2);
        let mut changed = self.transform;
        if call(b, silent, |_, error| unsafe { hbl_transform_set_blocks(&mut changed, blocks, error) }) {
            self.named = self.named.map(|named| named.with_blocks(blocks).expect("what C accepts"));
        }
        self.transform = changed;
    }
    pub(super) fn set_signs(
        &mut self,
        b: &mut Buffers<'_>,
        silent: bool,
        odd: Option<(u8, Odd)>,
        signs: &[bool],
    ) {
        let row = self.row_len().filter(|&len| len <= 1 << 14).unwrap_or(3);
        let signs: Vec<i8> = cycle(signs, row).into_iter().map(|minus| if minus { -1 } else { 1 }).collect();
        let mut changed = self.transform;
        let len = match odd {
            Some((_, Odd::Shorter(by))) => row.saturating_sub(by.into()),
            _ => row,
        };
        if call(b, silent, |_, error| unsafe {
            hbl_transform_set_signs(&mut changed, signs.as_ptr(), len, error)
        }) {
            self.named = None;
        }
        // The handle points to them.
        self.signs.push(signs);
        self.transform = changed;
    }

    pub(super) fn hadamard(
        &mut self,
        b: &mut Buffers<'_>,
        silent: bool,
        wide: bool,
        transpose: bool,
        rows: u8,
        x: &Floats,
    ) {
        let len = self.row_len().unwrap_or(8).saturating_mul(usize::from(rows % 3));
        if len > 1 << 13 {
            return;
        }
        let x = x.take(len);
        let t = self.transform;
        if wide {
            let buffer = b.add(Kind::Written, &x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
            let run = if transpose { hbl_hadamard_transpose_f64 } else { hbl_hadamard_forward_f64 };
            call(b, silent, |b, error| unsafe { run(&t, b.ptr(buffer), b.len(buffer), error) });
        } else {
            let buffer = b.add(Kind::Written, &x);
            let run = if transpose { hbl_hadamard_transpose_f32 } else { hbl_hadamard_forward_f32 };
            let ok = call(b, silent, |b, error| unsafe {
                run(self.backend, &t, b.ptr(buffer), b.len(buffer), error)
            });
            if ok
                && b.odd.is_none()
                && let Some(named) = self.named
            {
                let direction = if transpose { Direction::Transpose } else { Direction::Forward };
                let expected = apply(&named, hbitlinear_fuzz::scalar(), direction, &x);
                assert!(same(&expected, &b.get::<f32>(buffer)));
            }
        }
    }
}
