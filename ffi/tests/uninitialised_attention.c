/* The cache and attention on memory as malloc gives it: see uninitialised.c. */
#include <hbitlinear.h>

#include <stdio.h>
#include <stdlib.h>

enum { HEAD = 37, HEADS = 2, ROWS = HEAD * HEADS, TOKENS = 45 };

static hbl_error *error;

static void *memory(size_t count, size_t size) {
    void *result = malloc(count * size);
    if (result == NULL) {
        exit(EXIT_FAILURE);
    }
    return result;
}

static void check(int line, hbl_status status) {
    if (status != HBL_STATUS_OK || error->status != HBL_STATUS_OK || error->message[0] != '\0') {
        printf("line %d: %s: %s\n", line, hbl_status_text(status), error->message);
        exit(EXIT_FAILURE);
    }
    free(error);
    error = memory(1, sizeof *error);
}
#define OK(call) check(__LINE__, (call))

/* Depends on every bit, so that an unwritten one is noticed. */
static unsigned total;
static void use(const void *data, size_t len) {
    for (size_t i = 0; i < len; i++) {
        total = total * 31 + ((const uint8_t *)data)[i];
    }
    printf("%s", total == 0 ? "." : "");
}

static void cache_of(uint32_t backend, uint32_t bits) {
    hbl_cache_spec spec = HBL_CACHE_SPEC_INIT;
    spec.head_size = HEAD;
    spec.kv_heads = HEADS;
    spec.capacity = TOKENS + 3;
    spec.key_bits = bits;
    spec.value_bits = bits;
    size_t *bytes = memory(1, sizeof *bytes), *work = memory(1, sizeof *work);
    OK(hbl_cache_bytes_len(&spec, bytes, error));
    OK(hbl_attention_workspace_len(HEAD, TOKENS, work, error));
    uint8_t *states = memory(*bytes, 1), *workspace = memory(*work, 1);
    hbl_cache *cache = memory(1, sizeof *cache);
    OK(hbl_cache_create(&spec, states, *bytes, cache, error));
    float *rows = memory(TOKENS * ROWS, sizeof *rows);
    for (int i = 0; i < TOKENS * ROWS; i++) {
        rows[i] = (float)(i * 37 % 101) / 50.0f - 1.0f;
    }
    OK(hbl_cache_append(backend, cache, TOKENS, rows, TOKENS * ROWS, 0, rows, TOKENS * ROWS, 0, error));
    OK(hbl_cache_truncate(cache, TOKENS - 2, error));
    size_t *tokens = memory(1, sizeof *tokens);
    OK(hbl_cache_len(cache, tokens, error));
    for (uint32_t query = 4; query <= 32; query += 28) {
        const hbl_range heads = {0, 2}, all = {0, *tokens}, elements = {0, HEAD};
        float *out = memory(ROWS, sizeof *out), *scores = memory(*tokens, sizeof *scores), *sum = memory(HEAD, sizeof *sum);
        OK(hbl_attention(backend, cache, rows, ROWS, query, heads, *tokens, 0.2f, out, ROWS, workspace, *work, error));
        use(out, ROWS * sizeof *out);
        OK(hbl_attention_scores(backend, cache, 1, rows, HEAD, query, all, 0.2f, scores, *tokens, workspace, *work, error));
        OK(hbl_attention_softmax(backend, scores, *tokens, error));
        OK(hbl_attention_weighted_sum(backend, cache, 1, scores, *tokens, elements, sum, HEAD, error));
        use(sum, HEAD * sizeof *sum);
        free(sum);
        free(scores);
        free(out);
        free(workspace);
        workspace = memory(*work, 1);
    }
    free(tokens);
    free(rows);
    free(cache);
    free(workspace);
    free(states);
    free(work);
    free(bytes);
}

int main(void) {
    error = memory(1, sizeof *error);
    uint32_t backends[16];
    size_t count = 0;
    OK(hbl_backend_list(backends, 16, &count, error));
    const uint32_t bits[] = {3, 4, 8, 16, 32};
    for (size_t i = 0; i < count * 5; i++) {
        cache_of(backends[i / 5], bits[i % 5]);
    }
    free(error);
    printf("%zu backends, checksum %u\n", count, total);
    return EXIT_SUCCESS;
}
