/* Bad input from C: every refusal has its own status and message, and leaves the outputs as they were. The library's
 * status numbers that were met are printed at the end, in ascending order. Here: backends, descriptions, transforms, norm
 * and quantisers; errors_weights.c and errors_layers.c have the rest. */
#include "data.h"

#include <math.h>

static float bad_x[M * K];
static int8_t signs[K];

static void statuses(void) {
    for (hbl_status status = 0; status < STATUSES; status++) {
        CHECK(strcmp(hbl_status_text(status), "unknown status") != 0);
    }
    CHECK(strcmp(hbl_status_text(STATUSES), "unknown status") == 0);
    CHECK(strcmp(hbl_status_text(-1), "unknown status") == 0);
    CHECK(hbl_abi_version() == HBL_ABI_VERSION && hbl_version()[0] != '\0');
}

static void backends(void) {
    uint32_t ids[16];
    size_t count = 0, again = 0;
    ACCEPTED(hbl_backend_list(ids, 16, &count, &error));
    ACCEPTED(hbl_backend_list(NULL, 0, &again, &error));
    CHECK(count > 0 && count <= 16 && ids[count - 1] == 0 && again == count);
    const uint32_t best = hbl_backend_best();
    for (size_t i = 0; i < count; i++) {
        uint32_t id = 99;
        ACCEPTED(hbl_backend_from_name(hbl_backend_name(ids[i]), &id, &error));
        ACCEPTED(hbl_backend_force(ids[i], &error));
        CHECK(id == ids[i] && hbl_backend_best() == id && hbl_backend_available(id));
    }
    ACCEPTED(hbl_backend_force(best, &error));

    REFUSED(MISALIGNED, hbl_backend_list((uint32_t *)((uintptr_t)out.words + 1), 4, &out.size, &error));
    REFUSED(NULL_POINTER, hbl_backend_list(NULL, 4, &out.size, &error));
    REFUSED(NULL_POINTER, hbl_backend_list(out.words, 4, NULL, &error));
    REFUSED_SAYING(NAME, "backend", hbl_backend_from_name("abacus", &out.id, &error));
    REFUSED(NAME, hbl_backend_from_name("\xff\xfe", &out.id, &error));
    REFUSED(NULL_POINTER, hbl_backend_from_name(NULL, &out.id, &error));
    REFUSED(NULL_POINTER, hbl_backend_from_name("scalar", NULL, &error));
    REFUSED_SAYING(UNKNOWN_BACKEND, "250", hbl_backend_force(250, &error));
    REFUSED(UNKNOWN_BACKEND, hbl_backend_force(HBL_BACKEND_BEST, &error));
    REFUSED_SAYING(UNKNOWN_BACKEND, "250", hbl_backend_assume(250, &error));
    REFUSED(UNKNOWN_BACKEND, hbl_backend_assume(HBL_BACKEND_BEST, &error));
    ACCEPTED(hbl_backend_assume(best, &error));
    REFUSED_SAYING(UNKNOWN_BACKEND, "250", hbl_hadamard_forward_f32(250, &h64, out.f, K, &error));
    REFUSED(UNKNOWN_BACKEND,
            hbl_layer_forward(250, &layer, &input, out.y, M * N, N, workspace, WORKSPACE, &error));
    CHECK(hbl_backend_best() == best);
    /* Some backend belongs to another CPU, unless the list has them all. */
    for (uint32_t id = 0; id < 64; id++) {
        if (hbl_backend_name(id) != NULL && !hbl_backend_available(id)) {
            REFUSED(BACKEND_UNAVAILABLE, hbl_backend_force(id, &error));
            REFUSED(BACKEND_UNAVAILABLE, hbl_backend_assume(id, &error));
            REFUSED(BACKEND_UNAVAILABLE, hbl_hadamard_forward_f32(id, &h64, out.f, K, &error));
        }
    }
}

static void matrices(void) {
    REFUSED_SAYING(TRANSFORM, "paley1", hbl_matrix_named("paley1", 13, &out.matrix, &error));
    REFUSED_SAYING(NAME, "family", hbl_matrix_named("welch", 12, &out.matrix, &error));
    REFUSED(NULL_POINTER, hbl_matrix_named(NULL, 12, &out.matrix, &error));
    REFUSED(TRANSFORM, hbl_matrix_storage_len(0, &out.size, &error));
    REFUSED_SAYING(TRANSFORM, "257", hbl_matrix_storage_len(257, &out.size, &error));

    const int8_t h2[4] = {1, 1, 1, -1}, not_h2[4] = {1, 1, 1, 1}, not_sign[4] = {1, 1, 0, -1};
    REFUSED(LENGTH, hbl_matrix_pack(2, h2, 3, out.words, 4, &out.matrix, &error));
    REFUSED(LENGTH, hbl_matrix_pack(2, h2, 4, out.words, 5, &out.matrix, &error));
    REFUSED_ROW(NOT_HADAMARD, 1, hbl_matrix_pack(2, not_h2, 4, out.words, 4, &out.matrix, &error));
    REFUSED_ROW(NOT_HADAMARD, 1, hbl_matrix_pack(2, not_sign, 4, out.words, 4, &out.matrix, &error));
    REFUSED(NULL_POINTER, hbl_matrix_pack(2, NULL, 4, out.words, 4, &out.matrix, &error));
    REFUSED(OVERLAP, hbl_matrix_pack(2, (int8_t *)out.words, 4, out.words, 4, &out.matrix, &error));
}

static void making_transforms(void) {
    REFUSED_SAYING(TRANSFORM, "power of two", hbl_transform_named("63", &out.transform, &error));
    REFUSED_SAYING(TRANSFORM, "got 1536", hbl_transform_named("1536", &out.transform, &error));
    REFUSED_SAYING(TRANSFORM, "name", hbl_transform_named("", &out.transform, &error));
    REFUSED_SAYING(TRANSFORM, "order 13", hbl_transform_named("paley1:13*2", &out.transform, &error));
    REFUSED_SAYING(TRANSFORM, "byte 0", hbl_transform_named("payley1:12*128", &out.transform, &error));
    REFUSED_SAYING(TRANSFORM, "byte 10", hbl_transform_named("paley1:12*+4", &out.transform, &error));
    REFUSED_SAYING(TRANSFORM, "byte 10", hbl_transform_named("paley1:12*04", &out.transform, &error));
    REFUSED(NULL_POINTER, hbl_transform_named(NULL, &out.transform, &error));
    REFUSED(NULL_POINTER, hbl_transform_named("64", NULL, &error));

    hbl_matrix factors[4];
    for (size_t i = 0; i < 4; i++) {
        ACCEPTED(hbl_matrix_named("paley1", 12, &factors[i], &error));
    }
    REFUSED(TRANSFORM, hbl_transform_new(factors, 1, 0, &out.transform, &error));
    REFUSED_SAYING(TRANSFORM, "48", hbl_transform_new(factors, 1, 48, &out.transform, &error));
    REFUSED_SAYING(TRANSFORM, "factors", hbl_transform_new(factors, 4, 2, &out.transform, &error));
    REFUSED(SIZE_OVERFLOW, hbl_transform_new(factors, 1, SIZE_MAX / 2 + 1, &out.transform, &error));
    REFUSED(NULL_POINTER, hbl_transform_new(NULL, 1, 2, &out.transform, &error));
    REFUSED(HANDLE, hbl_transform_new(&painted.matrix, 1, 2, &out.transform, &error));
    factors[1].opaque[2] ^= 1;
    REFUSED(HANDLE, hbl_transform_new(factors, 2, 2, &out.transform, &error));

    hbl_transform t = h64;
    REFUSED(ZERO_SIZE, hbl_transform_set_blocks(&t, 0, &error));
    REFUSED(SIZE_OVERFLOW, hbl_transform_set_blocks(&t, SIZE_MAX, &error));
    REFUSED(HANDLE, hbl_transform_set_blocks(&out.transform, 2, &error));
    REFUSED(LENGTH, hbl_transform_set_signs(&t, signs, K - 1, &error));
    REFUSED(NULL_POINTER, hbl_transform_set_signs(&t, NULL, K, &error));
    REFUSED(HANDLE, hbl_transform_set_signs(&out.transform, signs, K, &error));
    REFUSED(OVERLAP, hbl_transform_set_signs(&t, (const int8_t *)&t, K, &error));
    signs[7] = 3;
    REFUSED_SAYING(SIGN, "sign 7: expected 1 or -1, got 3", hbl_transform_set_signs(&t, signs, K, &error));
    signs[7] = 1;
    CHECK(memcmp(&t, &h64, sizeof t) == 0);
    ACCEPTED(hbl_transform_set_signs(&t, signs, K, &error));
    REFUSED(LENGTH, hbl_transform_set_blocks(&t, 2, &error));
}

static void using_transforms(void) {
    const hbl_transform *t = &h64, nothing = {{0}};
    REFUSED(TRANSFORM_LENGTH, hbl_hadamard_forward_f32(HBL_BACKEND_BEST, t, out.f, K - 1, &error));
    REFUSED(TRANSFORM_LENGTH, hbl_hadamard_transpose_f32(HBL_BACKEND_BEST, t, out.f, 65, &error));
    REFUSED(TRANSFORM_LENGTH, hbl_hadamard_forward_f64(t, out.d, 63, &error));
    REFUSED(TRANSFORM_LENGTH, hbl_hadamard_transpose_f64(t, out.d, 63, &error));
    REFUSED(NULL_POINTER, hbl_hadamard_forward_f32(HBL_BACKEND_BEST, t, NULL, K, &error));
    REFUSED(NULL_POINTER, hbl_hadamard_forward_f32(HBL_BACKEND_BEST, NULL, out.f, K, &error));
    REFUSED(MISALIGNED, hbl_hadamard_forward_f32(HBL_BACKEND_BEST, t, (float *)((uintptr_t)out.f + 1), K, &error));
    REFUSED(MISALIGNED, hbl_hadamard_forward_f64(t, (double *)((uintptr_t)out.d + 4), 1, &error));
    REFUSED(MISALIGNED, hbl_transform_row_len((const hbl_transform *)((uintptr_t)t + 4), &out.size, &error));
    REFUSED(SIZE_OVERFLOW, hbl_hadamard_forward_f32(HBL_BACKEND_BEST, t, out.f, SIZE_MAX - 63, &error));
    REFUSED_SAYING(HANDLE, "hbl_transform_named", hbl_transform_row_len(&nothing, &out.size, &error));
    REFUSED(HANDLE, hbl_hadamard_forward_f32(HBL_BACKEND_BEST, &painted.transform, out.f, K, &error));
    /* One kind of handle is not another. */
    hbl_transform other = {{0}};
    memcpy(&other, &weights, sizeof weights);
    REFUSED(HANDLE, hbl_transform_row_len(&other, &out.size, &error));
    /* Signs that are right, but lie in the row itself. */
    static float row[K];
    memset(row, 1, sizeof row);
    hbl_transform own = h64;
    ACCEPTED(hbl_transform_set_signs(&own, (int8_t *)row, K, &error));
    REFUSED(OVERLAP, hbl_hadamard_forward_f32(HBL_BACKEND_BEST, &own, row, K, &error));
    CHECK(((int8_t *)row)[0] == 1);
    /* So may the caller's own matrix. */
    static uint32_t words[8];
    const int8_t h2[4] = {1, 1, 1, -1};
    hbl_matrix matrix;
    ACCEPTED(hbl_matrix_pack(2, h2, 4, words, 4, &matrix, &error));
    ACCEPTED(hbl_transform_new(&matrix, 1, 4, &own, &error));
    REFUSED(OVERLAP, hbl_hadamard_forward_f32(HBL_BACKEND_BEST, &own, (float *)(void *)words, 8, &error));
    size_t row_len = 0;
    ACCEPTED(hbl_transform_row_len(&own, &row_len, &error));
    CHECK(row_len == 8);
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
        const float e = epsilons[i];
        REFUSED_SAYING(EPSILON, "norm", hbl_rms_norm(best, K, NULL, 0, e, x, M * K, out.f, M * K, &error));
        REFUSED_SAYING(EPSILON, "quantiser", hbl_quantize(best, 0, e, 0, x, M * K, K, &q, &error));
        REFUSED(EPSILON, hbl_absmean(best, x, K, e, out.ternary, K, out.f, &error));
        memcpy(bad_x, x, sizeof x);
        bad_x[2 * K - 1] = values[i];
        input.data = bad_x;
        REFUSED_ROW(NON_FINITE, 1, hbl_rms_norm(best, K, NULL, 0, 0, bad_x, M * K, out.f, M * K, &error));
        REFUSED_ROW(NON_FINITE, 1, hbl_quantize(best, 0, 0, 0, bad_x, M * K, K, &q, &error));
        REFUSED_ROW(NON_FINITE, 0, hbl_absmean(best, bad_x, M * K, 0, out.ternary, M * K, out.f, &error));
        REFUSED_ROW(NON_FINITE, 1,
                    hbl_absmean_rows(best, K, bad_x, M * K, 0, out.ternary, M * K, out.f, M, &error));
        REFUSED_ROW(NON_FINITE, 1,
                    hbl_layer_forward(best, &layer, &input, out.y, M * N, N, workspace, WORKSPACE, &error));
        REFUSED_ROW(NON_FINITE, 1, hbl_stages_quantize(best, &stages, &input, &q, workspace, WORKSPACE, &error));
        input.data = x;
    }
    REFUSED_SAYING(VALUE, "rule: 3", hbl_quantize(best, 3, 0, 0, x, M * K, K, &q, &error));
    REFUSED(VALUE, hbl_quantize(best, HBL_RULE_INT4_ABSMAX, 0, 0, x, M * K, K, &q, &error));
    REFUSED_SAYING(NEWER, "0x2", hbl_quantize(best, 0, 0, 2, x, M * K, K, &q, &error));
    REFUSED(NULL_POINTER, hbl_quantize(best, 0, 0, 0, NULL, M * K, K, &q, &error));
    REFUSED(NULL_POINTER, hbl_quantize(best, 0, 0, 0, x, M * K, K, NULL, &error));
    REFUSED(LENGTH, hbl_quantize(best, 0, 0, 0, x, M * K - 1, K, &q, &error));
    REFUSED_SAYING(STRIDE, "stride of x", hbl_quantize(best, 0, 0, 0, x, M * K, K - 1, &q, &error));
    REFUSED(SIZE_OVERFLOW, hbl_quantize(best, 0, 0, 0, x, M * K, SIZE_MAX, &q, &error));
    REFUSED(OVERLAP, hbl_quantize(best, 0, 0, 0, (float *)(void *)out.values, M * K, K, &q, &error));
    hbl_activations bad = q;
    bad.bits = 5;
    REFUSED_SAYING(VALUE, "5", hbl_quantize(best, 0, 0, 0, x, M * K, K, &bad, &error));
    bad = q;
    bad.inputs = 0;
    REFUSED(ZERO_SIZE, hbl_quantize(best, 0, 0, 0, x, M * K, K, &bad, &error));
    bad.inputs = SIZE_MAX / 2;
    REFUSED(SIZE_OVERFLOW, hbl_quantize(best, 0, 0, 0, x, M * K, 0, &bad, &error));
    bad = q;
    bad.values_len--;
    REFUSED(LENGTH, hbl_quantize(best, 0, 0, 0, x, M * K, K, &bad, &error));
    bad = q;
    bad.values = NULL;
    REFUSED(NULL_POINTER, hbl_quantize(best, 0, 0, 0, x, M * K, K, &bad, &error));
    bad = q;
    bad.scales = NULL;
    REFUSED(NULL_POINTER, hbl_quantize(best, 0, 0, 0, x, M * K, K, &bad, &error));
    bad = q;
    bad.sums = (int32_t *)(void *)bad.scales;
    REFUSED(OVERLAP, hbl_quantize(best, 0, 0, 0, x, M * K, K, &bad, &error));
    bad = q;
    bad.sums = (int32_t *)((uintptr_t)bad.sums + 2);
    REFUSED(MISALIGNED, hbl_quantize(best, 0, 0, 0, x, M * K, K, &bad, &error));
}

int main(void) {
    for (size_t i = 0; i < K; i++) {
        signs[i] = i % 5 == 0 ? -1 : 1;
    }
    set_up(HBL_LAYOUT_TWO_BIT);
    statuses();
    backends();
    matrices();
    making_transforms();
    using_transforms();
    norm_and_quantisers();
    return report();
}
