/* Generated from ffi/src by cbindgen: edit there, then HBL_UPDATE_HEADER=1 cargo test -p hbitlinear-ffi --test header.
 *
 * hbitlinear: the kernels that run BitNet v2 on CPUs. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * X [M, K] float -> norm -> Hadamard -> quantise and pack -> ternary product with W [N, K] -> Y [M, N] float
 *
 * Rules, for every function:
 * - A function that can fail returns an hbl_status, 0 for success. On any other status all outputs and buffers are
 *   untouched, but the workspace and *error, unless the function says otherwise.
 * - A buffer is a pointer and its number of elements (uint8_t: bytes). The pointer is valid for that many elements and
 *   aligned for their type, and may be NULL if there are none. Nothing is read or written beyond. What is only written,
 *   and a workspace, need not be initialised.
 * - A buffer that is written overlaps no other buffer of the call, the workspace included (HBL_STATUS_OVERLAP).
 *   Nothing else uses it during the call. Descriptions, handles and *error stay apart from buffers.
 * - Strings end with NUL. Results passed by pointer must not be NULL; `error` may be.
 * - Matrices are row-major. Sizes and strides count elements, unless the name says bytes. No size is padded.
 * - Enum values are passed as uint32_t or int32_t, so that an unknown one is an error and nothing worse.
 *
 * Descriptions are structs that start with `struct_size` and `flags`. Declare one with its initialiser (hbl_layer layer =
 * HBL_LAYER_INIT;), then set fields; in other languages zero it and set struct_size to its size. Later versions may add
 * fields at the end: a program with the shorter struct runs on, the missing fields being 0, which is what the initialiser
 * gives. A longer struct or a flag that an older library does not know is HBL_STATUS_NEWER, unless all of the unknown part
 * is 0. A description points to memory of the caller's and copies nothing.
 *
 * Handles (hbl_matrix, hbl_transform, hbl_weights, hbl_cache, hbl_container, hbl_part) are memory of the caller's that a function of the library prepares: what
 * they are made of is checked once, then. They may be copied, and there is nothing to free; what they point to must live,
 * unchanged, as long as they are used. Memory that no function prepared must at least be initialised; then it is
 * HBL_STATUS_HANDLE. They belong to the process and the version of the library that made them: store blobs, not handles.
 *
 * What the library does with the process:
 * - It allocates no memory, starts no threads, keeps no pointer, and has no state but what it found out about the CPU and
 *   the choice of backend (and, on a CPU with AMX, the kernel's permission to use tiles; signal stacks that are set up
 *   later must have room for them). All functions may run on any number of threads at once.
 * - 96 KiB of stack are enough for any call.
 * - `backend` is a number of hbl_backend_list, or HBL_BACKEND_BEST. All backends compute the same bits.
 * - Floats are in IEEE's default mode: round to nearest, subnormals on, exceptions masked. In another mode the results are
 *   unspecified, but nothing worse happens. Exception flags may be raised.
 * - Input is checked where a function says so. Finite input may still overflow in a product (scales near 1e38); the outputs
 *   of that row are then not finite, and the status is HBL_STATUS_OK.
 */

#ifndef HBITLINEAR_H
#define HBITLINEAR_H

#include <stddef.h>
#include <stdint.h>

/* Before each declaration. Define HBL_SHARED where a program links the DLL on Windows, or HBL_API as anything else. */
#ifndef HBL_API
#if defined(_WIN32) && defined(HBL_SHARED)
#define HBL_API __declspec(dllimport)
#else
#define HBL_API
#endif
#endif

/* Initialisers of descriptions: the struct's size, and everything else 0. */
#define HBL_INPUT_INIT {sizeof(hbl_input), 0, 0, NULL, 0, 0, 0}
#define HBL_ACTIVATIONS_INIT {sizeof(hbl_activations), 0, 0, 0, 0, NULL, 0, NULL, NULL}
#define HBL_STAGES_INIT {sizeof(hbl_stages), 0, 0, 0, NULL, NULL, 0, 0, 0.0f, 0.0f, 0}
#define HBL_WEIGHT_SPEC_INIT {sizeof(hbl_weight_spec), 0, 0, 0, 0, 0, 0}
#define HBL_LAYER_INIT {sizeof(hbl_layer), 0, 0, NULL, NULL}
#define HBL_TENSOR_INIT {sizeof(hbl_tensor), 0, 0, 0, 0, NULL, 0, 0.0f, 0}
#define HBL_EXPORT_SIZES_INIT {sizeof(hbl_export_sizes), 0, 0, 0, 0, 0, 0, 0.0f, 0}
#define HBL_ENTRY_INIT {sizeof(hbl_entry), 0, 0, 0, NULL, NULL, NULL, 0, {0, 0, 0, 0}, 0, 0}
#define HBL_CACHE_SPEC_INIT {sizeof(hbl_cache_spec), 0, 0, 0, 0, 0, 0, 0}

/**
 * The ABI this header describes. It grows when a function or a struct changes in a way that a compiled caller would
 * notice; new functions, new numbers and new fields at the end of a description do not count. The shared library's
 * SONAME ends with it.
 */
#define HBL_ABI_VERSION 1

/**
 * The `backend` argument that means the best of this CPU, or the one set with hbl_backend_force.
 */
#define HBL_BACKEND_BEST UINT32_MAX

/**
 * `grid` of hbl_conformance_digest: all inputs, under a second for a desktop's CPU.
 */
#define HBL_GRID_FULL 0

/**
 * `grid` of hbl_conformance_digest: few enough for microcontrollers.
 */
#define HBL_GRID_REDUCED 1

/**
 * Bytes of `hbl_error.message`, the NUL included.
 */
#define HBL_MESSAGE_SIZE 184

/**
 * `hbl_error.row` where the status is not about a row.
 */
#define HBL_NO_ROW UINT64_MAX

/**
 * A bit of the `flags` of hbl_tensor: `weight_scale` is given, as the formats of Hugging Face's `bitnet` need it, and no
 * other takes it.
 */
#define HBL_TENSOR_WEIGHT_SCALE 1

/**
 * A bit of the `flags` of hbl_quantize and hbl_stages: a row with a NaN, an infinity or an overflow is no error. It gets
 * the scale NaN and zeros for values, so that its outputs are NaN and no other row's are.
 */
#define HBL_SPOIL_NON_FINITE 1

/**
 * Bytes of a blob's header: what hbl_weights_blob_len looks at.
 */
#define HBL_BLOB_HEADER_SIZE 64

/**
 * The statuses. Append-only: a number never changes its meaning.
 */
typedef enum hbl_status_code {
    /**
     * Success.
     */
    HBL_STATUS_OK = 0,
    /**
     * A required pointer is null.
     */
    HBL_STATUS_NULL_POINTER = 1,
    /**
     * A buffer has the wrong length, or two arguments disagree about a dimension.
     */
    HBL_STATUS_LENGTH = 2,
    /**
     * A product of sizes overflows, or a dimension is beyond what the format holds.
     */
    HBL_STATUS_SIZE_OVERFLOW = 3,
    /**
     * A dimension is zero that must not be.
     */
    HBL_STATUS_ZERO_SIZE = 4,
    /**
     * Two buffers overlap, and one of them is written.
     */
    HBL_STATUS_OVERLAP = 5,
    /**
     * A row holds a NaN or an infinity, or overflows to one.
     */
    HBL_STATUS_NON_FINITE = 6,
    /**
     * An epsilon is negative, infinite or NaN.
     */
    HBL_STATUS_EPSILON = 7,
    /**
     * A weight blob has the wrong length.
     */
    HBL_STATUS_BLOB_LENGTH = 8,
    /**
     * The bytes are not a weight blob.
     */
    HBL_STATUS_BLOB_MAGIC = 9,
    /**
     * The weight blob's version is unknown.
     */
    HBL_STATUS_BLOB_VERSION = 10,
    /**
     * The weight blob's header is damaged.
     */
    HBL_STATUS_BLOB_HEADER = 11,
    /**
     * The weight blob's scales or codes are damaged.
     */
    HBL_STATUS_BLOB_PAYLOAD = 12,
    /**
     * A weight is not ternary.
     */
    HBL_STATUS_CODE = 13,
    /**
     * A weight scale is not finite, or not an f16 where it is stored as one.
     */
    HBL_STATUS_SCALE = 14,
    /**
     * No such transform or matrix: its spelling, an order, a length or the number of factors.
     */
    HBL_STATUS_TRANSFORM = 15,
    /**
     * The caller's matrix is not a Hadamard matrix.
     */
    HBL_STATUS_NOT_HADAMARD = 16,
    /**
     * The row length does not fit the transform.
     */
    HBL_STATUS_TRANSFORM_LENGTH = 17,
    /**
     * No backend has that number.
     */
    HBL_STATUS_UNKNOWN_BACKEND = 18,
    /**
     * This machine cannot run the backend.
     */
    HBL_STATUS_BACKEND_UNAVAILABLE = 19,
    /**
     * A range is reversed or out of bounds.
     */
    HBL_STATUS_RANGE = 20,
    /**
     * A stride is shorter than a row.
     */
    HBL_STATUS_STRIDE = 21,
    /**
     * The workspace is too small.
     */
    HBL_STATUS_WORKSPACE = 22,
    /**
     * An argument or a field is outside its documented set.
     */
    HBL_STATUS_VALUE = 23,
    /**
     * A defect of the library itself; nothing else produces it.
     */
    HBL_STATUS_INTERNAL = 24,
    /**
     * A pointer is not aligned for its element.
     */
    HBL_STATUS_MISALIGNED = 25,
    /**
     * A description's struct_size is none: it was not set by its initialiser.
     */
    HBL_STATUS_STRUCT_SIZE = 26,
    /**
     * A description asks for something that this library does not know: it was made for a newer one.
     */
    HBL_STATUS_NEWER = 27,
    /**
     * A handle was not made by this library, or was written to.
     */
    HBL_STATUS_HANDLE = 28,
    /**
     * A name is none of its set.
     */
    HBL_STATUS_NAME = 29,
    /**
     * A sign is neither 1 nor -1.
     */
    HBL_STATUS_SIGN = 30,
    /**
     * A dimension is not a multiple of what a format's blocks, or a packed layout's panels, hold.
     */
    HBL_STATUS_MULTIPLE = 31,
    /**
     * Weights that are to share a scale have different ones.
     */
    HBL_STATUS_SCALE_DIFFERS = 32,
    /**
     * A scale that the format keeps in another tensor is not given, or one is that the format does not take.
     */
    HBL_STATUS_WEIGHT_SCALE = 33,
    /**
     * A contract is refused; the message names the line or word.
     */
    HBL_STATUS_CONTRACT = 34,
    /**
     * A container has the wrong length.
     */
    HBL_STATUS_CONTAINER_LENGTH = 35,
    /**
     * The bytes are not a container.
     */
    HBL_STATUS_CONTAINER_MAGIC = 36,
    /**
     * The container's version is unknown.
     */
    HBL_STATUS_CONTAINER_VERSION = 37,
    /**
     * The container's header is damaged.
     */
    HBL_STATUS_CONTAINER_HEADER = 38,
    /**
     * The container's index is damaged.
     */
    HBL_STATUS_CONTAINER_INDEX = 39,
    /**
     * An entry of the container is damaged, or not of the kind that is asked for.
     */
    HBL_STATUS_CONTAINER_ENTRY = 40,
} hbl_status_code;

/**
 * How a token is quantised: q = clamp(round_half_even(x * factor)). A value of q stands for q * scale.
 */
typedef enum hbl_rule {
    /**
     * int8 by the row's largest magnitude g: factor 127 / (g + epsilon), scale g / 127.
     */
    HBL_RULE_INT8_ABSMAX = 0,
    /**
     * int4 by the row's mean magnitude b: factor sqrt(7) / (b + epsilon), scale b / sqrt(7); saturates on purpose.
     */
    HBL_RULE_INT4_ABSMEAN = 1,
    /**
     * int4 by the row's largest magnitude g: factor 7 / (g + epsilon), scale g / 7.
     */
    HBL_RULE_INT4_ABSMAX = 2,
} hbl_rule;

/**
 * The type of an input's elements.
 */
typedef enum hbl_element {
    /**
     * float.
     */
    HBL_ELEMENT_F32 = 0,
    /**
     * IEEE 754 half precision: its 16 bits, as a uint16_t.
     */
    HBL_ELEMENT_F16 = 1,
    /**
     * bfloat16, the upper half of a float: its 16 bits, as a uint16_t.
     */
    HBL_ELEMENT_BF16 = 2,
} hbl_element;

/**
 * How codes are packed. The numbers are those of the blob's header.
 */
typedef enum hbl_layout {
    /**
     * Two bits a weight. The faster one wherever memory is not what limits.
     */
    HBL_LAYOUT_TWO_BIT = 2,
    /**
     * Five weights (trits) a byte, 1.625 bits each. The faster one for few tokens and weights that no cache holds.
     */
    HBL_LAYOUT_FIVE_TRIT = 5,
} hbl_layout;

/**
 * How many scales a weight matrix has. The numbers are those of the blob's header.
 */
typedef enum hbl_scaling {
    /**
     * One.
     */
    HBL_SCALING_TENSOR = 0,
    /**
     * One for each of the N outputs.
     */
    HBL_SCALING_ROW = 1,
    /**
     * One for each run of `group` inputs of each output; the last run may be shorter.
     */
    HBL_SCALING_GROUP = 2,
    /**
     * The same, stored as f16: each scale must be one, as those of the published formats with groups are. Half the bytes,
     * and the same results.
     */
    HBL_SCALING_GROUP_F16 = 3,
} hbl_scaling;

/**
 * Which norm the stages start with.
 */
typedef enum hbl_norm {
    /**
     * None.
     */
    HBL_NORM_NONE = 0,
    /**
     * RMSNorm.
     */
    HBL_NORM_RMS = 1,
} hbl_norm;

/**
 * A byte format of ternary weights `[N, K]`. None is 0, so that none is a default: reading a tensor as the wrong one of the
 * same length gives wrong weights and no error. That goes for the two orders of I2_S and the two directions of the scale
 * of Hugging Face's `bitnet`.
 */
typedef enum hbl_format {
    /**
     * llama.cpp's TQ1_0: 54 bytes for 256 weights, of which K is a multiple.
     */
    HBL_FORMAT_TQ1_0 = 1,
    /**
     * llama.cpp's TQ2_0: 66 bytes for 256 weights, of which K is a multiple.
     */
    HBL_FORMAT_TQ2_0 = 2,
    /**
     * llama.cpp's Q2_0: 18 bytes for 64 weights, of which K is a multiple.
     */
    HBL_FORMAT_Q2_0 = 3,
    /**
     * Ternary-Bonsai's PQ2_0: 34 bytes for 128 weights, of which K is a multiple.
     */
    HBL_FORMAT_PQ2_0 = 4,
    /**
     * Ternary-Bonsai's PTQ1_0: 28 bytes for 128 weights, of which K is a multiple.
     */
    HBL_FORMAT_PTQ1_0 = 5,
    /**
     * bitnet.cpp's I2_S as builds for x86 write it: blocks of 128. N * K is a multiple of 128.
     */
    HBL_FORMAT_I2_S_X86 = 6,
    /**
     * bitnet.cpp's I2_S as builds for Arm write it: blocks of 64. N * K is a multiple of 64.
     */
    HBL_FORMAT_I2_S_ARM = 7,
    /**
     * ik_llama.cpp's IQ1_BN: a row of 2 bytes and 13 for 64 weights, of which K is a multiple.
     */
    HBL_FORMAT_IQ1_BN = 8,
    /**
     * ik_llama.cpp's IQ2_BN: a row of 4 bytes and 16 for 64 weights, of which K is a multiple.
     */
    HBL_FORMAT_IQ2_BN = 9,
    /**
     * Hugging Face `bitnet` whose `weight_scale` results are multiplied by (linear_class autobitlinear).
     */
    HBL_FORMAT_HF_BITNET_MULTIPLY = 10,
    /**
     * Hugging Face `bitnet` whose `weight_scale` results are divided by (linear_class bitlinear).
     */
    HBL_FORMAT_HF_BITNET_DIVIDE = 11,
} hbl_format;

/**
 * What an entry's data is. The numbers are those of the file.
 */
typedef enum hbl_kind {
    /**
     * A weight blob: hbl_container_weights.
     */
    HBL_KIND_WEIGHTS = 1,
    /**
     * A tensor's bytes as they were in the source.
     */
    HBL_KIND_TENSOR = 2,
    /**
     * UTF-8 without a NUL at its end, such as the text for hbl_contract_layer.
     */
    HBL_KIND_TEXT = 3,
    /**
     * The header of the source file.
     */
    HBL_KIND_SOURCE = 4,
} hbl_kind;

/**
 * What a contract says of a tensor.
 */
typedef enum hbl_contract_says {
    /**
     * It does not name the tensor.
     */
    HBL_CONTRACT_NOTHING = 0,
    /**
     * Its input is quantised as it is.
     */
    HBL_CONTRACT_PLAIN = 1,
    /**
     * Its input is transformed and quantised.
     */
    HBL_CONTRACT_TRANSFORMED = 2,
} hbl_contract_says;

/**
 * What every function that can fail returns: 0 (HBL_STATUS_OK) or one of `hbl_status_code`.
 */
typedef int32_t hbl_status;

/**
 * The details of a status. Functions that can fail take a pointer to one as their last argument, which may be NULL;
 * they overwrite it on success as well. Nothing need be set before. This struct never grows.
 */
typedef struct hbl_error {
    /**
     * The status that the function returned.
     */
    hbl_status status;
    /**
     * Explicit padding; 0.
     */
    uint32_t reserved;
    /**
     * The row that was refused (HBL_STATUS_NON_FINITE, HBL_STATUS_CODE, HBL_STATUS_NOT_HADAMARD,
     * HBL_STATUS_SCALE_DIFFERS), else HBL_NO_ROW.
     */
    uint64_t row;
    /**
     * Which argument was refused, what was expected and what came: UTF-8, NUL-terminated; empty on success.
     */
    char message[HBL_MESSAGE_SIZE];
} hbl_error;

/**
 * The shape of a cache of keys and values. Start from HBL_CACHE_SPEC_INIT.
 */
typedef struct hbl_cache_spec {
    /**
     * sizeof(hbl_cache_spec).
     */
    size_t struct_size;
    /**
     * 0.
     */
    uint32_t flags;
    /**
     * Bits of a key: 3, 4, 8, 16 (as f16) or 32 (as float).
     */
    uint32_t key_bits;
    /**
     * Elements of a head, 1 to 65536.
     */
    size_t head_size;
    /**
     * Heads of keys and of values, at least 1.
     */
    size_t kv_heads;
    /**
     * Most tokens, at least 1.
     */
    size_t capacity;
    /**
     * Bits of a value, as those of a key.
     */
    uint32_t value_bits;
    /**
     * 0.
     */
    uint32_t reserved;
} hbl_cache_spec;

/**
 * A cache of keys and values. A handle, made by hbl_cache_create; hbl_cache_append and hbl_cache_truncate write it. Its
 * memory must live as long as the handle is used, and only these functions may write it. Threads may read one cache at the
 * same time. There is nothing to free. Of copies, use the one that was written last.
 */
typedef struct hbl_cache {
    /**
     * The library's own.
     */
    uint64_t opaque[40];
} hbl_cache;

/**
 * The indices `start` to `end` - 1. Passed by value; this struct never grows.
 */
typedef struct hbl_range {
    /**
     * The first.
     */
    size_t start;
    /**
     * One beyond the last.
     */
    size_t end;
} hbl_range;

/**
 * A container (a `.hbl` file) that was opened. A handle, made by hbl_container_open; its bytes must live, unchanged, as long
 * as it and what is found in it are used. It may be copied, and there is nothing to free.
 */
typedef struct hbl_container {
    /**
     * The library's own.
     */
    uint64_t opaque[16];
} hbl_container;

/**
 * An entry of a container: what the index says of it, and where its data is. Start from HBL_ENTRY_INIT.
 */
typedef struct hbl_entry {
    /**
     * sizeof(hbl_entry).
     */
    size_t struct_size;
    /**
     * 0.
     */
    uint32_t flags;
    /**
     * An hbl_kind.
     */
    uint32_t kind;
    /**
     * Its number, counted from 0 in the order of the data.
     */
    size_t number;
    /**
     * Its name, within the container: UTF-8 that ends with NUL.
     */
    const char *name;
    /**
     * What the source calls the data's type, likewise: of weights hbl_format_name() of the format that they came from, or "".
     */
    const char *type_name;
    /**
     * Its data, within the container.
     */
    const uint8_t *data;
    /**
     * Bytes of it.
     */
    size_t data_len;
    /**
     * The dimensions, outermost first: N and K of weights. Those that there are not are 0.
     */
    uint64_t shape[4];
    /**
     * Number of dimensions, at most 4.
     */
    uint32_t dimensions;
    /**
     * CRC-32 of the data, as the index says.
     */
    uint32_t crc;
} hbl_entry;

/**
 * Packed weights, opened. A handle, made by hbl_weights_open or hbl_weights_open_verified: the header is checked then, not
 * at each use. The blob must live, unchanged, as long as the handle is used. It may be copied, and there is nothing to
 * free.
 */
typedef struct hbl_weights {
    /**
     * The library's own.
     */
    uint64_t opaque[32];
} hbl_weights;

/**
 * An orthonormal transform of rows, (H_factors[0] x ... x H_power_of_two) / sqrt(n) with Kronecker products x, on each
 * block of a row: the Sylvester power of two runs along the contiguous inner axis. A row is n * blocks elements;
 * nothing is ever padded. A handle, made by hbl_transform_named or hbl_transform_new: all is checked then, nothing at
 * each use. It may be copied, and there is nothing to free.
 */
typedef struct hbl_transform {
    /**
     * The library's own.
     */
    uint64_t opaque[64];
} hbl_transform;

/**
 * How a tensor is written: lines, runs of bytes that threads can write independently (a row in the formats whose rows are
 * bytes of their own), and a tail. Start from HBL_EXPORT_SIZES_INIT.
 */
typedef struct hbl_export_sizes {
    /**
     * sizeof(hbl_export_sizes).
     */
    size_t struct_size;
    /**
     * 0.
     */
    uint32_t flags;
    /**
     * 1 if the format keeps the scale in another tensor, else 0.
     */
    uint32_t has_weight_scale;
    /**
     * Bytes of the tensor: lines * line_len + tail_len.
     */
    size_t len;
    /**
     * Number of lines.
     */
    size_t lines;
    /**
     * Bytes of a line.
     */
    size_t line_len;
    /**
     * Bytes behind the lines; 0 for most formats.
     */
    size_t tail_len;
    /**
     * What to store in that other tensor, else 0.
     */
    float weight_scale;
    /**
     * 0.
     */
    uint32_t reserved;
} hbl_export_sizes;

/**
 * A tensor of N outputs (rows) and K inputs in an hbl_format; a GGUF file states K first. Start from HBL_TENSOR_INIT.
 */
typedef struct hbl_tensor {
    /**
     * sizeof(hbl_tensor).
     */
    size_t struct_size;
    /**
     * 0 or HBL_TENSOR_WEIGHT_SCALE.
     */
    uint32_t flags;
    /**
     * An hbl_format; 0 is none.
     */
    uint32_t format;
    /**
     * N, at least 1.
     */
    size_t outputs;
    /**
     * K, at least 1.
     */
    size_t inputs;
    /**
     * Its bytes.
     */
    const uint8_t *bytes;
    /**
     * What hbl_format_tensor_len says.
     */
    size_t bytes_len;
    /**
     * The scale that the format keeps in another tensor, as it is stored there.
     */
    float weight_scale;
    /**
     * 0.
     */
    uint32_t reserved;
} hbl_tensor;

/**
 * Shape and format of a weight matrix `[N, K]`: N outputs, K inputs. Start from HBL_WEIGHT_SPEC_INIT.
 */
typedef struct hbl_weight_spec {
    /**
     * sizeof(hbl_weight_spec).
     */
    size_t struct_size;
    /**
     * 0.
     */
    uint32_t flags;
    /**
     * An hbl_layout.
     */
    uint32_t layout;
    /**
     * N, at least 1.
     */
    size_t outputs;
    /**
     * K, at least 1.
     */
    size_t inputs;
    /**
     * An hbl_scaling.
     */
    uint32_t scaling;
    /**
     * Inputs that share a scale: 64, 128 or 256 where the scaling is by group, else 0.
     */
    uint32_t group;
} hbl_weight_spec;

/**
 * What hbl_import_pack_rows leaves of a part, for hbl_import_finish. A handle; it points to nothing.
 */
typedef struct hbl_part {
    /**
     * The library's own.
     */
    uint64_t opaque[16];
} hbl_part;

/**
 * What a row of K inputs goes through before the product: the norm if there is one, the transform if there is one, the
 * quantiser. With a transform it is the first half of the paper's H-BitLinear (W_o, W_down), without one that of
 * BitLinear (W_qkv, W_up, W_gate). Layers with a common input share it, and what it computes. All it points to must live
 * as long as it is used. Start from HBL_STAGES_INIT.
 */
typedef struct hbl_stages {
    /**
     * sizeof(hbl_stages).
     */
    size_t struct_size;
    /**
     * 0 or HBL_SPOIL_NON_FINITE.
     */
    uint32_t flags;
    /**
     * An hbl_rule.
     */
    uint32_t rule;
    /**
     * K, at least 1.
     */
    size_t inputs;
    /**
     * NULL, or a transform whose rows are K long.
     */
    const struct hbl_transform *transform;
    /**
     * NULL, or the norm's gain for each of the K inputs.
     */
    const float *norm_weight;
    /**
     * 0 or K.
     */
    size_t norm_weight_len;
    /**
     * An hbl_norm. The other three norm fields are not looked at without one.
     */
    uint32_t norm;
    /**
     * The norm's epsilon, such as 1e-5.
     */
    float norm_epsilon;
    /**
     * The quantiser's epsilon, such as 1e-5.
     */
    float quantizer_epsilon;
    /**
     * 0.
     */
    uint32_t reserved;
} hbl_stages;

/**
 * A layer: Y = Q_w(W) Q_a(Hadamard(Norm(X))), with `[M, K]` row-major X and `[M, N]` Y. Hosts with threads call its two
 * phases instead: hbl_stages_quantize of `stages`, then hbl_product_f32 of `weights`. All it points to must live as long
 * as it is used. Start from HBL_LAYER_INIT.
 */
typedef struct hbl_layer {
    /**
     * sizeof(hbl_layer).
     */
    size_t struct_size;
    /**
     * 0.
     */
    uint32_t flags;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * What happens before the product.
     */
    const struct hbl_stages *stages;
    /**
     * Opened weights, whose K is that of the stages.
     */
    const struct hbl_weights *weights;
} hbl_layer;

/**
 * Rows of a layer's input, `[M, K]`, rows `stride` elements apart. K is that of the stages that take it. The result is
 * that of converting the elements to float first. Start from HBL_INPUT_INIT.
 */
typedef struct hbl_input {
    /**
     * sizeof(hbl_input).
     */
    size_t struct_size;
    /**
     * 0.
     */
    uint32_t flags;
    /**
     * An hbl_element.
     */
    uint32_t element;
    /**
     * The first element, aligned for its type.
     */
    const void *data;
    /**
     * Elements from `data` to the end of the buffer: at least (M - 1) * stride + K.
     */
    size_t len;
    /**
     * M, the number of rows.
     */
    size_t tokens;
    /**
     * Elements from the start of a row to that of the next one, at least K. 0 means K: contiguous.
     */
    size_t stride;
} hbl_input;

/**
 * A +-1 matrix H of order m with H H^T = m I: an outer factor of a transform. A handle, made by hbl_matrix_named or
 * hbl_matrix_pack; it may be copied, and there is nothing to free.
 */
typedef struct hbl_matrix {
    /**
     * The library's own.
     */
    uint64_t opaque[16];
} hbl_matrix;

/**
 * Quantised activations of M tokens, contiguous and row-major: what hbl_quantize and hbl_stages_quantize write, and what
 * hbl_product_f32 reads. int8 is one byte a value, K bytes a row; int4 is two values a byte, the even one in the low
 * nibble, ceil(K / 2) bytes a row; the spare nibble of an odd row is written as 0 and ignored when read. Start from
 * HBL_ACTIVATIONS_INIT.
 */
typedef struct hbl_activations {
    /**
     * sizeof(hbl_activations).
     */
    size_t struct_size;
    /**
     * 0.
     */
    uint32_t flags;
    /**
     * 4 or 8.
     */
    uint32_t bits;
    /**
     * M, the number of tokens: `scales` and `sums` hold one element for each.
     */
    size_t tokens;
    /**
     * K, the number of values of a token.
     */
    size_t inputs;
    /**
     * Rows of bytes.
     */
    uint8_t *values;
    /**
     * Bytes of `values`: M * hbl_row_bytes(bits, K).
     */
    size_t values_len;
    /**
     * The scale of each token.
     */
    float *scales;
    /**
     * The integer sum of each token's values; products rely on it.
     */
    int32_t *sums;
} hbl_activations;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The ABI of the library that was loaded: compare it with HBL_ABI_VERSION.
 */
HBL_API
uint32_t hbl_abi_version(void);

/**
 * The release, such as "0.1.0": a static string.
 */
HBL_API
const char *hbl_version(void);

/**
 * Ternary weights from trained ones: w = clamp(round_half_even(W / (a + epsilon)), -1, 1) with a = mean |W| over all
 * `weights_len` weights, which is stored in `scale`.
 *
 * Fails with HBL_STATUS_ZERO_SIZE, HBL_STATUS_LENGTH, HBL_STATUS_EPSILON or HBL_STATUS_NON_FINITE (row 0).
 */
HBL_API
hbl_status hbl_absmean(uint32_t backend,
                       const float *weights,
                       size_t weights_len,
                       float epsilon,
                       int8_t *ternary,
                       size_t ternary_len,
                       float *scale,
                       struct hbl_error *error);

/**
 * hbl_absmean for each row of `inputs` weights on its own; `scales` receives one a for each of its `scales_len` rows.
 *
 * Fails as hbl_absmean does; HBL_STATUS_NON_FINITE names the row.
 */
HBL_API
hbl_status hbl_absmean_rows(uint32_t backend,
                            size_t inputs,
                            const float *weights,
                            size_t weights_len,
                            float epsilon,
                            int8_t *ternary,
                            size_t ternary_len,
                            float *scales,
                            size_t scales_len,
                            struct hbl_error *error);

/**
 * Stores the bytes of memory of a cache. They may have any alignment and content.
 *
 * Fails with HBL_STATUS_ZERO_SIZE, HBL_STATUS_SIZE_OVERFLOW or HBL_STATUS_VALUE (bits, reserved).
 */
HBL_API
hbl_status hbl_cache_bytes_len(const struct hbl_cache_spec *spec,
                               size_t *bytes,
                               struct hbl_error *error);

/**
 * Makes an empty cache in `memory`, of hbl_cache_bytes_len bytes at least.
 *
 * Fails as hbl_cache_bytes_len, or with HBL_STATUS_LENGTH.
 */
HBL_API
hbl_status hbl_cache_create(const struct hbl_cache_spec *spec,
                            uint8_t *memory,
                            size_t memory_len,
                            struct hbl_cache *cache,
                            struct hbl_error *error);

/**
 * Stores the number of tokens in a cache.
 *
 * Fails with HBL_STATUS_HANDLE.
 */
HBL_API
hbl_status hbl_cache_len(const struct hbl_cache *cache,
                         size_t *tokens,
                         struct hbl_error *error);

/**
 * Forgets all tokens but the first `tokens`.
 *
 * Fails with HBL_STATUS_HANDLE, or HBL_STATUS_RANGE if there are fewer.
 */
HBL_API
hbl_status hbl_cache_truncate(struct hbl_cache *cache,
                              size_t tokens,
                              struct hbl_error *error);

/**
 * Appends tokens, quantised: rows of kv_heads * head_size floats each, after the rotary embedding; head h of a row is its
 * elements from h * head_size on. Rows are a stride of floats apart (0 means contiguous), within the floats of their `len`.
 * A head's largest magnitude g makes the code q = round_half_even((x / g + 1) * (2^bits - 1) / 2) of an element, which is
 * worth (2q / (2^bits - 1) - 1) * g.
 *
 * Fails with HBL_STATUS_HANDLE, HBL_STATUS_LENGTH, HBL_STATUS_STRIDE, HBL_STATUS_RANGE if the capacity does not suffice, or
 * HBL_STATUS_NON_FINITE naming the first token with a NaN or an infinity, or, for 16 bits, with a value from 65520 on. Then
 * nothing is appended.
 */
HBL_API
hbl_status hbl_cache_append(uint32_t backend,
                            struct hbl_cache *cache,
                            size_t tokens,
                            const float *keys,
                            size_t keys_len,
                            size_t keys_stride,
                            const float *values,
                            size_t values_len,
                            size_t values_stride,
                            struct hbl_error *error);

/**
 * Stores the bytes of workspace that hbl_attention and hbl_attention_scores need for heads of so many elements and so many
 * tokens. They may have any alignment and content.
 *
 * Fails with HBL_STATUS_SIZE_OVERFLOW.
 */
HBL_API
hbl_status hbl_attention_workspace_len(size_t head_size,
                                       size_t tokens,
                                       size_t *bytes,
                                       struct hbl_error *error);

/**
 * Attention of one token: for each query head of `heads`, softmax(scale * q k) v over the first `tokens_visible` tokens of
 * the cache. `queries` holds all heads of the token, after the rotary embedding: a multiple of kv_heads, and query head h
 * goes with kv head h / (query heads / kv_heads). `query_bits` is 4, quantised as keys are, or 32. `out` is where the first
 * head of `heads` goes; the others follow. Threads may take different heads at the same time, and any cut gives the same
 * result.
 *
 * Fails with HBL_STATUS_HANDLE, HBL_STATUS_VALUE (query_bits), HBL_STATUS_MULTIPLE (queries that are not whole heads),
 * HBL_STATUS_ZERO_SIZE (tokens_visible), HBL_STATUS_RANGE, HBL_STATUS_LENGTH (out), HBL_STATUS_WORKSPACE, or
 * HBL_STATUS_NON_FINITE naming the first head of `heads` with a NaN or an infinity.
 */
HBL_API
hbl_status hbl_attention(uint32_t backend,
                         const struct hbl_cache *cache,
                         const float *queries,
                         size_t queries_len,
                         uint32_t query_bits,
                         struct hbl_range heads,
                         size_t tokens_visible,
                         float scale,
                         float *out,
                         size_t out_len,
                         uint8_t *workspace,
                         size_t workspace_len,
                         struct hbl_error *error);

/**
 * The first step of hbl_attention alone, of one kv head and any range of tokens: scores[i] = scale * sum over a head's
 * elements of query * key of token tokens.start + i. There is a score for each token of the range.
 *
 * Fails with HBL_STATUS_HANDLE, HBL_STATUS_VALUE (query_bits), HBL_STATUS_RANGE, HBL_STATUS_LENGTH, HBL_STATUS_ZERO_SIZE,
 * HBL_STATUS_WORKSPACE or, for 4 bits, HBL_STATUS_NON_FINITE.
 */
HBL_API
hbl_status hbl_attention_scores(uint32_t backend,
                                const struct hbl_cache *cache,
                                size_t kv_head,
                                const float *query,
                                size_t query_len,
                                uint32_t query_bits,
                                struct hbl_range tokens,
                                float scale,
                                float *scores,
                                size_t scores_len,
                                uint8_t *workspace,
                                size_t workspace_len,
                                struct hbl_error *error);

/**
 * The second step: scores[i] = exp(scores[i] - max) / sum, in place. -infinity becomes 0; where one is NaN or +infinity, or
 * all are -infinity, all become NaN.
 */
HBL_API
hbl_status hbl_attention_softmax(uint32_t backend,
                                 float *scores,
                                 size_t scores_len,
                                 struct hbl_error *error);

/**
 * The third step, of one kv head and any range of its elements: out[i] = sum over t of weights[t] * value of element
 * elements.start + i of token t, over the first `weights_len` tokens.
 *
 * Fails with HBL_STATUS_HANDLE, HBL_STATUS_RANGE or HBL_STATUS_LENGTH.
 */
HBL_API
hbl_status hbl_attention_weighted_sum(uint32_t backend,
                                      const struct hbl_cache *cache,
                                      size_t kv_head,
                                      const float *weights,
                                      size_t weights_len,
                                      struct hbl_range elements,
                                      float *out,
                                      size_t out_len,
                                      struct hbl_error *error);

/**
 * Writes the numbers of the backends this CPU can run, in falling order of speed and scalar (0) last, but no more than
 * `capacity` of them; `count` receives how many there are. Numbers are append-only, so they may be stored. `ids` may
 * be NULL if `capacity` is 0.
 */
HBL_API
hbl_status hbl_backend_list(uint32_t *ids,
                            size_t capacity,
                            size_t *count,
                            struct hbl_error *error);

/**
 * The name of a backend, such as "avx2", or NULL if no backend has that number. A static string. For HBL_BACKEND_BEST,
 * the name of the backend it stands for at the moment.
 */
HBL_API
const char *hbl_backend_name(uint32_t backend);

/**
 * The number of the backend with that name, whether this CPU can run it or not.
 *
 * Fails with HBL_STATUS_NAME.
 */
HBL_API
hbl_status hbl_backend_from_name(const char *name,
                                 uint32_t *backend,
                                 struct hbl_error *error);

/**
 * The number of the backend that HBL_BACKEND_BEST stands for at the moment.
 */
HBL_API
uint32_t hbl_backend_best(void);

/**
 * Whether this CPU can run the backend: 1 or 0.
 */
HBL_API
int32_t hbl_backend_available(uint32_t backend);

/**
 * Makes HBL_BACKEND_BEST stand for this backend from now on, in the whole process. It must be one this CPU can run; all
 * backends compute the same bits. HBL_BACKEND_BEST itself is refused.
 *
 * Fails with HBL_STATUS_UNKNOWN_BACKEND or HBL_STATUS_BACKEND_UNAVAILABLE; then nothing changes.
 */
HBL_API
hbl_status hbl_backend_force(uint32_t backend,
                             struct hbl_error *error);

/**
 * Takes the caller's word that this CPU can run the backend, where nobody says so to the library: "dotprod" and "i8mm" on
 * AArch64 outside Linux and Android (Windows, or no operating system), "amx" outside Linux. From then on it is available.
 * What HBL_BACKEND_BEST stands for stays if it was used before; hbl_backend_force changes it. Where the library can ask the
 * CPU or the operating system, their answer stands. A CPU without the instructions, or whose registers the operating
 * system does not save, ends the program at the first call that uses the backend, or gives wrong results.
 *
 * Fails with HBL_STATUS_UNKNOWN_BACKEND (HBL_BACKEND_BEST is refused too) or HBL_STATUS_BACKEND_UNAVAILABLE; then nothing
 * changes.
 */
HBL_API
hbl_status hbl_backend_assume(uint32_t backend,
                              struct hbl_error *error);

/**
 * The name of a conformance group, such as "transform", or NULL from the first number on that no group has. A static
 * string.
 */
HBL_API
const char *hbl_conformance_name(uint32_t group);

/**
 * Bytes of workspace for hbl_conformance_digest of any group of that grid.
 *
 * Fails with HBL_STATUS_VALUE.
 */
HBL_API
hbl_status hbl_conformance_workspace_len(uint32_t grid,
                                         size_t *len,
                                         struct hbl_error *error);

/**
 * Computes what the group is about, from inputs that are made in `workspace`, and hashes what comes out: `digest` receives the
 * 64-bit FNV-1a, `expected` the number that it is on every machine and with every backend. Where the two differ, the
 * library does not compute the bits it documents there.
 *
 * Fails with HBL_STATUS_VALUE for an unknown group or grid, HBL_STATUS_UNKNOWN_BACKEND, HBL_STATUS_BACKEND_UNAVAILABLE, or
 * HBL_STATUS_WORKSPACE below hbl_conformance_workspace_len.
 */
HBL_API
hbl_status hbl_conformance_digest(uint32_t backend,
                                  uint32_t group,
                                  uint32_t grid,
                                  uint8_t *workspace,
                                  size_t workspace_len,
                                  uint64_t *digest,
                                  uint64_t *expected,
                                  struct hbl_error *error);

/**
 * Opens a container, the bytes of a whole file: checks its header and index and reads nothing else, so that a mapped file
 * of any size opens at once.
 *
 * Fails with HBL_STATUS_CONTAINER_LENGTH, HBL_STATUS_CONTAINER_MAGIC, HBL_STATUS_CONTAINER_VERSION,
 * HBL_STATUS_CONTAINER_HEADER, HBL_STATUS_CONTAINER_INDEX or HBL_STATUS_CONTAINER_ENTRY (the message has the entry's number
 * and what was expected of it).
 */
HBL_API
hbl_status hbl_container_open(const uint8_t *file,
                              size_t file_len,
                              struct hbl_container *container,
                              struct hbl_error *error);

/**
 * The number of entries.
 *
 * Fails with HBL_STATUS_HANDLE.
 */
HBL_API
hbl_status hbl_container_len(const struct hbl_container *container,
                             size_t *count,
                             struct hbl_error *error);

/**
 * An entry by its number, from 0 in the order of the data. `entry` is a description that was initialised: its fields are
 * written as far as its struct_size reaches.
 *
 * Fails with HBL_STATUS_RANGE or HBL_STATUS_HANDLE.
 */
HBL_API
hbl_status hbl_container_entry(const struct hbl_container *container,
                               size_t number,
                               struct hbl_entry *entry,
                               struct hbl_error *error);

/**
 * An entry by its name. `entry` is as for hbl_container_entry.
 *
 * Fails with HBL_STATUS_NAME (no entry has it) or HBL_STATUS_HANDLE.
 */
HBL_API
hbl_status hbl_container_find(const struct hbl_container *container,
                              const char *name,
                              struct hbl_entry *entry,
                              struct hbl_error *error);

/**
 * Reads the data of an entry and compares it with the checksum of the index.
 *
 * Fails with HBL_STATUS_CONTAINER_ENTRY, HBL_STATUS_RANGE or HBL_STATUS_HANDLE.
 */
HBL_API
hbl_status hbl_container_verify(const struct hbl_container *container,
                                size_t number,
                                struct hbl_error *error);

/**
 * Opens the weights of an entry and checks all of them, as hbl_weights_open does. Nothing is copied.
 *
 * Fails as hbl_weights_open does; with HBL_STATUS_CONTAINER_ENTRY (no weights, or of another shape than the index says),
 * HBL_STATUS_RANGE or HBL_STATUS_HANDLE.
 */
HBL_API
hbl_status hbl_container_weights(const struct hbl_container *container,
                                 size_t number,
                                 struct hbl_weights *weights,
                                 struct hbl_error *error);

/**
 * Opens the weights of an entry of a file that is known to be whole: checks their header only, as hbl_weights_open_verified
 * does, so that a mapped file is not read through.
 *
 * Fails as hbl_weights_open_verified does; with HBL_STATUS_CONTAINER_ENTRY, HBL_STATUS_RANGE or HBL_STATUS_HANDLE.
 */
HBL_API
hbl_status hbl_container_weights_verified(const struct hbl_container *container,
                                          size_t number,
                                          struct hbl_weights *weights,
                                          struct hbl_error *error);

/**
 * Reads a contract, and gives what it says (an hbl_contract_says) of the tensor of that name with K inputs: its transform
 * and its rule (an hbl_rule). `transform` is written with HBL_CONTRACT_TRANSFORMED only, and `rule` unless it is
 * HBL_CONTRACT_NOTHING. Checks the whole text each time. It is UTF-8, `contract_len` bytes of it, such as
 *
 *     hbitlinear-contract 1
 *     # tensor                  transform       rule
 *     blk.*.attn_output.weight  paley1:20*128   a4-absmean
 *     blk.*.ffn_down.weight     each:256        a4-absmean
 *     blk.*.attn_q.weight       none            a8-absmax
 *
 * `*` in a name stands for a run of digits; `each:` applies a transform to each block of its length.
 *
 * Fails with HBL_STATUS_CONTRACT, whose message names the line or word; or HBL_STATUS_NAME (a tensor's name that is not
 * UTF-8).
 */
HBL_API
hbl_status hbl_contract_layer(const char *contract,
                              size_t contract_len,
                              const char *tensor,
                              size_t inputs,
                              uint32_t *says,
                              struct hbl_transform *transform,
                              uint32_t *rule,
                              struct hbl_error *error);

/**
 * What it takes to write the weights in an hbl_format. `sizes` is a description that was initialised: its fields are
 * written as far as its struct_size reaches.
 *
 * Fails as hbl_format_tensor_len does; with HBL_STATUS_SCALE_DIFFERS (the format has one scale for the tensor, the weights
 * have several), HBL_STATUS_SCALE (no value is stored for the scale, as no f32 has it as its reciprocal) or
 * HBL_STATUS_HANDLE.
 */
HBL_API
hbl_status hbl_export_query(const struct hbl_weights *weights,
                            uint32_t format,
                            struct hbl_export_sizes *sizes,
                            struct hbl_error *error);

/**
 * Writes the whole tensor: hbl_export_query's `len` bytes.
 *
 * Fails as hbl_export_query does; with HBL_STATUS_LENGTH. Also with HBL_STATUS_SCALE_DIFFERS (weights that share a scale in
 * the format have different ones) or HBL_STATUS_SCALE (not an f16 where the format stores those): then `bytes` may be written
 * in part.
 */
HBL_API
hbl_status hbl_export_write(const struct hbl_weights *weights,
                            uint32_t format,
                            uint8_t *bytes,
                            size_t bytes_len,
                            struct hbl_error *error);

/**
 * Writes some lines, of hbl_export_query's `line_len` bytes each.
 *
 * Fails as hbl_export_write does; with HBL_STATUS_RANGE.
 */
HBL_API
hbl_status hbl_export_write_lines(const struct hbl_weights *weights,
                                  uint32_t format,
                                  struct hbl_range lines,
                                  uint8_t *bytes,
                                  size_t bytes_len,
                                  struct hbl_error *error);

/**
 * Writes the tail: hbl_export_query's `tail_len` bytes.
 *
 * Fails as hbl_export_query does; with HBL_STATUS_LENGTH.
 */
HBL_API
hbl_status hbl_export_write_tail(const struct hbl_weights *weights,
                                 uint32_t format,
                                 uint8_t *bytes,
                                 size_t bytes_len,
                                 struct hbl_error *error);

/**
 * The name of an hbl_format, such as "tq2_0" (what a container has as the type's name of weights that came from it), or
 * NULL if none has that number. A static string.
 */
HBL_API
const char *hbl_format_name(uint32_t format);

/**
 * The hbl_format with that name.
 *
 * Fails with HBL_STATUS_NAME.
 */
HBL_API
hbl_status hbl_format_from_name(const char *name,
                                uint32_t *format,
                                struct hbl_error *error);

/**
 * Bytes of a tensor of N outputs and K inputs in an hbl_format. A GGUF file states K first.
 *
 * Fails with HBL_STATUS_VALUE (format), HBL_STATUS_ZERO_SIZE, HBL_STATUS_SIZE_OVERFLOW or HBL_STATUS_MULTIPLE.
 */
HBL_API
hbl_status hbl_format_tensor_len(uint32_t format,
                                 size_t outputs,
                                 size_t inputs,
                                 size_t *tensor_len,
                                 struct hbl_error *error);

/**
 * Shape and format of the packed weights, with the coarsest scaling that holds the tensor's scales exactly: by tensor, by
 * row, or by group as the format has them. Reads every scale, and the weights where scales differ. Weights that are all 0
 * fit any scale. `spec` is a description that was initialised: its fields are written as far as its struct_size reaches.
 *
 * Fails as hbl_format_tensor_len does; with HBL_STATUS_LENGTH, HBL_STATUS_SCALE (not finite), HBL_STATUS_WEIGHT_SCALE
 * (not given where it is needed, or given where it is not) or HBL_STATUS_VALUE (layout).
 */
HBL_API
hbl_status hbl_import_spec(const struct hbl_tensor *tensor,
                           uint32_t layout,
                           struct hbl_weight_spec *spec,
                           struct hbl_error *error);

/**
 * The K weights -1, 0, 1 of a row.
 *
 * Fails as hbl_format_tensor_len does; with HBL_STATUS_RANGE, HBL_STATUS_LENGTH, HBL_STATUS_WEIGHT_SCALE or
 * HBL_STATUS_CODE (a code 3 of the formats of two bits; then `weights` may be written in part).
 */
HBL_API
hbl_status hbl_import_row(const struct hbl_tensor *tensor,
                          size_t output,
                          int8_t *weights,
                          size_t weights_len,
                          struct hbl_error *error);

/**
 * The scale of a weight, as it is stored, finite or not.
 *
 * Fails as hbl_format_tensor_len does; with HBL_STATUS_RANGE, HBL_STATUS_LENGTH or HBL_STATUS_WEIGHT_SCALE.
 */
HBL_API
hbl_status hbl_import_scale(const struct hbl_tensor *tensor,
                            size_t output,
                            size_t input,
                            float *scale,
                            struct hbl_error *error);

/**
 * Packs a tensor into a blob, exactly or not at all: with the spec of hbl_import_spec, or one of the same shape with
 * another layout or a finer scaling.
 *
 * Fails as hbl_import_spec and hbl_weights_packed_len do; with HBL_STATUS_LENGTH. Also with HBL_STATUS_CODE (a code 3 of the
 * formats of two bits), HBL_STATUS_SCALE (not finite, or not an f16 where the blob stores those) or
 * HBL_STATUS_SCALE_DIFFERS (weights that would share a scale have different ones): then the blob may be written in part, but
 * does not open.
 */
HBL_API
hbl_status hbl_import_pack(const struct hbl_tensor *tensor,
                           const struct hbl_weight_spec *spec,
                           uint8_t *blob,
                           size_t blob_len,
                           struct hbl_error *error);

/**
 * Packs a range of a tensor's outputs, so that threads share the work: each with a range of its own, all with the same
 * `spec` and `blob`, of which each call writes its own bytes only. Ranges start and end at multiples of
 * hbl_product_preferred_outputs(), or at N. When all of them are packed, hbl_import_finish makes them a blob.
 *
 * Fails as hbl_import_pack does; with HBL_STATUS_RANGE or HBL_STATUS_MULTIPLE.
 */
HBL_API
hbl_status hbl_import_pack_rows(const struct hbl_tensor *tensor,
                                const struct hbl_weight_spec *spec,
                                struct hbl_range outputs,
                                uint8_t *blob,
                                size_t blob_len,
                                struct hbl_part *part,
                                struct hbl_error *error);

/**
 * Makes a blob of the parts that hbl_import_pack_rows packed, given in the order of their outputs: writes its header and
 * the scale that all share.
 *
 * Fails as hbl_weights_packed_len does; with HBL_STATUS_LENGTH (also if outputs are missing), HBL_STATUS_RANGE (parts that do
 * not follow each other), HBL_STATUS_ZERO_SIZE (no parts), HBL_STATUS_SCALE_DIFFERS or HBL_STATUS_HANDLE. On HBL_STATUS_LENGTH
 * for missing outputs the blob's first bytes are zero, so that it does not open.
 */
HBL_API
hbl_status hbl_import_finish(const struct hbl_weight_spec *spec,
                             const struct hbl_part *parts,
                             size_t part_count,
                             uint8_t *blob,
                             size_t blob_len,
                             struct hbl_error *error);

/**
 * Checks a layer and gives the bytes of workspace for hbl_layer_forward of `tokens` rows. It may have any alignment and
 * content.
 *
 * Fails as hbl_stages_workspace_len does, with HBL_STATUS_LENGTH (stages and weights of another K),
 * HBL_STATUS_SIZE_OVERFLOW or HBL_STATUS_HANDLE (the weights).
 */
HBL_API
hbl_status hbl_layer_workspace_len(const struct hbl_layer *layer,
                                   size_t tokens,
                                   size_t *bytes,
                                   struct hbl_error *error);

/**
 * The whole layer on the M rows of `x`, one thread. `y` is `[M, N]` with rows `y_stride` floats apart, `y_len` floats
 * from `y` to the end of the buffer.
 *
 * Fails as hbl_layer_workspace_len and hbl_stages_quantize do, or with HBL_STATUS_LENGTH or HBL_STATUS_STRIDE (y).
 */
HBL_API
hbl_status hbl_layer_forward(uint32_t backend,
                             const struct hbl_layer *layer,
                             const struct hbl_input *x,
                             float *y,
                             size_t y_len,
                             size_t y_stride,
                             uint8_t *workspace,
                             size_t workspace_len,
                             struct hbl_error *error);

/**
 * A family's matrix: "paley1", "paley2", "quarot" (also SpinQuant's) or "fht" (fast-hadamard-transform and MLX), and
 * an order it has. Two matrices of one order are in general not interchangeable.
 *
 * Fails with HBL_STATUS_NAME (no such family) or HBL_STATUS_TRANSFORM (an order it does not have).
 */
HBL_API
hbl_status hbl_matrix_named(const char *family,
                            size_t order,
                            struct hbl_matrix *result,
                            struct hbl_error *error);

/**
 * Number of uint32_t words that hbl_matrix_pack needs for an order of 1 to 256.
 *
 * Fails with HBL_STATUS_TRANSFORM.
 */
HBL_API
hbl_status hbl_matrix_storage_len(size_t order,
                                  size_t *words,
                                  struct hbl_error *error);

/**
 * Checks and packs the caller's own matrix: `signs` is order * order entries 1 or -1, row-major. `result` points into
 * `storage`, which must live, unchanged, as long as it and transforms made of it are used.
 *
 * Fails with HBL_STATUS_TRANSFORM (order), HBL_STATUS_LENGTH, or HBL_STATUS_NOT_HADAMARD naming the first row that holds
 * another value or is not orthogonal to an earlier one.
 */
HBL_API
hbl_status hbl_matrix_pack(size_t order,
                           const int8_t *signs,
                           size_t signs_len,
                           uint32_t *storage,
                           size_t storage_len,
                           struct hbl_matrix *result,
                           struct hbl_error *error);

/**
 * RMSNorm of rows of K = `inputs` floats: y = x / sqrt(mean(x^2) + epsilon) * weight. `x` and `y` are `[M, K]`,
 * row-major, M = `x_len` / K; `weight` is K long, or NULL with `weight_len` 0 for none. `x` and `y` must not overlap.
 *
 * Fails with HBL_STATUS_ZERO_SIZE (K), HBL_STATUS_LENGTH, HBL_STATUS_EPSILON, or HBL_STATUS_NON_FINITE naming the first
 * row of `x` with a NaN or an infinity (row 0 if it is in the weight).
 */
HBL_API
hbl_status hbl_rms_norm(uint32_t backend,
                        size_t inputs,
                        const float *weight,
                        size_t weight_len,
                        float epsilon,
                        const float *x,
                        size_t x_len,
                        float *y,
                        size_t y_len,
                        struct hbl_error *error);

/**
 * Bytes of workspace that any product needs, on every backend. It may have any alignment and content.
 */
HBL_API
size_t hbl_product_workspace_len(void);

/**
 * Where to cut outputs among threads: ranges that start at a multiple of so many cost nothing extra. Any cut gives the
 * same result.
 */
HBL_API
size_t hbl_product_preferred_outputs(void);

/**
 * Y = X W^T, dequantised, for a range of tokens and a range of outputs: y[t, n] = scale_t * sum over groups of
 * (alpha_n,g * integer sum). The result does not depend on how the work is cut.
 *
 * `y` is where the first token's first output of the ranges goes; the next token's is `y_stride` floats further.
 * `y_len` counts floats from `y` to the end of the buffer, at least (tokens - 1) * y_stride + outputs; those between
 * the rows are never touched, so threads may write different outputs of one matrix at the same time.
 *
 * Fails with HBL_STATUS_LENGTH (K of the activations, values, y), HBL_STATUS_VALUE (bits), HBL_STATUS_RANGE,
 * HBL_STATUS_STRIDE, HBL_STATUS_WORKSPACE, HBL_STATUS_HANDLE, HBL_STATUS_UNKNOWN_BACKEND or
 * HBL_STATUS_BACKEND_UNAVAILABLE. Token scales that are not finite (HBL_SPOIL_NON_FINITE writes such) give outputs that
 * are not, and are no error.
 */
HBL_API
hbl_status hbl_product_f32(uint32_t backend,
                           const struct hbl_weights *weights,
                           const struct hbl_activations *activations,
                           struct hbl_range tokens,
                           struct hbl_range outputs,
                           float *y,
                           size_t y_len,
                           size_t y_stride,
                           uint8_t *workspace,
                           size_t workspace_len,
                           struct hbl_error *error);

/**
 * The integer sums alone: y[t, n] = sum over k of w[n, k] * q[t, k], exact. Otherwise as hbl_product_f32.
 */
HBL_API
hbl_status hbl_product_i32(uint32_t backend,
                           const struct hbl_weights *weights,
                           const struct hbl_activations *activations,
                           struct hbl_range tokens,
                           struct hbl_range outputs,
                           int32_t *y,
                           size_t y_len,
                           size_t y_stride,
                           uint8_t *workspace,
                           size_t workspace_len,
                           struct hbl_error *error);

/**
 * Bytes of a row of `inputs` values of 4 or 8 bits; 0 for any other number of bits.
 */
HBL_API
size_t hbl_row_bytes(uint32_t bits,
                     size_t inputs);

/**
 * Quantises rows of float by an hbl_rule into the buffers of `activations`, whose `bits` must be the rule's: M and K are
 * theirs. The description itself is not written. Rows are `x_stride` floats apart (0 means K: contiguous), within
 * `x_len` floats. `flags` is 0 or HBL_SPOIL_NON_FINITE. hbl_stages_quantize does the same to other elements, behind a
 * norm and a transform.
 *
 * Fails with HBL_STATUS_VALUE (rule, bits), HBL_STATUS_NEWER (flags), HBL_STATUS_EPSILON, HBL_STATUS_ZERO_SIZE (K),
 * HBL_STATUS_LENGTH, HBL_STATUS_STRIDE, or HBL_STATUS_NON_FINITE naming the first row with a NaN or an infinity.
 */
HBL_API
hbl_status hbl_quantize(uint32_t backend,
                        uint32_t rule,
                        float epsilon,
                        uint32_t flags,
                        const float *x,
                        size_t x_len,
                        size_t x_stride,
                        struct hbl_activations *activations,
                        struct hbl_error *error);

/**
 * Checks stages and gives the bytes of workspace for hbl_stages_quantize of any number of rows.
 *
 * Fails with HBL_STATUS_VALUE (norm, rule), HBL_STATUS_EPSILON, HBL_STATUS_ZERO_SIZE or HBL_STATUS_SIZE_OVERFLOW (K),
 * HBL_STATUS_LENGTH (of the norm's weight), HBL_STATUS_NON_FINITE (in it), HBL_STATUS_TRANSFORM_LENGTH (a transform of
 * another length than K) or HBL_STATUS_HANDLE (the transform).
 */
HBL_API
hbl_status hbl_stages_workspace_len(const struct hbl_stages *stages,
                                    size_t *bytes,
                                    struct hbl_error *error);

/**
 * The first phase of a layer: any rows of the input to quantised activations. A thread passes its own rows of `x`, an
 * hbl_activations over its own part of the buffers, and its own workspace.
 *
 * Fails as hbl_stages_workspace_len does; with HBL_STATUS_LENGTH (x, or M or K of the activations), HBL_STATUS_STRIDE,
 * HBL_STATUS_VALUE (`bits` is not the rule's, or the element), HBL_STATUS_WORKSPACE, HBL_STATUS_UNKNOWN_BACKEND,
 * HBL_STATUS_BACKEND_UNAVAILABLE, or HBL_STATUS_NON_FINITE naming the first row of `x` with a NaN, an infinity or an
 * overflow.
 */
HBL_API
hbl_status hbl_stages_quantize(uint32_t backend,
                               const struct hbl_stages *stages,
                               const struct hbl_input *x,
                               struct hbl_activations *activations,
                               uint8_t *workspace,
                               size_t workspace_len,
                               struct hbl_error *error);

/**
 * What a status means, in one line of ASCII; "unknown status" for a number this library does not know. A static
 * string, never NULL.
 */
HBL_API
const char *hbl_status_text(hbl_status status);

/**
 * A transform from its name: outer factors as family:order, then a power of two, joined by `*`, such as "1024",
 * "paley1:12*128" or "quarot:20*quarot:20*8". One block, no signs. The result points at static tables only.
 *
 * Fails with HBL_STATUS_TRANSFORM or HBL_STATUS_SIZE_OVERFLOW.
 */
HBL_API
hbl_status hbl_transform_named(const char *name,
                               struct hbl_transform *result,
                               struct hbl_error *error);

/**
 * A transform of `factor_count` outer factors, outermost first, and the innermost power of two: 1, 2, 4, ... One block,
 * no signs. `factors` is not needed afterwards, but the storage of matrices that hbl_matrix_pack made is.
 *
 * Fails with HBL_STATUS_TRANSFORM (more factors than this library takes, at present 3; or not a power of two),
 * HBL_STATUS_SIZE_OVERFLOW, or HBL_STATUS_HANDLE (a factor).
 */
HBL_API
hbl_status hbl_transform_new(const struct hbl_matrix *factors,
                             size_t factor_count,
                             size_t power_of_two,
                             struct hbl_transform *result,
                             struct hbl_error *error);

/**
 * Changes a transform to work on each of `blocks` contiguous blocks of a row, at least 1.
 *
 * Fails with HBL_STATUS_ZERO_SIZE, HBL_STATUS_SIZE_OVERFLOW, HBL_STATUS_LENGTH (signs were set for another length) or
 * HBL_STATUS_HANDLE; then the transform is as it was.
 */
HBL_API
hbl_status hbl_transform_set_blocks(struct hbl_transform *transform,
                                    size_t blocks,
                                    struct hbl_error *error);

/**
 * Gives a transform a sign (1 or -1) for each element of a row: forward is H (s * x), transpose is s * (H^T x). They are
 * not copied: `signs` must live, unchanged, as long as the transform is used.
 *
 * Fails with HBL_STATUS_LENGTH unless `signs_len` is the length of a row, HBL_STATUS_SIGN (neither 1 nor -1) or
 * HBL_STATUS_HANDLE; then the transform is as it was.
 */
HBL_API
hbl_status hbl_transform_set_signs(struct hbl_transform *transform,
                                   const int8_t *signs,
                                   size_t signs_len,
                                   struct hbl_error *error);

/**
 * The elements of a row: the product of the orders and the blocks.
 *
 * Fails with HBL_STATUS_HANDLE.
 */
HBL_API
hbl_status hbl_transform_row_len(const struct hbl_transform *transform,
                                 size_t *row_len,
                                 struct hbl_error *error);

/**
 * Transforms every row of `x`, in place: any number of contiguous rows. Elements that are not finite spread over their
 * block; the quantisers find them.
 *
 * Fails with HBL_STATUS_TRANSFORM_LENGTH if `x` is not a whole number of rows, HBL_STATUS_HANDLE,
 * HBL_STATUS_UNKNOWN_BACKEND or HBL_STATUS_BACKEND_UNAVAILABLE.
 */
HBL_API
hbl_status hbl_hadamard_forward_f32(uint32_t backend,
                                    const struct hbl_transform *transform,
                                    float *x,
                                    size_t x_len,
                                    struct hbl_error *error);

/**
 * Applies the transpose, the inverse of hbl_hadamard_forward_f32, to every row of `x`, in place.
 *
 * Fails as hbl_hadamard_forward_f32 does.
 */
HBL_API
hbl_status hbl_hadamard_transpose_f32(uint32_t backend,
                                      const struct hbl_transform *transform,
                                      float *x,
                                      size_t x_len,
                                      struct hbl_error *error);

/**
 * hbl_hadamard_forward_f32 in double precision, by portable code.
 */
HBL_API
hbl_status hbl_hadamard_forward_f64(const struct hbl_transform *transform,
                                    double *x,
                                    size_t x_len,
                                    struct hbl_error *error);

/**
 * hbl_hadamard_transpose_f32 in double precision, by portable code.
 */
HBL_API
hbl_status hbl_hadamard_transpose_f64(const struct hbl_transform *transform,
                                      double *x,
                                      size_t x_len,
                                      struct hbl_error *error);

/**
 * Checks a spec and gives the bytes of its packed blob and its number of scales: 1, N, or N * ceil(K / group).
 *
 * Fails with HBL_STATUS_ZERO_SIZE, HBL_STATUS_SIZE_OVERFLOW or HBL_STATUS_VALUE (layout, scaling, group).
 */
HBL_API
hbl_status hbl_weights_packed_len(const struct hbl_weight_spec *spec,
                                  size_t *blob_len,
                                  size_t *scales_len,
                                  struct hbl_error *error);

/**
 * Packs `[N, K]` row-major weights -1, 0, 1 and their scales (`[N, groups]`, row-major) into `blob`: plain bytes, the
 * same on every machine, to be kept in a file or sent.
 *
 * Fails as hbl_weights_packed_len does; with HBL_STATUS_LENGTH, HBL_STATUS_CODE (another weight) or HBL_STATUS_SCALE
 * (not finite, or not an f16 where that is stored).
 */
HBL_API
hbl_status hbl_weights_pack(const struct hbl_weight_spec *spec,
                            const int8_t *ternary,
                            size_t ternary_len,
                            const float *scales,
                            size_t scales_len,
                            uint8_t *blob,
                            size_t blob_len,
                            struct hbl_error *error);

/**
 * The length of the blob that starts with these bytes, of which the first HBL_BLOB_HEADER_SIZE are looked at: how much
 * of a file to read or map.
 *
 * Fails with HBL_STATUS_BLOB_LENGTH (fewer bytes than a header), HBL_STATUS_BLOB_MAGIC, HBL_STATUS_BLOB_VERSION or
 * HBL_STATUS_BLOB_HEADER.
 */
HBL_API
hbl_status hbl_weights_blob_len(const uint8_t *start,
                                size_t start_len,
                                size_t *blob_len,
                                struct hbl_error *error);

/**
 * Opens a blob and checks all of it: header, length, checksums, every scale and every code. Nothing is copied.
 *
 * Fails with HBL_STATUS_BLOB_LENGTH, HBL_STATUS_BLOB_MAGIC, HBL_STATUS_BLOB_VERSION, HBL_STATUS_BLOB_HEADER,
 * HBL_STATUS_BLOB_PAYLOAD, HBL_STATUS_SCALE or HBL_STATUS_CODE.
 */
HBL_API
hbl_status hbl_weights_open(const uint8_t *blob,
                            size_t blob_len,
                            struct hbl_weights *weights,
                            struct hbl_error *error);

/**
 * Opens a blob that hbl_weights_open accepted before: checks its header and length only, so that a mapped file is not
 * read through. Damage behind the header then gives wrong numbers, never undefined behaviour.
 *
 * Fails with HBL_STATUS_BLOB_LENGTH, HBL_STATUS_BLOB_MAGIC, HBL_STATUS_BLOB_VERSION or HBL_STATUS_BLOB_HEADER.
 */
HBL_API
hbl_status hbl_weights_open_verified(const uint8_t *blob,
                                     size_t blob_len,
                                     struct hbl_weights *weights,
                                     struct hbl_error *error);

/**
 * Shape and format of opened weights. `spec` is a description that was initialised: its fields are written as far as its
 * struct_size reaches.
 *
 * Fails with HBL_STATUS_HANDLE.
 */
HBL_API
hbl_status hbl_weights_spec(const struct hbl_weights *weights,
                            struct hbl_weight_spec *spec,
                            struct hbl_error *error);

/**
 * The inverse of hbl_weights_pack: `[N, K]` row-major weights -1, 0, 1 and their scales.
 *
 * Fails with HBL_STATUS_LENGTH or HBL_STATUS_HANDLE.
 */
HBL_API
hbl_status hbl_weights_unpack(const struct hbl_weights *weights,
                              int8_t *ternary,
                              size_t ternary_len,
                              float *scales,
                              size_t scales_len,
                              struct hbl_error *error);

/**
 * Packs the same matrix in another layout (an hbl_layout). The length of `blob` is what hbl_weights_packed_len says of
 * the weights' spec (hbl_weights_spec) with that layout.
 *
 * Fails with HBL_STATUS_VALUE (layout), HBL_STATUS_LENGTH, HBL_STATUS_HANDLE, or HBL_STATUS_CODE or HBL_STATUS_SCALE
 * (weights of a damaged blob that hbl_weights_open_verified opened).
 */
HBL_API
hbl_status hbl_weights_repack(const struct hbl_weights *weights,
                              uint32_t layout,
                              uint8_t *blob,
                              size_t blob_len,
                              struct hbl_error *error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* HBITLINEAR_H */
