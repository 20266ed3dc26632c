//! Ternary products on CPUs with a dot instruction (x86-64's `vpdpbusd`, AArch64's `sdot` and `usdot`): four products
//! of bytes added to an i32 lane.
//!
//! **Several tokens** ([`two_bit`](super::two_bit::dot_u8s8), [`five_trit`](super::five_trit::dot_u8s8)): the codes of
//! `R` vectors of rows are brought down field by field, and each is multiplied with four columns of `T` tokens; `R · T`
//! accumulators stay in registers, enough chains for the instruction's latency, and an activation's broadcast serves
//! `R` of them. On a core that starts one 512-bit dot a cycle (Zen 4), a block of 4 × 6 takes 4 · 24 dots, and beside
//! them 4 · (1 load + 3 shifts + 4 masks) and 24 broadcasts: the dots' port is the only busy one.
//!
//! **One token**: there the unpacking counts as much as the dots, and memory more than both. `R` panels are read side
//! by side, and each is fetched far ahead, to second-level cache: the CPU's own fetching ends with every page of 4 KiB,
//! and a panel with a few of them. Measured on a shared Zen 4, GB/s of the `TwoBit` kernel alone, 420 MB of weights in
//! such pages, while the best plain read made 24 to 25:
//!
//! | panels | fetched ahead, bytes | GB/s |
//! |---|---|---|
//! | 8 | nothing | 20 |
//! | 8 | 256, 512, 1024 to first-level cache | 19 to 20, 19, 16 |
//! | 8 | 512, 1024, 2048, 4096 to second-level cache | 20, 22.7, 23.1, 23 |
//! | 8 | 2048, behind a panel's end the panel after it, not the next to be read | 21.4 |
//! | 8 | 2048 to second-level cache, then 256 to the first | 24.2 |
//! | 4, 2 | 4096 to second-level cache | 21.3, 21 |
//! | 1 | 8192 to second-level cache | 22.8 |
//!
//! With pages of 2 MiB the plain read made 29 to 30, and the kernel 26.4 where it makes 23.1 with pages of 4 KiB.
