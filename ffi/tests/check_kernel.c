/* hbitlinear_check.h finds planted defects, and none in the library's own kernels. */
#include <hbitlinear.h>
#include <hbitlinear_check.h>

#include <stdio.h>
#include <time.h>

typedef struct {
    /* What the kernel does wrong: nothing, one output in 100 000 off by one, sums in 16 bits, a last input that is left out. */
    enum { NOTHING, RARE, NARROW, TAIL } defect;
    uint64_t outputs;
} planted;

static void kernel(void *context, const int8_t *w, const int8_t *q, size_t tokens, size_t outputs, size_t inputs, int32_t *y) {
    planted *const it = (planted *)context;
    for (size_t t = 0; t < tokens; t++) {
        for (size_t n = 0; n < outputs; n++) {
            int32_t sum = 0;
            const size_t end = it->defect == TAIL && inputs % 64 == 1 && inputs > 1 ? inputs - 1 : inputs;
            for (size_t k = 0; k < end; k++) {
                sum += w[n * inputs + k] * q[t * inputs + k];
            }
            if (it->defect == NARROW) {
                sum = (int16_t)(uint16_t)(uint32_t)sum;
            }
            y[t * outputs + n] = sum + (++it->outputs % 100000 == 0 && it->defect == RARE);
        }
    }
}

/* The library, on one backend. */
static void library(void *context, const int8_t *w, const int8_t *q, size_t tokens, size_t outputs, size_t inputs, int32_t *y) {
    static uint8_t blob[1 << 20], values[1 << 20], workspace[3 << 19];
    static float scales[64];
    static int32_t sums[64];
    const uint32_t backend = *(const uint32_t *)context;
    const float one = 1.0f;
    hbl_weight_spec spec = HBL_WEIGHT_SPEC_INIT;
    hbl_weights weights;
    size_t blob_len, scales_len;
    spec.layout = HBL_LAYOUT_TWO_BIT;
    spec.outputs = outputs;
    spec.inputs = inputs;
    hbl_activations x = HBL_ACTIVATIONS_INIT;
    x.bits = 8;
    x.tokens = tokens;
    x.inputs = inputs;
    x.values = values;
    x.values_len = tokens * hbl_row_bytes(8, inputs);
    x.scales = scales;
    x.sums = sums;
    for (size_t t = 0; t < tokens; t++) {
        memcpy(values + t * hbl_row_bytes(8, inputs), q + t * inputs, inputs);
        sums[t] = 0;
        for (size_t k = 0; k < inputs; k++) {
            sums[t] += q[t * inputs + k];
        }
    }
    const hbl_range all_tokens = {0, tokens}, all_outputs = {0, outputs};
    hbl_error error;
    if (hbl_weights_packed_len(&spec, &blob_len, &scales_len, &error) != HBL_STATUS_OK || blob_len > sizeof blob ||
        hbl_weights_pack(&spec, w, outputs * inputs, &one, scales_len, blob, blob_len, &error) != HBL_STATUS_OK ||
        hbl_weights_open(blob, blob_len, &weights, &error) != HBL_STATUS_OK ||
        hbl_product_i32(backend, &weights, &x, all_tokens, all_outputs, y, tokens * outputs, outputs, workspace,
                        sizeof workspace, &error) != HBL_STATUS_OK) {
        printf("%s\n", error.message);
        exit(1);
    }
}

int main(void) {
    static const char *const names[] = {"none", "one output in 100000", "sums of 16 bits", "no last input"};
    hbl_check_report report;
    for (int bits = 4; bits <= 8; bits += 4) {
        for (int defect = NOTHING; defect <= TAIL; defect++) {
            planted it;
            memset(&it, 0, sizeof it);
            it.defect = defect == RARE ? RARE : defect == NARROW ? NARROW : defect == TAIL ? TAIL : NOTHING;
            const clock_t start = clock();
            const int found = hbl_check_product(kernel, &it, bits, 7, &report);
            printf("%d bits, defect: %s: %s after %llu outputs, %s values, %.3f s\n", bits, names[defect],
                   found ? "found" : "nothing found", (unsigned long long)report.compared, report.values,
                   (double)(clock() - start) / CLOCKS_PER_SEC);
            if (found != (defect != NOTHING)) {
                return 1;
            }
        }
    }
    uint32_t backends[16];
    size_t count = 0;
    if (hbl_backend_list(backends, 16, &count, NULL) != HBL_STATUS_OK) {
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        if (hbl_check_product(library, &backends[i], 8, 7, &report) != 0) {
            printf("%s: %zu x %zu x %zu, %s values: y[%zu, %zu] is %lld, not %lld\n", hbl_backend_name(backends[i]),
                   report.tokens, report.outputs, report.inputs, report.values, report.token, report.output,
                   (long long)report.found, (long long)report.expected);
            return 1;
        }
    }
    printf("nothing found in the library's %zu backends\n", count);
    return 0;
}
