/* Every function on memory as malloc gives it: results, workspaces, handles and details that were never written. Run under
 * valgrind with --partial-loads-ok=no, a byte that is read before it is written, or beyond a buffer, ends the program. */
#include "uninitialised.h"

enum { M = 5, N = 37, K = 60, BLOCKS = 2, ROW = K * BLOCKS };

static uint32_t backend;

static float *floats(size_t len) {
    float *result = memory(len, sizeof *result);
    for (size_t i = 0; i < len; i++) {
        result[i] = (float)(i * 7 % 23) - 11.0f;
    }
    return result;
}

static void transforms(hbl_transform *transform, int8_t *signs) {
    hbl_matrix *factor = memory(2, sizeof *factor);
    OK(hbl_matrix_named("paley1", 60, factor, error));
    OK(hbl_transform_new(factor, 1, 1, transform, error));
    OK(hbl_transform_set_blocks(transform, BLOCKS, error));
    for (size_t i = 0; i < ROW; i++) {
        signs[i] = i % 3 == 0 ? -1 : 1;
    }
    OK(hbl_transform_set_signs(transform, signs, ROW, error));
    size_t *row_len = memory(1, sizeof *row_len), *words = memory(1, sizeof *words);
    OK(hbl_transform_row_len(transform, row_len, error));
    float *x = floats(*row_len);
    OK(hbl_hadamard_forward_f32(backend, transform, x, *row_len, error));
    OK(hbl_hadamard_transpose_f32(backend, transform, x, *row_len, error));
    use(x, *row_len * sizeof *x);
    double *d = memory(ROW, sizeof *d);
    for (size_t i = 0; i < ROW; i++) {
        d[i] = (double)x[i];
    }
    OK(hbl_hadamard_forward_f64(transform, d, ROW, error));
    OK(hbl_hadamard_transpose_f64(transform, d, ROW, error));
    use(d, ROW * sizeof *d);

    const int8_t h2[4] = {1, 1, 1, -1};
    OK(hbl_matrix_storage_len(2, words, error));
    uint32_t *storage = memory(*words, sizeof *storage);
    OK(hbl_matrix_pack(2, h2, 4, storage, *words, factor + 1, error));
    use(storage, *words * sizeof *storage);
    hbl_transform *own = memory(1, sizeof *own);
    OK(hbl_transform_new(factor, 2, 4, own, error));
    float *y = floats(480);
    OK(hbl_hadamard_forward_f32(backend, own, y, 480, error));
    OK(hbl_transform_named("paley1:12*4", own, error));
    OK(hbl_hadamard_forward_f32(backend, own, y, 480, error));
    use(y, 480 * sizeof *y);
    free(y);
    free(own);
    free(storage);
    free(d);
    free(x);
    free(words);
    free(row_len);
    free(factor);
}

/* Packs, opens, unpacks and packs again; the opened weights and their blob are the caller's. */
static uint8_t *packed(uint32_t layout, uint32_t scaling, uint32_t group, hbl_weights *weights) {
    float *trained = floats(N * ROW), *scale = memory(1, sizeof *scale), *rows = memory(N, sizeof *rows);
    int8_t *ternary = memory(N * ROW, 1), *by_row = memory(N * ROW, 1), *unpacked = memory(N * ROW, 1);
    size_t *lens = memory(3, sizeof *lens);
    OK(hbl_absmean(backend, trained, N * ROW, 1e-5f, ternary, N * ROW, scale, error));
    OK(hbl_absmean_rows(backend, ROW, trained, N * ROW, 1e-5f, by_row, N * ROW, rows, N, error));
    use(ternary, N * ROW);
    use(by_row, N * ROW);
    use(scale, sizeof *scale);
    use(rows, N * sizeof *rows);

    hbl_weight_spec spec = HBL_WEIGHT_SPEC_INIT;
    spec.layout = layout;
    spec.outputs = N;
    spec.inputs = ROW;
    spec.scaling = scaling;
    spec.group = group;
    OK(hbl_weights_packed_len(&spec, &lens[0], &lens[1], error));
    float *scales = memory(lens[1], sizeof *scales), *found = memory(lens[1], sizeof *found);
    for (size_t i = 0; i < lens[1]; i++) {
        scales[i] = 0.5f + (float)i;
    }
    uint8_t *first = memory(lens[0], 1);
    OK(hbl_weights_pack(&spec, ternary, N * ROW, scales, lens[1], first, lens[0], error));
    use(first, lens[0]);
    OK(hbl_weights_blob_len(first, HBL_BLOB_HEADER_SIZE, &lens[2], error));
    OK(hbl_weights_open(first, lens[2], weights, error));
    hbl_weight_spec told = HBL_WEIGHT_SPEC_INIT;
    OK(hbl_weights_spec(weights, &told, error));
    use(&told, sizeof told);
    OK(hbl_weights_unpack(weights, unpacked, N * ROW, found, lens[1], error));
    use(unpacked, N * ROW);
    use(found, lens[1] * sizeof *found);
    told.layout = layout == HBL_LAYOUT_TWO_BIT ? HBL_LAYOUT_FIVE_TRIT : HBL_LAYOUT_TWO_BIT;
    OK(hbl_weights_packed_len(&told, &lens[0], &lens[1], error));
    uint8_t *second = memory(lens[0], 1);
    OK(hbl_weights_repack(weights, told.layout, second, lens[0], error));
    use(second, lens[0]);
    OK(hbl_weights_open_verified(second, lens[0], weights, error));
    free(first);
    free(found);
    free(scales);
    free(lens);
    free(unpacked);
    free(by_row);
    free(ternary);
    free(rows);
    free(scale);
    free(trained);
    return second;
}

static hbl_activations room(uint32_t bits) {
    hbl_activations it = HBL_ACTIVATIONS_INIT;
    it.bits = bits;
    it.tokens = M;
    it.inputs = ROW;
    it.values_len = M * hbl_row_bytes(bits, ROW);
    it.values = memory(it.values_len, 1);
    it.scales = memory(M, sizeof *it.scales);
    it.sums = memory(M, sizeof *it.sums);
    return it;
}

static void used(hbl_activations *it) {
    use(it->values, it->values_len);
    use(it->scales, M * sizeof *it->scales);
    use(it->sums, M * sizeof *it->sums);
    free(it->values);
    free(it->scales);
    free(it->sums);
}

static void layer(const hbl_weights *weights, const hbl_transform *transform, uint32_t rule, uint32_t element,
                  uint32_t flags) {
    const uint32_t bits = rule == HBL_RULE_INT8_ABSMAX ? 8 : 4;
    /* Rows of x and y lie apart; what is between them is never written, and the last row ends the buffer. */
    const size_t stride = ROW + 3, y_stride = N + 2, x_len = (M - 1) * stride + ROW, y_len = (M - 1) * y_stride + N;
    const size_t size = element == HBL_ELEMENT_F32 ? sizeof(float) : sizeof(uint16_t);
    uint8_t *x = memory(x_len, size);
    for (size_t t = 0; t < M; t++) {
        for (size_t i = 0; i < ROW; i++) {
            const float value = (float)((t + i) % 9) - 4.0f;
            const uint16_t bits16 = (uint16_t)(0x3800 + (t + i) % 900);
            memcpy(x + (t * stride + i) * size, size == 4 ? (const void *)&value : (const void *)&bits16, size);
        }
    }
    hbl_input input = HBL_INPUT_INIT;
    input.element = element;
    input.data = x;
    input.len = x_len;
    input.tokens = M;
    input.stride = stride;
    hbl_stages stages = HBL_STAGES_INIT;
    stages.flags = flags;
    stages.rule = rule;
    stages.inputs = ROW;
    stages.transform = transform;
    stages.norm = transform == NULL ? HBL_NORM_NONE : HBL_NORM_RMS;
    stages.norm_epsilon = stages.quantizer_epsilon = 1e-5f;

    size_t *len = memory(1, sizeof *len);
    hbl_activations q = room(bits);
    OK(hbl_stages_workspace_len(&stages, len, error));
    uint8_t *workspace = memory(*len, 1);
    OK(hbl_stages_quantize(backend, &stages, &input, &q, workspace, *len, error));
    free(workspace);
    float *y = memory(y_len, sizeof *y);
    int32_t *sums = memory(y_len, sizeof *sums);
    workspace = memory(hbl_product_workspace_len(), 1);
    const hbl_range tokens = {0, M}, cuts[2] = {{0, hbl_product_preferred_outputs()}, {hbl_product_preferred_outputs(), N}};
    for (size_t cut = 0; cut < 2; cut++) {
        const hbl_range n = cuts[cut];
        OK(hbl_product_f32(backend, weights, &q, tokens, n, y + n.start, y_len - n.start, y_stride, workspace,
                           hbl_product_workspace_len(), error));
        OK(hbl_product_i32(backend, weights, &q, tokens, n, sums + n.start, y_len - n.start, y_stride, workspace,
                           hbl_product_workspace_len(), error));
    }
    free(workspace);
    used(&q);
    float *whole = memory(y_len, sizeof *whole);
    hbl_layer it = HBL_LAYER_INIT;
    it.stages = &stages;
    it.weights = weights;
    OK(hbl_layer_workspace_len(&it, M, len, error));
    workspace = memory(*len, 1);
    OK(hbl_layer_forward(backend, &it, &input, whole, y_len, y_stride, workspace, *len, error));
    for (size_t t = 0; t < M; t++) {
        use(sums + t * y_stride, N * sizeof *sums);
        if (memcmp(y + t * y_stride, whole + t * y_stride, N * sizeof *y) != 0) {
            printf("the layer is not its two phases\n");
            exit(EXIT_FAILURE);
        }
    }
    free(workspace);
    free(whole);
    free(sums);
    free(y);
    free(len);
    free(x);
}

static void norm_and_quantiser(void) {
    float *x = floats(M * ROW), *weight = floats(ROW), *y = memory(M * ROW, sizeof *y);
    OK(hbl_rms_norm(backend, ROW, weight, ROW, 1e-5f, x, M * ROW, y, M * ROW, error));
    use(y, M * ROW * sizeof *y);
    for (uint32_t rule = HBL_RULE_INT8_ABSMAX; rule <= HBL_RULE_INT4_ABSMAX; rule++) {
        hbl_activations q = room(rule == HBL_RULE_INT8_ABSMAX ? 8 : 4);
        OK(hbl_quantize(backend, rule, 1e-5f, HBL_SPOIL_NON_FINITE, x, M * ROW, 0, &q, error));
        used(&q);
    }
    free(y);
    free(weight);
    free(x);
}

static void everything(void) {
    int8_t *signs = memory(ROW, 1);
    hbl_transform *transform = memory(1, sizeof *transform);
    hbl_weights *weights = memory(1, sizeof *weights);
    transforms(transform, signs);
    norm_and_quantiser();
    const uint32_t layouts[] = {HBL_LAYOUT_TWO_BIT, HBL_LAYOUT_FIVE_TRIT};
    for (size_t i = 0; i < 2; i++) {
        for (uint32_t scaling = HBL_SCALING_TENSOR; scaling <= HBL_SCALING_GROUP_F16; scaling++) {
            uint8_t *blob = packed(layouts[i], scaling, scaling < HBL_SCALING_GROUP ? 0 : 64, weights);
            for (uint32_t rule = HBL_RULE_INT8_ABSMAX; rule <= HBL_RULE_INT4_ABSMAX; rule++) {
                layer(weights, rule == HBL_RULE_INT4_ABSMAX ? NULL : transform, rule, (scaling + rule) % 3,
                      rule == HBL_RULE_INT4_ABSMEAN ? HBL_SPOIL_NON_FINITE : 0);
            }
            free(blob);
        }
    }
    free(weights);
    free(transform);
    free(signs);
}

/* The groups' own work is tested elsewhere; here that what they take for memory is written first. */
static void digests(void) {
    size_t *len = memory(1, sizeof *len);
    OK(hbl_conformance_workspace_len(HBL_GRID_REDUCED, len, error));
    for (uint32_t group = 0; hbl_conformance_name(group); group++) {
        uint8_t *room = memory(*len, 1);
        uint64_t *digest = memory(2, sizeof *digest);
        OK(hbl_conformance_digest(backend, group, HBL_GRID_REDUCED, room, *len, digest, digest + 1, error));
        use(digest, 2 * sizeof *digest);
        if (digest[0] != digest[1]) {
            printf("%s: another digest\n", hbl_conformance_name(group));
            exit(EXIT_FAILURE);
        }
        free(digest);
        free(room);
    }
    free(len);
}

int main(void) {
    error = memory(1, sizeof *error);
    uint32_t *ids = memory(16, sizeof *ids);
    size_t *count = memory(1, sizeof *count);
    if (hbl_abi_version() != HBL_ABI_VERSION || hbl_version()[0] == '\0') {
        return EXIT_FAILURE;
    }
    OK(hbl_backend_list(ids, 16, count, error));
    const uint32_t best = hbl_backend_best();
    for (size_t i = 0; i < *count; i++) {
        uint32_t *id = memory(1, sizeof *id);
        OK(hbl_backend_from_name(hbl_backend_name(ids[i]), id, error));
        backend = *id;
        free(id);
        OK(hbl_backend_force(backend, error));
        if (hbl_backend_available(backend)) {
            everything();
            digests();
            printf("%s: done\n", hbl_backend_name(backend));
        }
    }
    OK(hbl_backend_assume(best, error));
    OK(hbl_backend_force(best, error));
    free(count);
    free(ids);
    free(error);
    return EXIT_SUCCESS;
}
