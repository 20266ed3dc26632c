/* The cache and attention: what is refused, that nothing is written then, and that the steps make up the whole. */
#include "refuse.h"

#include <math.h>

enum { HEAD = 5, HEADS = 2, ROWS = HEAD * HEADS, TOKENS = 40, ROOM = 1 << 16 };

static uint8_t memory[ROOM], workspace[ROOM];
static float keys[TOKENS * ROWS], values[TOKENS * ROWS], queries[2 * ROWS];
static hbl_cache cache;

static hbl_cache_spec shape(void) {
    hbl_cache_spec spec = HBL_CACHE_SPEC_INIT;
    spec.head_size = HEAD;
    spec.kv_heads = HEADS;
    spec.capacity = TOKENS;
    spec.key_bits = 4;
    spec.value_bits = 3;
    return spec;
}

static void specs(void) {
    hbl_cache_spec spec = shape();
    size_t bytes = 0;
    ACCEPTED(hbl_cache_bytes_len(&spec, &bytes, &error));
    CHECK(bytes > 0 && bytes <= ROOM);
    paint();
    size_t *const size = &out.size;
    REFUSED(NULL_POINTER, hbl_cache_bytes_len(NULL, size, &error));
    REFUSED(NULL_POINTER, hbl_cache_bytes_len(&spec, NULL, &error));
    REFUSED_SAYING(LENGTH, "memory of the cache", hbl_cache_create(&spec, out.blob, bytes - 1, &cache, &error));
    REFUSED(NULL_POINTER, hbl_cache_create(&spec, NULL, bytes, &cache, &error));
    REFUSED(NULL_POINTER, hbl_cache_create(&spec, memory, bytes, NULL, &error));
    REFUSED(OVERLAP, hbl_cache_create(&spec, (uint8_t *)&cache, sizeof cache, &cache, &error));
    spec.head_size = 0;
    REFUSED_SAYING(ZERO_SIZE, "head size", hbl_cache_bytes_len(&spec, size, &error));
    spec = shape();
    spec.kv_heads = SIZE_MAX;
    REFUSED(SIZE_OVERFLOW, hbl_cache_bytes_len(&spec, size, &error));
    spec = shape();
    spec.key_bits = 5;
    REFUSED_SAYING(VALUE, "bits of the states", hbl_cache_bytes_len(&spec, size, &error));
    spec = shape();
    spec.reserved = 1;
    REFUSED_SAYING(VALUE, "reserved", hbl_cache_bytes_len(&spec, size, &error));
    spec = shape();
    spec.flags = 2;
    REFUSED(NEWER, hbl_cache_bytes_len(&spec, size, &error));
    REFUSED_SAYING(HANDLE, "hbl_cache_create", hbl_cache_len(&cache, size, &error));
    spec = shape();
    ACCEPTED(hbl_cache_create(&spec, memory, bytes, &cache, &error));
}

static void appending(void) {
    const uint32_t best = HBL_BACKEND_BEST;
    const size_t len = TOKENS * ROWS;
    hbl_cache before = cache;
    paint();
    REFUSED(LENGTH, hbl_cache_append(best, &cache, 2, keys, ROWS, 0, values, len, 0, &error));
    REFUSED_SAYING(STRIDE, "stride of keys", hbl_cache_append(best, &cache, 2, keys, len, ROWS - 1, values, len, 0, &error));
    REFUSED_SAYING(LENGTH, "values", hbl_cache_append(best, &cache, 2, keys, len, 0, values, ROWS, 0, &error));
    REFUSED(NULL_POINTER, hbl_cache_append(best, &cache, 2, NULL, len, 0, values, len, 0, &error));
    REFUSED(OVERLAP, hbl_cache_append(best, &cache, 2, (const float *)(const void *)memory, ROWS * 2, 0, values, len, 0, &error));
    REFUSED(UNKNOWN_BACKEND, hbl_cache_append(99, &cache, 2, keys, len, 0, values, len, 0, &error));
    values[ROWS + 1] = (float)HUGE_VAL;
    REFUSED_ROW(NON_FINITE, 1, hbl_cache_append(best, &cache, 2, keys, len, 0, values, len, 0, &error));
    values[ROWS + 1] = 0.5f;
    REFUSED(RANGE, hbl_cache_truncate(&cache, 1, &error));
    CHECK(memcmp(&before, &cache, sizeof cache) == 0);
    ACCEPTED(hbl_cache_append(best, &cache, TOKENS, keys, len, 0, values, len, 0, &error));
    size_t tokens = 0;
    ACCEPTED(hbl_cache_len(&cache, &tokens, &error));
    CHECK(tokens == TOKENS);
    paint();
    REFUSED(RANGE, hbl_cache_append(best, &cache, 1, keys, len, 0, values, len, 0, &error));
    /* Apart, and again: the same cache. */
    ACCEPTED(hbl_cache_truncate(&cache, 7, &error));
    ACCEPTED(hbl_cache_append(best, &cache, 13, keys + 7 * ROWS, 13 * ROWS, ROWS, values + 7 * ROWS, 13 * ROWS, ROWS, &error));
    ACCEPTED(hbl_cache_append(best, &cache, 20, keys + 20 * ROWS, 20 * ROWS, 0, values + 20 * ROWS, 20 * ROWS, 0, &error));
}

static void reading(void) {
    const uint32_t best = HBL_BACKEND_BEST;
    size_t bytes = 0;
    ACCEPTED(hbl_attention_workspace_len(HEAD, TOKENS, &bytes, &error));
    CHECK(bytes <= ROOM);
    paint();
    const hbl_range heads = {0, 4}, far = {3, 5}, tokens = {3, 30}, elements = {1, 4}, all = {0, TOKENS};
    REFUSED(SIZE_OVERFLOW, hbl_attention_workspace_len(SIZE_MAX, 1, &out.size, &error));
#define ATTEND(bits, heads, tokens, out_len, bytes)                                                              \
    hbl_attention(best, &cache, queries, 2 * ROWS, bits, heads, tokens, 0.4f, out.y, out_len, workspace, bytes, &error)
    REFUSED(VALUE, ATTEND(8, heads, TOKENS, 2 * ROWS, bytes));
    REFUSED(RANGE, ATTEND(4, far, TOKENS, 2 * HEAD, bytes));
    REFUSED(RANGE, ATTEND(4, heads, TOKENS + 1, 2 * ROWS, ROOM));
    REFUSED(ZERO_SIZE, ATTEND(4, heads, 0, 2 * ROWS, bytes));
    REFUSED(LENGTH, ATTEND(4, heads, TOKENS, ROWS, bytes));
    REFUSED(WORKSPACE, ATTEND(4, heads, TOKENS, 2 * ROWS, bytes - 1));
    queries[HEAD] = (float)HUGE_VAL;
    REFUSED_ROW(NON_FINITE, 1, ATTEND(4, heads, TOKENS, 2 * ROWS, bytes));
    queries[HEAD] = 0.25f;
#define SCORES(head, range, len)                                                                                   \
    hbl_attention_scores(best, &cache, head, queries, HEAD, 4, range, 0.4f, out.y, len, workspace, bytes, &error)
    REFUSED(RANGE, SCORES(HEADS, tokens, 27));
    REFUSED(LENGTH, SCORES(0, tokens, 26));
#define SUM(weights, range, len) \
    hbl_attention_weighted_sum(best, &cache, 0, keys, weights, range, out.y, len, &error)
    REFUSED(RANGE, SUM(TOKENS + 1, elements, 3));
    REFUSED(LENGTH, SUM(TOKENS, elements, 2));
    REFUSED(OVERLAP, hbl_attention_weighted_sum(best, &cache, 0, out.y, 3, elements, out.y, 3, &error));
    REFUSED(OVERLAP, hbl_attention_weighted_sum(best, &cache, 0, keys, 3, elements, (float *)(void *)memory, 3, &error));
    hbl_cache damaged = cache;
    damaged.opaque[4] ^= 1;
    REFUSED(HANDLE, hbl_attention_weighted_sum(best, &damaged, 0, keys, 3, elements, out.y, 3, &error));

    /* The steps make up the whole, by any backend. */
    static float whole[2 * ROWS], scores[TOKENS], part[HEAD];
    ACCEPTED(hbl_attention(best, &cache, queries, 2 * ROWS, 4, heads, TOKENS, 0.4f, whole, 2 * ROWS, workspace, bytes, &error));
    uint32_t backends[16];
    size_t count = 0;
    ACCEPTED(hbl_backend_list(backends, 16, &count, &error));
    for (size_t i = 0; i < count; i++) {
        const hbl_range range = {0, HEAD};
        ACCEPTED(hbl_attention_scores(backends[i], &cache, 1, queries + 3 * HEAD, HEAD, 4, all, 0.4f, scores, TOKENS, workspace, bytes, &error));
        ACCEPTED(hbl_attention_softmax(backends[i], scores, TOKENS, &error));
        ACCEPTED(hbl_attention_weighted_sum(backends[i], &cache, 1, scores, TOKENS, range, part, HEAD, &error));
        CHECK(memcmp(part, whole + 3 * HEAD, sizeof part) == 0);
    }
    CHECK(whole[0] != 0.0f);
}

int main(void) {
    for (int i = 0; i < TOKENS * ROWS; i++) {
        keys[i] = (float)(i * 37 % 101) / 50.0f - 1.0f;
        values[i] = (float)(i * 53 % 97) / 48.0f - 1.0f;
    }
    for (int i = 0; i < 2 * ROWS; i++) {
        queries[i] = (float)(i * 29 % 23) / 11.0f - 1.0f;
    }
    specs();
    appending();
    reading();
    return report();
}
