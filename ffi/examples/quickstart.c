/* A layer of 3 outputs and 4 inputs: H-BitLinear with int4 activations. */
#include <hbitlinear.h>
#include <stdio.h>
#include <stdlib.h>

static hbl_error error;

static void check(hbl_status status) {
    if (status != HBL_STATUS_OK) {
        fprintf(stderr, "%s: %s\n", hbl_status_text(status), error.message);
        exit(EXIT_FAILURE);
    }
}

int main(void) {
    const int8_t ternary[12] = {1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 1, -1};
    const float scale = 1.0f, x[4] = {0.5f, -1.0f, 2.0f, 0.25f};
    hbl_weight_spec spec = HBL_WEIGHT_SPEC_INIT;
    spec.outputs = 3;
    spec.inputs = 4;
    spec.layout = HBL_LAYOUT_TWO_BIT;
    size_t blob_len, scales_len, workspace_len;
    check(hbl_weights_packed_len(&spec, &blob_len, &scales_len, &error));
    uint8_t *blob = malloc(blob_len);
    check(hbl_weights_pack(&spec, ternary, 12, &scale, scales_len, blob, blob_len, &error));

    hbl_weights weights;
    hbl_transform transform;
    check(hbl_weights_open(blob, blob_len, &weights, &error));
    check(hbl_transform_named("4", &transform, &error));
    hbl_stages stages = HBL_STAGES_INIT;
    stages.inputs = 4;
    stages.norm = HBL_NORM_RMS;
    stages.transform = &transform;
    stages.rule = HBL_RULE_INT4_ABSMEAN;
    stages.norm_epsilon = stages.quantizer_epsilon = 1e-5f;
    hbl_layer layer = HBL_LAYER_INIT;
    layer.stages = &stages;
    layer.weights = &weights;

    float y[3];
    hbl_input input = HBL_INPUT_INIT;
    input.data = x;
    input.len = 4;
    input.tokens = 1;
    check(hbl_layer_workspace_len(&layer, 1, &workspace_len, &error));
    uint8_t *workspace = malloc(workspace_len);
    check(hbl_layer_forward(HBL_BACKEND_BEST, &layer, &input, y, 3, 3, workspace, workspace_len, &error));
    printf("%f %f %f\n", (double)y[0], (double)y[1], (double)y[2]);
    free(workspace);
    free(blob);
    return EXIT_SUCCESS;
}
