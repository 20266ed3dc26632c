/* Tensors of other formats, contracts and containers on memory as malloc gives it: see uninitialised.c. */
#include "container.h"
#include "uninitialised.h"

enum { N = 37, K = 256, LEN = N * 66 };

static uint8_t *tensor_bytes(void) {
    uint8_t *bytes = memory(LEN, 1);
    for (size_t i = 0; i < LEN; i++) {
        /* Codes 0 to 2, and the scale 0.5 as an f16. */
        bytes[i] = i % 66 == 64 ? 0x00 : i % 66 == 65 ? 0x38 : (uint8_t)(i % 3 * 0x41 + i % 2 * 0x14);
    }
    return bytes;
}

static void imports(uint32_t layout, hbl_weights *weights, uint8_t **blob, size_t *len) {
    uint8_t *bytes = tensor_bytes();
    hbl_tensor tensor = HBL_TENSOR_INIT;
    size_t *tensor_len = memory(1, sizeof *tensor_len), *count = memory(1, sizeof *count);
    OK(hbl_format_from_name(hbl_format_name(HBL_FORMAT_TQ2_0), &tensor.format, error));
    OK(hbl_format_tensor_len(tensor.format, N, K, tensor_len, error));
    tensor.outputs = N;
    tensor.inputs = K;
    tensor.bytes = bytes;
    tensor.bytes_len = *tensor_len;
    hbl_weight_spec spec = HBL_WEIGHT_SPEC_INIT;
    OK(hbl_import_spec(&tensor, layout, &spec, error));
    use(&spec, sizeof spec);
    int8_t *row = memory(K, 1);
    float *scale = memory(1, sizeof *scale);
    OK(hbl_import_row(&tensor, N - 1, row, K, error));
    OK(hbl_import_scale(&tensor, N - 1, K - 1, scale, error));
    use(row, K);
    use(scale, sizeof *scale);
    OK(hbl_weights_packed_len(&spec, len, count, error));
    uint8_t *whole = memory(*len, 1);
    *blob = memory(*len, 1);
    OK(hbl_import_pack(&tensor, &spec, whole, *len, error));
    use(whole, *len);
    hbl_part *parts = memory(2, sizeof *parts);
    const hbl_range cuts[2] = {{0, hbl_product_preferred_outputs()}, {hbl_product_preferred_outputs(), N}};
    for (size_t cut = 2; cut-- > 0;) {
        OK(hbl_import_pack_rows(&tensor, &spec, cuts[cut], *blob, *len, &parts[cut], error));
    }
    OK(hbl_import_finish(&spec, parts, 2, *blob, *len, error));
    if (memcmp(whole, *blob, *len) != 0) {
        printf("the parts are not the whole\n");
        exit(EXIT_FAILURE);
    }
    OK(hbl_weights_open(*blob, *len, weights, error));
    free(parts);
    free(whole);
    free(scale);
    free(row);
    free(count);
    free(tensor_len);
    free(bytes);
}

static void exports(const hbl_weights *weights, uint32_t format) {
    hbl_export_sizes sizes = HBL_EXPORT_SIZES_INIT;
    OK(hbl_export_query(weights, format, &sizes, error));
    use(&sizes, sizeof sizes);
    uint8_t *whole = memory(sizes.len, 1), *lines = memory(sizes.len, 1);
    OK(hbl_export_write(weights, format, whole, sizes.len, error));
    use(whole, sizes.len);
    const size_t lines_len = sizes.lines * sizes.line_len;
    const hbl_range all = {0, sizes.lines};
    OK(hbl_export_write_lines(weights, format, all, lines, lines_len, error));
    OK(hbl_export_write_tail(weights, format, lines + lines_len, sizes.tail_len, error));
    if (memcmp(whole, lines, sizes.len) != 0) {
        printf("the lines are not the whole\n");
        exit(EXIT_FAILURE);
    }
    free(lines);
    free(whole);
}

static void containers(const uint8_t *blob, size_t blob_len) {
    uint8_t *file = memory(CONTAINER, 1);
    size_t index = 0, *count = memory(1, sizeof *count);
    const size_t len = build(file, blob, blob_len, N, K, &index);
    hbl_container *container = memory(1, sizeof *container);
    hbl_weights *weights = memory(1, sizeof *weights);
    hbl_entry entry = HBL_ENTRY_INIT;
    OK(hbl_container_open(file, len, container, error));
    OK(hbl_container_len(container, count, error));
    for (size_t i = 0; i < *count; i++) {
        OK(hbl_container_entry(container, i, &entry, error));
        use(&entry, sizeof entry);
        use(entry.name, strlen(entry.name));
        OK(hbl_container_verify(container, i, error));
    }
    OK(hbl_container_find(container, "w", &entry, error));
    OK(hbl_container_weights(container, entry.number, weights, error));
    OK(hbl_container_weights_verified(container, entry.number, weights, error));
    exports(weights, HBL_FORMAT_TQ2_0);

    uint32_t *says = memory(2, sizeof *says);
    hbl_transform *transform = memory(1, sizeof *transform);
    OK(hbl_container_find(container, "contract", &entry, error));
    OK(hbl_contract_layer((const char *)entry.data, entry.data_len, "w", 64, &says[0], transform, &says[1], error));
    use(says, 2 * sizeof *says);
    OK(hbl_transform_row_len(transform, count, error));
    use(count, sizeof *count);
    free(transform);
    free(says);
    free(weights);
    free(container);
    free(count);
    free(file);
}

int main(void) {
    error = memory(1, sizeof *error);
    const uint32_t layouts[] = {HBL_LAYOUT_TWO_BIT, HBL_LAYOUT_FIVE_TRIT};
    for (size_t i = 0; i < 2; i++) {
        uint8_t *blob = NULL;
        size_t len = 0;
        hbl_weights *weights = memory(1, sizeof *weights);
        imports(layouts[i], weights, &blob, &len);
        for (uint32_t format = HBL_FORMAT_TQ1_0; format <= HBL_FORMAT_HF_BITNET_DIVIDE; format++) {
            exports(weights, format);
        }
        containers(blob, len);
        free(weights);
        free(blob);
    }
    free(error);
    printf("done\n");
    return EXIT_SUCCESS;
}
