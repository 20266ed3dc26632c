/* An H-BitLinear layer on made-up data from C11, every number printed with its bits: examples/quickstart.rs again,
 * which explains the steps. The two print the same lines. */
#include <hbitlinear.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 4, INPUTS = 1536, OUTPUTS = 32 };

static const float EPSILON = 1e-5f;
static uint32_t state = 1;
static hbl_error error;

/* Numbers in -8..8 that every language computes alike. */
static float next_random(void) {
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 16) / 4096.0f - 8.0f;
}

static uint32_t bits(float value) {
    uint32_t result;
    memcpy(&result, &value, sizeof result);
    return result;
}

static void check(hbl_status status) {
    if (status != HBL_STATUS_OK) {
        fprintf(stderr, "%s: %s\n", hbl_status_text(status), error.message);
        exit(EXIT_FAILURE);
    }
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (memory == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(EXIT_FAILURE);
    }
    return memory;
}

int main(void) {
    const uint32_t backend = hbl_backend_best();
    printf("backend %s\n", hbl_backend_name(backend));

    /* Offline: trained weights to ternary ones, packed into a blob that a file could hold. */
    const size_t weights_len = (size_t)OUTPUTS * INPUTS;
    float *trained = allocate(weights_len, sizeof *trained);
    int8_t *ternary = allocate(weights_len, sizeof *ternary);
    for (size_t i = 0; i < weights_len; i++) {
        trained[i] = next_random();
    }
    float alpha;
    check(hbl_absmean(backend, trained, weights_len, EPSILON, ternary, weights_len, &alpha, &error));

    hbl_weight_spec spec = HBL_WEIGHT_SPEC_INIT;
    spec.outputs = OUTPUTS;
    spec.inputs = INPUTS;
    spec.layout = HBL_LAYOUT_TWO_BIT;
    size_t blob_len, scales_len;
    check(hbl_weights_packed_len(&spec, &blob_len, &scales_len, &error));
    uint8_t *blob = allocate(blob_len, 1);
    check(hbl_weights_pack(&spec, ternary, weights_len, &alpha, scales_len, blob, blob_len, &error));
    printf("weights: %zu bytes, alpha 0x%08" PRIx32 "\n", blob_len, bits(alpha));

    /* The layer is a description that points to the opened weights and to what happens before them. */
    hbl_weights weights;
    hbl_transform transform;
    check(hbl_weights_open(blob, blob_len, &weights, &error));
    check(hbl_transform_named("paley1:12*128", &transform, &error));
    hbl_stages stages = HBL_STAGES_INIT;
    stages.inputs = INPUTS;
    stages.norm = HBL_NORM_RMS;
    stages.transform = &transform;
    stages.rule = HBL_RULE_INT4_ABSMEAN;
    stages.norm_epsilon = stages.quantizer_epsilon = EPSILON;
    hbl_layer layer = HBL_LAYER_INIT;
    layer.stages = &stages;
    layer.weights = &weights;

    /* Activations with outlier channels, as real ones have. */
    const size_t x_len = (size_t)TOKENS * INPUTS, y_len = (size_t)TOKENS * OUTPUTS;
    float *x = allocate(x_len, sizeof *x);
    float *y = allocate(y_len, sizeof *y);
    for (size_t i = 0; i < x_len; i++) {
        x[i] = next_random();
    }
    for (size_t i = 0; i < x_len; i += 97) {
        x[i] *= 32.0f;
    }
    size_t workspace_len;
    check(hbl_layer_workspace_len(&layer, TOKENS, &workspace_len, &error));
    uint8_t *workspace = allocate(workspace_len, 1);
    hbl_input input = HBL_INPUT_INIT;
    input.data = x;
    input.len = x_len;
    input.tokens = TOKENS;
    check(hbl_layer_forward(backend, &layer, &input, y, y_len, OUTPUTS, workspace, workspace_len, &error));

    for (size_t token = 0; token < TOKENS; token++) {
        for (size_t output = 0; output < OUTPUTS; output++) {
            const float value = y[token * OUTPUTS + output];
            printf("y[%zu][%zu] = %.6f 0x%08" PRIx32 "\n", token, output, (double)value, bits(value));
        }
    }
    free(workspace);
    free(y);
    free(x);
    free(blob);
    free(ternary);
    free(trained);
    return EXIT_SUCCESS;
}
