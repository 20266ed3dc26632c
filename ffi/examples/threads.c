/* A layer on the threads of a host, in the manner of ggml: a function that each thread calls with its number `ith` of `nth`,
 * and a barrier of the host's between the two phases. The library has no threads of its own, and any cut gives the same
 * bits: this program runs f32, f16 and bf16 inputs with 1 to 5 threads, several times over, and compares. */
#define _POSIX_C_SOURCE 200112L
#include <hbitlinear.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 5, INPUTS = 192, OUTPUTS = 75, MOST = 5, ROUNDS = 3 };

/* What all threads share: the host allocated it before they start. */
typedef struct {
    const hbl_stages *stages;
    const hbl_weights *weights;
    const hbl_input *x;
    hbl_activations activations;
    float *y;
    uint8_t *workspaces[MOST];
    size_t workspace_len;
    size_t row_bytes, element_bytes;
    pthread_barrier_t barrier;
} job;

static void check(hbl_status status, const hbl_error *error) {
    if (status != HBL_STATUS_OK) {
        fprintf(stderr, "%s: %s\n", hbl_status_text(status), error->message);
        exit(EXIT_FAILURE);
    }
}

/* The part of `count` that is thread `ith`'s, cut at multiples of `unit`. */
static hbl_range share(size_t count, size_t unit, size_t ith, size_t nth) {
    const size_t units = (count + unit - 1) / unit;
    hbl_range range = {units * ith / nth * unit, units * (ith + 1) / nth * unit};
    range.start = range.start < count ? range.start : count;
    range.end = range.end < count ? range.end : count;
    return range;
}

/* The layer, as thread `ith` of `nth` sees it. */
static void compute_forward(job *job, size_t ith, size_t nth) {
    hbl_error error;
    /* Phase 1: each token is normed, transformed and quantised by one thread. */
    const hbl_range tokens = share(TOKENS, 1, ith, nth);
    hbl_input x = *job->x;
    x.data = (const uint8_t *)x.data + tokens.start * INPUTS * job->element_bytes;
    x.tokens = tokens.end - tokens.start;
    x.len = x.tokens * INPUTS;
    hbl_activations mine = job->activations;
    mine.tokens = x.tokens;
    mine.values += tokens.start * job->row_bytes;
    mine.values_len = x.tokens * job->row_bytes;
    mine.scales += tokens.start;
    mine.sums += tokens.start;
    check(hbl_stages_quantize(HBL_BACKEND_BEST, job->stages, &x, &mine, job->workspaces[ith], job->workspace_len, &error),
          &error);

    pthread_barrier_wait(&job->barrier);

    /* Phase 2: every token, and this thread's outputs. */
    const hbl_range all = {0, TOKENS}, outputs = share(OUTPUTS, hbl_product_preferred_outputs(), ith, nth);
    if (outputs.start < outputs.end) {
        check(hbl_product_f32(HBL_BACKEND_BEST, job->weights, &job->activations, all, outputs, job->y + outputs.start,
                              TOKENS * OUTPUTS - outputs.start, OUTPUTS, job->workspaces[ith], job->workspace_len, &error),
              &error);
    }
    pthread_barrier_wait(&job->barrier);
}

typedef struct {
    job *job;
    size_t ith, nth;
} worker;

static void *work(void *argument) {
    const worker *const it = argument;
    for (int round = 0; round < ROUNDS; round++) {
        compute_forward(it->job, it->ith, it->nth);
    }
    return NULL;
}

/* The outputs of an input of that element, with `nth` threads. */
static void run(const hbl_stages *stages, const hbl_weights *weights, uint32_t element, const void *x, size_t nth, float *y) {
    static uint8_t values[TOKENS * INPUTS];
    static float scales[TOKENS];
    static int32_t sums[TOKENS];
    hbl_error error;
    hbl_input input = HBL_INPUT_INIT;
    input.element = element;
    input.data = x;
    input.tokens = TOKENS;
    input.len = TOKENS * INPUTS;
    job job;
    job.stages = stages;
    job.weights = weights;
    job.x = &input;
    job.y = y;
    job.row_bytes = hbl_row_bytes(4, INPUTS);
    job.element_bytes = element == HBL_ELEMENT_F32 ? sizeof(float) : sizeof(uint16_t);
    job.activations = (hbl_activations)HBL_ACTIVATIONS_INIT;
    job.activations.bits = 4;
    job.activations.tokens = TOKENS;
    job.activations.inputs = INPUTS;
    job.activations.values = values;
    job.activations.values_len = TOKENS * job.row_bytes;
    job.activations.scales = scales;
    job.activations.sums = sums;
    check(hbl_stages_workspace_len(stages, &job.workspace_len, &error), &error);
    if (job.workspace_len < hbl_product_workspace_len()) {
        job.workspace_len = hbl_product_workspace_len();
    }
    memset(y, 0, TOKENS * OUTPUTS * sizeof *y);
    pthread_barrier_init(&job.barrier, NULL, (unsigned)nth);
    pthread_t threads[MOST];
    worker workers[MOST];
    for (size_t ith = 0; ith < nth; ith++) {
        job.workspaces[ith] = malloc(job.workspace_len);
        workers[ith] = (worker){&job, ith, nth};
        if (job.workspaces[ith] == NULL || pthread_create(&threads[ith], NULL, work, &workers[ith]) != 0) {
            exit(EXIT_FAILURE);
        }
    }
    for (size_t ith = 0; ith < nth; ith++) {
        pthread_join(threads[ith], NULL);
        free(job.workspaces[ith]);
    }
    pthread_barrier_destroy(&job.barrier);
}

int main(void) {
    static int8_t ternary[OUTPUTS * INPUTS];
    static float x[TOKENS * INPUTS], one[TOKENS * OUTPUTS], more[TOKENS * OUTPUTS];
    static uint16_t f16[TOKENS * INPUTS], bf16[TOKENS * INPUTS];
    const float scale = 0.25f;
    hbl_error error;
    for (size_t i = 0; i < OUTPUTS * INPUTS; i++) {
        ternary[i] = (int8_t)((int)(i * 7 % 11 % 3) - 1);
    }
    for (size_t i = 0; i < TOKENS * INPUTS; i++) {
        x[i] = (float)(i * 37 % 101) / 50.0f - 1.0f;
        /* The upper half of a float; and 1 to 2 by sixteenths, with a sign. */
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bf16[i] = (uint16_t)(bits >> 16);
        f16[i] = (uint16_t)(0x3C00u | (i * 5 % 16) << 6 | (i * 3 % 2) << 15);
    }
    hbl_weight_spec spec = HBL_WEIGHT_SPEC_INIT;
    spec.layout = HBL_LAYOUT_TWO_BIT;
    spec.outputs = OUTPUTS;
    spec.inputs = INPUTS;
    size_t blob_len, scales_len;
    check(hbl_weights_packed_len(&spec, &blob_len, &scales_len, &error), &error);
    uint8_t *blob = malloc(blob_len);
    check(hbl_weights_pack(&spec, ternary, sizeof ternary, &scale, scales_len, blob, blob_len, &error), &error);
    hbl_weights weights;
    hbl_transform transform;
    check(hbl_weights_open(blob, blob_len, &weights, &error), &error);
    check(hbl_transform_named("paley1:12*16", &transform, &error), &error);
    hbl_stages stages = HBL_STAGES_INIT;
    stages.inputs = INPUTS;
    stages.norm = HBL_NORM_RMS;
    stages.transform = &transform;
    stages.rule = HBL_RULE_INT4_ABSMEAN;
    stages.norm_epsilon = stages.quantizer_epsilon = 1e-5f;

    const struct {
        const char *name;
        uint32_t element;
        const void *x;
    } inputs[] = {{"f32", HBL_ELEMENT_F32, x}, {"f16", HBL_ELEMENT_F16, f16}, {"bf16", HBL_ELEMENT_BF16, bf16}};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        run(&stages, &weights, inputs[i].element, inputs[i].x, 1, one);
        for (size_t nth = 2; nth <= MOST; nth++) {
            run(&stages, &weights, inputs[i].element, inputs[i].x, nth, more);
            if (memcmp(one, more, sizeof one) != 0) {
                fprintf(stderr, "%s, %zu threads: other bits than with one\n", inputs[i].name, nth);
                return EXIT_FAILURE;
            }
        }
        printf("%s: y[0][1] = %.6f with 1 to %d threads\n", inputs[i].name, (double)one[1], MOST);
    }
    free(blob);
    return EXIT_SUCCESS;
}
