//! What a layer takes: f32, or with the feature `half` the 16-bit floats, which become f32 as their row is read.

/// f32; with the feature `half` also `half::f16` and `half::bf16`. The result equals that of converting first.
pub trait Input: sealed::Sealed {}

impl<T: sealed::Sealed> Input for T {}

/// Floats of a second row of workspace, for a converted input.
pub(crate) const fn room(features: usize) -> usize {
    if cfg!(feature = "half") { features } else { 0 }
}

pub(crate) mod sealed {
    /// The methods of [`Input`](super::Input), which other crates neither call nor implement.
    pub trait Sealed: Copy {
        /// A row as f32: itself, or converted into `room`, which is as long.
        fn to_f32<'a>(row: &'a [Self], room: &'a mut [f32]) -> &'a [f32];
    }

    impl Sealed for f32 {
        fn to_f32<'a>(row: &'a [f32], _: &'a mut [f32]) -> &'a [f32] {
            row
        }
    }

    #[cfg(feature = "half")]
    macro_rules! converted {
        ($($float:ty)*) => {$(
            impl Sealed for $float {
                fn to_f32<'a>(row: &'a [$float], room: &'a mut [f32]) -> &'a [f32] {
                    half::slice::HalfFloatSliceExt::convert_to_f32_slice(row, room);
                    room
                }
            }
        )*};
    }
    #[cfg(feature = "half")]
    converted!(half::f16 half::bf16);
}
