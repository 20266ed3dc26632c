/* What the calls of arguments.txt are made of, beside data.h: a good value of everything a function takes. */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include "container.h"
#include "data.h"

#include <math.h>

enum { HEAD = 5, HEADS = 2, ROWS = HEAD * HEADS, TOKENS = 12, FILLED = 8, COLUMNS = 256, BLOCK = 66, TENSOR = N * BLOCK };

/* What a call may write, besides `out`, and must be what it was before. */
static struct {
    hbl_transform transform;
    hbl_cache cache, made;
    hbl_entry entry;
    hbl_weight_spec spec;
    hbl_export_sizes sizes;
    hbl_activations activations;
    hbl_container container;
    hbl_part part;
    uint8_t memory[1 << 14];
} live, kept;

static uint8_t tensor_bytes[TENSOR], tensor_blob[BLOB], file[CONTAINER];
static size_t tensor_blob_len, memory_len, file_len;
static hbl_tensor tensor = HBL_TENSOR_INIT;
static hbl_weight_spec tensor_spec = HBL_WEIGHT_SPEC_INIT;
static hbl_weights tensor_weights;
static hbl_part part;
static hbl_container container;
static hbl_cache_spec cache_spec = HBL_CACHE_SPEC_INIT;
static hbl_matrix matrix;
static hbl_activations acts = HBL_ACTIVATIONS_INIT;
static uint8_t act_values[M * K];
static float act_scales[M];
static int32_t act_sums[M];
static const uint32_t best = HBL_BACKEND_BEST;
static float keys[TOKENS * ROWS], queries[ROWS], nan_x[M * K];
static const int8_t h2[4] = {1, 1, 1, -1}, not_h2[4] = {1, 1, 1, 1};
static int8_t signs[K], not_signs[K];
static int8_t not_ternary[N * K];
static const float nan_scale = NAN;
static const char CONTRACT_TEXT[] = "hbitlinear-contract 1\nw 64 a4-absmean\n", NOT_UTF8[] = "\xFF\xFE";
static const size_t CONTRACT_LEN = sizeof CONTRACT_TEXT - 1;

static hbl_input bad_hbl_input;
static hbl_activations bad_hbl_activations;
static hbl_stages bad_hbl_stages;
static hbl_weight_spec bad_hbl_weight_spec;
static hbl_layer bad_hbl_layer;
static hbl_tensor bad_hbl_tensor;
static hbl_cache_spec bad_hbl_cache_spec;
static hbl_entry bad_hbl_entry;
static hbl_export_sizes bad_hbl_export_sizes;

/* A description with one field changed. */
#define WITH(type, base, field, value) (bad_##type = (base), bad_##type.field = (value), &bad_##type)
/* The same address, one byte on. */
#define ODD(type, pointer) ((type)((uintptr_t)(pointer) + 1))
#define RANGE(start, end) ((hbl_range){(start), (end)})
#define ZEROS(type) ((const type *)(const void *)zeros)
static const uint64_t zeros[64];
/* Within a buffer, aligned for a handle. */
#define aligned_blob ((void *)(((uintptr_t)out.blob + 7) & ~(uintptr_t)7))
#define aligned_words ((void *)(((uintptr_t)out.words + 7) & ~(uintptr_t)7))

static inline void keep(void) {
    memcpy(&kept, &live, sizeof live);
    paint();
}

/* After a refused call. */
static inline void unchanged(int line, const char *call) {
    if (memcmp(&live, &kept, sizeof live) != 0) {
        printf("%s: what it should not write changed\n", call);
        fail(line, call);
        memcpy(&live, &kept, sizeof live);
    }
}

/* After a good call: what it wrote is undone. */
static inline void restore(void) {
    memcpy(&live, &kept, sizeof live);
    memcpy(&out, &painted, sizeof out);
}

static inline void set_up_arguments(void) {
    size_t count = 0, index = 0;
    set_up(HBL_LAYOUT_TWO_BIT);
    memcpy(nan_x, x, sizeof x);
    nan_x[K + 1] = NAN;
    memset(signs, 1, sizeof signs);
    memset(not_signs, 3, sizeof not_signs);
    memset(not_ternary, 2, sizeof not_ternary);
    for (size_t row = 0; row < N; row++) {
        memset(tensor_bytes + row * BLOCK, 0x18, 64);
        tensor_bytes[row * BLOCK + 65] = 0x38;
    }
    tensor.format = HBL_FORMAT_TQ2_0;
    tensor.outputs = N;
    tensor.inputs = COLUMNS;
    tensor.bytes = tensor_bytes;
    tensor.bytes_len = TENSOR;
    ACCEPTED(hbl_import_spec(&tensor, HBL_LAYOUT_TWO_BIT, &tensor_spec, &error));
    ACCEPTED(hbl_weights_packed_len(&tensor_spec, &tensor_blob_len, &count, &error));
    const hbl_range all = {0, N};
    ACCEPTED(hbl_import_pack_rows(&tensor, &tensor_spec, all, tensor_blob, tensor_blob_len, &part, &error));
    ACCEPTED(hbl_import_finish(&tensor_spec, &part, 1, tensor_blob, tensor_blob_len, &error));
    ACCEPTED(hbl_weights_open(tensor_blob, tensor_blob_len, &tensor_weights, &error));
    file_len = build(file, blob, blob_len, N, K, &index);
    ACCEPTED(hbl_container_open(file, file_len, &container, &error));
    ACCEPTED(hbl_matrix_named("paley1", 12, &matrix, &error));
    for (size_t i = 0; i < TOKENS * ROWS; i++) {
        keys[i] = (float)(i % 7) - 3.0f;
    }
    for (size_t i = 0; i < ROWS; i++) {
        queries[i] = (float)(i % 5) - 2.0f;
    }
    cache_spec.head_size = HEAD;
    cache_spec.kv_heads = HEADS;
    cache_spec.capacity = TOKENS;
    cache_spec.key_bits = 4;
    cache_spec.value_bits = 3;
    ACCEPTED(hbl_cache_bytes_len(&cache_spec, &memory_len, &error));
    CHECK(memory_len <= sizeof live.memory);
    ACCEPTED(hbl_cache_create(&cache_spec, live.memory, memory_len, &live.cache, &error));
    ACCEPTED(hbl_cache_append(HBL_BACKEND_BEST, &live.cache, FILLED, keys, FILLED * ROWS, 0, keys, FILLED * ROWS, 0, &error));
    acts = q;
    acts.values = act_values;
    acts.scales = act_scales;
    acts.sums = act_sums;
    ACCEPTED(hbl_quantize(best, 0, 0, 0, x, M * K, K, &acts, &error));
    live.transform = h64;
    live.entry = (hbl_entry)HBL_ENTRY_INIT;
    live.spec = (hbl_weight_spec)HBL_WEIGHT_SPEC_INIT;
    live.sizes = (hbl_export_sizes)HBL_EXPORT_SIZES_INIT;
    live.activations = q;
    keep();
}

/* Added to the number of wrong arguments where outputs lie in a workspace, which a refused call may write. */
enum { IN_WORKSPACE = 1 << 16 };

/* One call of a function, with `wrong` of its arguments wrong. */
typedef hbl_status (*random_call)(unsigned *wrong);

static uint64_t chance = 1;

static inline uint32_t next(void) {
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(chance >> 33);
}

/* One of `count` wrong values, one time in six; else `count`. */
static inline uint32_t dice(uint32_t count, unsigned *wrong) {
    if (count == 0 || next() % 6 != 0) {
        return count;
    }
    *wrong += 1;
    return next() % count;
}

/* Any arguments wrong at once: what is refused changes nothing, and says so; what is right is accepted. */
static inline void at_random(const random_call *calls, size_t functions, unsigned long long count) {
    unsigned long long refused = 0;
    for (unsigned long long i = 0; i < count; i++) {
        unsigned wrong = 0;
        const size_t function = next() % functions;
        const hbl_status status = calls[function](&wrong);
        CHECK(error.status == status && (error.message[0] == '\0') == (status == HBL_STATUS_OK));
        CHECK(wrong != 0 || status == HBL_STATUS_OK);
        CHECK(wrong % IN_WORKSPACE != 1 || status != HBL_STATUS_OK);
        if (status != HBL_STATUS_OK && wrong >= IN_WORKSPACE) {
            restore();
        } else if (status != HBL_STATUS_OK) {
            CHECK(memcmp(&out, &painted, sizeof out) == 0 && memcmp(&live, &kept, sizeof live) == 0);
        }
        refused += status != HBL_STATUS_OK;
        if (failures != 0) {
            printf("function %zu, call %llu\n", function, i);
            return;
        }
        if (status == HBL_STATUS_OK) {
            restore();
        }
    }
    printf("%llu calls at random, %llu refused\n", count, refused);
}

#endif
