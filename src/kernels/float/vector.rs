//! The vector of floats that an instruction set brings, and what kernels over it are written with.

/// A register of f32, and the few integer and f64 views of it that the kernels need.
///
/// # Safety
/// `LANES` is a power of two and at most 16, and every method computes what its comment says, lane by lane.
///
/// To call a method the CPU must have the implementor's features; what pointers must cover, with any alignment, is said of
/// each that takes one.
pub(crate) unsafe trait Vector: Copy {
    /// f32 lanes.
    const LANES: usize;
    /// `log2(LANES)`.
    const LOG2: u32 = Self::LANES.trailing_zeros();
    /// Most stages of butterflies between registers in one pass: 2^this registers of data.
    const PASS: u32;
    /// Whether differences between registers are multiply-adds in the first pass of butterflies.
    const FUSED_FIRST: bool = true;
    /// Whether the registers of the first pass go through the stages within them side by side, not one after the other.
    const SIDE_BY_SIDE: bool = false;
    /// Whether a first pass may have one stage more than [`Vector::PASS`], which is 3.
    const DOUBLE_GROUPS: bool = false;
    /// Whether later passes of butterflies go around stores of two lines by [`Vector::load_halves`] and
    /// [`Vector::store_halves`].
    const BY_HALVES: bool = false;
    /// Most sums that are kept at a time, in registers but for a few, while their terms are made.
    const ROWS: usize;
    /// Most pairs of sums that are kept in registers beside a pair of terms.
    const PAIRS: usize;
    /// f64 lanes, half as many.
    type Wide: Copy;
    /// `4 · LANES` bytes.
    type Bytes: Copy;

    unsafe fn splat(value: f32) -> Self;
    /// `LANES` initialised floats from `src` on.
    unsafe fn load(src: *const f32) -> Self;
    /// `LANES` initialised f16 from `src` on.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    unsafe fn load_f16(src: *const u8) -> Self;
    /// To `LANES` floats from `dst` on, which are valid for writes.
    unsafe fn store(self, dst: *mut f32);
    /// Half of the lanes from `low` on, the other half from `high` on.
    #[inline(always)]
    unsafe fn load_halves(low: *const f32, high: *const f32) -> Self {
        let (mut both, half) = ([0.0_f32; 16], Self::LANES / 2);
        // SAFETY: the caller's: half of the lanes on both sides.
        unsafe {
            both.as_mut_ptr().copy_from_nonoverlapping(low, half);
            both.as_mut_ptr().add(half).copy_from_nonoverlapping(high, half);
            Self::load(both.as_ptr())
        }
    }
    /// The other way round.
    #[inline(always)]
    unsafe fn store_halves(self, low: *mut f32, high: *mut f32) {
        let (mut both, half) = ([0.0_f32; 16], Self::LANES / 2);
        // SAFETY: as above.
        unsafe {
            self.store(both.as_mut_ptr());
            low.copy_from_nonoverlapping(both.as_ptr(), half);
            high.copy_from_nonoverlapping(both.as_ptr().add(half), half);
        }
    }
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn neg(self) -> Self;
    /// `self · factor + term`, rounded once.
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self;
    /// `term − self`. `minus` is −1 in every lane, hidden from the compiler: where additions and multiplications go
    /// different ways through the CPU, this is a multiply-add.
    #[inline(always)]
    unsafe fn sub_from(self, minus: Self, term: Self) -> Self {
        // SAFETY: the caller's: the CPU has the features.
        unsafe { self.mul_add(minus, term) }
    }
    /// Whether [`Vector::settle`] does anything.
    const SETTLES: bool = false;
    /// The same in a register, and to the compiler a value that it cannot know: what is computed from it stays behind what
    /// was settled before.
    #[inline(always)]
    unsafe fn settle(self) -> Self {
        self
    }
    /// Whether this CPU's multiply-adds are to be used sparingly in the later passes of butterflies.
    #[inline(always)]
    fn spares_multiply_adds() -> bool {
        false
    }
    /// One stage of butterflies between lanes `2^stage` apart; `stage < LOG2`.
    unsafe fn butterfly_within(self, stage: u32) -> Self;

    /// Negates the lanes whose sign is negative: `LANES` bytes from `signs` on.
    unsafe fn flip(self, signs: *const i8) -> Self;

    /// The bits of |self|.
    unsafe fn magnitude(self) -> Self;
    /// The larger bits of each lane of two [`Vector::magnitude`]s, as integers.
    unsafe fn max_bits(self, other: Self) -> Self;

    /// The low and the high half of the lanes.
    unsafe fn widen(self) -> [Self::Wide; 2];
    unsafe fn wide_zero() -> Self::Wide;
    /// To half of `LANES` f64 from `dst` on.
    unsafe fn wide_store(wide: Self::Wide, dst: *mut f64);
    unsafe fn wide_add(sum: Self::Wide, x: Self::Wide) -> Self::Wide;

    /// Rounds half to even and saturates to i8; every lane's magnitude is below 2^31. Lanes of the first register
    /// come first.
    unsafe fn to_i8(block: [Self; 4]) -> Self::Bytes;
    /// To `4 · LANES` bytes from `dst` on.
    unsafe fn bytes_store(bytes: Self::Bytes, dst: *mut u8);
    /// Zero, and `sum +` each run of eight bytes, signed, `+ 8·128`, in 64-bit lanes.
    unsafe fn bytes_zero() -> Self::Bytes;
    unsafe fn bytes_sum(sum: Self::Bytes, bytes: Self::Bytes) -> Self::Bytes;
    /// Clamps signed bytes to −8..=7.
    unsafe fn bytes_clamp_i4(bytes: Self::Bytes) -> Self::Bytes;
    /// Low nibbles of neighbours to one byte, the even one low; `first` before `second`.
    unsafe fn bytes_to_nibbles(first: Self::Bytes, second: Self::Bytes) -> Self::Bytes;
    /// `2 · LANES` bytes of nibbles at `src` to `4 · LANES` sign-extended bytes.
    unsafe fn nibbles_load(src: *const u8) -> Self::Bytes;
}

/// Repeats a statement for each of the numbers, as a constant.
macro_rules! unroll {
    ($constant:ident in $($value:literal)+ => $body:block) => {
        $({
            const $constant: usize = $value;
            $body
        })+
    };
}
pub(crate) use unroll;

/// Methods of a [`Vector`] made of intrinsics.
macro_rules! intrinsics {
    ($( fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? $body:block )+) => {$(
        #[inline(always)]
        unsafe fn $name($($arg: $type),*) $(-> $result)? {
            // SAFETY: the caller's: the CPU has the features, and the pointers cover what the trait says.
            unsafe { $body }
        }
    )+};
}
pub(crate) use intrinsics;
