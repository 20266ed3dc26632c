/* A layer of 3 outputs and 4 inputs: H-BitLinear with int4 activations. */
#include <hbitlinear.h>
#include <stdio.h>

int main(void) {
    const int8_t ternary[12] = {1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 1, -1};
    const float scale = 1.0f, x[4] = {0.5f, -1.0f, 2.0f, 0.25f};
    const hbl_weight_spec spec = {3, 4, HBL_LAYOUT_T2, HBL_SCALING_TENSOR};
    static uint8_t blob[1024], workspace[1 << 18]; /* exact sizes: *_packed_len, *_workspace_len */
    size_t blob_len, scales_len;
    hbl_transform transform;
    hbl_layer layer = {.transform = &transform, .norm = HBL_NORM_RMS, .norm_epsilon = 1e-5f,
                       .rule = HBL_RULE_INT4_ABSMEAN, .epsilon = 1e-5f};
    float y[3];
    hbl_error error;
    if (hbl_transform_named("4", &transform, &error) ||
        hbl_weights_packed_len(&spec, &blob_len, &scales_len, &error) ||
        hbl_weights_pack(&spec, ternary, 12, &scale, scales_len, blob, blob_len, &error) ||
        hbl_weights_open(blob, blob_len, &layer.weights, &error) ||
        hbl_layer_forward(HBL_BACKEND_BEST, &layer, 1, x, 4, y, 3, 3, workspace, sizeof workspace, &error)) {
        fprintf(stderr, "%s: %s\n", hbl_status_text(error.status), error.message);
        return 1;
    }
    printf("%f %f %f\n", (double)y[0], (double)y[1], (double)y[2]);
    return 0;
}
