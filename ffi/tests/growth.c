/* Descriptions of other sizes than this header's: a program that was compiled against an older header, whose structs end
 * earlier, runs on; one from the future is taken if it uses nothing new, and is refused by its own status if it does. The
 * structs lie in memory of exactly their size, so that a tool such as valgrind sees every byte read beyond. */
#include "data.h"

/* As an older header may have declared them. */
typedef struct {
    size_t struct_size;
    uint32_t flags;
    uint32_t rule;
    size_t inputs;
} older_stages;

typedef struct {
    size_t struct_size;
    uint32_t flags;
    uint32_t element;
    const void *data;
    size_t len;
    size_t tokens;
} older_input;

typedef struct {
    size_t struct_size;
    uint32_t flags;
    uint32_t layout;
    size_t outputs;
    size_t inputs;
} older_weight_spec;

static void *copy_of(const void *from, size_t from_len, size_t len) {
    uint8_t *memory = malloc(len);
    if (memory == NULL) {
        exit(EXIT_FAILURE);
    }
    memset(memory, 0, len);
    memcpy(memory, from, from_len < len ? from_len : len);
    return memory;
}

static float older_y[M * N], y[M * N];

/* What a program of then asks for: no norm, no transform, contiguous rows, one scale. */
static void an_older_program(void) {
    const older_stages then = {sizeof(older_stages), 0, HBL_RULE_INT8_ABSMAX, K};
    const older_input rows = {sizeof(older_input), 0, HBL_ELEMENT_F32, x, M * K, M};
    const older_weight_spec shape = {sizeof(older_weight_spec), 0, HBL_LAYOUT_TWO_BIT, N, K};
    hbl_stages *old_stages = copy_of(&then, sizeof then, sizeof then);
    hbl_input *old_input = copy_of(&rows, sizeof rows, sizeof rows);
    hbl_weight_spec *old_spec = copy_of(&shape, sizeof shape, sizeof shape);
    size_t len = 0, count = 0;
    ACCEPTED(hbl_weights_packed_len(old_spec, &len, &count, &error));
    CHECK(len == blob_len && count == 1);
    /* A result is written as far as the struct of then reaches, and not further. */
    old_spec->layout = 0;
    old_spec->outputs = 0;
    ACCEPTED(hbl_weights_spec(&weights, old_spec, &error));
    CHECK(memcmp(old_spec, &shape, sizeof shape) == 0);
    hbl_layer old_layer = HBL_LAYER_INIT;
    old_layer.stages = old_stages;
    old_layer.weights = &weights;
    ACCEPTED(hbl_layer_forward(HBL_BACKEND_BEST, &old_layer, old_input, older_y, M * N, N, workspace, WORKSPACE, &error));

    hbl_stages now = HBL_STAGES_INIT;
    now.rule = HBL_RULE_INT8_ABSMAX;
    now.inputs = K;
    old_layer.stages = &now;
    input.stride = K;
    ACCEPTED(hbl_layer_forward(HBL_BACKEND_BEST, &old_layer, &input, y, M * N, N, workspace, WORKSPACE, &error));
    CHECK(memcmp(older_y, y, sizeof y) == 0 && y[0] != 0.0f);
    free(old_spec);
    free(old_input);
    free(old_stages);
}

/* Calls with each description, one of them `it`. */
static hbl_status call(int which, const void *it) {
    switch (which) {
    case 0:
        return hbl_layer_forward(HBL_BACKEND_BEST, it, &input, y, M * N, N, workspace, WORKSPACE, &error);
    case 1:
        return hbl_layer_forward(HBL_BACKEND_BEST, &layer, it, y, M * N, N, workspace, WORKSPACE, &error);
    case 2:
        return hbl_stages_quantize(HBL_BACKEND_BEST, it, &input, &q, workspace, WORKSPACE, &error);
    case 3: {
        const hbl_range t = {0, M}, n = {0, N};
        return hbl_product_f32(HBL_BACKEND_BEST, &weights, it, t, n, y, M * N, N, workspace, WORKSPACE, &error);
    }
    case 4: {
        float scale = 0.0f;
        return hbl_import_scale(it, 0, 255, &scale, &error);
    }
    case 5: {
        size_t bytes = 0;
        return hbl_cache_bytes_len(it, &bytes, &error);
    }
    default: {
        size_t len = 0, count = 0;
        return hbl_weights_packed_len(it, &len, &count, &error);
    }
    }
}

static void sizes(int which, const void *known, size_t size) {
    ACCEPTED(call(which, known));
    uint8_t *larger = copy_of(known, size, size + 64);
    const size_t sizes[] = {0, 1, 8, sizeof(size_t), size - 1, size + 1, SIZE_MAX, SIZE_MAX / 2 + 1};
    paint();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memcpy(larger, &sizes[i], sizeof(size_t));
        REFUSED_SAYING(STRUCT_SIZE, "_INIT", call(which, larger));
    }
    for (size_t more = sizeof(size_t); more <= 64; more += sizeof(size_t)) {
        const size_t longer = size + more;
        memcpy(larger, &longer, sizeof longer);
        ACCEPTED(call(which, larger));
        paint();
        for (size_t at = size; at < longer; at++) {
            larger[at] = 1;
            REFUSED_SAYING(NEWER, "struct_size", call(which, larger));
            larger[at] = 0;
        }
    }
    const size_t again = size;
    memcpy(larger, &again, sizeof again);
    const uint32_t flag = UINT32_C(0x80000000);
    memcpy(larger + sizeof(size_t), &flag, sizeof flag);
    REFUSED_SAYING(NEWER, "0x80000000", call(which, larger));
    free(larger);
}

int main(void) {
    set_up(HBL_LAYOUT_TWO_BIT);
    an_older_program();
    sizes(0, &layer, sizeof layer);
    sizes(1, &input, sizeof input);
    sizes(2, &stages, sizeof stages);
    /* The product reads what stage 2 writes. */
    static uint8_t values[M * K];
    static float scales[M];
    static int32_t sums[M];
    q.values = values;
    q.scales = scales;
    q.sums = sums;
    ACCEPTED(hbl_quantize(HBL_BACKEND_BEST, HBL_RULE_INT8_ABSMAX, 0, 0, x, M * K, 0, &q, &error));
    sizes(3, &q, sizeof q);
    static const uint8_t block[66];
    hbl_tensor tensor = HBL_TENSOR_INIT;
    tensor.format = HBL_FORMAT_TQ2_0;
    tensor.outputs = 1;
    tensor.inputs = 256;
    tensor.bytes = block;
    tensor.bytes_len = sizeof block;
    sizes(4, &tensor, sizeof tensor);
    hbl_cache_spec states = HBL_CACHE_SPEC_INIT;
    states.head_size = states.kv_heads = states.capacity = 1;
    states.key_bits = states.value_bits = 4;
    sizes(5, &states, sizeof states);
    sizes(6, &spec, sizeof spec);
    return report();
}
