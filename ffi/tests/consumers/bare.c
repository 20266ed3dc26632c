/* One transform, where there is no C library: for WebAssembly, as a function that is exported. */
#include <hbitlinear.h>

static float row[64];

/* 1000 times the first element of the transform of a row of ones: 64 / sqrt(64); less than 0 on a failure. */
int run(void) {
    hbl_transform transform;
    for (int i = 0; i < 64; i++) {
        row[i] = 1.0f;
    }
    if (hbl_abi_version() != HBL_ABI_VERSION || hbl_transform_named("64", &transform, NULL) != HBL_STATUS_OK ||
        hbl_hadamard_forward_f32(HBL_BACKEND_BEST, &transform, row, 64, NULL) != HBL_STATUS_OK) {
        return -1;
    }
    return (int)(1000.0f * row[0]);
}
