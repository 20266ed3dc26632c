/* hbitlinear: checks a product kernel of your own. C99 and C++11, this header alone; nothing to link.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Your kernel computes y[t, n] = sum over k of w[n, k] * q[t, k] exactly, for ternary w and integers q of 4 or 8 bits. It is
 * given as a function that takes them unpacked; pack there as your kernel likes. hbl_check_product runs it on every shape
 * around the widths of vectors and blocks, and on values that are random, or that overflow sums which are too narrow, and
 * compares each output with plain 64-bit arithmetic. It takes well under a second, plus your kernel's own time.
 *
 * The values depend on `seed` alone, so that a failure can be met again.
 */

#ifndef HBITLINEAR_CHECK_H
#define HBITLINEAR_CHECK_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The kernel to check: writes y `[tokens, outputs]` from w `[outputs, inputs]` and q `[tokens, inputs]`, all row-major. */
typedef void (*hbl_check_kernel)(void *context, const int8_t *w, const int8_t *q, size_t tokens, size_t outputs,
                                 size_t inputs, int32_t *y);

/** What was found. */
typedef struct hbl_check_report {
    /** 1 if an output was wrong, 0 if none was, -1 if memory ran out. The others are of the first wrong output. */
    int wrong;
    /** What the values were: "random", "largest", "smallest", "alternating" or "one". */
    const char *values;
    size_t tokens, outputs, inputs;
    size_t token, output;
    int64_t expected, found;
    /** Outputs that were compared. */
    uint64_t compared;
} hbl_check_report;

static inline uint32_t hbl_check_next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* One shape and one sort of values; 0 to go on. */
static inline int hbl_check_case(hbl_check_kernel kernel, void *context, int bits, uint64_t *state, const char *values,
                                 size_t tokens, size_t outputs, size_t inputs, hbl_check_report *report) {
    const int largest = bits == 4 ? 7 : 127, least = bits == 4 ? -8 : -128;
    /* Whole buffers, so that what a kernel reads or writes beyond is for a sanitizer to see. */
    int8_t *const w = (int8_t *)malloc(outputs * inputs), *const q = (int8_t *)malloc(tokens * inputs);
    int32_t *const y = (int32_t *)malloc(tokens * outputs * sizeof(int32_t));
    int wrong = w != NULL && q != NULL && y != NULL ? 0 : -1;
    if (wrong == 0) {
        const int random = strcmp(values, "random") == 0, alternating = strcmp(values, "alternating") == 0;
        const int one = strcmp(values, "one") == 0, sign = strcmp(values, "smallest") == 0 ? -1 : 1;
        const size_t place = hbl_check_next(state) % inputs;
        for (size_t i = 0; i < outputs * inputs; i++) {
            const int turn = alternating && i % inputs % 2 != 0 ? -1 : 1;
            w[i] = (int8_t)(random ? (int)(hbl_check_next(state) % 3) - 1 : i / inputs % 2 == 0 ? turn : -turn);
        }
        for (size_t i = 0; i < tokens * inputs; i++) {
            const int turn = alternating && i % inputs % 2 != 0 ? -1 : 1;
            q[i] = (int8_t)(random ? least + (int)(hbl_check_next(state) % (uint32_t)(largest - least + 1))
                            : one  ? (i % inputs == place ? largest : 0)
                            : sign < 0 ? least
                                       : largest * turn);
        }
        memset(y, 0xA5, tokens * outputs * sizeof(int32_t));
        kernel(context, w, q, tokens, outputs, inputs, y);
        for (size_t t = 0; t < tokens && wrong == 0; t++) {
            for (size_t n = 0; n < outputs && wrong == 0; n++) {
                int64_t sum = 0;
                for (size_t k = 0; k < inputs; k++) {
                    sum += (int64_t)w[n * inputs + k] * q[t * inputs + k];
                }
                report->compared++;
                if (y[t * outputs + n] != sum) {
                    wrong = 1;
                    report->values = values;
                    report->tokens = tokens;
                    report->outputs = outputs;
                    report->inputs = inputs;
                    report->token = t;
                    report->output = n;
                    report->expected = sum;
                    report->found = y[t * outputs + n];
                }
            }
        }
    }
    free(w);
    free(q);
    free(y);
    report->wrong = wrong;
    return wrong;
}

/**
 * Checks a kernel with q of `bits` bits, 4 or 8 (two's complement, so that 8 bits reach -128). Returns 0 if every output was
 * right; *report says more.
 */
static inline int hbl_check_product(hbl_check_kernel kernel, void *context, int bits, uint64_t seed,
                                    hbl_check_report *report) {
    static const size_t inputs[] = {1,  2,   3,   4,   7,   8,   15,  16,  17,  31,  32,   33,   63,
                                    64, 65,  127, 128, 129, 255, 256, 257, 511, 513, 1025, 2560, 6913};
    static const size_t outputs[] = {1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 33};
    static const size_t tokens[] = {1, 2, 3, 4, 5, 8};
    static const char *const values[] = {"largest", "smallest", "alternating", "one", "random"};
    uint64_t state = seed;
    hbl_check_report none = {0, "", 0, 0, 0, 0, 0, 0, 0, 0};
    *report = none;
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        for (size_t j = 0; j < sizeof outputs / sizeof *outputs; j++) {
            for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
                const size_t m = tokens[(i + j + v) % (sizeof tokens / sizeof *tokens)];
                if (hbl_check_case(kernel, context, bits, &state, values[v], m, outputs[j], inputs[i], report) != 0) {
                    return report->wrong;
                }
            }
        }
    }
    /* Many outputs, for what goes wrong rarely. */
    for (int round = 0; round < 48; round++) {
        if (hbl_check_case(kernel, context, bits, &state, "random", 64, 256, 64 + (size_t)round % 5, report) != 0) {
            return report->wrong;
        }
    }
    return 0;
}

#ifdef __cplusplus
}
#endif

#endif
