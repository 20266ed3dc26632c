/* The header by itself, in every standard of C and C++ that it promises: included twice, each initialiser used. */
#include <hbitlinear.h>
#include <hbitlinear.h>

static const hbl_layer constant = HBL_LAYER_INIT;

int main(void) {
    hbl_input input = HBL_INPUT_INIT;
    hbl_activations activations = HBL_ACTIVATIONS_INIT;
    hbl_stages stages = HBL_STAGES_INIT;
    hbl_weight_spec spec = HBL_WEIGHT_SPEC_INIT;
    const int sizes = input.struct_size == sizeof input && activations.struct_size == sizeof activations &&
                      stages.struct_size == sizeof stages && spec.struct_size == sizeof spec &&
                      constant.struct_size == sizeof constant;
    const int zeros = input.data == NULL && input.stride == 0 && activations.sums == NULL && stages.reserved == 0 &&
                      stages.transform == NULL && spec.group == 0 && constant.weights == NULL;
    return sizes && zeros && hbl_abi_version() == HBL_ABI_VERSION ? 0 : 1;
}
