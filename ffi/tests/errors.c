/* Bad input from C: every refusal has its own status and message, and leaves the outputs as they were. The library's
 * status numbers that were met are printed at the end, in ascending order. */
#include "refuse.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static uint8_t workspace[WORKSPACE], blob[BLOB], damaged[BLOB];
static size_t blob_len, scales_len;
static float x[M * K], bad_x[M * K], gains[K];
static int8_t ternary[N * K], signs[K];
static float alpha = 0.5f;
static const hbl_weight_spec spec = {N, K, HBL_LAYOUT_T2, HBL_SCALING_TENSOR};
static hbl_weights weights;
static hbl_transform h64, h32;
static hbl_layer layer;
static hbl_activations q;

static void set_up(void) {
    for (size_t i = 0; i < M * K; i++) {
        x[i] = (float)(i % 13) - 6.0f;
    }
    for (size_t i = 0; i < N * K; i++) {
        ternary[i] = (int8_t)(i % 3) - 1;
    }
    for (size_t i = 0; i < K; i++) {
        signs[i] = i % 5 == 0 ? -1 : 1;
        gains[i] = 1.0f;
    }
    ACCEPTED(hbl_weights_packed_len(&spec, &blob_len, &scales_len, &error));
    ACCEPTED(hbl_weights_pack(&spec, ternary, N * K, &alpha, scales_len, blob, blob_len, &error));
    ACCEPTED(hbl_weights_open(blob, blob_len, &weights, &error));
    ACCEPTED(hbl_transform_named("64", &h64, &error));
    ACCEPTED(hbl_transform_named("32", &h32, &error));
    layer.weights = weights;
    layer.transform = &h64;
    layer.norm = HBL_NORM_RMS;
    layer.norm_weight = gains;
    layer.norm_weight_len = K;
    layer.norm_epsilon = layer.epsilon = 1e-5f;
    layer.rule = HBL_RULE_INT8_ABSMAX;

    memset(&painted, CANARY, sizeof painted);
    memcpy(&out, &painted, sizeof out);
    q.bits = 8;
    q.tokens = M;
    q.features = K;
    q.values = out.values;
    q.values_len = M * K;
    q.scales = out.scales;
    q.sums = out.sums;
}

static void statuses_and_backends(void) {
    for (hbl_status status = 0; status < STATUSES; status++) {
        if (strcmp(hbl_status_text(status), "unknown status") == 0) {
            failures++;
            printf("status %d has no text\n", (int)status);
        }
    }
    if (strcmp(hbl_status_text(STATUSES), "unknown status") != 0 || strcmp(hbl_status_text(-1), "unknown status") != 0) {
        failures++;
        printf("a status this header does not have\n");
    }
    if (hbl_abi_version() != HBL_ABI_VERSION || hbl_version()[0] == '\0') {
        failures++;
        printf("the library has another ABI\n");
    }

    uint32_t ids[16];
    const size_t count = hbl_backend_list(ids, 16);
    if (count == 0 || count > 16 || ids[count - 1] != 0 || hbl_backend_list(NULL, 0) != count) {
        failures++;
        printf("the list of backends\n");
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t id = 99;
        ACCEPTED(hbl_backend_from_name(hbl_backend_name(ids[i]), &id, &error));
        ACCEPTED(hbl_backend_force(ids[i], &error));
        if (id != ids[i] || hbl_backend_best() != id || !hbl_backend_available(id)) {
            failures++;
            printf("backend %s cannot be forced\n", hbl_backend_name(ids[i]));
        }
    }
    ACCEPTED(hbl_backend_force(ids[0], &error));

    REFUSED(UNKNOWN_BACKEND, hbl_backend_from_name("abacus", &out.id, &error));
    REFUSED(UNKNOWN_BACKEND, hbl_backend_from_name("\xff\xfe", &out.id, &error));
    REFUSED(NULL_POINTER, hbl_backend_from_name(NULL, &out.id, &error));
    REFUSED(NULL_POINTER, hbl_backend_from_name("scalar", NULL, &error));
    REFUSED(UNKNOWN_BACKEND, hbl_backend_force(250, &error));
    REFUSED(UNKNOWN_BACKEND, hbl_backend_force(HBL_BACKEND_BEST, &error));
    REFUSED(UNKNOWN_BACKEND, hbl_hadamard_forward_f32(250, &h64, out.f, K, &error));
    REFUSED(UNKNOWN_BACKEND, hbl_layer_forward(250, &layer, M, x, M * K, out.y, M * N, N, workspace, WORKSPACE, &error));
    if (hbl_backend_best() != ids[0]) {
        failures++;
        printf("a refused backend was forced\n");
    }
    /* Some backend belongs to another CPU or is above this one, unless the list has them all. */
    for (uint32_t id = 0; id < 64; id++) {
        if (hbl_backend_name(id) != NULL && !hbl_backend_available(id)) {
            REFUSED(BACKEND_UNAVAILABLE, hbl_backend_force(id, &error));
            REFUSED(BACKEND_UNAVAILABLE, hbl_hadamard_forward_f32(id, &h64, out.f, K, &error));
        }
    }
}

static void transforms(void) {
    REFUSED(TRANSFORM, hbl_transform_named("63", &out.transform, &error));
    REFUSED(TRANSFORM, hbl_transform_named("", &out.transform, &error));
    REFUSED(TRANSFORM, hbl_transform_named("paley1:13*2", &out.transform, &error));
    REFUSED(TRANSFORM, hbl_transform_named("welch:12*2", &out.transform, &error));
    REFUSED(NULL_POINTER, hbl_transform_named(NULL, &out.transform, &error));
    REFUSED(NULL_POINTER, hbl_transform_named("64", NULL, &error));
    REFUSED(TRANSFORM, hbl_matrix_named("paley1", 13, &out.matrix, &error));
    REFUSED(TRANSFORM, hbl_matrix_named("welch", 12, &out.matrix, &error));
    REFUSED(TRANSFORM, hbl_matrix_storage_len(0, &out.size, &error));
    REFUSED(TRANSFORM, hbl_matrix_storage_len(257, &out.size, &error));

    const int8_t h2[4] = {1, 1, 1, -1}, not_h2[4] = {1, 1, 1, 1}, not_sign[4] = {1, 1, 0, -1};
    REFUSED(LENGTH, hbl_matrix_pack(2, h2, 3, out.words, 4, &out.matrix, &error));
    REFUSED(LENGTH, hbl_matrix_pack(2, h2, 4, out.words, 5, &out.matrix, &error));
    REFUSED_ROW(NOT_HADAMARD, 1, hbl_matrix_pack(2, not_h2, 4, out.words, 4, &out.matrix, &error));
    REFUSED_ROW(NOT_HADAMARD, 1, hbl_matrix_pack(2, not_sign, 4, out.words, 4, &out.matrix, &error));
    REFUSED(NULL_POINTER, hbl_matrix_pack(2, NULL, 4, out.words, 4, &out.matrix, &error));
    REFUSED(OVERLAP, hbl_matrix_pack(2, (int8_t *)out.words, 4, out.words, 4, &out.matrix, &error));

    hbl_transform t = h64;
    REFUSED(TRANSFORM_LENGTH, hbl_hadamard_forward_f32(HBL_BACKEND_BEST, &t, out.f, K - 1, &error));
    REFUSED(TRANSFORM_LENGTH, hbl_hadamard_transpose_f32(HBL_BACKEND_BEST, &t, out.f, 65, &error));
    REFUSED(TRANSFORM_LENGTH, hbl_hadamard_forward_f64(&t, out.d, 63, &error));
    REFUSED(TRANSFORM_LENGTH, hbl_hadamard_transpose_f64(&t, out.d, 63, &error));
    REFUSED(NULL_POINTER, hbl_hadamard_forward_f32(HBL_BACKEND_BEST, &t, NULL, K, &error));
    REFUSED(NULL_POINTER, hbl_hadamard_forward_f32(HBL_BACKEND_BEST, NULL, out.f, K, &error));
    REFUSED(MISALIGNED, hbl_hadamard_forward_f32(HBL_BACKEND_BEST, &t, (float *)((uintptr_t)out.f + 1), K, &error));
    REFUSED(MISALIGNED, hbl_hadamard_forward_f64(&t, (double *)((uintptr_t)out.d + 4), 1, &error));
    REFUSED(SIZE_OVERFLOW, hbl_hadamard_forward_f32(HBL_BACKEND_BEST, &t, out.f, SIZE_MAX - 63, &error));
    t.blocks = 0;
    REFUSED(ZERO_SIZE, hbl_transform_row_len(&t, &out.size, &error));
    t.blocks = SIZE_MAX;
    REFUSED(SIZE_OVERFLOW, hbl_transform_row_len(&t, &out.size, &error));
    t = h64;
    t.power_of_two = 0;
    REFUSED(TRANSFORM, hbl_transform_row_len(&t, &out.size, &error));
    t.power_of_two = 48;
    REFUSED(TRANSFORM, hbl_transform_row_len(&t, &out.size, &error));
    t = h64;
    t.factor_count = HBL_MAX_FACTORS + 1;
    REFUSED(VALUE, hbl_transform_row_len(&t, &out.size, &error));
    t.factor_count = 1;
    t.factors[0].order = 12;
    t.factors[0].rows = t.factors[0].columns = NULL;
    REFUSED(NULL_POINTER, hbl_transform_row_len(&t, &out.size, &error));
    t.factors[0].order = 1000;
    REFUSED(TRANSFORM, hbl_transform_row_len(&t, &out.size, &error));
    t = h64;
    t.signs = signs;
    t.signs_len = K - 1;
    REFUSED(LENGTH, hbl_transform_row_len(&t, &out.size, &error));
    t.signs = NULL;
    REFUSED(NULL_POINTER, hbl_transform_row_len(&t, &out.size, &error));
    t.signs = signs;
    t.signs_len = K;
    signs[7] = 0;
    REFUSED(VALUE, hbl_transform_row_len(&t, &out.size, &error));
    signs[7] = 1;
    /* Signs that are right, but lie in the row itself. */
    static float row[K];
    memset(row, 1, sizeof row);
    t.signs = (int8_t *)row;
    REFUSED(OVERLAP, hbl_hadamard_forward_f32(HBL_BACKEND_BEST, &t, row, K, &error));
    size_t row_len = 0;
    ACCEPTED(hbl_transform_row_len(&t, &row_len, &error));
    if (row_len != K || ((int8_t *)row)[0] != 1) {
        failures++;
        printf("the row of the overlapping signs changed\n");
    }
}

static void norm_and_quantisers(void) {
    const uint32_t best = HBL_BACKEND_BEST;
    const float epsilons[] = {-1e-5f, NAN, INFINITY}, values[] = {NAN, INFINITY, -INFINITY};
    REFUSED(LENGTH, hbl_rms_norm(best, K, NULL, 0, 0, x, M * K - 1, out.f, M * K - 1, &error));
    REFUSED(LENGTH, hbl_rms_norm(best, K, NULL, 0, 0, x, M * K, out.f, M * K - 1, &error));
    REFUSED(LENGTH, hbl_rms_norm(best, K, gains, K - 1, 0, x, M * K, out.f, M * K, &error));
    REFUSED(NULL_POINTER, hbl_rms_norm(best, K, NULL, K, 0, x, M * K, out.f, M * K, &error));
    REFUSED(NULL_POINTER, hbl_rms_norm(best, K, NULL, 0, 0, NULL, M * K, out.f, M * K, &error));
    REFUSED(NULL_POINTER, hbl_rms_norm(best, K, NULL, 0, 0, x, M * K, NULL, M * K, &error));
    REFUSED(ZERO_SIZE, hbl_rms_norm(best, 0, NULL, 0, 0, x, 0, out.f, 0, &error));
    REFUSED(OVERLAP, hbl_rms_norm(best, K, NULL, 0, 0, out.f, K, out.f + K - 1, K, &error));
    REFUSED(OVERLAP, hbl_rms_norm(best, K, out.f, K, 0, x, K, out.f, K, &error));
    for (size_t i = 0; i < 3; i++) {
        REFUSED(EPSILON, hbl_rms_norm(best, K, NULL, 0, epsilons[i], x, M * K, out.f, M * K, &error));
        REFUSED(EPSILON, hbl_quantize(best, HBL_RULE_INT8_ABSMAX, epsilons[i], x, M * K, &q, &error));
        REFUSED(EPSILON, hbl_absmean(best, x, K, epsilons[i], out.ternary, K, out.f, &error));
        memcpy(bad_x, x, sizeof x);
        bad_x[2 * K - 1] = values[i];
        REFUSED_ROW(NON_FINITE, 1, hbl_rms_norm(best, K, NULL, 0, 0, bad_x, M * K, out.f, M * K, &error));
        REFUSED_ROW(NON_FINITE, 1, hbl_quantize(best, HBL_RULE_INT8_ABSMAX, 0, bad_x, M * K, &q, &error));
        REFUSED_ROW(NON_FINITE, 0, hbl_absmean(best, bad_x, M * K, 0, out.ternary, M * K, out.f, &error));
        REFUSED_ROW(NON_FINITE, 1, hbl_absmean_rows(best, K, bad_x, M * K, 0, out.ternary, M * K, out.f, M, &error));
        REFUSED_ROW(NON_FINITE, 1,
                    hbl_layer_forward(best, &layer, M, bad_x, M * K, out.y, M * N, N, workspace, WORKSPACE, &error));
        REFUSED_ROW(NON_FINITE, 1, hbl_layer_quantize(best, &layer, bad_x, M * K, &q, workspace, WORKSPACE, &error));
    }

    REFUSED(VALUE, hbl_quantize(best, 3, 0, x, M * K, &q, &error));
    REFUSED(VALUE, hbl_quantize(best, HBL_RULE_INT4_ABSMAX, 0, x, M * K, &q, &error));
    REFUSED(NULL_POINTER, hbl_quantize(best, 0, 0, NULL, M * K, &q, &error));
    REFUSED(NULL_POINTER, hbl_quantize(best, 0, 0, x, M * K, NULL, &error));
    REFUSED(LENGTH, hbl_quantize(best, 0, 0, x, M * K - 1, &q, &error));
    REFUSED(OVERLAP, hbl_quantize(best, 0, 0, (float *)(void *)out.values, M * K / 4, &q, &error));
    hbl_activations bad = q;
    bad.bits = 5;
    REFUSED(VALUE, hbl_quantize(best, 0, 0, x, M * K, &bad, &error));
    bad = q;
    bad.features = 0;
    REFUSED(ZERO_SIZE, hbl_quantize(best, 0, 0, x, M * K, &bad, &error));
    bad.features = SIZE_MAX / 2;
    REFUSED(SIZE_OVERFLOW, hbl_quantize(best, 0, 0, x, M * K, &bad, &error));
    bad = q;
    bad.values_len--;
    REFUSED(LENGTH, hbl_quantize(best, 0, 0, x, M * K, &bad, &error));
    bad = q;
    bad.values = NULL;
    REFUSED(NULL_POINTER, hbl_quantize(best, 0, 0, x, M * K, &bad, &error));
    bad = q;
    bad.scales = NULL;
    REFUSED(NULL_POINTER, hbl_quantize(best, 0, 0, x, M * K, &bad, &error));
    bad = q;
    bad.sums = (int32_t *)(void *)bad.scales;
    REFUSED(OVERLAP, hbl_quantize(best, 0, 0, x, M * K, &bad, &error));
    bad = q;
    bad.sums = (int32_t *)((uintptr_t)bad.sums + 2);
    REFUSED(MISALIGNED, hbl_quantize(best, 0, 0, x, M * K, &bad, &error));
}

static void weight_blobs(void) {
    hbl_weight_spec bad = spec;
    bad.rows = 0;
    REFUSED(ZERO_SIZE, hbl_weights_packed_len(&bad, &out.size, &out.size2, &error));
    bad = spec;
    bad.columns = 0;
    REFUSED(ZERO_SIZE, hbl_weights_packed_len(&bad, &out.size, &out.size2, &error));
    bad.columns = SIZE_MAX;
    REFUSED(SIZE_OVERFLOW, hbl_weights_packed_len(&bad, &out.size, &out.size2, &error));
    bad = spec;
    bad.rows = SIZE_MAX;
    REFUSED(SIZE_OVERFLOW, hbl_weights_packed_len(&bad, &out.size, &out.size2, &error));
    bad = spec;
    bad.layout = 9;
    REFUSED(VALUE, hbl_weights_packed_len(&bad, &out.size, &out.size2, &error));
    bad = spec;
    bad.scaling = 65;
    REFUSED(VALUE, hbl_weights_packed_len(&bad, &out.size, &out.size2, &error));
    REFUSED(NULL_POINTER, hbl_weights_packed_len(NULL, &out.size, &out.size2, &error));
    REFUSED(NULL_POINTER, hbl_weights_packed_len(&spec, NULL, &out.size2, &error));

    REFUSED(LENGTH, hbl_weights_pack(&spec, ternary, N * K - 1, &alpha, 1, out.blob, blob_len, &error));
    REFUSED(LENGTH, hbl_weights_pack(&spec, ternary, N * K, &alpha, 0, out.blob, blob_len, &error));
    REFUSED(LENGTH, hbl_weights_pack(&spec, ternary, N * K, &alpha, 1, out.blob, blob_len - 1, &error));
    REFUSED(NULL_POINTER, hbl_weights_pack(&spec, NULL, N * K, &alpha, 1, out.blob, blob_len, &error));
    REFUSED(OVERLAP, hbl_weights_pack(&spec, (int8_t *)out.blob, N * K, &alpha, 1, out.blob, blob_len, &error));
    ternary[2 * K + 5] = 2;
    REFUSED_ROW(CODE, 2, hbl_weights_pack(&spec, ternary, N * K, &alpha, 1, out.blob, blob_len, &error));
    ternary[2 * K + 5] = 0;
    const float no_scale = NAN;
    REFUSED(SCALE, hbl_weights_pack(&spec, ternary, N * K, &no_scale, 1, out.blob, blob_len, &error));

    REFUSED(LENGTH, hbl_weights_unpack(&weights, out.ternary, N * K - 1, out.f, 1, &error));
    REFUSED(LENGTH, hbl_weights_unpack(&weights, out.ternary, N * K, out.f, 2, &error));
    REFUSED(NULL_POINTER, hbl_weights_unpack(NULL, out.ternary, N * K, out.f, 1, &error));
    REFUSED(NULL_POINTER, hbl_weights_spec(&weights, NULL, &error));
    REFUSED(NULL_POINTER, hbl_weights_open(NULL, blob_len, &out.weights, &error));
    REFUSED(NULL_POINTER, hbl_weights_open(blob, blob_len, NULL, &error));
    REFUSED(ZERO_SIZE, hbl_absmean(HBL_BACKEND_BEST, x, 0, 0, out.ternary, 0, out.f, &error));
    REFUSED(LENGTH, hbl_absmean(HBL_BACKEND_BEST, x, K, 0, out.ternary, K - 1, out.f, &error));
    REFUSED(NULL_POINTER, hbl_absmean(HBL_BACKEND_BEST, x, K, 0, out.ternary, K, NULL, &error));
    REFUSED(LENGTH, hbl_absmean_rows(HBL_BACKEND_BEST, K, x, M * K, 0, out.ternary, M * K, out.f, 2, &error));
    REFUSED(SIZE_OVERFLOW,
            hbl_absmean_rows(HBL_BACKEND_BEST, SIZE_MAX / 2, x, M * K, 0, out.ternary, M * K, out.f, M, &error));
    REFUSED(OVERLAP, hbl_absmean(HBL_BACKEND_BEST, out.f, K, 0, (int8_t *)out.f, K, out.scales, &error));

    for (size_t len = 0; len < blob_len; len++) {
        REFUSED(BLOB_LENGTH, hbl_weights_open(blob, len, &out.weights, &error));
        REFUSED(BLOB_LENGTH, hbl_weights_open_verified(blob, len, &out.weights, &error));
    }
    REFUSED(BLOB_LENGTH, hbl_weights_open(blob, blob_len + 1, &out.weights, &error));
    /* Every change of one byte, anywhere: the status follows from where it is. */
    for (size_t at = 0; at < blob_len; at++) {
        for (unsigned flip = 1; flip < 256; flip = flip == 1 ? 255 : 256) {
            memcpy(damaged, blob, blob_len);
            damaged[at] ^= (uint8_t)flip;
            const hbl_status status = at < 4    ? HBL_STATUS_BLOB_MAGIC
                                      : at < 6  ? HBL_STATUS_BLOB_VERSION
                                      : at < 64 ? HBL_STATUS_BLOB_HEADER
                                                : HBL_STATUS_BLOB_PAYLOAD;
            expect(__LINE__, "hbl_weights_open of a damaged blob", status, HBL_NO_ROW,
                   hbl_weights_open(damaged, blob_len, &out.weights, &error));
            if (at < 64) {
                const hbl_weights unchecked = {damaged, blob_len};
                expect(__LINE__, "hbl_weights_spec of a damaged blob", status, HBL_NO_ROW,
                       hbl_weights_spec(&unchecked, &out.spec, &error));
            }
        }
    }
}

static uint32_t crc32(const uint8_t *bytes, size_t len) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xEDB88320) : 0);
        }
    }
    return ~crc;
}

static void store_crc(uint8_t *at, uint32_t crc) {
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(crc >> 8 * i);
    }
}

/* Blobs whose checksums are right, but whose content no writer produces. */
static void forged_blobs(void) {
    memcpy(damaged, blob, blob_len);
    damaged[128] |= 3; /* behind 64 bytes of header and 64 of scales: row 0, column 0 */
    store_crc(damaged + 40, crc32(damaged + 64, blob_len - 64));
    store_crc(damaged + 60, crc32(damaged, 60));
    REFUSED_ROW(CODE, 0, hbl_weights_open(damaged, blob_len, &out.weights, &error));
    memcpy(damaged, blob, blob_len);
    damaged[64] = damaged[65] = damaged[66] = damaged[67] = 0xFF;
    store_crc(damaged + 40, crc32(damaged + 64, blob_len - 64));
    store_crc(damaged + 60, crc32(damaged, 60));
    REFUSED(SCALE, hbl_weights_open(damaged, blob_len, &out.weights, &error));
}

static void products_and_layers(void) {
    static uint8_t values[M * K];
    static float scales[M];
    static int32_t sums[M];
    const uint32_t best = HBL_BACKEND_BEST;
    const hbl_range t = {0, M}, n = {0, N};
    hbl_activations in = {8, 0, M, K, values, M * K, scales, sums}, bad;
    ACCEPTED(hbl_quantize(best, HBL_RULE_INT8_ABSMAX, 0, x, M * K, &in, &error));

#define PRODUCT(w, q, tokens, outputs, y, y_len, stride, ws, ws_len) \
    hbl_product_f32(best, (w), (q), (tokens), (outputs), (y), (y_len), (stride), (ws), (ws_len), &error)
#define BOTH(status, q, tokens, outputs, y_len, stride, ws_len)                                                  \
    do {                                                                                                         \
        REFUSED(status, PRODUCT(&weights, (q), tokens, outputs, out.y, (y_len), (stride), workspace, (ws_len))); \
        REFUSED(status, hbl_product_i32(best, &weights, (q), tokens, outputs, out.i, (y_len), (stride),          \
                                        workspace, (ws_len), &error));                                           \
        REFUSED(status, hbl_layer_multiply(best, &layer, (q), tokens, outputs, out.y, (y_len), (stride),         \
                                           workspace, (ws_len), &error));                                        \
    } while (0)
    const hbl_range long_t = {0, M + 1}, long_n = {1, N + 1}, reversed = {2, 1};
    BOTH(LENGTH, &in, t, n, M * N - 1, N, WORKSPACE);
    BOTH(STRIDE, &in, t, n, M * N, N - 1, WORKSPACE);
    BOTH(RANGE, &in, long_t, n, SIZE_MAX / 8, 0x1000, WORKSPACE);
    BOTH(RANGE, &in, t, long_n, M * N, N, WORKSPACE);
    BOTH(RANGE, &in, reversed, n, M * N, N, WORKSPACE);
    BOTH(SIZE_OVERFLOW, &in, t, n, M * N, SIZE_MAX, WORKSPACE);
    BOTH(WORKSPACE, &in, t, n, M * N, N, 100);
    BOTH(NULL_POINTER, NULL, t, n, M * N, N, WORKSPACE);
    bad = in;
    bad.features = K / 2;
    bad.values_len = M * K / 2;
    BOTH(LENGTH, &bad, t, n, M * N, N, WORKSPACE);
    bad = in;
    bad.bits = 4;
    BOTH(LENGTH, &bad, t, n, M * N, N, WORKSPACE);
    bad = in;
    bad.sums = NULL;
    BOTH(NULL_POINTER, &bad, t, n, M * N, N, WORKSPACE);
    REFUSED(NULL_POINTER, PRODUCT(NULL, &in, t, n, out.y, M * N, N, workspace, WORKSPACE));
    REFUSED(NULL_POINTER, PRODUCT(&weights, &in, t, n, NULL, M * N, N, workspace, WORKSPACE));
    REFUSED(NULL_POINTER, PRODUCT(&weights, &in, t, n, out.y, M * N, N, NULL, WORKSPACE));
    REFUSED(WORKSPACE, PRODUCT(&weights, &in, t, n, out.y, M * N, N, NULL, 0));
    REFUSED(OVERLAP, PRODUCT(&weights, &in, t, n, out.y, M * N, N, (uint8_t *)&out.y[7], WORKSPACE));
    REFUSED(OVERLAP, PRODUCT(&weights, &in, t, n, out.y, M * N, N, values, WORKSPACE));
    REFUSED(OVERLAP, PRODUCT(&weights, &in, t, n, (float *)(void *)blob, M * N, N, workspace, WORKSPACE));
    REFUSED(OVERLAP, PRODUCT(&weights, &in, t, n, scales, M * N, N, workspace, WORKSPACE));

#define FORWARD(l, m, in, in_len, y_len, stride, ws_len) \
    hbl_layer_forward(best, (l), (m), (in), (in_len), out.y, (y_len), (stride), workspace, (ws_len), &error)
    size_t needed = 0;
    ACCEPTED(hbl_layer_workspace_len(&layer, M, &needed, &error));
    REFUSED(WORKSPACE, FORWARD(&layer, M, x, M * K, M * N, N, needed - 1));
    REFUSED(LENGTH, FORWARD(&layer, M, x, M * K - 1, M * N, N, WORKSPACE));
    REFUSED(LENGTH, FORWARD(&layer, M, x, M * K, M * N - 1, N, WORKSPACE));
    REFUSED(STRIDE, FORWARD(&layer, M, x, M * K, M * N, N - 1, WORKSPACE));
    REFUSED(SIZE_OVERFLOW, FORWARD(&layer, SIZE_MAX / 2, x, M * K, M * N, N, WORKSPACE));
    REFUSED(NULL_POINTER, FORWARD(&layer, M, NULL, M * K, M * N, N, WORKSPACE));
    REFUSED(NULL_POINTER, FORWARD(NULL, M, x, M * K, M * N, N, WORKSPACE));
    REFUSED(OVERLAP, FORWARD(&layer, M, out.y, M * K, M * N, N, WORKSPACE));
    REFUSED(SIZE_OVERFLOW, hbl_layer_workspace_len(&layer, SIZE_MAX / 2, &out.size, &error));
    REFUSED(NULL_POINTER, hbl_layer_workspace_len(&layer, M, NULL, &error));
    REFUSED(MISALIGNED, hbl_layer_workspace_len((hbl_layer *)((uintptr_t)&layer + 1), M, &out.size, &error));

    hbl_layer other = layer;
    other.transform = &h32;
    REFUSED(TRANSFORM_LENGTH, FORWARD(&other, M, x, M * K, M * N, N, WORKSPACE));
    other = layer;
    other.norm = 2;
    REFUSED(VALUE, FORWARD(&other, M, x, M * K, M * N, N, WORKSPACE));
    other = layer;
    other.rule = 77;
    REFUSED(VALUE, FORWARD(&other, M, x, M * K, M * N, N, WORKSPACE));
    other = layer;
    other.epsilon = NAN;
    REFUSED(EPSILON, FORWARD(&other, M, x, M * K, M * N, N, WORKSPACE));
    other = layer;
    other.norm_epsilon = -1.0f;
    REFUSED(EPSILON, hbl_layer_quantize_workspace_len(&other, &out.size, &error));
    other = layer;
    other.norm_weight_len = K - 1;
    REFUSED(LENGTH, FORWARD(&other, M, x, M * K, M * N, N, WORKSPACE));
    other = layer;
    other.weights.blob_len--;
    REFUSED(BLOB_LENGTH, FORWARD(&other, M, x, M * K, M * N, N, WORKSPACE));
    gains[3] = INFINITY;
    REFUSED_ROW(NON_FINITE, 0, FORWARD(&layer, M, x, M * K, M * N, N, WORKSPACE));
    gains[3] = 1.0f;
    /* Finite, but its transform is not. */
    other = layer;
    other.norm = HBL_NORM_NONE;
    memcpy(bad_x, x, sizeof x);
    for (size_t i = 0; i < K; i++) {
        bad_x[2 * K + i] = FLT_MAX;
    }
    REFUSED_ROW(NON_FINITE, 2, FORWARD(&other, M, bad_x, M * K, M * N, N, WORKSPACE));
    bad = q;
    bad.bits = 4;
    bad.values_len /= 2;
    REFUSED(VALUE, hbl_layer_quantize(best, &layer, x, M * K, &bad, workspace, WORKSPACE, &error));
    REFUSED(WORKSPACE, hbl_layer_quantize(best, &layer, x, M * K, &q, workspace, 8, &error));
    REFUSED(OVERLAP, hbl_layer_quantize(best, &layer, x, M * K, &q, out.values, WORKSPACE, &error));

    /* No tokens is no mistake, and neither is a caller without interest in details. */
    ACCEPTED(FORWARD(&layer, 0, NULL, 0, 0, N, WORKSPACE));
    in.tokens = in.values_len = 0;
    in.values = NULL;
    in.scales = NULL;
    in.sums = NULL;
    const hbl_range none = {0, 0};
    ACCEPTED(PRODUCT(&weights, &in, none, n, NULL, 0, N, workspace, WORKSPACE));
    ACCEPTED(hbl_layer_quantize(best, &layer, NULL, 0, &in, workspace, WORKSPACE, &error));
    if (hbl_layer_workspace_len(NULL, M, &out.size, NULL) != HBL_STATUS_NULL_POINTER) {
        failures++;
        printf("a call without details\n");
    }
}

int main(void) {
    set_up();
    statuses_and_backends();
    transforms();
    norm_and_quantisers();
    weight_blobs();
    forged_blobs();
    products_and_layers();
    for (int status = 1; status < STATUSES; status++) {
        if (met[status]) {
            printf("status %d: %s\n", status, hbl_status_text(status));
        }
    }
    printf("%u refusals, backend %s, %d failures\n", refusals, hbl_backend_name(HBL_BACKEND_BEST), failures);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
