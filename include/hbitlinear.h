/* Generated from ffi/src by cbindgen: edit there, then HBL_UPDATE_HEADER=1 cargo test -p hbitlinear-ffi --test header.
 *
 * hbitlinear: the kernels that run BitNet v2 on CPUs. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * X [M, K] float -> norm -> Hadamard -> quantise and pack -> ternary product with W [N, K] -> Y [M, N] float
 *
 * Rules, for every function:
 * - A function that can fail returns an hbl_status, 0 for success. On any other status all outputs and buffers are
 *   untouched, but the workspace and *error.
 * - A buffer is a pointer and its number of elements (uint8_t: bytes). The pointer is valid for that many elements and
 *   aligned for their type, and may be NULL if there are none. Nothing is read or written beyond.
 * - A buffer that is written overlaps no other buffer of the call, the workspace included (HBL_STATUS_OVERLAP).
 *   Nothing else uses it during the call. Descriptions (structs passed by pointer) and *error stay apart from buffers.
 * - Strings end with NUL. Results passed by pointer must not be NULL; `error` may be.
 * - Matrices are row-major. Sizes and strides count elements, unless the name says bytes. No size is padded.
 * - The library allocates no memory, starts no threads, keeps no pointer, and has no state but the cached choice of
 *   backend. All functions may run on any number of threads at once.
 * - `backend` is a number of hbl_backend_list, or HBL_BACKEND_BEST. All backends compute the same bits. Floats must
 *   round to nearest with subnormals on (the default mode).
 * - Enum values are passed as uint32_t or int32_t, so that an unknown one is an error and nothing worse.
 */

#ifndef HBITLINEAR_H
#define HBITLINEAR_H

#include <stddef.h>
#include <stdint.h>

/**
 * The ABI this header describes. It grows when a function or a struct changes in a way that a compiled caller would
 * notice; new functions and new numbers do not count. The shared library's SONAME ends with it.
 */
#define HBL_ABI_VERSION 1

/**
 * The `backend` argument that means the best of this CPU, or the lower one set with hbl_backend_force.
 */
#define HBL_BACKEND_BEST UINT32_MAX

/**
 * Bytes of `hbl_error.message`, the NUL included.
 */
#define HBL_MESSAGE_SIZE 184

/**
 * `hbl_error.row` where the status is not about a row.
 */
#define HBL_NO_ROW UINT64_MAX

/**
 * Most outer factors of one transform.
 */
#define HBL_MAX_FACTORS 3

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
     * A buffer has the wrong length.
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
     * Epsilon is negative, infinite or NaN.
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
     * The weight blob's payload is damaged.
     */
    HBL_STATUS_BLOB_PAYLOAD = 12,
    /**
     * A weight is not ternary.
     */
    HBL_STATUS_CODE = 13,
    /**
     * A weight scale is not finite.
     */
    HBL_STATUS_SCALE = 14,
    /**
     * No such transform.
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
     * No such backend.
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
     * An argument is outside its documented set.
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
 * How codes are packed.
 */
typedef enum hbl_layout {
    /**
     * Two bits a weight.
     */
    HBL_LAYOUT_T2 = 2,
    /**
     * Five weights to a byte: 1.6 bits each.
     */
    HBL_LAYOUT_T5 = 5,
} hbl_layout;

/**
 * How many scales a weight matrix has.
 */
typedef enum hbl_scaling {
    /**
     * One.
     */
    HBL_SCALING_TENSOR = 0,
    /**
     * One for each of the N rows.
     */
    HBL_SCALING_ROW = 1,
    /**
     * One for each run of 64 columns of each row; the last run may be shorter.
     */
    HBL_SCALING_GROUP_64 = 64,
    /**
     * The same with 128 columns.
     */
    HBL_SCALING_GROUP_128 = 128,
    /**
     * The same with 256 columns.
     */
    HBL_SCALING_GROUP_256 = 256,
    /**
     * Runs of 64 columns, their scales stored as f16: each must be one, as those of the published formats with groups
     * are. Half the bytes, and the same results.
     */
    HBL_SCALING_GROUP_64_F16 = 65600,
    /**
     * The same with 128 columns.
     */
    HBL_SCALING_GROUP_128_F16 = 65664,
    /**
     * The same with 256 columns.
     */
    HBL_SCALING_GROUP_256_F16 = 65792,
} hbl_scaling;

/**
 * Which norm a layer starts with.
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
 * What every function that can fail returns: 0 (HBL_STATUS_OK) or one of `hbl_status_code`.
 */
typedef int32_t hbl_status;

/**
 * The details of a status. Functions that can fail take a pointer to one as their last argument, which may be NULL;
 * they overwrite it on success as well.
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
     * The row that was refused (HBL_STATUS_NON_FINITE, HBL_STATUS_CODE, HBL_STATUS_NOT_HADAMARD), else HBL_NO_ROW.
     */
    uint64_t row;
    /**
     * Which argument was refused, what was expected and what came: UTF-8, always NUL-terminated; empty on success.
     */
    char message[HBL_MESSAGE_SIZE];
} hbl_error;

/**
 * Packed weights, opened: where the blob is. Made by hbl_weights_open or hbl_weights_open_verified; the blob must live,
 * unchanged, as long as it is used. Every function that takes one checks the blob's header again.
 */
typedef struct hbl_weights {
    /**
     * The blob, of any alignment.
     */
    const uint8_t *blob;
    /**
     * Its length in bytes.
     */
    size_t blob_len;
} hbl_weights;

/**
 * Quantised activations of M tokens, contiguous and row-major: what hbl_quantize writes and hbl_product_f32 reads.
 * int8 is one byte a value, K bytes a row; int4 is two values a byte, the even one in the low nibble, ceil(K / 2) bytes
 * a row; the spare nibble of an odd row is written as 0 and ignored when read.
 */
typedef struct hbl_activations {
    /**
     * 4 or 8.
     */
    uint32_t bits;
    /**
     * Explicit padding; set it to 0.
     */
    uint32_t reserved;
    /**
     * M, the number of tokens: `scales` and `sums` hold one element for each.
     */
    size_t tokens;
    /**
     * K, the number of values of a token.
     */
    size_t features;
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

/**
 * The indices `start` to `end` - 1.
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
 * A +-1 matrix H of order m with H H^T = m I, as sign bits: an outer factor of a transform. Made by hbl_matrix_named
 * (the bits are the library's, valid for ever) or hbl_matrix_pack (the bits are in the caller's storage). Both
 * pointers point to m * ceil(m / 32) words: bit j % 32 of word j / 32 of row i is set where H[i][j] = -1.
 */
typedef struct hbl_matrix {
    /**
     * The order m.
     */
    size_t order;
    /**
     * Sign bits of H.
     */
    const uint32_t *rows;
    /**
     * Sign bits of the transpose.
     */
    const uint32_t *columns;
} hbl_matrix;

/**
 * An orthonormal transform of rows, (H_factors[0] x ... x H_power_of_two) / sqrt(n) with Kronecker products x, on each
 * block of a row: the Sylvester power of two runs along the contiguous inner axis. Make one with hbl_transform_named,
 * then add `blocks` and `signs` if wanted; or fill it in by hand. A row is n * blocks elements; nothing is ever padded.
 */
typedef struct hbl_transform {
    /**
     * Outer factors, outermost first; those beyond `factor_count` are not looked at.
     */
    struct hbl_matrix factors[HBL_MAX_FACTORS];
    /**
     * How many there are, 0 to HBL_MAX_FACTORS.
     */
    size_t factor_count;
    /**
     * The innermost factor: 1, 2, 4, ...
     */
    size_t power_of_two;
    /**
     * Contiguous blocks of a row, each transformed on its own; at least 1.
     */
    size_t blocks;
    /**
     * NULL, or a sign (1 or -1) for each element of a row: forward is H (s * x), transpose is s * (H^T x).
     */
    const int8_t *signs;
    /**
     * Number of signs: 0, or the length of a row.
     */
    size_t signs_len;
} hbl_transform;

/**
 * A layer: Y = Q_w(W) Q_a(Hadamard(Norm(X))), with `[M, K]` row-major X and `[M, N]` Y. With `transform` it is the paper's
 * H-BitLinear (W_o, W_down), without it BitLinear (W_qkv, W_up, W_gate). A plain description; all it points to must live
 * as long as it is used.
 */
typedef struct hbl_layer {
    /**
     * An opened weight blob.
     */
    struct hbl_weights weights;
    /**
     * NULL, or a transform whose rows are K long.
     */
    const struct hbl_transform *transform;
    /**
     * NULL, or the norm's gain for each of the K features.
     */
    const float *norm_weight;
    /**
     * 0 or K.
     */
    size_t norm_weight_len;
    /**
     * An hbl_norm. The other two norm fields are not looked at without one.
     */
    uint32_t norm;
    /**
     * The norm's epsilon, such as 1e-5.
     */
    float norm_epsilon;
    /**
     * An hbl_rule for the activations.
     */
    uint32_t rule;
    /**
     * The quantiser's epsilon, such as 1e-5.
     */
    float epsilon;
} hbl_layer;

/**
 * Shape and format of a weight matrix `[N, K]`: N outputs, K inputs.
 */
typedef struct hbl_weight_spec {
    /**
     * N, at least 1.
     */
    size_t rows;
    /**
     * K, at least 1.
     */
    size_t columns;
    /**
     * An hbl_layout.
     */
    uint32_t layout;
    /**
     * An hbl_scaling.
     */
    uint32_t scaling;
} hbl_weight_spec;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The ABI of the library that was loaded: compare it with HBL_ABI_VERSION.
 */
uint32_t hbl_abi_version(void);

/**
 * The release, such as "0.1.0". Valid for ever.
 */
const char *hbl_version(void);

/**
 * Writes the numbers of the backends this CPU can run, best first and scalar (0) last, but no more than `capacity` of
 * them; returns how many there are. Numbers are append-only, so they may be stored. `ids` may be NULL if `capacity` is
 * 0.
 *
 * # Safety
 * See the rules at the top of the header.
 */
size_t hbl_backend_list(uint32_t *ids,
                        size_t capacity);

/**
 * The name of a backend, such as "avx2", or NULL if no backend has that number. Valid for ever. For HBL_BACKEND_BEST,
 * the name of the backend it stands for at the moment.
 */
const char *hbl_backend_name(uint32_t backend);

/**
 * The number of the backend with that name, whether this CPU can run it or not.
 *
 * Fails with HBL_STATUS_UNKNOWN_BACKEND.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_backend_from_name(const char *name,
                                 uint32_t *backend,
                                 struct hbl_error *error);

/**
 * The number of the backend that HBL_BACKEND_BEST stands for at the moment. The first use of it, or of `amx`, on a CPU
 * with tiles asks Linux for leave to use them; the process then has it.
 */
uint32_t hbl_backend_best(void);

/**
 * Whether this CPU can run the backend: 1 or 0.
 */
int32_t hbl_backend_available(uint32_t backend);

/**
 * Makes HBL_BACKEND_BEST stand for this backend from now on, in the whole process. It can only lower; all backends
 * compute the same bits. HBL_BACKEND_BEST itself is refused.
 *
 * Fails with HBL_STATUS_UNKNOWN_BACKEND or HBL_STATUS_BACKEND_UNAVAILABLE; then nothing changes.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_backend_force(uint32_t backend,
                             struct hbl_error *error);

/**
 * What a status means, in one line of ASCII; "unknown status" for a number this build does not know. Never NULL; valid
 * for ever.
 */
const char *hbl_status_text(hbl_status status);

/**
 * Bytes of workspace that any product needs, on every backend. It may have any alignment and content.
 */
size_t hbl_product_workspace_len(void);

/**
 * Y = X W^T, dequantised, for a range of tokens and a range of outputs: y[t, n] = scale_t * sum over groups of
 * (alpha_n,g * integer sum). The result does not depend on how the work is cut.
 *
 * `y` is where the first token's first output of the ranges goes; the next token's is `y_stride` floats further.
 * `y_len` counts floats from `y` to the end of the buffer, at least (tokens - 1) * y_stride + outputs; those between
 * the rows are never touched, so threads may write different outputs of one matrix at the same time.
 *
 * Fails with HBL_STATUS_LENGTH (K of the activations, values, y), HBL_STATUS_RANGE, HBL_STATUS_STRIDE,
 * HBL_STATUS_WORKSPACE, or as hbl_weights_open_verified does.
 *
 * # Safety
 * See the rules at the top of the header.
 */
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
 *
 * # Safety
 * See the rules at the top of the header.
 */
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
 * Checks a layer and gives the bytes of workspace for hbl_layer_forward of `tokens` rows. It may have any alignment and
 * content.
 *
 * Fails with HBL_STATUS_VALUE (norm, rule), HBL_STATUS_EPSILON, HBL_STATUS_LENGTH (of the norm's weight),
 * HBL_STATUS_NON_FINITE (in it), HBL_STATUS_TRANSFORM_LENGTH (a transform of another length than K),
 * HBL_STATUS_SIZE_OVERFLOW, or as hbl_transform_row_len and hbl_weights_open_verified do.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_layer_workspace_len(const struct hbl_layer *layer,
                                   size_t tokens,
                                   size_t *bytes,
                                   struct hbl_error *error);

/**
 * The bytes of workspace for hbl_layer_quantize of any number of rows.
 *
 * Fails as hbl_layer_workspace_len does.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_layer_quantize_workspace_len(const struct hbl_layer *layer,
                                            size_t *bytes,
                                            struct hbl_error *error);

/**
 * The whole layer on M = `tokens` rows, one thread. `x` is `[M, K]`, contiguous; `y` is `[M, N]` with rows `y_stride`
 * floats apart, `y_len` floats from `y` to the end of the buffer.
 *
 * Fails as hbl_layer_workspace_len does; with HBL_STATUS_LENGTH (x, y), HBL_STATUS_STRIDE, HBL_STATUS_WORKSPACE,
 * HBL_STATUS_UNKNOWN_BACKEND, HBL_STATUS_BACKEND_UNAVAILABLE, or HBL_STATUS_NON_FINITE naming the first row with a NaN,
 * an infinity or an overflow.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_layer_forward(uint32_t backend,
                             const struct hbl_layer *layer,
                             size_t tokens,
                             const float *x,
                             size_t x_len,
                             float *y,
                             size_t y_len,
                             size_t y_stride,
                             uint8_t *workspace,
                             size_t workspace_len,
                             struct hbl_error *error);

/**
 * Phase 1 of the layer: any rows of the input to quantised activations. A thread passes its own rows of `x` and an
 * hbl_activations over its own part of the buffers.
 *
 * Fails as hbl_layer_forward does, and with HBL_STATUS_VALUE if `bits` is not the rule's. Rows are counted within `x`.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_layer_quantize(uint32_t backend,
                              const struct hbl_layer *layer,
                              const float *x,
                              size_t x_len,
                              const struct hbl_activations *activations,
                              uint8_t *workspace,
                              size_t workspace_len,
                              struct hbl_error *error);

/**
 * Phase 2 of the layer: hbl_product_f32 with the layer's weights.
 *
 * Fails as hbl_product_f32 and hbl_layer_workspace_len do.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_layer_multiply(uint32_t backend,
                              const struct hbl_layer *layer,
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
 * Bytes of a row of `features` values of 4 or 8 bits; 0 for any other number of bits.
 */
size_t hbl_row_bytes(uint32_t bits,
                     size_t features);

/**
 * RMSNorm of rows of K = `features` floats: y = x / sqrt(mean(x^2) + epsilon) * weight. `x` and `y` are `[M, K]`,
 * row-major, M = `x_len` / K; `weight` is K long, or NULL with `weight_len` 0 for none. `x` and `y` must not overlap.
 *
 * Fails with HBL_STATUS_ZERO_SIZE (K), HBL_STATUS_LENGTH, HBL_STATUS_EPSILON, or HBL_STATUS_NON_FINITE naming the first
 * row of `x` with a NaN or an infinity.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_rms_norm(uint32_t backend,
                        size_t features,
                        const float *weight,
                        size_t weight_len,
                        float epsilon,
                        const float *x,
                        size_t x_len,
                        float *y,
                        size_t y_len,
                        struct hbl_error *error);

/**
 * Quantises each row of `x` (`[M, K]`, row-major) by an hbl_rule into the buffers of `activations`, whose `bits` must be
 * the rule's. The description itself is not written.
 *
 * Fails with HBL_STATUS_VALUE (rule, bits), HBL_STATUS_EPSILON, HBL_STATUS_ZERO_SIZE (K), HBL_STATUS_LENGTH, or
 * HBL_STATUS_NON_FINITE naming the first row with a NaN or an infinity.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_quantize(uint32_t backend,
                        uint32_t rule,
                        float epsilon,
                        const float *x,
                        size_t x_len,
                        const struct hbl_activations *activations,
                        struct hbl_error *error);

/**
 * A family's matrix: "paley1", "paley2", "quarot" (also SpinQuant's) or "fht" (fast-hadamard-transform and MLX), and
 * an order it has. Two matrices of one order are in general not interchangeable.
 *
 * Fails with HBL_STATUS_TRANSFORM.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_matrix_named(const char *family,
                            size_t order,
                            struct hbl_matrix *result,
                            struct hbl_error *error);

/**
 * Number of uint32_t words that hbl_matrix_pack needs for an order of 1 to 256.
 *
 * Fails with HBL_STATUS_TRANSFORM.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_matrix_storage_len(size_t order,
                                  size_t *words,
                                  struct hbl_error *error);

/**
 * Checks and packs the caller's own matrix: `signs` is order * order entries 1 or -1, row-major. `result` points into
 * `storage`, which must live as long as it is used.
 *
 * Fails with HBL_STATUS_TRANSFORM, HBL_STATUS_LENGTH, or HBL_STATUS_NOT_HADAMARD naming the first row that holds
 * another value or is not orthogonal to an earlier one.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_matrix_pack(size_t order,
                           const int8_t *signs,
                           size_t signs_len,
                           uint32_t *storage,
                           size_t storage_len,
                           struct hbl_matrix *result,
                           struct hbl_error *error);

/**
 * A transform from its name: outer factors as family:order, then a power of two, joined by `*`, such as "1024",
 * "paley1:12*128" or "quarot:20*quarot:20*8". One block, no signs. The result points at the library's own tables only.
 *
 * Fails with HBL_STATUS_TRANSFORM or HBL_STATUS_SIZE_OVERFLOW.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_transform_named(const char *name,
                               struct hbl_transform *result,
                               struct hbl_error *error);

/**
 * Checks a transform and gives the elements of a row, the product of its orders and its blocks.
 *
 * Fails with HBL_STATUS_TRANSFORM, HBL_STATUS_SIZE_OVERFLOW, HBL_STATUS_ZERO_SIZE (no blocks), HBL_STATUS_LENGTH (of
 * the signs) or HBL_STATUS_VALUE (a sign that is neither 1 nor -1, or too many factors).
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_transform_row_len(const struct hbl_transform *transform,
                                 size_t *row_len,
                                 struct hbl_error *error);

/**
 * Transforms every row of `x`, in place: any number of contiguous rows. Elements that are not finite spread over their
 * block; the quantisers find them.
 *
 * Fails as hbl_transform_row_len does; with HBL_STATUS_TRANSFORM_LENGTH if `x` is not a whole number of rows; with
 * HBL_STATUS_UNKNOWN_BACKEND or HBL_STATUS_BACKEND_UNAVAILABLE.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_hadamard_forward_f32(uint32_t backend,
                                    const struct hbl_transform *transform,
                                    float *x,
                                    size_t x_len,
                                    struct hbl_error *error);

/**
 * Applies the transpose, the inverse of hbl_hadamard_forward_f32, to every row of `x`, in place.
 *
 * Fails as hbl_hadamard_forward_f32 does.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_hadamard_transpose_f32(uint32_t backend,
                                      const struct hbl_transform *transform,
                                      float *x,
                                      size_t x_len,
                                      struct hbl_error *error);

/**
 * hbl_hadamard_forward_f32 in double precision, by portable code.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_hadamard_forward_f64(const struct hbl_transform *transform,
                                    double *x,
                                    size_t x_len,
                                    struct hbl_error *error);

/**
 * hbl_hadamard_transpose_f32 in double precision, by portable code.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_hadamard_transpose_f64(const struct hbl_transform *transform,
                                      double *x,
                                      size_t x_len,
                                      struct hbl_error *error);

/**
 * Ternary weights from trained ones: w = clamp(round_half_even(W / (a + epsilon)), -1, 1) with a = mean |W| over all
 * `weights_len` weights, which is stored in `scale`.
 *
 * Fails with HBL_STATUS_ZERO_SIZE, HBL_STATUS_LENGTH, HBL_STATUS_EPSILON or HBL_STATUS_NON_FINITE (row 0).
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_absmean(uint32_t backend,
                       const float *weights,
                       size_t weights_len,
                       float epsilon,
                       int8_t *ternary,
                       size_t ternary_len,
                       float *scale,
                       struct hbl_error *error);

/**
 * hbl_absmean for each row of `columns` weights on its own; `scales` receives one a for each of its `scales_len` rows.
 *
 * Fails as hbl_absmean does; HBL_STATUS_NON_FINITE names the row.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_absmean_rows(uint32_t backend,
                            size_t columns,
                            const float *weights,
                            size_t weights_len,
                            float epsilon,
                            int8_t *ternary,
                            size_t ternary_len,
                            float *scales,
                            size_t scales_len,
                            struct hbl_error *error);

/**
 * Checks a spec and gives the bytes of its packed blob and its number of scales: 1, N, or N * ceil(K / group).
 *
 * Fails with HBL_STATUS_ZERO_SIZE, HBL_STATUS_SIZE_OVERFLOW or HBL_STATUS_VALUE (layout, scaling).
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_weights_packed_len(const struct hbl_weight_spec *spec,
                                  size_t *blob_len,
                                  size_t *scales_len,
                                  struct hbl_error *error);

/**
 * Packs `[N, K]` row-major weights -1, 0, 1 and their scales (`[N, groups]`, row-major) into `blob`: plain bytes, the
 * same on every machine, to be kept in a file or sent.
 *
 * Fails as hbl_weights_packed_len does; with HBL_STATUS_LENGTH, HBL_STATUS_CODE (another weight) or HBL_STATUS_SCALE (not finite,
 * or not an f16 where that is stored).
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_weights_pack(const struct hbl_weight_spec *spec,
                            const int8_t *ternary,
                            size_t ternary_len,
                            const float *scales,
                            size_t scales_len,
                            uint8_t *blob,
                            size_t blob_len,
                            struct hbl_error *error);

/**
 * Opens a blob and checks all of it: header, length, checksums, every scale and every code. Nothing is copied.
 *
 * Fails with HBL_STATUS_BLOB_LENGTH, HBL_STATUS_BLOB_MAGIC, HBL_STATUS_BLOB_VERSION, HBL_STATUS_BLOB_HEADER,
 * HBL_STATUS_BLOB_PAYLOAD, HBL_STATUS_SCALE or HBL_STATUS_CODE.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_weights_open(const uint8_t *blob,
                            size_t blob_len,
                            struct hbl_weights *weights,
                            struct hbl_error *error);

/**
 * Opens a blob that hbl_weights_open accepted before: checks its header and length only, so that a mapped file is not
 * read through. Damage behind the header then gives wrong numbers, never undefined behaviour.
 *
 * Fails with HBL_STATUS_BLOB_LENGTH, HBL_STATUS_BLOB_MAGIC, HBL_STATUS_BLOB_VERSION or HBL_STATUS_BLOB_HEADER.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_weights_open_verified(const uint8_t *blob,
                                     size_t blob_len,
                                     struct hbl_weights *weights,
                                     struct hbl_error *error);

/**
 * Shape and format of opened weights.
 *
 * Fails as hbl_weights_open_verified does.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_weights_spec(const struct hbl_weights *weights,
                            struct hbl_weight_spec *spec,
                            struct hbl_error *error);

/**
 * The inverse of hbl_weights_pack: `[N, K]` row-major weights -1, 0, 1 and their scales.
 *
 * Fails as hbl_weights_open_verified does, or with HBL_STATUS_LENGTH.
 *
 * # Safety
 * See the rules at the top of the header.
 */
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
 * Fails with HBL_STATUS_VALUE (layout), HBL_STATUS_LENGTH, or as hbl_weights_open_verified.
 *
 * # Safety
 * See the rules at the top of the header.
 */
hbl_status hbl_weights_repack(const struct hbl_weights *weights,
                              uint32_t layout,
                              uint8_t *blob,
                              size_t blob_len,
                              struct hbl_error *error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* HBITLINEAR_H */
