/* From weights in a file to a multiplied layer, without a copy of them:
 *
 *     model_file model.hbl blk.0.ffn_down.weight     a tensor of a container, as `hbl convert` writes it
 *     model_file ffn_down.tq2_0 2560 6912            the bytes of one TQ2_0 tensor of N outputs and K inputs
 *
 * The first is used where it is mapped, with the transform and the rule of the contract that the container has, if any; the
 * second is packed first, by two threads. Prints the outputs for x = (1, -1/2, 1/3, ...). */
#include <hbitlinear.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static hbl_error error;

static void check(hbl_status status, const hbl_error *details) {
    if (status != HBL_STATUS_OK) {
        fprintf(stderr, "%s: %s\n", hbl_status_text(status), details->message);
        exit(EXIT_FAILURE);
    }
}

static void *or_exit(void *memory, const char *what) {
    if (memory == NULL) {
        perror(what);
        exit(EXIT_FAILURE);
    }
    return memory;
}

static const uint8_t *map(const char *path, size_t *len) {
    struct stat about;
    const int file = open(path, O_RDONLY);
    if (file < 0 || fstat(file, &about) != 0) {
        or_exit(NULL, path);
    }
    void *bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    *len = (size_t)about.st_size;
    return or_exit(bytes == MAP_FAILED ? NULL : bytes, path);
}

/* One token through the layer. */
static void run(const hbl_weights *weights, const hbl_transform *transform, uint32_t rule) {
    hbl_weight_spec spec = HBL_WEIGHT_SPEC_INIT;
    check(hbl_weights_spec(weights, &spec, &error), &error);
    hbl_stages stages = HBL_STAGES_INIT;
    stages.inputs = spec.inputs;
    stages.transform = transform;
    stages.rule = rule;
    stages.quantizer_epsilon = 1e-5f;
    hbl_layer layer = HBL_LAYER_INIT;
    layer.stages = &stages;
    layer.weights = weights;

    float *x = or_exit(malloc(spec.inputs * sizeof *x), "x");
    for (size_t i = 0; i < spec.inputs; i++) {
        x[i] = (i % 2 == 0 ? 1.0f : -1.0f) / (float)(i + 1);
    }
    hbl_input input = HBL_INPUT_INIT;
    input.data = x;
    input.len = spec.inputs;
    input.tokens = 1;
    size_t workspace_len = 0;
    check(hbl_layer_workspace_len(&layer, 1, &workspace_len, &error), &error);
    uint8_t *workspace = or_exit(malloc(workspace_len), "workspace");
    float *y = or_exit(malloc(spec.outputs * sizeof *y), "y");
    check(hbl_layer_forward(HBL_BACKEND_BEST, &layer, &input, y, spec.outputs, spec.outputs, workspace, workspace_len,
                            &error),
          &error);
    for (size_t i = 0; i < spec.outputs; i++) {
        printf("%.9g\n", (double)y[i]);
    }
    free(y);
    free(workspace);
    free(x);
}

static void from_container(const char *path, const char *tensor) {
    size_t len = 0;
    const uint8_t *file = map(path, &len);
    hbl_container container;
    hbl_entry entry = HBL_ENTRY_INIT, text = HBL_ENTRY_INIT;
    hbl_weights weights;
    check(hbl_container_open(file, len, &container, &error), &error);
    check(hbl_container_find(&container, tensor, &entry, &error), &error);
    check(hbl_container_weights(&container, entry.number, &weights, &error), &error);

    uint32_t says = HBL_CONTRACT_NOTHING, rule = HBL_RULE_INT8_ABSMAX;
    hbl_transform transform;
    const hbl_status found = hbl_container_find(&container, "contract", &text, &error);
    if (found != HBL_STATUS_NAME) {
        check(found, &error);
        check(hbl_contract_layer((const char *)text.data, text.data_len, tensor, (size_t)entry.shape[1], &says,
                                 &transform, &rule, &error),
              &error);
    }
    fprintf(stderr, "%s: %s, %zu bytes\n", entry.name, entry.type_name, entry.data_len);
    run(&weights, says == HBL_CONTRACT_TRANSFORMED ? &transform : NULL, rule);
}

/* What a thread packs. */
typedef struct {
    const hbl_tensor *tensor;
    const hbl_weight_spec *spec;
    uint8_t *blob;
    size_t blob_len;
    hbl_range outputs;
    hbl_part *part;
    hbl_error error;
    hbl_status status;
} job;

static void *pack(void *argument) {
    job *it = argument;
    it->status = hbl_import_pack_rows(it->tensor, it->spec, it->outputs, it->blob, it->blob_len, it->part, &it->error);
    return NULL;
}

static void from_tq2_0(const char *path, size_t outputs, size_t inputs) {
    hbl_tensor tensor = HBL_TENSOR_INIT;
    tensor.format = HBL_FORMAT_TQ2_0;
    tensor.outputs = outputs;
    tensor.inputs = inputs;
    tensor.bytes = map(path, &tensor.bytes_len);
    hbl_weight_spec spec = HBL_WEIGHT_SPEC_INIT;
    size_t blob_len = 0, scales_len = 0;
    check(hbl_import_spec(&tensor, HBL_LAYOUT_TWO_BIT, &spec, &error), &error);
    check(hbl_weights_packed_len(&spec, &blob_len, &scales_len, &error), &error);
    uint8_t *blob = or_exit(malloc(blob_len), "weights");

    const size_t step = hbl_product_preferred_outputs();
    const size_t half = outputs / 2 / step * step;
    hbl_part parts[2];
    job jobs[2];
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++) {
        jobs[i] = (job){.tensor = &tensor, .spec = &spec, .blob = blob, .blob_len = blob_len, .part = &parts[i]};
        jobs[i].outputs.start = i == 0 ? 0 : half;
        jobs[i].outputs.end = i == 0 ? half : outputs;
        if (pthread_create(&threads[i], NULL, pack, &jobs[i]) != 0) {
            or_exit(NULL, "thread");
        }
    }
    for (size_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        check(jobs[i].status, &jobs[i].error);
    }
    check(hbl_import_finish(&spec, parts, 2, blob, blob_len, &error), &error);

    hbl_weights weights;
    check(hbl_weights_open(blob, blob_len, &weights, &error), &error);
    run(&weights, NULL, HBL_RULE_INT8_ABSMAX);
    free(blob);
}

int main(int argc, char **argv) {
    if (argc == 3) {
        from_container(argv[1], argv[2]);
    } else if (argc == 4) {
        from_tq2_0(argv[1], strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
    } else {
        fprintf(stderr, "usage: model_file FILE.hbl TENSOR | model_file FILE.tq2_0 OUTPUTS INPUTS\n");
        return 2;
    }
    return EXIT_SUCCESS;
}
