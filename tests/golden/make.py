"""Writes the golden vectors, a directory a case, beside this file: eq. 1 to 7 of arXiv 2504.18415 in PyTorch float64.

Shares no code with the crate: matrices are built here from the definitions in src/hadamard/families.rs.
"""

from pathlib import Path

import numpy as np
import torch

TOKENS, OUTPUTS = 2, 8

# As f32, which is what the crate takes; all different, so that a mixed-up one shows.
NORM_EPSILON, WEIGHT_EPSILON, ACTIVATION_EPSILON = np.array([1e-5, 1e-4, 1e-3], np.float32).astype(float).tolist()

# Least distance of a value to the next half-integer, so that an integer must be right whatever the rounding errors
# of the reader. Activations are rounded from f32 values, after a transform; weights from f64 quotients.
ACTIVATION_MARGIN, WEIGHT_MARGIN = 2.0**-14, 2.0**-20

# Directory, outer factor, power of two, seed. A seed is the first that keeps both margins.
CASES = [
    ("sylvester-1024", None, 1024, 2),
    ("paley1-12x128", ("paley1", 12), 128, 5),
    ("paley1-20x128", ("paley1", 20), 128, 0),
    ("quarot-20x128", ("quarot", 20), 128, 18),
    ("paley1-108x64", ("paley1", 108), 64, 144),
]


def sylvester(n):
    """Eq. 3 and 4, unnormalised."""
    if n == 1:
        return torch.ones(1, 1, dtype=torch.float64)
    half = sylvester(n // 2)
    return torch.cat([torch.cat([half, half], 1), torch.cat([half, -half], 1)])


def outer(family, order):
    """Paley's first construction I + S over the prime q = order - 1, or for QuaRot its transpose."""
    q = order - 1
    squares = {i * i % q for i in range(1, q)}
    h = torch.eye(order, dtype=torch.float64)
    h[0, 1:] = 1
    h[1:, 0] = -1
    for i in range(q):
        for j in range(q):
            if i != j:
                h[1 + i, 1 + j] += 1 if (j - i) % q in squares else -1
    return {"paley1": h, "quarot": h.T}[family]


def hadamard(x, factor, power):
    """y = (H_m (x) H_2^k) x / sqrt(n); the power of two runs along the contiguous axis."""
    inner = sylvester(power)
    m = outer(*factor) if factor else torch.ones(1, 1, dtype=torch.float64)
    for h in (inner, m):
        assert torch.equal(h @ h.T, len(h) * torch.eye(len(h), dtype=torch.float64))
    y = torch.einsum("ij,tjk,lk->til", m, x.reshape(len(x), len(m), power), inner)
    return y.reshape(x.shape) / (len(m) * power) ** 0.5


def rms_norm(x, weight):
    return x / torch.sqrt(x.square().mean(-1, keepdim=True) + NORM_EPSILON) * weight


def round_clip(x, low, high):
    """RoundClip, and the least distance to a half-integer that decides a result."""
    edge = (x.floor() + 0.5).clamp(low + 0.5, high - 0.5)
    return x.round().clamp(low, high), (x - edge).abs().min().item()


def absmean(w):
    """Eq. 1 and 2."""
    alpha = w.abs().mean()
    return alpha, *round_clip(w / (alpha + WEIGHT_EPSILON), -1, 1)


def quantize(x):
    """Eq. 5, eq. 6, and int4 by absmax: q, scale and margin of each."""
    gamma, beta = x.abs().amax(-1, keepdim=True), x.abs().mean(-1, keepdim=True)
    rules = [
        (gamma, 127.0, -128, 127),
        (beta, 7.0**0.5, -8, 7),
        (gamma, 7.0, -8, 7),
    ]
    for statistic, levels, low, high in rules:
        q, margin = round_clip(levels / (statistic + ACTIVATION_EPSILON) * x, low, high)
        yield q, statistic / levels, margin


def case(factor, power, seed):
    """The arrays of one case, and its margins for activations and weights."""
    features = power * (factor[1] if factor else 1)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(TOKENS, features, generator=generator)
    # A few channels stand far out in every token, as in the input of a trained model's W_o and W_down.
    x[:, torch.randperm(features, generator=generator)[: features // 256]] *= 40
    norm_weight = 1 + 0.25 * torch.randn(features, generator=generator)
    weights = 0.02 * torch.randn(OUTPUTS, features, generator=generator)

    normal = rms_norm(x.double(), norm_weight.double())
    rotated = hadamard(normal, factor, power)
    alpha, ternary, weight_margin = absmean(weights.double())
    arrays = {
        "x": x,
        "norm_weight": norm_weight,
        "weights": weights,
        "rms_norm": normal,
        "hadamard": rotated,
        "ternary": ternary.to(torch.int8),
        "alpha": alpha.reshape(1),
    }
    rules = {"q": [], "scale": [], "product": [], "output": []}
    margins = []
    for q, scale, margin in quantize(rotated):
        product = q @ ternary.T  # integers below 2^53: exact in f64
        rules["q"].append(q.to(torch.int8))
        rules["scale"].append(scale.squeeze(-1))
        rules["product"].append(product.to(torch.int32))
        rules["output"].append(product * alpha * scale)
        margins.append(margin)
    arrays |= {name: torch.stack(values) for name, values in rules.items()}
    return arrays, min(margins), weight_margin


def main():
    torch.set_num_threads(1)
    for name, factor, power, seed in CASES:
        arrays, activation_margin, weight_margin = case(factor, power, seed)
        assert activation_margin >= ACTIVATION_MARGIN, f"{name}: an activation lies on a rounding edge, try another seed"
        assert weight_margin >= WEIGHT_MARGIN, f"{name}: a weight lies on a rounding edge, try another seed"
        directory = Path(__file__).with_name(name)
        directory.mkdir(exist_ok=True)
        for array, values in arrays.items():
            np.save(directory / f"{array}.npy", values.numpy())


if __name__ == "__main__":
    main()
