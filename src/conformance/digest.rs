//! The hash.

/// FNV-1a of 64 bits over the little-endian bytes of what is put in; every NaN is one value.
#[derive(Clone, Copy)]
pub(super) struct Digest(u64);

impl Digest {
    pub(super) const fn new() -> Digest {
        Digest(0xcbf2_9ce4_8422_2325)
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(super) fn float(&mut self, x: f32) {
        let bits = if x.is_nan() { 0x7fc0_0000 } else { x.to_bits() };
        self.bytes(&bits.to_le_bytes());
    }

    pub(super) fn floats(&mut self, x: &[f32]) {
        x.iter().for_each(|&x| self.float(x));
    }

    pub(super) fn i32s(&mut self, x: &[i32]) {
        x.iter().for_each(|x| self.bytes(&x.to_le_bytes()));
    }

    pub(super) fn i8s(&mut self, x: &[i8]) {
        x.iter().for_each(|&x| self.bytes(&[x as u8]));
    }

    pub(super) const fn finish(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Digest;

    /// The published values of FNV-1a.
    #[test]
    fn fnv_1a() {
        assert_eq!(Digest::new().finish(), 0xcbf2_9ce4_8422_2325);
        let mut digest = Digest::new();
        digest.bytes(b"foobar");
        assert_eq!(digest.finish(), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn one_nan() {
        let hash = |bits: u32| {
            let mut digest = Digest::new();
            digest.float(f32::from_bits(bits));
            digest.finish()
        };
        assert_eq!(hash(0x7fc0_0000), hash(0xff80_0001));
        assert_ne!(hash(0), hash(0x8000_0000));
    }
}
