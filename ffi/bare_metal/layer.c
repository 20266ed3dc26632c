/* One layer, H-BitLinear of 64 inputs and 32 outputs with int4 activations, for one token at a time: all that a
 * microcontroller needs to link. Prints the bits of what comes out. */
#include "board.h"
#include "hex.h"

#include <hbitlinear.h>

enum { INPUTS = 64, OUTPUTS = 32, TOKENS = 3 };

static int8_t ternary[OUTPUTS * INPUTS];
static uint8_t blob[2048];
static uint8_t workspace[2 << 20];
static float x[INPUTS], y[OUTPUTS];
static hbl_error error;

#define OK(call)                                                                                                               \
    if ((call) != HBL_STATUS_OK) {                                                                                             \
        put(error.message);                                                                                                    \
        return 1;                                                                                                              \
    }

int run(void) {
    /* On a device the blob would be in its read-only memory. */
    const float scale = 0.25f;
    for (int i = 0; i < OUTPUTS * INPUTS; i++) {
        ternary[i] = (int8_t)(i * 7 % 11 % 3 - 1);
    }
    hbl_weight_spec spec = HBL_WEIGHT_SPEC_INIT;
    spec.outputs = OUTPUTS;
    spec.inputs = INPUTS;
    spec.layout = HBL_LAYOUT_TWO_BIT;
    size_t blob_len, scales_len, workspace_len;
    OK(hbl_weights_packed_len(&spec, &blob_len, &scales_len, &error));
    OK(hbl_weights_pack(&spec, ternary, OUTPUTS * INPUTS, &scale, scales_len, blob, blob_len, &error));

    hbl_weights weights;
    hbl_transform transform;
    OK(hbl_weights_open(blob, blob_len, &weights, &error));
    OK(hbl_transform_named("64", &transform, &error));
    hbl_stages stages = HBL_STAGES_INIT;
    stages.inputs = INPUTS;
    stages.norm = HBL_NORM_RMS;
    stages.transform = &transform;
    stages.rule = HBL_RULE_INT4_ABSMEAN;
    stages.norm_epsilon = stages.quantizer_epsilon = 1e-5f;
    hbl_layer layer = HBL_LAYER_INIT;
    layer.stages = &stages;
    layer.weights = &weights;
    hbl_input input = HBL_INPUT_INIT;
    input.data = x;
    input.len = INPUTS;
    input.tokens = 1;
    OK(hbl_layer_workspace_len(&layer, 1, &workspace_len, &error));
    if (workspace_len > sizeof workspace) {
        put("the workspace is too small\n");
        return 1;
    }
    for (int token = 0; token < TOKENS; token++) {
        for (int i = 0; i < INPUTS; i++) {
            x[i] = (float)((i * 37 + token * 11) % 101 - 50) / 16.0f;
        }
        OK(hbl_layer_forward(0, &layer, &input, y, OUTPUTS, OUTPUTS, workspace, workspace_len, &error));
        for (int i = 0; i < OUTPUTS; i++) {
            const union {
                float value;
                uint32_t bits;
            } output = {y[i]};
            put_hex(output.bits);
            put(i % 8 == 7 ? "\n" : " ");
        }
    }
    return 0;
}
