/* Bad products, stages and layers from C, in both layouts: see errors.c. */
#include "data.h"

#include <float.h>
#include <math.h>

static uint8_t values[M * K];
static float scales[M], bad_x[M * K];
static int32_t sums[M];
static hbl_activations in = HBL_ACTIVATIONS_INIT;
static const uint32_t best = HBL_BACKEND_BEST;
static const hbl_range t = {0, M}, n = {0, N};

static void quantised(void) {
    in.bits = 8;
    in.tokens = M;
    in.inputs = K;
    in.values = values;
    in.values_len = M * K;
    in.scales = scales;
    in.sums = sums;
    ACCEPTED(hbl_quantize(best, HBL_RULE_INT8_ABSMAX, 0, 0, x, M * K, 0, &in, &error));
}

#define PRODUCT(w, q, tokens, outputs, y, y_len, stride, ws, ws_len) \
    hbl_product_f32(best, (w), (q), (tokens), (outputs), (y), (y_len), (stride), (ws), (ws_len), &error)
#define BOTH(status, says, q, tokens, outputs, y_len, stride, ws_len)                                          \
    do {                                                                                                       \
        REFUSED_SAYING(status, says,                                                                           \
                       PRODUCT(&weights, (q), tokens, outputs, out.y, (y_len), (stride), workspace, (ws_len))); \
        REFUSED_SAYING(status, says,                                                                           \
                       hbl_product_i32(best, &weights, (q), tokens, outputs, out.i, (y_len), (stride),         \
                                       workspace, (ws_len), &error));                                          \
    } while (0)

static void products(void) {
    const hbl_range long_t = {0, M + 1}, long_n = {1, N + 1}, reversed = {2, 1};
    hbl_activations bad;
    BOTH(LENGTH, "y:", &in, t, n, M * N - 1, N, WORKSPACE);
    BOTH(STRIDE, "stride of y", &in, t, n, M * N, N - 1, WORKSPACE);
    BOTH(RANGE, "tokens", &in, long_t, n, SIZE_MAX / 8, 0x1000, WORKSPACE);
    /* Too long a range is not reported as too short a stride, nor as too short a buffer. */
    BOTH(RANGE, "outputs", &in, t, long_n, M * N, 1, WORKSPACE);
    BOTH(RANGE, "outputs", &in, t, reversed, M * N, N, WORKSPACE);
    BOTH(RANGE, "tokens", &in, reversed, n, M * N, N, WORKSPACE);
    BOTH(SIZE_OVERFLOW, "", &in, t, n, M * N, SIZE_MAX, WORKSPACE);
    BOTH(WORKSPACE, "100", &in, t, n, M * N, N, 100);
    BOTH(NULL_POINTER, "activations", NULL, t, n, M * N, N, WORKSPACE);
    bad = in;
    bad.inputs = K / 2;
    bad.values_len = M * K / 2;
    BOTH(LENGTH, "", &bad, t, n, M * N, N, WORKSPACE);
    bad = in;
    bad.bits = 4;
    BOTH(LENGTH, "", &bad, t, n, M * N, N, WORKSPACE);
    bad = in;
    bad.sums = NULL;
    BOTH(NULL_POINTER, "sums", &bad, t, n, M * N, N, WORKSPACE);
    REFUSED(NULL_POINTER, PRODUCT(NULL, &in, t, n, out.y, M * N, N, workspace, WORKSPACE));
    REFUSED(HANDLE, PRODUCT(&painted.weights, &in, t, n, out.y, M * N, N, workspace, WORKSPACE));
    REFUSED(NULL_POINTER, PRODUCT(&weights, &in, t, n, NULL, M * N, N, workspace, WORKSPACE));
    REFUSED(NULL_POINTER, PRODUCT(&weights, &in, t, n, out.y, M * N, N, NULL, WORKSPACE));
    REFUSED(WORKSPACE, PRODUCT(&weights, &in, t, n, out.y, M * N, N, NULL, 0));
    REFUSED(OVERLAP, PRODUCT(&weights, &in, t, n, out.y, M * N, N, (uint8_t *)&out.y[7], WORKSPACE));
    REFUSED(OVERLAP, PRODUCT(&weights, &in, t, n, out.y, M * N, N, values, WORKSPACE));
    REFUSED(OVERLAP, PRODUCT(&weights, &in, t, n, (float *)(void *)blob, M * N, N, workspace, WORKSPACE));
    REFUSED(OVERLAP, PRODUCT(&weights, &in, t, n, scales, M * N, N, workspace, WORKSPACE));
    CHECK(hbl_product_preferred_outputs() == 16);
}

#define FORWARD(l, in, y_len, stride, ws_len) \
    hbl_layer_forward(best, (l), (in), out.y, (y_len), (stride), workspace, (ws_len), &error)

static void inputs(void) {
    hbl_input bad = input;
    bad.len = M * K - 1;
    REFUSED_SAYING(LENGTH, "x:", FORWARD(&layer, &bad, M * N, N, WORKSPACE));
    bad = input;
    bad.tokens = SIZE_MAX / 2;
    REFUSED(SIZE_OVERFLOW, FORWARD(&layer, &bad, M * N, N, WORKSPACE));
    bad = input;
    bad.data = NULL;
    REFUSED(NULL_POINTER, FORWARD(&layer, &bad, M * N, N, WORKSPACE));
    bad.data = out.y;
    REFUSED(OVERLAP, FORWARD(&layer, &bad, M * N, N, WORKSPACE));
    bad.data = (const void *)((uintptr_t)x + 2);
    REFUSED(MISALIGNED, FORWARD(&layer, &bad, M * N, N, WORKSPACE));
    bad = input;
    bad.stride = K - 1;
    REFUSED_SAYING(STRIDE, "stride of x", FORWARD(&layer, &bad, M * N, N, WORKSPACE));
    bad.stride = K + 1;
    REFUSED_SAYING(LENGTH, "x:", FORWARD(&layer, &bad, M * N, N, WORKSPACE));
    bad = input;
    bad.element = 3;
    REFUSED_SAYING(VALUE, "element of x: 3", FORWARD(&layer, &bad, M * N, N, WORKSPACE));
    bad.element = HBL_ELEMENT_F16;
    bad.data = (const void *)((uintptr_t)x + 1);
    REFUSED(MISALIGNED, FORWARD(&layer, &bad, M * N, N, WORKSPACE));
    REFUSED(NULL_POINTER, FORWARD(&layer, NULL, M * N, N, WORKSPACE));
}

static void layers(void) {
    size_t needed = 0;
    ACCEPTED(hbl_layer_workspace_len(&layer, M, &needed, &error));
    REFUSED(WORKSPACE, FORWARD(&layer, &input, M * N, N, needed - 1));
    REFUSED(LENGTH, FORWARD(&layer, &input, M * N - 1, N, WORKSPACE));
    REFUSED_SAYING(STRIDE, "stride of y", FORWARD(&layer, &input, M * N, N - 1, WORKSPACE));
    REFUSED(NULL_POINTER, FORWARD(NULL, &input, M * N, N, WORKSPACE));
    REFUSED(SIZE_OVERFLOW, hbl_layer_workspace_len(&layer, SIZE_MAX / 2, &out.size, &error));
    REFUSED(NULL_POINTER, hbl_layer_workspace_len(&layer, M, NULL, &error));
    REFUSED(MISALIGNED, hbl_layer_workspace_len((hbl_layer *)((uintptr_t)&layer + 1), M, &out.size, &error));

    hbl_layer other = layer;
    other.reserved = 1;
    REFUSED_SAYING(VALUE, "layer: expected 0 in reserved", FORWARD(&other, &input, M * N, N, WORKSPACE));
    other = layer;
    other.weights = &painted.weights;
    REFUSED(HANDLE, FORWARD(&other, &input, M * N, N, WORKSPACE));
    other.weights = NULL;
    REFUSED_SAYING(NULL_POINTER, "weights", FORWARD(&other, &input, M * N, N, WORKSPACE));
    other = layer;
    other.stages = NULL;
    REFUSED_SAYING(NULL_POINTER, "stages", FORWARD(&other, &input, M * N, N, WORKSPACE));
}

#define QUANTIZE(s, q, ws, ws_len) hbl_stages_quantize(best, (s), &input, (q), (ws), (ws_len), &error)

static void some_stages(void) {
    hbl_stages s = stages;
    hbl_layer other = layer;
    hbl_transform h32;
    ACCEPTED(hbl_transform_named("32", &h32, &error));
    other.stages = &s;
#define ALL(status, says)                                                                  \
    do {                                                                                   \
        REFUSED_SAYING(status, says, FORWARD(&other, &input, M * N, N, WORKSPACE));        \
        REFUSED_SAYING(status, says, QUANTIZE(&s, &q, workspace, WORKSPACE));              \
        REFUSED_SAYING(status, says, hbl_stages_workspace_len(&s, &out.size, &error));     \
        REFUSED_SAYING(status, says, hbl_layer_workspace_len(&other, M, &out.size, &error)); \
        s = stages;                                                                        \
    } while (0)
    s.transform = &h32;
    ALL(TRANSFORM_LENGTH, "32");
    s.transform = &painted.transform;
    ALL(HANDLE, "transform");
    s.norm = 2;
    ALL(VALUE, "norm: 2");
    s.rule = 77;
    ALL(VALUE, "rule: 77");
    s.reserved = 1;
    ALL(VALUE, "reserved");
    s.flags = 4;
    ALL(NEWER, "0x4");
    s.quantizer_epsilon = NAN;
    ALL(EPSILON, "epsilon of the quantiser");
    s.norm_epsilon = -1.0f;
    ALL(EPSILON, "epsilon of the norm");
    s.norm_weight_len = K - 1;
    ALL(LENGTH, "norm weight");
    s.inputs = 0;
    ALL(ZERO_SIZE, "inputs");
    s.inputs = K / 2;
    s.transform = NULL;
    s.norm = HBL_NORM_NONE;
    REFUSED_SAYING(LENGTH, "inputs", FORWARD(&other, &input, M * N, N, WORKSPACE));
    REFUSED_SAYING(LENGTH, "inputs", QUANTIZE(&s, &q, workspace, WORKSPACE));

    gains[3] = INFINITY;
    REFUSED_ROW(NON_FINITE, 0, FORWARD(&layer, &input, M * N, N, WORKSPACE));
    gains[3] = 1.0f;
    /* Finite, but its transform is not. */
    s = stages;
    s.norm = HBL_NORM_NONE;
    memcpy(bad_x, x, sizeof x);
    for (size_t i = 0; i < K; i++) {
        bad_x[2 * K + i] = FLT_MAX;
    }
    input.data = bad_x;
    REFUSED_ROW(NON_FINITE, 2, FORWARD(&other, &input, M * N, N, WORKSPACE));
    input.data = x;
    hbl_activations bad = q;
    bad.bits = 4;
    bad.values_len /= 2;
    REFUSED(VALUE, QUANTIZE(&stages, &bad, workspace, WORKSPACE));
    bad = q;
    bad.tokens--;
    bad.values_len -= K;
    REFUSED_SAYING(LENGTH, "tokens of x", QUANTIZE(&stages, &bad, workspace, WORKSPACE));
    REFUSED(WORKSPACE, QUANTIZE(&stages, &q, workspace, 8));
    REFUSED(OVERLAP, QUANTIZE(&stages, &q, out.values, WORKSPACE));
    REFUSED(NULL_POINTER, QUANTIZE(&stages, NULL, workspace, WORKSPACE));
    REFUSED(NULL_POINTER, QUANTIZE(NULL, &q, workspace, WORKSPACE));
}

/* A row that is not finite spoils its own outputs and no other's, if that is asked for. */
static void spoilt_rows(void) {
    static float whole[M * N], spoilt[M * N];
    hbl_stages s = stages;
    hbl_layer other = layer;
    hbl_input with_nan = input;
    other.stages = &s;
    s.flags = HBL_SPOIL_NON_FINITE;
    ACCEPTED(hbl_layer_forward(best, &layer, &input, whole, M * N, N, workspace, WORKSPACE, &error));
    memcpy(bad_x, x, sizeof x);
    bad_x[K + 3] = NAN;
    with_nan.data = bad_x;
    ACCEPTED(hbl_layer_forward(best, &other, &with_nan, spoilt, M * N, N, workspace, WORKSPACE, &error));
    for (size_t i = 0; i < M * N; i++) {
        CHECK(i / N == 1 ? isnan(spoilt[i]) : memcmp(&spoilt[i], &whole[i], sizeof whole[i]) == 0);
    }
    hbl_activations room = in;
    ACCEPTED(hbl_quantize(best, 0, 0, HBL_SPOIL_NON_FINITE, bad_x, M * K, 0, &room, &error));
    CHECK(isnan(scales[1]) && !isnan(scales[0]) && !isnan(scales[2]) && sums[1] == 0);
    quantised();
}

/* No tokens is no mistake, and neither is a caller without interest in details. */
static void nothing(void) {
    hbl_input none = input;
    hbl_activations empty = in;
    const hbl_range no_tokens = {0, 0};
    none.data = NULL;
    none.len = none.tokens = 0;
    ACCEPTED(hbl_layer_forward(best, &layer, &none, NULL, 0, N, workspace, WORKSPACE, &error));
    empty.tokens = empty.values_len = 0;
    empty.values = NULL;
    empty.scales = NULL;
    empty.sums = NULL;
    ACCEPTED(PRODUCT(&weights, &empty, no_tokens, n, NULL, 0, N, workspace, WORKSPACE));
    ACCEPTED(hbl_stages_quantize(best, &stages, &none, &empty, workspace, WORKSPACE, &error));
    CHECK(hbl_layer_workspace_len(NULL, M, &out.size, NULL) == HBL_STATUS_NULL_POINTER);
    CHECK(hbl_layer_workspace_len(&layer, M, &out.size, NULL) == HBL_STATUS_OK);
    paint();
}

int main(void) {
    for (size_t i = 0; i < 2; i++) {
        set_up(LAYOUTS[i]);
        quantised();
        products();
        inputs();
        layers();
        some_stages();
        spoilt_rows();
        nothing();
    }
    return report();
}
