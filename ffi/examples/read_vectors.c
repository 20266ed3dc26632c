/* Reads test vectors and holds plain kernels to them: read_vectors <file>. What the file holds, and what makes it, is in
 * examples/vectors.rs. Nothing of the library is linked. For little-endian machines. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRODUCT = 1, TRANSFORM = 2, QUANTISER = 3 };

/* The head of a record. */
typedef struct {
    uint32_t kind, number, tokens, outputs, inputs;
    char name[16];
} record;

/* An array of the file, or the end of the program where the file is too short. */
static void *array(FILE *file, size_t size, size_t count) {
    void *const all = malloc(size * count + 1);
    if (all == NULL || fread(all, size, count, file) != count) {
        fprintf(stderr, "the file is too short\n");
        exit(2);
    }
    return all;
}

static int product(FILE *file, const record *r) {
    int8_t *const w = array(file, 1, (size_t)r->outputs * r->inputs), *const q = array(file, 1, (size_t)r->tokens * r->inputs);
    int32_t *const y = array(file, 4, (size_t)r->tokens * r->outputs);
    int wrong = 0;
    for (size_t i = 0; i < (size_t)r->tokens * r->outputs; i++) {
        int32_t sum = 0; /* Your kernel here. */
        for (size_t k = 0; k < r->inputs; k++) {
            sum += w[i % r->outputs * r->inputs + k] * q[i / r->outputs * r->inputs + k];
        }
        wrong |= sum != y[i];
    }
    free(w), free(q), free(y);
    return wrong;
}

static int transform(FILE *file, const record *r) {
    const size_t n = r->inputs;
    float *const x = array(file, 4, r->tokens * n), *const y = array(file, 4, r->tokens * n);
    int wrong = 0;
    for (float *row = x, *expected = y; row < x + r->tokens * n; row += n, expected += n) {
        double length = 0;
        for (size_t i = 0; i < n; i++) {
            length += (double)expected[i] * expected[i];
        }
        /* Your kernel here: this one knows powers of two alone, which are their own transpose. */
        for (size_t stride = 1; (n & (n - 1)) == 0 && stride < n; stride *= 2) {
            for (size_t i = 0; i < n; i++) {
                if ((i & stride) == 0) {
                    const float a = row[i], b = row[i + stride];
                    row[i] = a + b;
                    row[i + stride] = a - b;
                }
            }
        }
        for (size_t i = 0; i < n && (n & (n - 1)) == 0; i++) {
            wrong |= fabs(row[i] / sqrt((double)n) - expected[i]) > 1e-6 * sqrt(length);
        }
    }
    free(x), free(y);
    return wrong;
}

static int quantiser(FILE *file, const record *r) {
    const size_t count = (size_t)r->tokens * r->inputs;
    float *const x = array(file, 4, count);
    int8_t *const q = array(file, 1, count);
    float *const scales = array(file, 4, r->tokens);
    int32_t *const sums = array(file, 4, r->tokens);
    int wrong = 0;
    for (size_t t = 0; t < r->tokens; t++) {
        int32_t sum = 0;
        float largest = 0;
        for (size_t k = 0; k < r->inputs; k++) {
            sum += q[t * r->inputs + k];
            largest = fmaxf(largest, fabsf(x[t * r->inputs + k]));
        }
        wrong |= sum != sums[t];
        /* Your kernel here: this one knows the first rule alone, int8 by the largest magnitude. */
        for (size_t k = 0; k < r->inputs && r->number == 0 && largest > 0; k++) {
            wrong |= lrintf(x[t * r->inputs + k] * (float)(127.0 / largest)) != q[t * r->inputs + k];
        }
        wrong |= r->number == 0 && scales[t] != (float)(largest / 127.0);
    }
    free(x), free(q), free(scales), free(sums);
    return wrong;
}

int main(int argc, char **argv) {
    FILE *const file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    char magic[8];
    record r;
    int wrong = 0, records = 0;
    if (file == NULL || fread(magic, 1, 8, file) != 8 || memcmp(magic, "HBLVEC1\n", 8) != 0) {
        fprintf(stderr, "no vectors\n");
        return 2;
    }
    for (; fread(&r, sizeof r, 1, file) == 1; records++) {
        const int found = r.kind == PRODUCT     ? product(file, &r)
                          : r.kind == TRANSFORM ? transform(file, &r)
                          : r.kind == QUANTISER ? quantiser(file, &r)
                                                : 1;
        if (found) {
            printf("record %d, of kind %u (%.16s), %u x %u x %u: wrong\n", records, (unsigned)r.kind, r.name,
                   (unsigned)r.tokens, (unsigned)r.outputs, (unsigned)r.inputs);
            wrong = 1;
        }
    }
    fclose(file);
    printf("%d records\n", records);
    return wrong;
}
