/* What the page calls: a model that writes bytes, and one layer to time. */
#include "../../examples/bitnet_v2/model.h"

#include <stdlib.h>

#define EXPORT(name) __attribute__((export_name(name)))

static model m;
static session s;

EXPORT("allocate") uint8_t *page_allocate(size_t len) {
    return allocate(len, 1);
}

/* The container is the page's to keep. Returns the window. */
EXPORT("open") size_t page_open(const uint8_t *container, size_t len) {
    open_model(&m, container, len);
    s = open_session(&m, 32);
    return m.window;
}

EXPORT("restart") void page_restart(void) {
    restart(&m, &s);
}

/* Reads tokens; the 256 logits of what comes behind the last. */
EXPORT("read") const float *page_read(const uint8_t *tokens, size_t count) {
    read_tokens(&m, &s, tokens, count);
    find_logits(&m, &s, count - 1);
    return s.logits;
}

/* The same for the i-th of the last call. */
EXPORT("logits") const float *page_logits(size_t i) {
    find_logits(&m, &s, i);
    return s.logits;
}

static struct {
    hbl_transform transform;
    hbl_stages stages;
    hbl_weights weights;
    hbl_layer layer;
    float *x, *y;
    uint8_t *workspace;
    size_t workspace_len;
} timed;

static hbl_error error;

static void check(hbl_status status) {
    if (status != HBL_STATUS_OK) {
        fail(hbl_status_text(status), error.message);
    }
}

/* An H-BitLinear of random weights with as many outputs as inputs, int4 activations, two-bit codes. */
EXPORT("make_layer") void page_make_layer(const char *transform, size_t size) {
    check(hbl_transform_named(transform, &timed.transform, &error));
    timed.stages = (hbl_stages)HBL_STAGES_INIT;
    timed.stages.inputs = size;
    timed.stages.transform = &timed.transform;
    timed.stages.norm = HBL_NORM_RMS;
    timed.stages.norm_epsilon = timed.stages.quantizer_epsilon = 1e-5f;
    timed.stages.rule = HBL_RULE_INT4_ABSMEAN;
    hbl_weight_spec spec = HBL_WEIGHT_SPEC_INIT;
    spec.outputs = spec.inputs = size;
    spec.layout = HBL_LAYOUT_TWO_BIT;
    int8_t *ternary = allocate(size, size);
    uint32_t state = 1;
    for (size_t i = 0; i < size * size; i++) {
        state = state * 1664525 + 1013904223;
        ternary[i] = (int8_t)((state >> 24) % 3) - 1;
    }
    const float scale = 0.02f;
    size_t blob_len, scales_len;
    check(hbl_weights_packed_len(&spec, &blob_len, &scales_len, &error));
    uint8_t *blob = allocate(blob_len, 1);
    check(hbl_weights_pack(&spec, ternary, size * size, &scale, scales_len, blob, blob_len, &error));
    free(ternary);
    check(hbl_weights_open(blob, blob_len, &timed.weights, &error));
    timed.layer = (hbl_layer)HBL_LAYER_INIT;
    timed.layer.stages = &timed.stages;
    timed.layer.weights = &timed.weights;
    check(hbl_layer_workspace_len(&timed.layer, 1, &timed.workspace_len, &error));
    timed.workspace = allocate(timed.workspace_len, 1);
    timed.x = allocate(size, sizeof(float));
    timed.y = allocate(size, sizeof(float));
    for (size_t i = 0; i < size; i++) {
        timed.x[i] = (float)(i * 37 % 101) - 50.0f;
    }
}

/* The layer on one token, that often; its outputs. */
EXPORT("run_layer") const float *page_run_layer(uint32_t backend, size_t times) {
    hbl_input input = HBL_INPUT_INIT;
    input.data = timed.x;
    input.len = timed.stages.inputs;
    input.tokens = 1;
    for (size_t i = 0; i < times; i++) {
        check(hbl_layer_forward(backend, &timed.layer, &input, timed.y, timed.stages.inputs, timed.stages.inputs,
                                timed.workspace, timed.workspace_len, &error));
    }
    return timed.y;
}

/* The name of the best backend. */
EXPORT("best") const char *page_best(void) {
    return hbl_backend_name(HBL_BACKEND_BEST);
}
