/* A small layer in each layout, and where its results go. */
#ifndef DATA_H
#define DATA_H

#include "refuse.h"

static const uint32_t LAYOUTS[] = {HBL_LAYOUT_TWO_BIT, HBL_LAYOUT_FIVE_TRIT};

static uint8_t workspace[WORKSPACE], blob[BLOB];
static size_t blob_len;
static float x[M * K], gains[K];
static int8_t ternary[N * K];
static const float alpha = 0.5f;
static hbl_weight_spec spec = HBL_WEIGHT_SPEC_INIT;
static hbl_weights weights;
static hbl_transform h64;
static hbl_stages stages = HBL_STAGES_INIT;
static hbl_layer layer = HBL_LAYER_INIT;
static hbl_input input = HBL_INPUT_INIT;
static hbl_activations q = HBL_ACTIVATIONS_INIT;

static inline void set_up(uint32_t layout) {
    for (size_t i = 0; i < M * K; i++) {
        x[i] = (float)(i % 13) - 6.0f;
    }
    for (size_t i = 0; i < N * K; i++) {
        ternary[i] = (int8_t)(i % 3) - 1;
    }
    for (size_t i = 0; i < K; i++) {
        gains[i] = 1.0f;
    }
    size_t scales_len = 0;
    spec.layout = layout;
    spec.outputs = N;
    spec.inputs = K;
    ACCEPTED(hbl_weights_packed_len(&spec, &blob_len, &scales_len, &error));
    ACCEPTED(hbl_weights_pack(&spec, ternary, N * K, &alpha, scales_len, blob, blob_len, &error));
    ACCEPTED(hbl_weights_open(blob, blob_len, &weights, &error));
    ACCEPTED(hbl_transform_named("64", &h64, &error));
    stages.rule = HBL_RULE_INT8_ABSMAX;
    stages.inputs = K;
    stages.transform = &h64;
    stages.norm = HBL_NORM_RMS;
    stages.norm_weight = gains;
    stages.norm_weight_len = K;
    stages.norm_epsilon = stages.quantizer_epsilon = 1e-5f;
    layer.stages = &stages;
    layer.weights = &weights;
    input.element = HBL_ELEMENT_F32;
    input.data = x;
    input.len = M * K;
    input.tokens = M;

    /* A workspace may hold anything. */
    memset(workspace, CANARY, sizeof workspace);
    paint();
    q.bits = 8;
    q.tokens = M;
    q.inputs = K;
    q.values = out.values;
    q.values_len = M * K;
    q.scales = out.scales;
    q.sums = out.sums;
}

#endif
