// The README's quick start in C++, on hbitlinear.hpp: a layer of 3 outputs and 4 inputs.
#include <hbitlinear.hpp>

#include <cstdio>
#include <vector>

int main() {
    const std::int8_t ternary[12] = {1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 1, -1};
    const float scale[] = {1.0f}, x[4] = {0.5f, -1.0f, 2.0f, 0.25f};
    try {
        const auto spec = hbl::weight_spec(3, 4, HBL_LAYOUT_TWO_BIT);
        std::vector<std::uint8_t> blob(hbl::packed_len(spec).blob);
        hbl::weights::pack(spec, ternary, scale, blob);

        const auto weights = hbl::weights::open(blob);
        const auto transform = hbl::transform::named("4");
        auto stages = hbl::describe<hbl_stages>();
        stages.inputs = 4;
        stages.norm = HBL_NORM_RMS;
        stages.transform = &transform.get();
        stages.rule = HBL_RULE_INT4_ABSMEAN;
        stages.norm_epsilon = stages.quantizer_epsilon = 1e-5f;
        const auto layer = hbl::layer(stages, weights);

        float y[3];
        std::vector<std::uint8_t> workspace(hbl::layer_workspace_len(layer, 1));
        hbl::layer_forward(HBL_BACKEND_BEST, layer, hbl::input(x, 1), y, 3, workspace);
        std::printf("%f %f %f\n", double(y[0]), double(y[1]), double(y[2]));
    } catch (const hbl::error &failure) {
        std::fprintf(stderr, "%s\n", failure.what());
        return 1;
    }
}
