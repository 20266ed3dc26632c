/* What a refused call must look like: the expected status and row, a message, and outputs that kept their paint. */
#ifndef REFUSE_H
#define REFUSE_H

#include <hbitlinear.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { M = 3, K = 64, N = 20, CANARY = 0xA5, BLOB = 4096, WORKSPACE = 1 << 21, STATUSES = 41 };

/* Everything a refused call could write. It is painted before each call and must look the same afterwards. */
static struct {
    float f[M * K], scales[M], y[M * N];
    double d[K];
    int32_t sums[M], i[M * N];
    int8_t ternary[N * K];
    uint8_t values[M * K], blob[BLOB];
    uint32_t words[64], id;
    size_t size, size2;
    uint64_t digests[2];
    hbl_matrix matrix;
    hbl_transform transform;
    hbl_weights weights;
} out, painted;

static hbl_error error;
static int met[STATUSES];
static int failures;
static unsigned refusals;

static inline void paint(void) {
    memset(&painted, CANARY, sizeof painted);
    memcpy(&out, &painted, sizeof out);
}

static inline void fail(int line, const char *what) {
    failures++;
    printf("line %d: %s (status %d, row %llu: %s)\n", line, what, (int)error.status, (unsigned long long)error.row,
           error.message);
}

/* `says` must be a part of the message. */
static inline void expect(int line, const char *call, hbl_status expected, uint64_t row, const char *says,
                          hbl_status found) {
    const char *complaint = NULL;
    if (found != expected || error.status != expected) {
        complaint = "another status";
    } else if (error.row != row) {
        complaint = "another row";
    } else if (error.message[0] == '\0' || strstr(error.message, says) == NULL) {
        complaint = "another message";
    } else if (memcmp(&out, &painted, sizeof out) != 0) {
        complaint = "an output changed";
    }
    if (complaint != NULL) {
        printf("%s: expected status %d, got %d: %s\n", call, (int)expected, (int)found, complaint);
        fail(line, call);
        memcpy(&out, &painted, sizeof out);
    }
    met[expected] = 1;
    refusals++;
    memset(&error, 0, sizeof error);
}

#define REFUSED(status, call) expect(__LINE__, #call, HBL_STATUS_##status, HBL_NO_ROW, "", (call))
#define REFUSED_ROW(status, row, call) expect(__LINE__, #call, HBL_STATUS_##status, (row), "", (call))
#define REFUSED_SAYING(status, says, call) expect(__LINE__, #call, HBL_STATUS_##status, HBL_NO_ROW, says, (call))
#define ACCEPTED(call)                                                                  \
    do {                                                                                \
        if ((call) != HBL_STATUS_OK || error.status != 0 || error.message[0] != '\0') { \
            fail(__LINE__, #call);                                                      \
        }                                                                               \
    } while (0)
#define CHECK(condition)               \
    do {                               \
        if (!(condition)) {            \
            fail(__LINE__, #condition); \
        }                              \
    } while (0)

/* For the program's last line. */
static inline int report(void) {
    for (int status = 1; status < STATUSES; status++) {
        if (met[status]) {
            printf("status %d: %s\n", status, hbl_status_text(status));
        }
    }
    printf("%u refusals, backend %s, %d failures\n", refusals, hbl_backend_name(HBL_BACKEND_BEST), failures);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
