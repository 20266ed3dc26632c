/* What a refused call must look like: the expected status and row, a message, and outputs that kept their paint. */
#ifndef REFUSE_H
#define REFUSE_H

#include <hbitlinear.h>

#include <stdio.h>
#include <string.h>

enum { M = 3, K = 64, N = 20, CANARY = 0xA5, BLOB = 4096, WORKSPACE = 1 << 20, STATUSES = 26 };

/* Everything a refused call could write. It is painted before each call and must look the same afterwards. */
static struct {
    float f[M * K], scales[M], y[M * N];
    double d[K];
    int32_t sums[M], i[M * N];
    int8_t ternary[N * K];
    uint8_t values[M * K], blob[BLOB];
    uint32_t words[64], id;
    size_t size, size2;
    hbl_matrix matrix;
    hbl_transform transform;
    hbl_weights weights;
    hbl_weight_spec spec;
} out, painted;

static hbl_error error;
static int met[STATUSES];
static int failures;
static unsigned refusals;

static void expect(int line, const char *call, hbl_status expected, uint64_t row, hbl_status found) {
    const char *complaint = NULL;
    if (found != expected || error.status != expected) {
        complaint = "another status";
    } else if (error.row != row) {
        complaint = "another row";
    } else if (error.message[0] == '\0') {
        complaint = "no message";
    } else if (memcmp(&out, &painted, sizeof out) != 0) {
        complaint = "an output changed";
    }
    if (complaint != NULL) {
        failures++;
        printf("line %d: %s: expected %d, got %d (%s; row %llu): %s\n", line, call, (int)expected, (int)found,
               error.message, (unsigned long long)error.row, complaint);
        memcpy(&out, &painted, sizeof out);
    }
    met[expected] = 1;
    refusals++;
    memset(&error, 0, sizeof error);
}

#define REFUSED(status, call) expect(__LINE__, #call, HBL_STATUS_##status, HBL_NO_ROW, (call))
#define REFUSED_ROW(status, row, call) expect(__LINE__, #call, HBL_STATUS_##status, (row), (call))
#define ACCEPTED(call)                                                                      \
    do {                                                                                    \
        if ((call) != HBL_STATUS_OK || error.status != 0 || error.message[0] != '\0') {     \
            failures++;                                                                     \
            printf("line %d: %s: %s\n", __LINE__, #call, error.message);                    \
        }                                                                                   \
    } while (0)

#endif
