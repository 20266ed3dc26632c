/* hbitlinear for C++17: views instead of pointers and lengths, results instead of out-parameters, statuses as exceptions or
 * as values. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * All work is done by the functions of hbitlinear.h, whose comments say what each takes and how it fails; a function here
 * has the name of its C function without `hbl_`, or is the member of a handle. There is nothing to link besides the library.
 *
 * A failure is an hbl::error. By default it is thrown. Where HBL_EXPECTED is defined before this header, or exceptions are
 * off, nothing is thrown: what would return T returns an hbl::expected<T>, which is true if it holds one. The two sorts may
 * meet in one program.
 *
 * Views (hbl::span) and handles own nothing: what they look at must live as long as they are used. Nothing allocates.
 */

#ifndef HBITLINEAR_HPP
#define HBITLINEAR_HPP

#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <string_view>
#include <type_traits>
#include <utility>

#include "hbitlinear.h"

#if !defined(HBL_EXPECTED) && !defined(__cpp_exceptions) && !defined(_CPPUNWIND)
#define HBL_EXPECTED
#endif

namespace hbl {

/** A view of contiguous elements: a pointer and a number. Made from arrays, and from what std::data and std::size take. */
template <typename T>
class span {
public:
    constexpr span() noexcept = default;
    /** `size` elements from `data` on. */
    constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}

    /** All of an array, vector or the like. */
    template <typename Range,
              typename = std::enable_if_t<
                  !std::is_same_v<std::decay_t<Range>, span> &&
                  std::is_convertible_v<std::remove_pointer_t<decltype(std::data(std::declval<Range &>()))> (*)[], T (*)[]>>>
    constexpr span(Range &&range) noexcept : data_(std::data(range)), size_(std::size(range)) {}

    /** The first element. */
    constexpr T *data() const noexcept { return data_; }
    /** How many elements. */
    constexpr std::size_t size() const noexcept { return size_; }
    /** For loops. */
    constexpr T *begin() const noexcept { return data_; }
    /** One behind the last element. */
    constexpr T *end() const noexcept { return data_ + size_; }
    /** An element; `index` is less than size(). */
    constexpr T &operator[](std::size_t index) const noexcept { return data_[index]; }
    /** From an element on; `start` is at most size(). */
    constexpr span from(std::size_t start) const noexcept { return {data_ + start, size_ - start}; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

/** Why a call failed. */
class error : public std::exception {
public:
    /** What a function of C said. */
    explicit error(const hbl_error &detail) noexcept : detail_(detail) {}

    /** The status, not HBL_STATUS_OK for what was thrown. */
    hbl_status status() const noexcept { return detail_.status; }
    /** The row that was refused, or HBL_NO_ROW. */
    std::uint64_t row() const noexcept { return detail_.row; }
    /** Which argument was refused, what was expected and what came. */
    const char *what() const noexcept override { return detail_.message; }

private:
    hbl_error detail_;
};

/** A T, or why there is none. */
template <typename T>
class [[nodiscard]] expected {
public:
    /** A value. */
    expected(T value) noexcept : value_(std::move(value)), failure_(hbl_error{}) {}
    /** Why there is none. */
    expected(const hbl::error &failure) noexcept : value_(), failure_(failure) {}

    /** Whether there is a value. */
    explicit operator bool() const noexcept { return failure_.status() == HBL_STATUS_OK; }
    /** The value; a default one if there is none. */
    const T &operator*() const noexcept { return value_; }
    /** The value, to be changed or moved from. */
    T &operator*() noexcept { return value_; }
    /** A part of the value. */
    const T *operator->() const noexcept { return &value_; }
    /** A part of the value, to be changed. */
    T *operator->() noexcept { return &value_; }
    /** What failed; its status is HBL_STATUS_OK if nothing did. */
    const hbl::error &error() const noexcept { return failure_; }

private:
    T value_;
    hbl::error failure_;
};

/** Nothing, or why it failed. */
template <>
class [[nodiscard]] expected<void> {
public:
    expected() noexcept : failure_(hbl_error{}) {}
    /** Why it failed. */
    expected(const hbl::error &failure) noexcept : failure_(failure) {}

    /** Whether it succeeded. */
    explicit operator bool() const noexcept { return failure_.status() == HBL_STATUS_OK; }
    /** What failed; its status is HBL_STATUS_OK if nothing did. */
    const hbl::error &error() const noexcept { return failure_; }

private:
    hbl::error failure_;
};

/** A description (hbl_stages, hbl_layer, hbl_input, ...) as its initialiser in C leaves it: its size, and all else 0. */
template <typename Description>
Description describe() noexcept {
    Description description{};
    description.struct_size = sizeof(Description);
    return description;
}

/** Which rows or elements: `start` and one beyond the last. */
using range = hbl_range;

#ifdef HBL_EXPECTED
inline namespace expecting {
template <typename T>
using outcome = expected<T>;
#else
inline namespace throwing {
/** What a function that can fail returns: a T, as failures are thrown; an expected<T> under HBL_EXPECTED. */
template <typename T>
using outcome = T;
#endif

namespace detail {

inline void raise(const hbl_error &failure) {
#ifdef HBL_EXPECTED
    (void)failure;
#else
    if (failure.status != HBL_STATUS_OK) {
        throw error(failure);
    }
#endif
}

/** Calls a C function with the arguments and an hbl_error. */
template <typename Function, typename... Arguments>
outcome<void> call(Function function, Arguments... arguments) {
    hbl_error failure{};
    failure.status = function(arguments..., &failure);
    raise(failure);
#ifdef HBL_EXPECTED
    return failure.status == HBL_STATUS_OK ? expected<void>() : expected<void>(error(failure));
#endif
}

/** The same where `function` takes a T to fill in, and the hbl_error. */
template <typename T, typename Function>
outcome<T> fill(T value, Function function) {
    hbl_error failure{};
    failure.status = function(value, failure);
    raise(failure);
#ifdef HBL_EXPECTED
    if (failure.status != HBL_STATUS_OK) {
        return error(failure);
    }
#endif
    return value;
}

} // namespace detail

// --- the library, backends, names ---

/** Whether the library that was loaded has the ABI of this header. */
inline bool abi_matches() noexcept { return hbl_abi_version() == HBL_ABI_VERSION; }
inline std::string_view version() noexcept { return hbl_version(); }
inline std::string_view status_text(hbl_status status) noexcept { return hbl_status_text(status); }

/** Writes the numbers of the backends that this CPU runs, best first, as far as they fit; returns how many there are. */
inline outcome<std::size_t> backend_list(span<std::uint32_t> ids) {
    return detail::fill(std::size_t{}, [=](std::size_t &count, hbl_error &error) {
        return hbl_backend_list(ids.data(), ids.size(), &count, &error);
    });
}
/** Empty if no backend has that number. */
inline std::string_view backend_name(std::uint32_t backend) noexcept {
    const char *name = hbl_backend_name(backend);
    return name ? std::string_view(name) : std::string_view();
}
inline outcome<std::uint32_t> backend_from_name(const char *name) {
    return detail::fill(std::uint32_t{}, [=](std::uint32_t &backend, hbl_error &error) {
        return hbl_backend_from_name(name, &backend, &error);
    });
}
inline std::uint32_t backend_best() noexcept { return hbl_backend_best(); }
inline bool backend_available(std::uint32_t backend) noexcept { return hbl_backend_available(backend) != 0; }
inline outcome<void> backend_force(std::uint32_t backend) { return detail::call(hbl_backend_force, backend); }
inline outcome<void> backend_assume(std::uint32_t backend) { return detail::call(hbl_backend_assume, backend); }

/** Empty if no format has that number. */
inline std::string_view format_name(std::uint32_t format) noexcept {
    const char *name = hbl_format_name(format);
    return name ? std::string_view(name) : std::string_view();
}
inline outcome<std::uint32_t> format_from_name(const char *name) {
    return detail::fill(std::uint32_t{}, [=](std::uint32_t &format, hbl_error &error) {
        return hbl_format_from_name(name, &format, &error);
    });
}

// --- quantisers, norm ---

/** Ternary weights from trained ones; returns their scale. */
inline outcome<float> absmean(std::uint32_t backend, span<const float> weights, float epsilon, span<std::int8_t> ternary) {
    return detail::fill(0.0f, [=](float &scale, hbl_error &error) {
        return hbl_absmean(backend, weights.data(), weights.size(), epsilon, ternary.data(), ternary.size(), &scale, &error);
    });
}
inline outcome<void> absmean_rows(std::uint32_t backend, std::size_t inputs, span<const float> weights, float epsilon,
                                  span<std::int8_t> ternary, span<float> scales) {
    return detail::call(hbl_absmean_rows, backend, inputs, weights.data(), weights.size(), epsilon, ternary.data(),
                        ternary.size(), scales.data(), scales.size());
}
inline outcome<void> rms_norm(std::uint32_t backend, std::size_t inputs, span<const float> weight, float epsilon,
                              span<const float> x, span<float> y) {
    return detail::call(hbl_rms_norm, backend, inputs, weight.data(), weight.size(), epsilon, x.data(), x.size(), y.data(),
                        y.size());
}
inline std::size_t row_bytes(std::uint32_t bits, std::size_t inputs) noexcept { return hbl_row_bytes(bits, inputs); }

/** Rows of float for the calls that take an hbl_input; 16-bit ones by the second function. */
inline hbl_input input(span<const float> x, std::size_t tokens, std::size_t stride = 0) noexcept {
    hbl_input rows = describe<hbl_input>();
    rows.element = HBL_ELEMENT_F32;
    rows.data = x.data();
    rows.len = x.size();
    rows.tokens = tokens;
    rows.stride = stride;
    return rows;
}
/** `element` is HBL_ELEMENT_F16 or HBL_ELEMENT_BF16. */
inline hbl_input input(hbl_element element, span<const std::uint16_t> x, std::size_t tokens, std::size_t stride = 0) noexcept {
    hbl_input rows = describe<hbl_input>();
    rows.element = element;
    rows.data = x.data();
    rows.len = x.size();
    rows.tokens = tokens;
    rows.stride = stride;
    return rows;
}
/** Quantised tokens in the caller's buffers; M is the number of scales, and `sums` must be as long. */
inline hbl_activations activations(std::uint32_t bits, std::size_t inputs, span<std::uint8_t> values, span<float> scales,
                                   span<std::int32_t> sums) noexcept {
    hbl_activations tokens = describe<hbl_activations>();
    tokens.bits = bits;
    tokens.tokens = scales.size() < sums.size() ? scales.size() : sums.size();
    tokens.inputs = inputs;
    tokens.values = values.data();
    tokens.values_len = values.size();
    tokens.scales = scales.data();
    tokens.sums = sums.data();
    return tokens;
}
inline outcome<void> quantize(std::uint32_t backend, std::uint32_t rule, float epsilon, std::uint32_t flags,
                              span<const float> x, std::size_t x_stride, hbl_activations &activations) {
    return detail::call(hbl_quantize, backend, rule, epsilon, flags, x.data(), x.size(), x_stride, &activations);
}

// --- transforms ---

/** A Hadamard matrix, an outer factor of transforms. */
class matrix {
public:
    /** That of an order in a named family, see hbl_matrix_named. */
    static outcome<matrix> named(const char *family, std::size_t order) {
        return detail::fill(matrix{}, [=](matrix &made, hbl_error &error) {
            return hbl_matrix_named(family, order, &made.handle_, &error);
        });
    }
    /** Words of storage of the caller's own matrix. */
    static outcome<std::size_t> storage_len(std::size_t order) {
        return detail::fill(std::size_t{}, [=](std::size_t &words, hbl_error &error) {
            return hbl_matrix_storage_len(order, &words, &error);
        });
    }
    /** The caller's own, kept in `storage`. */
    static outcome<matrix> pack(std::size_t order, span<const std::int8_t> signs, span<std::uint32_t> storage) {
        return detail::fill(matrix{}, [=](matrix &made, hbl_error &error) {
            return hbl_matrix_pack(order, signs.data(), signs.size(), storage.data(), storage.size(), &made.handle_, &error);
        });
    }
    /** The handle, for functions of C. */
    const hbl_matrix &get() const noexcept { return handle_; }

private:
    hbl_matrix handle_{};
};

/** A Hadamard transform of rows. */
class transform {
public:
    /** Of no use until it is assigned: every call refuses it. */
    transform() noexcept = default;
    /** Around a handle that C made, such as hbl_contract_layer. */
    explicit transform(const hbl_transform &handle) noexcept : handle_(handle) {}

    /** By its name, see hbl_transform_named. */
    static outcome<transform> named(const char *name) {
        return detail::fill(transform{}, [=](transform &made, hbl_error &error) {
            return hbl_transform_named(name, &made.handle_, &error);
        });
    }
    /** `factors` are handles, as matrix::get gives them. */
    static outcome<transform> create(span<const hbl_matrix> factors, std::size_t power_of_two) {
        return detail::fill(transform{}, [=](transform &made, hbl_error &error) {
            return hbl_transform_new(factors.data(), factors.size(), power_of_two, &made.handle_, &error);
        });
    }
    /** Of rows of so many blocks, see hbl_transform_set_blocks. */
    outcome<void> set_blocks(std::size_t blocks) { return detail::call(hbl_transform_set_blocks, &handle_, blocks); }
    /** With signs, which must live as long: see hbl_transform_set_signs. */
    outcome<void> set_signs(span<const std::int8_t> signs) {
        return detail::call(hbl_transform_set_signs, &handle_, signs.data(), signs.size());
    }
    /** Elements of a row. */
    outcome<std::size_t> row_len() const {
        return detail::fill(std::size_t{}, [this](std::size_t &length, hbl_error &error) {
            return hbl_transform_row_len(&handle_, &length, &error);
        });
    }
    /** Rows in place. */
    outcome<void> forward(std::uint32_t backend, span<float> x) const {
        return detail::call(hbl_hadamard_forward_f32, backend, &handle_, x.data(), x.size());
    }
    /** The transpose, rows in place. */
    outcome<void> transpose(std::uint32_t backend, span<float> x) const {
        return detail::call(hbl_hadamard_transpose_f32, backend, &handle_, x.data(), x.size());
    }
    /** Rows of f64 in place. */
    outcome<void> forward(span<double> x) const {
        return detail::call(hbl_hadamard_forward_f64, &handle_, x.data(), x.size());
    }
    /** The transpose of rows of f64, in place. */
    outcome<void> transpose(span<double> x) const {
        return detail::call(hbl_hadamard_transpose_f64, &handle_, x.data(), x.size());
    }
    /** The handle, for functions of C. */
    const hbl_transform &get() const noexcept { return handle_; }

private:
    hbl_transform handle_{};
};

/** What a contract says of a tensor. */
struct contract_entry {
    /** An hbl_contract_says. */
    std::uint32_t says = HBL_CONTRACT_NOTHING;
    /** An hbl_rule, unless it says nothing. */
    std::uint32_t rule = 0;
    /** With HBL_CONTRACT_TRANSFORMED only. */
    hbl::transform transform;
};
inline outcome<contract_entry> contract_layer(std::string_view contract, const char *tensor, std::size_t inputs) {
    return detail::fill(contract_entry{}, [=](contract_entry &entry, hbl_error &error) {
        hbl_transform handle{};
        const hbl_status status = hbl_contract_layer(contract.data(), contract.size(), tensor, inputs, &entry.says, &handle,
                                                     &entry.rule, &error);
        entry.transform = transform(handle);
        return status;
    });
}

// --- weights ---

/** Shape and format of weights; the layout is an hbl_layout, the scaling an hbl_scaling with its group. */
inline hbl_weight_spec weight_spec(std::size_t outputs, std::size_t inputs, hbl_layout layout,
                                   hbl_scaling scaling = HBL_SCALING_TENSOR, std::uint32_t group = 0) noexcept {
    hbl_weight_spec spec = describe<hbl_weight_spec>();
    spec.outputs = outputs;
    spec.inputs = inputs;
    spec.layout = layout;
    spec.scaling = scaling;
    spec.group = group;
    return spec;
}
/** What packed weights take. */
struct packed_lengths {
    /** Bytes of the blob. */
    std::size_t blob = 0;
    /** How many scales. */
    std::size_t scales = 0;
};
/** Bytes of the packed blob, and its number of scales. */
inline outcome<packed_lengths> packed_len(const hbl_weight_spec &spec) {
    return detail::fill(packed_lengths{}, [&](packed_lengths &lengths, hbl_error &error) {
        return hbl_weights_packed_len(&spec, &lengths.blob, &lengths.scales, &error);
    });
}

/** Packed weights that were opened: a view of their blob. */
class weights {
public:
    /** Of no use until it is assigned: every call refuses it. */
    weights() noexcept = default;

    /** Packs ternary weights and their scales into a blob, see hbl_weights_pack. */
    static outcome<void> pack(const hbl_weight_spec &spec, span<const std::int8_t> ternary, span<const float> scales,
                              span<std::uint8_t> blob) {
        return detail::call(hbl_weights_pack, &spec, ternary.data(), ternary.size(), scales.data(), scales.size(),
                            blob.data(), blob.size());
    }
    /** How long the blob is that starts with these bytes. */
    static outcome<std::size_t> blob_len(span<const std::uint8_t> start) {
        return detail::fill(std::size_t{}, [=](std::size_t &length, hbl_error &error) {
            return hbl_weights_blob_len(start.data(), start.size(), &length, &error);
        });
    }
    /** Reads the whole blob and trusts nothing, see hbl_weights_open. */
    static outcome<weights> open(span<const std::uint8_t> blob) {
        return detail::fill(weights{}, [=](weights &opened, hbl_error &error) {
            return hbl_weights_open(blob.data(), blob.size(), &opened.handle_, &error);
        });
    }
    /** Checks the header alone, see hbl_weights_open_verified. */
    static outcome<weights> open_verified(span<const std::uint8_t> blob) {
        return detail::fill(weights{}, [=](weights &opened, hbl_error &error) {
            return hbl_weights_open_verified(blob.data(), blob.size(), &opened.handle_, &error);
        });
    }
    /** Shape and format. */
    outcome<hbl_weight_spec> spec() const {
        return detail::fill(describe<hbl_weight_spec>(), [this](hbl_weight_spec &spec, hbl_error &error) {
            return hbl_weights_spec(&handle_, &spec, &error);
        });
    }
    /** The weights and scales, one by one. */
    outcome<void> unpack(span<std::int8_t> ternary, span<float> scales) const {
        return detail::call(hbl_weights_unpack, &handle_, ternary.data(), ternary.size(), scales.data(), scales.size());
    }
    /** The same weights in another layout. */
    outcome<void> repack(hbl_layout layout, span<std::uint8_t> blob) const {
        return detail::call(hbl_weights_repack, &handle_, static_cast<std::uint32_t>(layout), blob.data(), blob.size());
    }
    /** The handle, for functions of C. */
    const hbl_weights &get() const noexcept { return handle_; }

private:
    friend class container;
    hbl_weights handle_{};
};

// --- stages, products, layers ---

inline outcome<std::size_t> stages_workspace_len(const hbl_stages &stages) {
    return detail::fill(std::size_t{}, [&](std::size_t &bytes, hbl_error &error) {
        return hbl_stages_workspace_len(&stages, &bytes, &error);
    });
}
inline outcome<void> stages_quantize(std::uint32_t backend, const hbl_stages &stages, const hbl_input &x,
                                     hbl_activations &activations, span<std::uint8_t> workspace) {
    return detail::call(hbl_stages_quantize, backend, &stages, &x, &activations, workspace.data(), workspace.size());
}

inline std::size_t product_workspace_len() noexcept { return hbl_product_workspace_len(); }
inline std::size_t product_preferred_outputs() noexcept { return hbl_product_preferred_outputs(); }
/** `y` starts where the first token's first output of the ranges goes. */
inline outcome<void> product(std::uint32_t backend, const weights &weights, const hbl_activations &activations, range tokens,
                             range outputs, span<float> y, std::size_t y_stride, span<std::uint8_t> workspace) {
    return detail::call(hbl_product_f32, backend, &weights.get(), &activations, tokens, outputs, y.data(), y.size(), y_stride,
                        workspace.data(), workspace.size());
}
/** The integer sums alone. */
inline outcome<void> product(std::uint32_t backend, const weights &weights, const hbl_activations &activations, range tokens,
                             range outputs, span<std::int32_t> y, std::size_t y_stride, span<std::uint8_t> workspace) {
    return detail::call(hbl_product_i32, backend, &weights.get(), &activations, tokens, outputs, y.data(), y.size(), y_stride,
                        workspace.data(), workspace.size());
}

/** Stages and weights, which both must live as long as the layer. */
inline hbl_layer layer(const hbl_stages &stages, const weights &weights) noexcept {
    hbl_layer layer = describe<hbl_layer>();
    layer.stages = &stages;
    layer.weights = &weights.get();
    return layer;
}
inline outcome<std::size_t> layer_workspace_len(const hbl_layer &layer, std::size_t tokens) {
    return detail::fill(std::size_t{}, [&](std::size_t &bytes, hbl_error &error) {
        return hbl_layer_workspace_len(&layer, tokens, &bytes, &error);
    });
}
inline outcome<void> layer_forward(std::uint32_t backend, const hbl_layer &layer, const hbl_input &x, span<float> y,
                                   std::size_t y_stride, span<std::uint8_t> workspace) {
    return detail::call(hbl_layer_forward, backend, &layer, &x, y.data(), y.size(), y_stride, workspace.data(),
                        workspace.size());
}

// --- other people's formats ---

inline outcome<std::size_t> format_tensor_len(std::uint32_t format, std::size_t outputs, std::size_t inputs) {
    return detail::fill(std::size_t{}, [=](std::size_t &length, hbl_error &error) {
        return hbl_format_tensor_len(format, outputs, inputs, &length, &error);
    });
}
inline outcome<hbl_weight_spec> import_spec(const hbl_tensor &tensor, hbl_layout layout) {
    return detail::fill(describe<hbl_weight_spec>(), [&](hbl_weight_spec &spec, hbl_error &error) {
        return hbl_import_spec(&tensor, layout, &spec, &error);
    });
}
inline outcome<void> import_row(const hbl_tensor &tensor, std::size_t output, span<std::int8_t> weights) {
    return detail::call(hbl_import_row, &tensor, output, weights.data(), weights.size());
}
inline outcome<float> import_scale(const hbl_tensor &tensor, std::size_t output, std::size_t input) {
    return detail::fill(0.0f, [&](float &scale, hbl_error &error) {
        return hbl_import_scale(&tensor, output, input, &scale, &error);
    });
}
inline outcome<void> import_pack(const hbl_tensor &tensor, const hbl_weight_spec &spec, span<std::uint8_t> blob) {
    return detail::call(hbl_import_pack, &tensor, &spec, blob.data(), blob.size());
}
inline outcome<hbl_part> import_pack_rows(const hbl_tensor &tensor, const hbl_weight_spec &spec, range outputs,
                                          span<std::uint8_t> blob) {
    return detail::fill(hbl_part{}, [&](hbl_part &part, hbl_error &error) {
        return hbl_import_pack_rows(&tensor, &spec, outputs, blob.data(), blob.size(), &part, &error);
    });
}
inline outcome<void> import_finish(const hbl_weight_spec &spec, span<const hbl_part> parts, span<std::uint8_t> blob) {
    return detail::call(hbl_import_finish, &spec, parts.data(), parts.size(), blob.data(), blob.size());
}
inline outcome<hbl_export_sizes> export_query(const weights &weights, std::uint32_t format) {
    return detail::fill(describe<hbl_export_sizes>(), [&](hbl_export_sizes &sizes, hbl_error &error) {
        return hbl_export_query(&weights.get(), format, &sizes, &error);
    });
}
inline outcome<void> export_write(const weights &weights, std::uint32_t format, span<std::uint8_t> bytes) {
    return detail::call(hbl_export_write, &weights.get(), format, bytes.data(), bytes.size());
}
inline outcome<void> export_write_lines(const weights &weights, std::uint32_t format, range lines, span<std::uint8_t> bytes) {
    return detail::call(hbl_export_write_lines, &weights.get(), format, lines, bytes.data(), bytes.size());
}
inline outcome<void> export_write_tail(const weights &weights, std::uint32_t format, span<std::uint8_t> bytes) {
    return detail::call(hbl_export_write_tail, &weights.get(), format, bytes.data(), bytes.size());
}

// --- containers ---

/** A container (.hbl) in memory, such as a mapped file. */
class container {
public:
    /** Of no use until it is assigned: every call refuses it. */
    container() noexcept = default;

    /** Opens a file in memory, see hbl_container_open. */
    static outcome<container> open(span<const std::uint8_t> file) {
        return detail::fill(container{}, [=](container &opened, hbl_error &error) {
            return hbl_container_open(file.data(), file.size(), &opened.handle_, &error);
        });
    }
    /** The number of entries. */
    outcome<std::size_t> len() const {
        return detail::fill(std::size_t{}, [this](std::size_t &count, hbl_error &error) {
            return hbl_container_len(&handle_, &count, &error);
        });
    }
    /** An entry by its number. */
    outcome<hbl_entry> entry(std::size_t number) const {
        return detail::fill(describe<hbl_entry>(), [&](hbl_entry &entry, hbl_error &error) {
            return hbl_container_entry(&handle_, number, &entry, &error);
        });
    }
    /** An entry by its name. */
    outcome<hbl_entry> find(const char *name) const {
        return detail::fill(describe<hbl_entry>(), [&](hbl_entry &entry, hbl_error &error) {
            return hbl_container_find(&handle_, name, &entry, &error);
        });
    }
    /** Reads an entry's data and checks it, see hbl_container_verify. */
    outcome<void> verify(std::size_t number) const { return detail::call(hbl_container_verify, &handle_, number); }
    /** An entry's weights, read and checked. */
    outcome<hbl::weights> weights(std::size_t number) const {
        return detail::fill(hbl::weights{}, [&](hbl::weights &opened, hbl_error &error) {
            return hbl_container_weights(&handle_, number, &opened.handle_, &error);
        });
    }
    /** An entry's weights, of which the header alone is checked. */
    outcome<hbl::weights> weights_verified(std::size_t number) const {
        return detail::fill(hbl::weights{}, [&](hbl::weights &opened, hbl_error &error) {
            return hbl_container_weights_verified(&handle_, number, &opened.handle_, &error);
        });
    }

private:
    hbl_container handle_{};
};

// --- attention ---

/** Keys and values of the tokens so far, in the caller's memory. */
class cache {
public:
    /** Of no use until it is assigned: every call refuses it. */
    cache() noexcept = default;

    /** Bytes of memory of such a cache. */
    static outcome<std::size_t> bytes_len(const hbl_cache_spec &spec) {
        return detail::fill(std::size_t{}, [&](std::size_t &bytes, hbl_error &error) {
            return hbl_cache_bytes_len(&spec, &bytes, &error);
        });
    }
    /** An empty one. */
    static outcome<cache> create(const hbl_cache_spec &spec, span<std::uint8_t> memory) {
        return detail::fill(cache{}, [&](cache &made, hbl_error &error) {
            return hbl_cache_create(&spec, memory.data(), memory.size(), &made.handle_, &error);
        });
    }
    /** The number of tokens. */
    outcome<std::size_t> len() const {
        return detail::fill(std::size_t{}, [this](std::size_t &tokens, hbl_error &error) {
            return hbl_cache_len(&handle_, &tokens, &error);
        });
    }
    /** Forgets all tokens but the first ones. */
    outcome<void> truncate(std::size_t tokens) { return detail::call(hbl_cache_truncate, &handle_, tokens); }
    /** Rows are the strides apart; 0 means contiguous. */
    outcome<void> append(std::uint32_t backend, std::size_t tokens, span<const float> keys, std::size_t keys_stride,
                         span<const float> values, std::size_t values_stride) {
        return detail::call(hbl_cache_append, backend, &handle_, tokens, keys.data(), keys.size(), keys_stride,
                            values.data(), values.size(), values_stride);
    }
    /** The handle, for functions of C. */
    const hbl_cache &get() const noexcept { return handle_; }

private:
    hbl_cache handle_{};
};

inline outcome<std::size_t> attention_workspace_len(std::size_t head_size, std::size_t tokens) {
    return detail::fill(std::size_t{}, [=](std::size_t &bytes, hbl_error &error) {
        return hbl_attention_workspace_len(head_size, tokens, &bytes, &error);
    });
}
inline outcome<void> attention(std::uint32_t backend, const cache &cache, span<const float> queries, std::uint32_t query_bits,
                               range heads, std::size_t tokens_visible, float scale, span<float> out,
                               span<std::uint8_t> workspace) {
    return detail::call(hbl_attention, backend, &cache.get(), queries.data(), queries.size(), query_bits, heads,
                        tokens_visible, scale, out.data(), out.size(), workspace.data(), workspace.size());
}
inline outcome<void> attention_scores(std::uint32_t backend, const cache &cache, std::size_t kv_head, span<const float> query,
                                      std::uint32_t query_bits, range tokens, float scale, span<float> scores,
                                      span<std::uint8_t> workspace) {
    return detail::call(hbl_attention_scores, backend, &cache.get(), kv_head, query.data(), query.size(), query_bits, tokens,
                        scale, scores.data(), scores.size(), workspace.data(), workspace.size());
}
inline outcome<void> attention_softmax(std::uint32_t backend, span<float> scores) {
    return detail::call(hbl_attention_softmax, backend, scores.data(), scores.size());
}
inline outcome<void> attention_weighted_sum(std::uint32_t backend, const cache &cache, std::size_t kv_head,
                                            span<const float> weights, range elements, span<float> out) {
    return detail::call(hbl_attention_weighted_sum, backend, &cache.get(), kv_head, weights.data(), weights.size(), elements,
                        out.data(), out.size());
}

/** Empty from the first number on that no group has. */
inline std::string_view conformance_name(std::uint32_t group) noexcept {
    const char *name = hbl_conformance_name(group);
    return name ? std::string_view(name) : std::string_view();
}
inline outcome<std::size_t> conformance_workspace_len(std::uint32_t grid) {
    return detail::fill(std::size_t{}, [=](std::size_t &bytes, hbl_error &error) {
        return hbl_conformance_workspace_len(grid, &bytes, &error);
    });
}
/** What a group's digest is, and what it is everywhere. */
struct conformance {
    /** What this backend gives. */
    std::uint64_t digest;
    /** What every machine must give. */
    std::uint64_t expected;
};
inline outcome<conformance> conformance_digest(std::uint32_t backend, std::uint32_t group, std::uint32_t grid,
                                               span<std::uint8_t> workspace) {
    return detail::fill(conformance{}, [=](conformance &result, hbl_error &error) {
        return hbl_conformance_digest(backend, group, grid, workspace.data(), workspace.size(), &result.digest,
                                      &result.expected, &error);
    });
}

} // inline namespace

} // namespace hbl

#endif /* HBITLINEAR_HPP */
