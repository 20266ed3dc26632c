//! The committed numbers of [`hbitlinear::conformance`], on every backend; and that a wrong bit changes the right one.

mod common;

use hbitlinear::conformance::{Failure, Grid, Group, Outcome, Quantised, Subject, digest, memory_len};
use hbitlinear::{Activations, Backend, Buffer, Direction, Error, Quantizer, Transform, Weights};

/// A group's line in `src/conformance/expected.rs`.
fn line(group: Group, number: impl FnMut(Grid) -> u64) -> String {
    let [full, reduced] = [Grid::Full, Grid::Reduced].map(number);
    let hex = |number: u64| {
        let [a, b, c, d] = [48, 32, 16, 0].map(|shift| number >> shift & 0xffff);
        format!("0x{a:04x}_{b:04x}_{c:04x}_{d:04x}")
    };
    format!("    [{}, {}], // {group}", hex(full), hex(reduced))
}

#[test]
fn every_backend() {
    common::for_each_backend(|mut backend| {
        let mut wrong = String::new();
        for &group in Group::ALL {
            let actual = line(group, |grid| {
                // Not a byte more than documented, and what was there before must not matter.
                let mut memory = vec![0xa5; memory_len(grid)];
                digest(&mut backend, group, grid, &mut memory).unwrap()
            });
            if actual != line(group, |grid| group.expected(grid)) {
                wrong += &format!("\n{actual}");
            }
        }
        assert!(wrong.is_empty(), "{backend} gives other numbers:{wrong}");
    });
}

#[test]
fn too_little_memory() {
    for &grid in Grid::ALL {
        let mut memory = vec![0; memory_len(grid) - 1];
        let refused = digest(&mut common::scalar(), Group::Norm, grid, &mut memory);
        assert!(matches!(refused, Err(Failure::Refused(Error::Workspace { .. }))), "{refused:?}");
    }
}

/// A backend with one wrong bit in the stage it is asked for.
struct Broken {
    backend: Backend,
    /// Calls of any stage until the wrong one.
    calls: usize,
}

impl Broken {
    fn is_wrong(&mut self) -> bool {
        self.calls = self.calls.wrapping_sub(1);
        self.calls == 0
    }
}

impl Subject for Broken {
    fn transform(&mut self, transform: &Transform<'_>, direction: Direction, x: &mut [f32]) -> Outcome {
        self.backend.transform(transform, direction, x)?;
        if self.is_wrong() {
            x[0] = f32::from_bits(x[0].to_bits() ^ 1);
        }
        Ok(())
    }

    fn quantize(&mut self, quantizer: &Quantizer, inputs: usize, x: &[f32], out: Quantised<'_>) -> Outcome {
        let Quantised { values, scales, sums } = out;
        let room = Quantised { values: &mut *values, scales: &mut *scales, sums: &mut *sums };
        self.backend.quantize(quantizer, inputs, x, room)?;
        if self.is_wrong() {
            values[0] ^= 1;
        }
        Ok(())
    }

    fn product_i32(
        &mut self,
        weights: &Weights<'_>,
        x: &Activations<'_>,
        y: &mut [i32],
        workspace: Buffer<'_, u8>,
    ) -> Outcome {
        self.backend.product_i32(weights, x, y, workspace)?;
        if self.is_wrong() {
            y[y.len() - 1] ^= 1;
        }
        Ok(())
    }
}

#[test]
fn a_wrong_bit_is_seen() {
    let grid = Grid::Reduced;
    let mut memory = vec![0; memory_len(grid)];
    for group in [
        Group::Transform,
        Group::TransformBlocks,
        Group::TransformFactors,
        Group::Int8AbsMax,
        Group::Int4AbsMean,
        Group::Int4AbsMax,
        Group::SumsTwoBitInt8,
        Group::SumsTwoBitInt4,
        Group::SumsFiveTritInt8,
        Group::SumsFiveTritInt4,
    ] {
        for calls in [0, 1, 7, 20] {
            let mut broken = Broken { backend: Backend::best(), calls };
            let same = digest(&mut broken, group, grid, &mut memory) == Ok(group.expected(grid));
            assert_eq!(same, calls == 0, "{group}, call {calls}");
        }
    }
}

#[test]
fn missing_stages() {
    struct Nothing;
    impl Subject for Nothing {}
    let mut memory = vec![0; memory_len(Grid::Reduced)];
    for &group in Group::ALL {
        let result = digest(&mut Nothing, group, Grid::Reduced, &mut memory);
        let bytes = [Group::Blobs, Group::Formats, Group::Container].contains(&group);
        let expected = matches!(result, Err(Failure::Missing { .. }));
        assert_eq!(expected, !bytes, "{group}: {result:?}");
    }
}

#[test]
fn numbers_of_the_c_abi() {
    for (number, &group) in Group::ALL.iter().enumerate() {
        assert_eq!((group as usize, Group::try_from(number as u32)), (number, Ok(group)));
    }
    assert!(Group::try_from(Group::ALL.len() as u32).is_err() && Grid::try_from(2).is_err());
}
