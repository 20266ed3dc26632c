/* Bad weights from C, in both layouts: see errors.c. */
#include "checksum.h"
#include "data.h"

#include <math.h>

static uint8_t damaged[BLOB];

static void specs(void) {
    hbl_weight_spec bad = spec;
#define PACKED_LEN(it) hbl_weights_packed_len((it), &out.size, &out.size2, &error)
    bad.outputs = 0;
    REFUSED_SAYING(ZERO_SIZE, "outputs", PACKED_LEN(&bad));
    bad.outputs = SIZE_MAX;
    REFUSED(SIZE_OVERFLOW, PACKED_LEN(&bad));
    bad = spec;
    bad.inputs = 0;
    REFUSED_SAYING(ZERO_SIZE, "inputs", PACKED_LEN(&bad));
    bad.inputs = SIZE_MAX;
    REFUSED(SIZE_OVERFLOW, PACKED_LEN(&bad));
    bad = spec;
    bad.layout = 9;
    REFUSED_SAYING(VALUE, "layout: 9", PACKED_LEN(&bad));
    bad = spec;
    bad.scaling = 4;
    REFUSED_SAYING(VALUE, "scaling: 4", PACKED_LEN(&bad));
    bad.scaling = HBL_SCALING_GROUP;
    REFUSED_SAYING(VALUE, "group: 0", PACKED_LEN(&bad));
    bad.group = 65;
    REFUSED_SAYING(VALUE, "group: 65", PACKED_LEN(&bad));
    bad.scaling = HBL_SCALING_ROW;
    bad.group = 64;
    REFUSED_SAYING(VALUE, "group: 64", PACKED_LEN(&bad));
    REFUSED(NULL_POINTER, PACKED_LEN(NULL));
    REFUSED(NULL_POINTER, hbl_weights_packed_len(&spec, NULL, &out.size2, &error));
    REFUSED(OVERLAP, hbl_weights_packed_len(&spec, &out.size, &out.size, &error));
}

static void packing(void) {
    REFUSED(LENGTH, hbl_weights_pack(&spec, ternary, N * K - 1, &alpha, 1, out.blob, blob_len, &error));
    REFUSED(LENGTH, hbl_weights_pack(&spec, ternary, N * K, &alpha, 0, out.blob, blob_len, &error));
    REFUSED(LENGTH, hbl_weights_pack(&spec, ternary, N * K, &alpha, 1, out.blob, blob_len - 1, &error));
    REFUSED(NULL_POINTER, hbl_weights_pack(&spec, NULL, N * K, &alpha, 1, out.blob, blob_len, &error));
    REFUSED(OVERLAP, hbl_weights_pack(&spec, (int8_t *)out.blob, N * K, &alpha, 1, out.blob, blob_len, &error));
    ternary[2 * K + 5] = 2;
    REFUSED_ROW(CODE, 2, hbl_weights_pack(&spec, ternary, N * K, &alpha, 1, out.blob, blob_len, &error));
    ternary[2 * K + 5] = 0;
    const float no_scale = NAN, no_f16[N] = {0.1f};
    REFUSED(SCALE, hbl_weights_pack(&spec, ternary, N * K, &no_scale, 1, out.blob, blob_len, &error));
    hbl_weight_spec f16 = spec;
    f16.scaling = HBL_SCALING_GROUP_F16;
    f16.group = 64;
    size_t len = 0, count = 0;
    ACCEPTED(hbl_weights_packed_len(&f16, &len, &count, &error));
    REFUSED(SCALE, hbl_weights_pack(&f16, ternary, N * K, no_f16, count, out.blob, len, &error));

    REFUSED(ZERO_SIZE, hbl_absmean(HBL_BACKEND_BEST, x, 0, 0, out.ternary, 0, out.f, &error));
    REFUSED(LENGTH, hbl_absmean(HBL_BACKEND_BEST, x, K, 0, out.ternary, K - 1, out.f, &error));
    REFUSED(NULL_POINTER, hbl_absmean(HBL_BACKEND_BEST, x, K, 0, out.ternary, K, NULL, &error));
    REFUSED(LENGTH, hbl_absmean_rows(HBL_BACKEND_BEST, K, x, M * K, 0, out.ternary, M * K, out.f, 2, &error));
    REFUSED(SIZE_OVERFLOW,
            hbl_absmean_rows(HBL_BACKEND_BEST, SIZE_MAX / 2, x, M * K, 0, out.ternary, M * K, out.f, M, &error));
    REFUSED(OVERLAP, hbl_absmean(HBL_BACKEND_BEST, out.f, K, 0, (int8_t *)out.f, K, out.scales, &error));
}

static void opening(void) {
    REFUSED(LENGTH, hbl_weights_unpack(&weights, out.ternary, N * K - 1, out.f, 1, &error));
    REFUSED(LENGTH, hbl_weights_unpack(&weights, out.ternary, N * K, out.f, 2, &error));
    REFUSED(NULL_POINTER, hbl_weights_unpack(NULL, out.ternary, N * K, out.f, 1, &error));
    REFUSED(HANDLE, hbl_weights_unpack(&painted.weights, out.ternary, N * K, out.f, 1, &error));
    REFUSED(OVERLAP, hbl_weights_unpack(&weights, (int8_t *)blob, N * K, out.f, 1, &error));
    REFUSED(NULL_POINTER, hbl_weights_spec(&weights, NULL, &error));
    REFUSED(NULL_POINTER, hbl_weights_open(NULL, blob_len, &out.weights, &error));
    REFUSED(NULL_POINTER, hbl_weights_open(blob, blob_len, NULL, &error));
    REFUSED(OVERLAP, hbl_weights_open(blob, blob_len, (hbl_weights *)(void *)blob, &error));
    for (size_t len = 0; len < blob_len; len++) {
        REFUSED(BLOB_LENGTH, hbl_weights_open(blob, len, &out.weights, &error));
        REFUSED(BLOB_LENGTH, hbl_weights_open_verified(blob, len, &out.weights, &error));
        size_t whole = 0;
        if (len < HBL_BLOB_HEADER_SIZE) {
            REFUSED(BLOB_LENGTH, hbl_weights_blob_len(blob, len, &out.size, &error));
        } else {
            ACCEPTED(hbl_weights_blob_len(blob, len, &whole, &error));
            CHECK(whole == blob_len);
        }
    }
    REFUSED(BLOB_LENGTH, hbl_weights_open(blob, blob_len + 1, &out.weights, &error));
    REFUSED(NULL_POINTER, hbl_weights_blob_len(blob, blob_len, NULL, &error));
    /* Every change of one byte, anywhere: the status follows from where it is. */
    for (size_t at = 0; at < blob_len; at++) {
        for (unsigned flip = 1; flip < 256; flip = flip == 1 ? 255 : 256) {
            memcpy(damaged, blob, blob_len);
            damaged[at] ^= (uint8_t)flip;
            const hbl_status status = at < 4    ? HBL_STATUS_BLOB_MAGIC
                                      : at < 6  ? HBL_STATUS_BLOB_VERSION
                                      : at < 64 ? HBL_STATUS_BLOB_HEADER
                                                : HBL_STATUS_BLOB_PAYLOAD;
            expect(__LINE__, "hbl_weights_open of a damaged blob", status, HBL_NO_ROW, "",
                   hbl_weights_open(damaged, blob_len, &out.weights, &error));
            if (at < HBL_BLOB_HEADER_SIZE) {
                expect(__LINE__, "hbl_weights_open_verified of a damaged blob", status, HBL_NO_ROW, "",
                       hbl_weights_open_verified(damaged, blob_len, &out.weights, &error));
                expect(__LINE__, "hbl_weights_blob_len of a damaged blob", status, HBL_NO_ROW, "",
                       hbl_weights_blob_len(damaged, blob_len, &out.size, &error));
            }
        }
    }
}

/* The same matrix in the other layout and back. */
static void repacking(uint32_t layout) {
    static uint8_t other[BLOB], back[BLOB];
    static int8_t found[N * K];
    hbl_weight_spec changed = HBL_WEIGHT_SPEC_INIT;
    size_t len = 0, count = 0;
    ACCEPTED(hbl_weights_spec(&weights, &changed, &error));
    CHECK(changed.layout == layout && changed.outputs == N && changed.inputs == K);
    CHECK(changed.scaling == HBL_SCALING_TENSOR && changed.group == 0);
    changed.layout = layout == LAYOUTS[0] ? LAYOUTS[1] : LAYOUTS[0];
    ACCEPTED(hbl_weights_packed_len(&changed, &len, &count, &error));
    REFUSED_SAYING(VALUE, "layout: 7", hbl_weights_repack(&weights, 7, out.blob, len, &error));
    REFUSED(LENGTH, hbl_weights_repack(&weights, changed.layout, out.blob, len - 1, &error));
    REFUSED(NULL_POINTER, hbl_weights_repack(&weights, changed.layout, NULL, len, &error));
    REFUSED(NULL_POINTER, hbl_weights_repack(NULL, changed.layout, out.blob, len, &error));
    REFUSED(HANDLE, hbl_weights_repack(&painted.weights, changed.layout, out.blob, len, &error));
    REFUSED(OVERLAP, hbl_weights_repack(&weights, changed.layout, blob, len, &error));
    hbl_weights opened;
    float scale = 0.0f;
    ACCEPTED(hbl_weights_repack(&weights, changed.layout, other, len, &error));
    ACCEPTED(hbl_weights_open(other, len, &opened, &error));
    ACCEPTED(hbl_weights_unpack(&opened, found, N * K, &scale, 1, &error));
    CHECK(memcmp(found, ternary, sizeof found) == 0 && scale == alpha && memcmp(other, blob, 64) != 0);
    ACCEPTED(hbl_weights_repack(&opened, layout, back, blob_len, &error));
    CHECK(memcmp(back, blob, blob_len) == 0);
}

static void forge(size_t at, uint8_t value) {
    memcpy(damaged, blob, blob_len);
    damaged[at] = value;
    store(damaged + 40, crc32(damaged + 64, blob_len - 64), 4);
    store(damaged + 60, crc32(damaged, 60), 4);
}

/* Blobs whose checksums are right, but whose content no writer produces. */
static void forged_blobs(uint32_t layout) {
    /* Behind 64 bytes of header and 64 of scales: row 0, column 0 as the code 3, or as a byte that is no five trits. */
    forge(layout == HBL_LAYOUT_TWO_BIT ? 128 : 128 + 64, layout == HBL_LAYOUT_TWO_BIT ? 3 : 1);
    REFUSED_ROW(CODE, 0, hbl_weights_open(damaged, blob_len, &out.weights, &error));
    /* The scale's exponent. */
    forge(64 + 3, 0xFF);
    damaged[64 + 2] = 0xFF;
    store(damaged + 40, crc32(damaged + 64, blob_len - 64), 4);
    store(damaged + 60, crc32(damaged, 60), 4);
    REFUSED(SCALE, hbl_weights_open(damaged, blob_len, &out.weights, &error));
    /* The padding of the scales. */
    forge(64 + 4, 1);
    REFUSED(BLOB_PAYLOAD, hbl_weights_open(damaged, blob_len, &out.weights, &error));
    /* An unknown layout. */
    forge(6, 9);
    REFUSED(BLOB_HEADER, hbl_weights_open(damaged, blob_len, &out.weights, &error));
}

int main(void) {
    for (size_t i = 0; i < 2; i++) {
        set_up(LAYOUTS[i]);
        specs();
        packing();
        set_up(LAYOUTS[i]);
        opening();
        repacking(LAYOUTS[i]);
        forged_blobs(LAYOUTS[i]);
    }
    return report();
}
