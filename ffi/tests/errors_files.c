/* Bad tensors of other formats, contracts and containers from C: see errors.c. */
#include "container.h"
#include "data.h"

#include <math.h>

enum { ROWS = 20, COLUMNS = 256, BLOCK = 66 };

static uint8_t tensor_bytes[ROWS * BLOCK], file[CONTAINER], damaged[CONTAINER], whole[BLOB], again[ROWS * BLOCK];
static hbl_tensor tensor = HBL_TENSOR_INIT;
static hbl_weight_spec tensor_spec = HBL_WEIGHT_SPEC_INIT;
static hbl_weight_spec refused_spec = HBL_WEIGHT_SPEC_INIT;
static size_t whole_len;

/* Rows of +1, of -1, of 0 and of a mixture, with the scale 0.5 as an f16. */
static void set_up_tensor(void) {
    static const uint8_t CODES[4] = {0xAA, 0x00, 0x55, 0x18};
    for (size_t row = 0; row < ROWS; row++) {
        memset(tensor_bytes + row * BLOCK, CODES[row % 4], 64);
        tensor_bytes[row * BLOCK + 64] = 0x00;
        tensor_bytes[row * BLOCK + 65] = 0x38;
    }
    tensor.format = HBL_FORMAT_TQ2_0;
    tensor.outputs = ROWS;
    tensor.inputs = COLUMNS;
    tensor.bytes = tensor_bytes;
    tensor.bytes_len = sizeof tensor_bytes;
    size_t count = 0;
    ACCEPTED(hbl_import_spec(&tensor, HBL_LAYOUT_FIVE_TRIT, &tensor_spec, &error));
    CHECK(tensor_spec.outputs == ROWS && tensor_spec.inputs == COLUMNS && tensor_spec.layout == HBL_LAYOUT_FIVE_TRIT);
    CHECK(tensor_spec.scaling == HBL_SCALING_TENSOR && tensor_spec.group == 0);
    ACCEPTED(hbl_weights_packed_len(&tensor_spec, &whole_len, &count, &error));
    ACCEPTED(hbl_import_pack(&tensor, &tensor_spec, whole, whole_len, &error));
}

static void formats(void) {
    for (uint32_t format = 1; format <= 11; format++) {
        uint32_t found = 0;
        size_t len = 0;
        ACCEPTED(hbl_format_from_name(hbl_format_name(format), &found, &error));
        CHECK(found == format);
        ACCEPTED(hbl_format_tensor_len(format, 4, 256, &len, &error));
        CHECK(len >= 4 * 256 / 8);
    }
    CHECK(hbl_format_name(0) == NULL && hbl_format_name(12) == NULL);
    REFUSED(NAME, hbl_format_from_name("i2_s", &out.id, &error));
    REFUSED(NULL_POINTER, hbl_format_from_name(NULL, &out.id, &error));
    REFUSED(NULL_POINTER, hbl_format_from_name("tq2_0", NULL, &error));
    REFUSED_SAYING(VALUE, "format: 0", hbl_format_tensor_len(0, 1, 256, &out.size, &error));
    REFUSED_SAYING(VALUE, "format: 12", hbl_format_tensor_len(12, 1, 256, &out.size, &error));
    REFUSED_SAYING(MULTIPLE, "256", hbl_format_tensor_len(HBL_FORMAT_TQ1_0, 1, 128, &out.size, &error));
    REFUSED(ZERO_SIZE, hbl_format_tensor_len(HBL_FORMAT_TQ1_0, 0, 256, &out.size, &error));
    REFUSED(SIZE_OVERFLOW, hbl_format_tensor_len(HBL_FORMAT_TQ1_0, SIZE_MAX, 256, &out.size, &error));
    REFUSED(NULL_POINTER, hbl_format_tensor_len(HBL_FORMAT_TQ1_0, 1, 256, NULL, &error));
}

static void importing(void) {
    hbl_tensor bad = tensor;
#define PACK(it) hbl_import_pack((it), &tensor_spec, out.blob, whole_len, &error)
    REFUSED(NULL_POINTER, PACK(NULL));
    bad.format = 0;
    REFUSED_SAYING(VALUE, "format: 0", PACK(&bad));
    bad = tensor;
    bad.bytes_len -= 1;
    REFUSED_SAYING(LENGTH, "tensor", PACK(&bad));
    bad = tensor;
    bad.bytes = NULL;
    REFUSED(NULL_POINTER, PACK(&bad));
    bad = tensor;
    bad.inputs = 255;
    REFUSED(MULTIPLE, PACK(&bad));
    bad = tensor;
    bad.reserved = 1;
    REFUSED(VALUE, PACK(&bad));
    bad = tensor;
    bad.flags = HBL_TENSOR_WEIGHT_SCALE;
    REFUSED_SAYING(WEIGHT_SCALE, "its own", PACK(&bad));
    bad.format = HBL_FORMAT_HF_BITNET_DIVIDE;
    bad.bytes_len = ROWS / 4 * COLUMNS;
    REFUSED(SCALE, PACK(&bad));
    bad.flags = 0;
    REFUSED_SAYING(WEIGHT_SCALE, "not given", hbl_import_spec(&bad, HBL_LAYOUT_TWO_BIT, &refused_spec, &error));
    REFUSED(WEIGHT_SCALE, hbl_import_scale(&bad, 0, 0, out.f, &error));

    hbl_weight_spec other = tensor_spec;
    other.outputs -= 1;
    size_t len = 0, count = 0;
    ACCEPTED(hbl_weights_packed_len(&other, &len, &count, &error));
    REFUSED(LENGTH, hbl_import_pack(&tensor, &other, out.blob, len, &error));
    REFUSED(LENGTH, hbl_import_pack(&tensor, &tensor_spec, out.blob, whole_len - 1, &error));
    REFUSED(NULL_POINTER, hbl_import_pack(&tensor, NULL, out.blob, whole_len, &error));
    REFUSED(OVERLAP, hbl_import_pack(&tensor, &tensor_spec, tensor_bytes, whole_len, &error));
    REFUSED_SAYING(VALUE, "layout: 3", hbl_import_spec(&tensor, 3, &refused_spec, &error));
    REFUSED(NULL_POINTER, hbl_import_spec(&tensor, HBL_LAYOUT_TWO_BIT, NULL, &error));

    REFUSED(RANGE, hbl_import_row(&tensor, ROWS, out.ternary, COLUMNS, &error));
    REFUSED(LENGTH, hbl_import_row(&tensor, 0, out.ternary, COLUMNS - 1, &error));
    REFUSED(OVERLAP, hbl_import_row(&tensor, 0, (int8_t *)tensor_bytes, COLUMNS, &error));
    REFUSED(RANGE, hbl_import_scale(&tensor, 0, COLUMNS, out.f, &error));
    REFUSED(RANGE, hbl_import_scale(&tensor, SIZE_MAX, 0, out.f, &error));

    CHECK(refused_spec.outputs == 0);

    /* What is found on the way leaves a blob that does not open. */
    static uint8_t half[BLOB];
    hbl_weights opened;
    tensor_bytes[17 * BLOCK + 3] |= 3;
    REFUSED_ROW(CODE, 17, hbl_import_pack(&tensor, &tensor_spec, half, whole_len, &error));
    CHECK(hbl_weights_open(half, whole_len, &opened, NULL) == HBL_STATUS_BLOB_MAGIC);
    REFUSED_ROW(CODE, 17, hbl_import_row(&tensor, 17, (int8_t *)half, COLUMNS, &error));
    set_up_tensor();
    tensor_bytes[4 * BLOCK + 65] = 0x3C;
    REFUSED_ROW(SCALE_DIFFERS, 4, hbl_import_pack(&tensor, &tensor_spec, half, whole_len, &error));
    CHECK(hbl_weights_open(half, whole_len, &opened, NULL) == HBL_STATUS_BLOB_MAGIC);
    tensor_bytes[4 * BLOCK + 65] = 0x7C;
    REFUSED(SCALE, hbl_import_spec(&tensor, HBL_LAYOUT_TWO_BIT, &refused_spec, &error));
    set_up_tensor();
}

static void parts(void) {
    static uint8_t blob2[BLOB];
    hbl_part some[3], none;
    const hbl_range ranges[3] = {{16, ROWS}, {0, 16}, {16, 16}}, odd = {0, 15}, behind = {0, ROWS + 1}, turned = {16, 0};
    memset(&none, 0, sizeof none);
#define PACK_ROWS(range, part) hbl_import_pack_rows(&tensor, &tensor_spec, (range), blob2, whole_len, (part), &error)
    for (size_t i = 0; i < 3; i++) {
        ACCEPTED(PACK_ROWS(ranges[i], &some[i]));
    }
#define FINISH(from, count) hbl_import_finish(&tensor_spec, (from), (count), blob2, whole_len, &error)
    REFUSED_SAYING(RANGE, "follow", FINISH(some, 2));
    REFUSED(LENGTH, FINISH(some, 1));
    REFUSED(ZERO_SIZE, FINISH(some, 0));
    REFUSED(HANDLE, FINISH(&none, 1));
    const hbl_part ordered[3] = {some[1], some[2], some[0]};
    REFUSED(LENGTH, hbl_import_finish(&tensor_spec, ordered, 3, blob2, whole_len - 1, &error));
    REFUSED(NULL_POINTER, hbl_import_finish(&tensor_spec, ordered, 3, NULL, whole_len, &error));
    REFUSED(NULL_POINTER, hbl_import_finish(NULL, ordered, 3, blob2, whole_len, &error));
    REFUSED(OVERLAP, hbl_import_finish(&tensor_spec, (const hbl_part *)(const void *)blob2, 1, blob2, whole_len, &error));
    ACCEPTED(FINISH(ordered, 3));
    CHECK(memcmp(blob2, whole, whole_len) == 0);

    REFUSED_SAYING(MULTIPLE, "16", PACK_ROWS(odd, &none));
    REFUSED(RANGE, PACK_ROWS(behind, &none));
    REFUSED(RANGE, PACK_ROWS(turned, &none));
    REFUSED(NULL_POINTER, PACK_ROWS(ranges[0], NULL));
    REFUSED(OVERLAP, PACK_ROWS(ranges[1], (hbl_part *)(void *)(blob2 + 256)));
    REFUSED(NULL_POINTER, hbl_import_pack_rows(&tensor, &tensor_spec, ranges[0], NULL, whole_len, &none, &error));
    REFUSED(LENGTH, hbl_import_pack_rows(&tensor, &tensor_spec, ranges[0], blob2, 3, &none, &error));
    CHECK(memcmp(blob2, whole, whole_len) == 0);
    for (size_t i = 0; i < sizeof none / sizeof *none.opaque; i++) {
        CHECK(none.opaque[i] == 0);
    }
}

static void exporting(void) {
    hbl_weights packed;
    hbl_export_sizes sizes = HBL_EXPORT_SIZES_INIT, refused = HBL_EXPORT_SIZES_INIT;
    ACCEPTED(hbl_weights_open(whole, whole_len, &packed, &error));
    ACCEPTED(hbl_export_query(&packed, HBL_FORMAT_TQ2_0, &sizes, &error));
    CHECK(sizes.len == sizeof again && sizes.lines == ROWS && sizes.line_len == BLOCK && sizes.tail_len == 0);
    CHECK(sizes.has_weight_scale == 0);
    ACCEPTED(hbl_export_write(&packed, HBL_FORMAT_TQ2_0, again, sizeof again, &error));
    /* Blocks of zeros with a scale that they share are written with scale 0. */
    for (size_t row = 0; row < ROWS; row++) {
        const size_t same = row % 4 == 2 ? 64 : BLOCK;
        CHECK(memcmp(again + row * BLOCK, tensor_bytes + row * BLOCK, same) == 0);
    }
    REFUSED_SAYING(VALUE, "format: 0", hbl_export_query(&packed, 0, &refused, &error));
    REFUSED(NULL_POINTER, hbl_export_query(&packed, HBL_FORMAT_TQ2_0, NULL, &error));
    REFUSED(NULL_POINTER, hbl_export_query(NULL, HBL_FORMAT_TQ2_0, &refused, &error));
    REFUSED(HANDLE, hbl_export_query(&painted.weights, HBL_FORMAT_TQ2_0, &refused, &error));
    CHECK(refused.len == 0);
    const hbl_range all = {0, ROWS}, behind = {1, ROWS + 1};
#define WRITE(len) hbl_export_write(&packed, HBL_FORMAT_TQ2_0, out.blob, (len), &error)
    REFUSED(LENGTH, WRITE(sizes.len - 1));
    REFUSED(LENGTH, hbl_export_write_lines(&packed, HBL_FORMAT_TQ2_0, all, out.blob, sizes.len + 1, &error));
    REFUSED(RANGE, hbl_export_write_lines(&packed, HBL_FORMAT_TQ2_0, behind, out.blob, sizes.len, &error));
    REFUSED(LENGTH, hbl_export_write_tail(&packed, HBL_FORMAT_TQ2_0, out.blob, 1, &error));
    REFUSED(OVERLAP, hbl_export_write(&packed, HBL_FORMAT_TQ2_0, whole, sizes.len, &error));
    REFUSED(NULL_POINTER, hbl_export_write(&packed, HBL_FORMAT_TQ2_0, NULL, sizes.len, &error));
    /* N * K = 20 * 64: no block of 256. */
    REFUSED(MULTIPLE, hbl_export_query(&weights, HBL_FORMAT_TQ2_0, &refused, &error));
    /* Scales of rows, which I2_S cannot have. */
    static uint8_t rows[BLOB];
    hbl_weight_spec by_row = tensor_spec;
    size_t len = 0, count = 0;
    float scales[ROWS] = {1.0f};
    static int8_t values[ROWS * COLUMNS];
    memset(values, 1, sizeof values);
    by_row.scaling = HBL_SCALING_ROW;
    ACCEPTED(hbl_weights_packed_len(&by_row, &len, &count, &error));
    ACCEPTED(hbl_weights_pack(&by_row, values, sizeof values, scales, count, rows, len, &error));
    ACCEPTED(hbl_weights_open(rows, len, &packed, &error));
    REFUSED_ROW(SCALE_DIFFERS, 1, hbl_export_query(&packed, HBL_FORMAT_I2_S_X86, &refused, &error));
    scales[0] = scales[1] = 0.1f;
    ACCEPTED(hbl_weights_pack(&by_row, values, sizeof values, scales, count, rows, len, &error));
    REFUSED(SCALE, hbl_export_write(&packed, HBL_FORMAT_TQ2_0, again, sizeof again, &error));
}

static void contracts(void) {
    static const struct {
        const char *text, *says;
    } BAD[] = {
        {"", "hbitlinear-contract: missing"},
        {"hbitlinear-contract 2", "2: this value"},
        {"hbitlinear-contract 1\nw 64", "w 64: not of the form"},
        {"hbitlinear-contract 1\nw 64 a5", "a5: unknown"},
        {"hbitlinear-contract 1\nw odd:3 a4-absmean", "odd:3"},
        {"hbitlinear-contract 1\nw 64 a4-absmean\n* none a4-absmean\nw none a4-absmean", "w: more than one"},
        {"hbitlinear-contract 1\nw \xFF a4-absmean", "UTF-8"},
    };
#define LAYER(text, name, k) \
    hbl_contract_layer((text), strlen(text), (name), (k), &out.id, &out.transform, &out.words[0], &error)
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        REFUSED_SAYING(CONTRACT, BAD[i].says, LAYER(BAD[i].text, "w", K));
    }
    REFUSED_SAYING(CONTRACT, "64", LAYER(CONTRACT, "w", K + 1));
    REFUSED(NAME, LAYER(CONTRACT, "\xFF", K));
    REFUSED(NULL_POINTER, LAYER(CONTRACT, NULL, K));
    REFUSED(NULL_POINTER, hbl_contract_layer(NULL, 1, "w", K, &out.id, &out.transform, &out.words[0], &error));
    REFUSED(NULL_POINTER, hbl_contract_layer(CONTRACT, 1, "w", K, NULL, &out.transform, &out.words[0], &error));
    REFUSED(OVERLAP, hbl_contract_layer(CONTRACT, 1, "w", K, &out.id, &out.transform, &out.id, &error));

    uint32_t says = 9, rule = 9;
    hbl_transform transform;
    size_t len = 0;
    ACCEPTED(hbl_contract_layer(CONTRACT, strlen(CONTRACT), "w", K, &says, &transform, &rule, &error));
    CHECK(says == HBL_CONTRACT_TRANSFORMED && rule == HBL_RULE_INT4_ABSMEAN);
    ACCEPTED(hbl_transform_row_len(&transform, &len, &error));
    CHECK(len == K);
    ACCEPTED(hbl_contract_layer(CONTRACT, strlen(CONTRACT), "plain", 7, &says, &transform, &rule, &error));
    CHECK(says == HBL_CONTRACT_PLAIN && rule == HBL_RULE_INT8_ABSMAX);
    ACCEPTED(hbl_contract_layer(CONTRACT, strlen(CONTRACT), "other", 7, &says, &transform, &rule, &error));
    CHECK(says == HBL_CONTRACT_NOTHING && rule == HBL_RULE_INT8_ABSMAX);
}

static void containers(void) {
    size_t index = 0, count = 0;
    const size_t len = build(file, blob, blob_len, N, K, &index);
    hbl_container container, none;
    hbl_entry entry = HBL_ENTRY_INIT, refused = HBL_ENTRY_INIT;
    ACCEPTED(hbl_container_open(file, len, &container, &error));
    ACCEPTED(hbl_container_len(&container, &count, &error));
    CHECK(count == 2);
    ACCEPTED(hbl_container_find(&container, "w", &entry, &error));
    CHECK(entry.kind == HBL_KIND_WEIGHTS && entry.number == 0 && strcmp(entry.name, "w") == 0);
    CHECK(entry.data == file + 64 && entry.data_len == blob_len && entry.type_name[0] == '\0');
    CHECK(entry.dimensions == 2 && entry.shape[0] == N && entry.shape[1] == K && entry.shape[2] == 0);
    ACCEPTED(hbl_container_entry(&container, 1, &entry, &error));
    CHECK(entry.kind == HBL_KIND_TEXT && strcmp(entry.name, "contract") == 0 && strcmp(entry.type_name, "text") == 0);
    CHECK(entry.dimensions == 0 && memcmp(entry.data, CONTRACT, entry.data_len) == 0);
    for (size_t i = 0; i < 2; i++) {
        ACCEPTED(hbl_container_verify(&container, i, &error));
    }
    hbl_weights opened;
    ACCEPTED(hbl_container_weights_verified(&container, 0, &opened, &error));
    ACCEPTED(hbl_container_weights(&container, 0, &opened, &error));
    CHECK(memcmp(&opened, &weights, sizeof opened) != 0);

    memset(&none, 0, sizeof none);
    REFUSED(NAME, hbl_container_find(&container, "v", &refused, &error));
    REFUSED(NAME, hbl_container_find(&container, "\xFF", &refused, &error));
    REFUSED(NULL_POINTER, hbl_container_find(&container, NULL, &refused, &error));
    REFUSED(NULL_POINTER, hbl_container_find(&container, "w", NULL, &error));
    REFUSED(HANDLE, hbl_container_find(&none, "w", &refused, &error));
    REFUSED(NULL_POINTER, hbl_container_find(NULL, "w", &refused, &error));
    REFUSED(RANGE, hbl_container_entry(&container, 2, &refused, &error));
    REFUSED(RANGE, hbl_container_entry(&container, SIZE_MAX, &refused, &error));
    CHECK(refused.name == NULL);
    REFUSED(RANGE, hbl_container_verify(&container, 2, &error));
    REFUSED(RANGE, hbl_container_weights(&container, 2, &out.weights, &error));
    REFUSED_SAYING(CONTAINER_ENTRY, "entry 1: expected weights", hbl_container_weights(&container, 1, &out.weights, &error));
    REFUSED(CONTAINER_ENTRY, hbl_container_weights_verified(&container, 1, &out.weights, &error));
    REFUSED(OVERLAP, hbl_container_weights(&container, 0, (hbl_weights *)(void *)(file + 64), &error));
    REFUSED(OVERLAP, hbl_container_len(&container, (size_t *)(void *)(file + 64), &error));
    REFUSED(NULL_POINTER, hbl_container_open(NULL, len, &none, &error));
    REFUSED(NULL_POINTER, hbl_container_open(file, len, NULL, &error));

    /* Damage: each truncation, and each byte of header and index. */
    for (size_t shorter = 0; shorter < len; shorter++) {
        REFUSED(CONTAINER_LENGTH, hbl_container_open(file, shorter, &none, &error));
    }
    for (size_t at = 0; at < len; at = at == 63 ? index : at + 1) {
        memcpy(damaged, file, len);
        damaged[at] ^= 0x41;
        const hbl_status status = at < 4    ? HBL_STATUS_CONTAINER_MAGIC
                                  : at < 6  ? HBL_STATUS_CONTAINER_VERSION
                                  : at < 64 ? HBL_STATUS_CONTAINER_HEADER
                                            : HBL_STATUS_CONTAINER_INDEX;
        expect(__LINE__, "hbl_container_open of a damaged file", status, HBL_NO_ROW, "",
               hbl_container_open(damaged, len, &none, &error));
    }
    /* Behind right checksums: two entries of one place. */
    memcpy(damaged, file, len);
    memcpy(damaged + index + 64, damaged + index, 8);
    seal(damaged, index, len);
    REFUSED_SAYING(CONTAINER_ENTRY, "overlap", hbl_container_open(damaged, len, &none, &error));
    /* The data is found when it is read. */
    memcpy(damaged, file, len);
    damaged[64 + blob_len - 1] ^= 1;
    ACCEPTED(hbl_container_open(damaged, len, &container, &error));
    REFUSED_SAYING(CONTAINER_ENTRY, "entry 0", hbl_container_verify(&container, 0, &error));
    REFUSED(BLOB_PAYLOAD, hbl_container_weights(&container, 0, &out.weights, &error));
    for (size_t i = 0; i < sizeof none / sizeof *none.opaque; i++) {
        CHECK(none.opaque[i] == 0);
    }
}

int main(void) {
    set_up(HBL_LAYOUT_TWO_BIT);
    set_up_tensor();
    formats();
    importing();
    parts();
    exporting();
    contracts();
    containers();
    return report();
}
