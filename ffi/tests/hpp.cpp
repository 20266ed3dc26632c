// The C++ header, built with failures thrown and with failures as values: what comes back from calls that succeed and from
// calls that are refused. The test that runs it looks for its last line.
#include <hbitlinear.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

void expect(bool condition, const char *what) {
    if (!condition) {
        std::fprintf(stderr, "not so: %s\n", what);
        std::exit(1);
    }
}

// The value of a call that succeeds, whichever way failures come.
#ifdef HBL_EXPECTED
template <typename T>
T value(const hbl::expected<T> &result) {
    expect(static_cast<bool>(result), result.error().what());
    return *result;
}
void done(const hbl::expected<void> &result) { expect(static_cast<bool>(result), result.error().what()); }

template <typename Call>
void refused(Call call, hbl_status status, const char *what) {
    const auto result = call();
    expect(!result, what);
    expect(result.error().status() == status, result.error().what());
    expect(std::strlen(result.error().what()) > 0, what);
}
#define DONE(call) done(call)
#else
template <typename T>
T value(T result) {
    return result;
}

template <typename Call>
void refused(Call call, hbl_status status, const char *what) {
    try {
        (void)call();
    } catch (const hbl::error &failure) {
        expect(failure.status() == status, failure.what());
        expect(std::strlen(failure.what()) > 0, what);
        return;
    }
    expect(false, what);
}
#define DONE(call) (call)
#endif

constexpr std::uint32_t best = HBL_BACKEND_BEST;

void names() {
    expect(hbl::abi_matches(), "the ABI");
    expect(!hbl::version().empty(), "a version");
    expect(hbl::status_text(HBL_STATUS_OVERLAP) != hbl::status_text(HBL_STATUS_OK), "texts of statuses");
    std::array<std::uint32_t, 32> ids{};
    const std::size_t count = value(hbl::backend_list(ids));
    expect(count >= 1 && ids[count - 1] == 0 && hbl::backend_name(0) == "scalar", "scalar is the last");
    expect(value(hbl::backend_from_name("scalar")) == 0 && hbl::backend_available(0), "scalar");
    expect(hbl::backend_name(77).empty(), "no such backend");
    DONE(hbl::backend_force(hbl::backend_best()));
    DONE(hbl::backend_assume(hbl::backend_best()));
    refused([] { return hbl::backend_assume(77); }, HBL_STATUS_UNKNOWN_BACKEND, "a backend's number");
    refused([] { return hbl::backend_from_name("abacus"); }, HBL_STATUS_NAME, "a backend's name");
    refused([] { return hbl::backend_force(77); }, HBL_STATUS_UNKNOWN_BACKEND, "a backend's number");
    const std::uint32_t format = value(hbl::format_from_name("tq2_0"));
    expect(format == HBL_FORMAT_TQ2_0 && hbl::format_name(format) == "tq2_0" && hbl::format_name(0).empty(), "formats");
    expect(value(hbl::format_tensor_len(format, 2, 256)) == 132, "a tensor's length");
}

void transforms() {
    float x[4] = {1, 2, 3, 4};
    double doubles[4] = {1, 2, 3, 4};
    auto transform = value(hbl::transform::named("2"));
    DONE(transform.set_blocks(2));
    expect(value(transform.row_len()) == 4, "a row's length");
    const std::int8_t signs[4] = {1, -1, 1, 1};
    DONE(transform.set_signs(signs));
    DONE(transform.forward(best, x));
    DONE(transform.transpose(best, x));
    DONE(transform.forward(doubles));
    DONE(transform.transpose(doubles));
    for (int i = 0; i < 4; i++) {
        expect(x[i] > 0.99f * float(i + 1) && x[i] < 1.01f * float(i + 1), "there and back");
        expect(doubles[i] > 0.99 * (i + 1) && doubles[i] < 1.01 * (i + 1), "there and back in double");
    }
    refused([&] { return transform.forward(best, hbl::span<float>(x).from(1)); }, HBL_STATUS_TRANSFORM_LENGTH, "half a row");
    refused([&] { return hbl::transform().row_len(); }, HBL_STATUS_HANDLE, "no transform");

    const std::int8_t own[4] = {1, 1, 1, -1};
    std::vector<std::uint32_t> storage(value(hbl::matrix::storage_len(2)));
    const hbl_matrix factors[] = {value(hbl::matrix::pack(2, own, storage)).get(), value(hbl::matrix::named("paley1", 12)).get()};
    expect(value(value(hbl::transform::create(factors, 4)).row_len()) == 96, "2 * 12 * 4");

    const auto entry = value(hbl::contract_layer("hbitlinear-contract 1\nw 4 a4-absmean\n", "w", 4));
    expect(entry.says == HBL_CONTRACT_TRANSFORMED && entry.rule == HBL_RULE_INT4_ABSMEAN, "a contract");
    expect(value(entry.transform.row_len()) == 4, "its transform");
    expect(value(hbl::contract_layer("hbitlinear-contract 1\n", "w", 4)).says == HBL_CONTRACT_NOTHING, "a contract of nothing");
}

void layers() {
    const std::array<float, 12> trained{1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 1, -1};
    std::array<std::int8_t, 12> ternary{};
    float scales[3];
    DONE(hbl::absmean_rows(best, 4, trained, 1e-5f, ternary, scales));
    const float scale[] = {value(hbl::absmean(best, trained, 1e-5f, ternary))};
    const auto spec = hbl::weight_spec(3, 4, HBL_LAYOUT_TWO_BIT);
    const auto lengths = value(hbl::packed_len(spec));
    std::vector<std::uint8_t> blob(lengths.blob), other;
    DONE(hbl::weights::pack(spec, ternary, scale, blob));
    expect(value(hbl::weights::blob_len(blob)) == blob.size(), "a blob's length");
    const auto weights = value(hbl::weights::open(blob));
    expect(value(value(hbl::weights::open_verified(blob)).spec()).outputs == 3, "a spec");
    auto five = spec;
    five.layout = HBL_LAYOUT_FIVE_TRIT;
    other.resize(value(hbl::packed_len(five)).blob);
    DONE(weights.repack(HBL_LAYOUT_FIVE_TRIT, other));
    std::array<std::int8_t, 12> back{};
    float back_scale[1];
    DONE(value(hbl::weights::open(other)).unpack(back, back_scale));
    expect(back == ternary && back_scale[0] == scale[0], "there and back");
    refused([&] { return hbl::weights::open(hbl::span<std::uint8_t>(blob).from(1)); }, HBL_STATUS_BLOB_MAGIC, "no blob");

    const float x[4] = {0.5f, -1.0f, 2.0f, 0.25f};
    float normed[4];
    DONE(hbl::rms_norm(best, 4, {}, 1e-5f, x, normed));
    auto stages = hbl::describe<hbl_stages>();
    stages.inputs = 4;
    stages.norm = HBL_NORM_RMS;
    stages.norm_epsilon = 1e-5f;
    stages.rule = HBL_RULE_INT8_ABSMAX;
    const auto layer = hbl::layer(stages, weights);
    std::vector<std::uint8_t> workspace(value(hbl::layer_workspace_len(layer, 1)));
    float y[3];
    DONE(hbl::layer_forward(best, layer, hbl::input(x, 1), y, 3, workspace));

    // The same in steps, and from 16 bits.
    std::vector<std::uint8_t> values(hbl::row_bytes(8, 4));
    float token_scale[1];
    std::int32_t sums[1];
    auto tokens = hbl::activations(8, 4, values, token_scale, sums);
    DONE(hbl::quantize(best, HBL_RULE_INT8_ABSMAX, 0, 0, normed, 0, tokens));
    workspace.resize(hbl::product_workspace_len());
    float steps[3];
    std::int32_t integers[3];
    DONE(hbl::product(best, weights, tokens, {0, 1}, {0, 3}, steps, 3, workspace));
    DONE(hbl::product(best, weights, tokens, {0, 1}, {0, 3}, integers, 3, workspace));
    for (int i = 0; i < 3; i++) {
        expect(steps[i] == y[i], "a layer in steps");
    }
    expect(integers[0] + integers[1] != 0, "integers");
    const std::uint16_t bf16[4] = {0x3f00, 0xbf80, 0x4000, 0x3e80};
    workspace.resize(value(hbl::stages_workspace_len(stages)));
    DONE(hbl::stages_quantize(best, stages, hbl::input(HBL_ELEMENT_BF16, bf16, 1), tokens, workspace));
    workspace.resize(hbl::product_workspace_len());
    expect(hbl::product_preferred_outputs() > 0, "where to cut");
    steps[0] = 0;
    DONE(hbl::product(best, weights, tokens, {0, 1}, {0, 1}, steps, 3, workspace));
    expect(steps[0] == y[0], "a layer from bf16");
}

void files() {
    // Rows of 256 weights as TQ2_0: 64 bytes of codes, each 0 as 01, and the scale 1.0 as f16.
    std::vector<std::uint8_t> bytes;
    for (int row = 0; row < 2; row++) {
        bytes.insert(bytes.end(), 64, 0x56);
        bytes.insert(bytes.end(), {0x00, 0x3c});
    }
    auto tensor = hbl::describe<hbl_tensor>();
    tensor.format = HBL_FORMAT_TQ2_0;
    tensor.outputs = 2;
    tensor.inputs = 256;
    tensor.bytes = bytes.data();
    tensor.bytes_len = bytes.size();
    std::vector<std::int8_t> row(256);
    DONE(hbl::import_row(tensor, 1, row));
    expect(row[0] == 1 && value(hbl::import_scale(tensor, 1, 0)) == 1.0f, "a row");
    const auto spec = value(hbl::import_spec(tensor, HBL_LAYOUT_TWO_BIT));
    std::vector<std::uint8_t> blob(value(hbl::packed_len(spec)).blob), parts(blob.size()), back(bytes.size());
    DONE(hbl::import_pack(tensor, spec, blob));
    const hbl_part part[] = {value(hbl::import_pack_rows(tensor, spec, {0, 2}, parts))};
    DONE(hbl::import_finish(spec, part, parts));
    expect(blob == parts, "a blob of parts");
    const auto weights = value(hbl::weights::open(blob));
    const auto sizes = value(hbl::export_query(weights, HBL_FORMAT_TQ2_0));
    expect(sizes.len == bytes.size() && sizes.lines * sizes.line_len + sizes.tail_len == sizes.len, "sizes");
    DONE(hbl::export_write(weights, HBL_FORMAT_TQ2_0, back));
    expect(back == bytes, "there and back");
    std::vector<std::uint8_t> lines(sizes.lines * sizes.line_len), tail(sizes.tail_len);
    DONE(hbl::export_write_lines(weights, HBL_FORMAT_TQ2_0, {0, sizes.lines}, lines));
    DONE(hbl::export_write_tail(weights, HBL_FORMAT_TQ2_0, tail));
    expect(lines == bytes, "lines");
    refused([&] { return hbl::export_query(hbl::weights(), HBL_FORMAT_TQ2_0); }, HBL_STATUS_HANDLE, "no weights");
}

// `path` is a container with weights as its first entry.
void containers(const char *path) {
    std::FILE *file = std::fopen(path, "rb");
    expect(file != nullptr, path);
    std::vector<std::uint8_t> bytes(1 << 20);
    bytes.resize(std::fread(bytes.data(), 1, bytes.size(), file));
    std::fclose(file);
    const auto container = value(hbl::container::open(bytes));
    expect(value(container.len()) == 2, "entries");
    const auto entry = value(container.entry(0));
    expect(entry.kind == HBL_KIND_WEIGHTS && value(container.find(entry.name)).number == 0, "weights");
    DONE(container.verify(0));
    expect(value(value(container.weights(0)).spec()).outputs == entry.shape[0], "a shape");
    expect(value(value(container.weights_verified(0)).spec()).inputs == entry.shape[1], "a shape unread");
    refused([&] { return container.find("nobody"); }, HBL_STATUS_NAME, "no such entry");
    refused([&] { return container.weights(1); }, HBL_STATUS_CONTAINER_ENTRY, "a text");
}

void attention() {
    auto spec = hbl::describe<hbl_cache_spec>();
    spec.key_bits = spec.value_bits = 4;
    spec.head_size = 2;
    spec.kv_heads = 1;
    spec.capacity = 2;
    std::vector<std::uint8_t> memory(value(hbl::cache::bytes_len(spec)));
    auto cache = value(hbl::cache::create(spec, memory));
    const float keys[2] = {1, -1}, values[2] = {3, -3}, query[2] = {1, 1};
    DONE(cache.append(best, 1, keys, 0, values, 0));
    DONE(cache.append(best, 1, keys, 0, values, 0));
    refused([&] { return cache.append(best, 1, keys, 0, values, 0); }, HBL_STATUS_RANGE, "a full cache");
    DONE(cache.truncate(1));
    expect(value(cache.len()) == 1, "a token");
    std::vector<std::uint8_t> workspace(value(hbl::attention_workspace_len(2, 1)));
    float out[2], scores[1], sum[2];
    DONE(hbl::attention(best, cache, query, 32, {0, 1}, 1, 1.0f, out, workspace));
    DONE(hbl::attention_scores(best, cache, 0, query, 32, {0, 1}, 1.0f, scores, workspace));
    DONE(hbl::attention_softmax(best, scores));
    DONE(hbl::attention_weighted_sum(best, cache, 0, scores, {0, 2}, sum));
    expect(scores[0] == 1.0f && out[0] == sum[0] && out[1] == sum[1] && out[0] == 3.0f, "attention in steps");
}

void digests() {
    std::vector<std::uint8_t> memory(value(hbl::conformance_workspace_len(HBL_GRID_REDUCED)));
    const auto norm = value(hbl::conformance_digest(best, 3, HBL_GRID_REDUCED, memory));
    expect(hbl::conformance_name(3) == "norm" && hbl::conformance_name(99).empty(), "names of groups");
    expect(norm.digest == norm.expected && norm.digest != 0, "the digest of norms");
    refused([&] { return hbl::conformance_digest(best, 99, 0, memory); }, HBL_STATUS_VALUE, "no such group");
}

} // namespace

int main(int, char **arguments) {
    names();
    transforms();
    layers();
    files();
    containers(arguments[1]);
    attention();
    digests();
    std::puts("all as it should be");
    return 0;
}
