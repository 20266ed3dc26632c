/* A product kernel of your own, checked against plain arithmetic. */
#include <hbitlinear_check.h>

#include <stdio.h>

/* The kernel: here a plain one. */
static void kernel(void *context, const int8_t *w, const int8_t *q, size_t tokens, size_t outputs, size_t inputs, int32_t *y) {
    (void)context;
    for (size_t t = 0; t < tokens; t++) {
        for (size_t n = 0; n < outputs; n++) {
            int32_t sum = 0;
            for (size_t k = 0; k < inputs; k++) {
                sum += w[n * inputs + k] * q[t * inputs + k];
            }
            y[t * outputs + n] = sum;
        }
    }
}

int main(void) {
    hbl_check_report report;
    for (int bits = 4; bits <= 8; bits += 4) {
        if (hbl_check_product(kernel, NULL, bits, 1, &report) != 0) {
            printf("%d bits, %zu x %zu x %zu, %s values: y[%zu, %zu] is %lld, not %lld\n", bits, report.tokens, report.outputs,
                   report.inputs, report.values, report.token, report.output, (long long)report.found, (long long)report.expected);
            return 1;
        }
        printf("%d bits: %llu outputs are right\n", bits, (unsigned long long)report.compared);
    }
    return 0;
}
