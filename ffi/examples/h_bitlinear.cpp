// An H-BitLinear layer on made-up data from C++17, every number printed with its bits: examples/quickstart.rs again,
// which explains the steps. A failure is thrown. Here the layer's two phases are called apart, and the product is cut among two threads.
#include <hbitlinear.hpp>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <exception>
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

void run() {
    const std::uint32_t backend = hbl::backend_best();
    std::printf("backend %s\n", hbl::backend_name(backend).data());
    Random random;

    // Offline: trained weights to ternary ones, packed into a blob that a file could hold.
    std::vector<float> trained(outputs * inputs);
    for (float &weight : trained) {
        weight = random.next();
    }
    std::vector<std::int8_t> ternary(trained.size());
    const float alpha[] = {hbl::absmean(backend, trained, epsilon, ternary)};
    const hbl_weight_spec spec = hbl::weight_spec(outputs, inputs, HBL_LAYOUT_TWO_BIT);
    std::vector<std::uint8_t> blob(hbl::packed_len(spec).blob);
    hbl::weights::pack(spec, ternary, alpha, blob);
    std::printf("weights: %zu bytes, alpha 0x%08" PRIx32 "\n", blob.size(), bits(alpha[0]));

    // What happens before the product. Layers with a common input would share it.
    const auto weights = hbl::weights::open(blob);
    const auto transform = hbl::transform::named("paley1:12*128");
    auto stages = hbl::describe<hbl_stages>();
    stages.inputs = inputs;
    stages.norm = HBL_NORM_RMS;
    stages.transform = &transform.get();
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
    std::vector<std::uint8_t> values(tokens * hbl::row_bytes(4, inputs));
    std::vector<float> scales(tokens);
    std::vector<std::int32_t> sums(tokens);
    hbl_activations activations = hbl::activations(4, inputs, values, scales, sums);
    std::vector<std::uint8_t> workspace(hbl::stages_workspace_len(stages));
    hbl::stages_quantize(backend, stages, hbl::input(x, tokens), activations, workspace);

    // Phase 2: each thread multiplies its share of the outputs into its columns of y.
    std::vector<float> y(tokens * outputs);
    const auto multiply = [&](std::size_t start, std::size_t end, std::exception_ptr &failure) {
        try {
            std::vector<std::uint8_t> own(hbl::product_workspace_len());
            hbl::product(backend, weights, activations, {0, tokens}, {start, end}, hbl::span<float>(y).from(start), outputs,
                         own);
        } catch (...) {
            failure = std::current_exception();
        }
    };
    const std::size_t half = hbl::product_preferred_outputs();
    std::exception_ptr failures[2];
    std::thread other([&] { multiply(0, half, failures[0]); });
    multiply(half, outputs, failures[1]);
    other.join();
    for (const std::exception_ptr &failure : failures) {
        if (failure) {
            std::rethrow_exception(failure);
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
