//! The committed numbers. A test prints this table where they differ: a change of a number is a change of documented bits, or
//! of this module's inputs.

/// By group, and full or reduced.
#[rustfmt::skip]
pub(super) const EXPECTED: [[u64; 2]; 23] = [
    [0x6955_8d63_f73a_7591, 0x6337_8751_0acc_90f5], // transform
    [0x01a7_de06_a15d_1478, 0x8859_62ec_8c66_18c8], // transform-blocks
    [0xacb5_112d_60c6_345f, 0xf493_d2bb_da37_ea8e], // transform-factors
    [0x580c_e57e_4096_8987, 0x6350_8b08_feb4_6589], // norm
    [0xcc3e_0d37_e7f9_558e, 0x74f5_0c4e_788f_f4e7], // int8-absmax
    [0xb4de_c56c_57e5_d9d0, 0x08c4_d727_2aa0_2349], // int4-absmean
    [0xadc4_b48a_a5b9_539c, 0x85c4_2112_49f4_e37f], // int4-absmax
    [0xee27_c2c9_ac34_0691, 0x8ec2_8b89_b32f_aaf1], // absmean
    [0x9795_1821_0b81_56c3, 0x285b_209f_362b_66f6], // sums-two-bit-int8
    [0x7208_5644_8a72_c2fd, 0x583d_6c1b_0d0c_2890], // sums-two-bit-int4
    [0x9795_1821_0b81_56c3, 0x285b_209f_362b_66f6], // sums-five-trit-int8
    [0x7208_5644_8a72_c2fd, 0x583d_6c1b_0d0c_2890], // sums-five-trit-int4
    [0x472a_b565_7d58_169f, 0x3e5f_9ec7_f2fa_f15f], // products-two-bit-int8
    [0x0ed7_0ec5_9e90_723c, 0xedf1_422e_a36e_7f73], // products-two-bit-int4
    [0x472a_b565_7d58_169f, 0x3e5f_9ec7_f2fa_f15f], // products-five-trit-int8
    [0x0ed7_0ec5_9e90_723c, 0xedf1_422e_a36e_7f73], // products-five-trit-int4
    [0x77c4_386a_1c48_1e6a, 0xd790_e6d7_f207_d7da], // stages
    [0x26f9_1278_4952_e2a5, 0x88ab_2628_3942_a0c1], // layers
    [0x9019_244a_f7fc_ce50, 0x5a60_233a_a1ab_8b69], // softmax
    [0x0f01_1437_14ef_ef26, 0xf155_db38_d29b_1b47], // attention
    [0x3999_2b08_86ff_47c1, 0xabe9_932c_70a4_7cf5], // blobs
    [0x3702_f503_2a04_1c92, 0xd501_a4df_9c9b_bb67], // formats
    [0x024d_2485_b239_7550, 0x0d74_4cf0_206e_1790], // container
];
