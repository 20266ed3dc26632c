// An H-BitLinear layer on made-up data from C++17, every number printed with its bits: examples/quickstart.rs again,
// which explains the steps. Here the layer's two phases are called apart, and the product is cut among two threads.
#include <hbitlinear.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t tokens = 4, inputs = 1536, outputs = 32;
constexpr float epsilon = 1e-5f;

// Numbers in -8..8 that every language computes alike.
class Random {
public:
    float next() {
        state = state * 1664525u + 1013904223u;
        return static_cast<float>(state >> 16) / 4096.0f - 8.0f;
    }

private:
    std::uint32_t state = 1;
};

std::uint32_t bits(float value) {
    std::uint32_t result;
    std::memcpy(&result, &value, sizeof result);
    return result;
}

// Calls a function of the library with the arguments and an hbl_error; a status other than success is thrown.
template <typename Function, typename... Arguments>
void call(Function function, Arguments... arguments) {
    hbl_error error;
    if (function(arguments..., &error) != HBL_STATUS_OK) {
        throw std::runtime_error(error.message);
    }
}

void run() {
    const std::uint32_t backend = hbl_backend_best();
    std::printf("backend %s\n", hbl_backend_name(backend));
    Random random;

    // Offline: trained weights to ternary ones, packed into a blob that a file could hold.
    std::vector<float> trained(outputs * inputs);
    for (float &weight : trained) {
        weight = random.next();
    }
    std::vector<std::int8_t> ternary(trained.size());
    float alpha;
    call(hbl_absmean, backend, trained.data(), trained.size(), epsilon, ternary.data(), ternary.size(), &alpha);

    hbl_weight_spec spec = HBL_WEIGHT_SPEC_INIT;
    spec.outputs = outputs;
    spec.inputs = inputs;
    spec.layout = HBL_LAYOUT_TWO_BIT;
    std::size_t blob_len, scales_len;
    call(hbl_weights_packed_len, &spec, &blob_len, &scales_len);
    std::vector<std::uint8_t> blob(blob_len);
    call(hbl_weights_pack, &spec, ternary.data(), ternary.size(), &alpha, scales_len, blob.data(), blob.size());
    std::printf("weights: %zu bytes, alpha 0x%08" PRIx32 "\n", blob.size(), bits(alpha));

    // What happens before the product. Layers with a common input would share it.
    hbl_weights weights;
    hbl_transform transform;
    call(hbl_weights_open, blob.data(), blob.size(), &weights);
    call(hbl_transform_named, "paley1:12*128", &transform);
    hbl_stages stages = HBL_STAGES_INIT;
    stages.inputs = inputs;
    stages.norm = HBL_NORM_RMS;
    stages.transform = &transform;
    stages.rule = HBL_RULE_INT4_ABSMEAN;
    stages.norm_epsilon = stages.quantizer_epsilon = epsilon;

    // Activations with outlier channels, as real ones have.
    std::vector<float> x(tokens * inputs);
    for (float &value : x) {
        value = random.next();
    }
    for (std::size_t i = 0; i < x.size(); i += 97) {
        x[i] *= 32.0f;
    }

    // Phase 1: quantise.
    std::vector<std::uint8_t> values(tokens * hbl_row_bytes(4, inputs));
    std::vector<float> scales(tokens);
    std::vector<std::int32_t> sums(tokens);
    hbl_activations activations = HBL_ACTIVATIONS_INIT;
    activations.bits = 4;
    activations.tokens = tokens;
    activations.inputs = inputs;
    activations.values = values.data();
    activations.values_len = values.size();
    activations.scales = scales.data();
    activations.sums = sums.data();
    hbl_input input = HBL_INPUT_INIT;
    input.data = x.data();
    input.len = x.size();
    input.tokens = tokens;
    std::size_t workspace_len;
    call(hbl_stages_workspace_len, &stages, &workspace_len);
    std::vector<std::uint8_t> workspace(workspace_len);
    call(hbl_stages_quantize, backend, &stages, &input, &activations, workspace.data(), workspace.size());

    // Phase 2: each thread multiplies its share of the outputs into its columns of y.
    std::vector<float> y(tokens * outputs);
    const auto multiply = [&](std::size_t start, std::size_t end, hbl_error &error) {
        std::vector<std::uint8_t> own(hbl_product_workspace_len());
        hbl_product_f32(backend, &weights, &activations, hbl_range{0, tokens}, hbl_range{start, end}, y.data() + start,
                        y.size() - start, outputs, own.data(), own.size(), &error);
    };
    const std::size_t half = hbl_product_preferred_outputs();
    hbl_error errors[2];
    std::thread other(multiply, 0, half, std::ref(errors[0]));
    multiply(half, outputs, errors[1]);
    other.join();
    for (const hbl_error &error : errors) {
        if (error.status != HBL_STATUS_OK) {
            throw std::runtime_error(error.message);
        }
    }

    for (std::size_t token = 0; token < tokens; token++) {
        for (std::size_t output = 0; output < outputs; output++) {
            const float value = y[token * outputs + output];
            std::printf("y[%zu][%zu] = %.6f 0x%08" PRIx32 "\n", token, output, static_cast<double>(value),
                        bits(value));
        }
    }
}

} // namespace

int main() {
    try {
        run();
    } catch (const std::exception &failure) {
        std::fprintf(stderr, "%s\n", failure.what());
        return 1;
    }
    return 0;
}
