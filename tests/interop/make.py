"""Writes the fixtures of tests/interop_oracles.rs beside this file, with the formats' own code: PyPI gguf (its numpy
quantisers) and PyPI transformers with torch. Shares no code with the crate. All files are raw little-endian arrays."""

import os
from pathlib import Path

os.environ["TORCHDYNAMO_DISABLE"] = "1"

import gguf
import numpy as np
import torch
from transformers.integrations.bitnet import AutoBitLinear, BitLinear, pack_weights, unpack_weights

HERE = Path(__file__).parent
TYPES = {"tq1_0": gguf.GGMLQuantizationType.TQ1_0, "tq2_0": gguf.GGMLQuantizationType.TQ2_0}


def save(name, array):
    (HERE / f"{name}.bin").write_bytes(np.ascontiguousarray(array).tobytes())


def weights_of(rng, outputs, inputs):
    """Random ternary weights with edges: a block of zeros, a row of zeros, all +1, all -1."""
    weights = rng.integers(-1, 2, (outputs, inputs), dtype=np.int8)
    weights[0, :256] = 0
    weights[1] = 0
    weights[2, :256] = 1
    weights[2, 256:512] = -1
    return weights


def block_formats():
    rng = np.random.default_rng(9)
    outputs, inputs = 5, 768
    weights = weights_of(rng, outputs, inputs)
    # Scales of the blocks: all different, then all the same.
    scales = {
        "blocks": rng.uniform(1e-3, 2.0, (outputs, inputs // 256)).astype(np.float16),
        "tensor": np.full((outputs, inputs // 256), 0.037, np.float16),
    }
    save("weights", weights)
    for kind, scale in scales.items():
        save(f"scales-{kind}", scale)
        values = weights * np.repeat(scale.astype(np.float32), 256, axis=1)
        for name, number in TYPES.items():
            save(f"{name}-{kind}", gguf.quants.quantize(values, number))
    # Any bytes that are no code 3, and any finite scale: what the readers make of them.
    for name, number in TYPES.items():
        block_bytes = gguf.GGML_QUANT_SIZES[number][1]
        blocks = rng.integers(0, 256, (6, block_bytes), dtype=np.uint8)
        if name == "tq2_0":
            threes = blocks & (blocks >> 1) & 0x55
            blocks &= ~(threes << 1)
        bits = rng.integers(0, 0x7C00, 6, dtype=np.uint16) | (rng.integers(0, 2, 6, dtype=np.uint16) << 15)
        bits[0] = 0
        blocks[:, -2:] = bits.view(np.uint8).reshape(6, 2)
        save(f"{name}-any", blocks)
        save(f"{name}-any-values", gguf.quants.dequantize(blocks, number))


def hugging_face():
    torch.manual_seed(9)
    for outputs, inputs in [(8, 7), (5, 640), (1, 1), (17, 257)]:
        weights = torch.randint(-1, 2, (outputs, inputs), dtype=torch.int8)
        save(f"hf-{outputs}x{inputs}-weights", weights.numpy())
        save(f"hf-{outputs}x{inputs}-packed", pack_weights(weights.clone()).numpy())
    outputs, inputs, tokens = 8, 640, 3
    weights = torch.randint(-1, 2, (outputs, inputs), dtype=torch.int8)
    packed = pack_weights(weights.clone())
    assert torch.equal(unpack_weights(packed, torch.int8), weights)
    x = torch.randn(tokens, inputs)
    # As models store them.
    divisor, multiplier = (torch.tensor([value], dtype=torch.bfloat16).float() for value in (1.21875, 0.8125))
    old = BitLinear(inputs, outputs, bias=False, dtype=torch.float32)
    old.weight, old.weight_scale = packed, divisor
    new = AutoBitLinear(inputs, outputs, bias=False, dtype=torch.float32)
    new.weight.data, new.weight_scale = weights.float(), multiplier
    with torch.no_grad():
        save("hf-layer-bitlinear", old(x).numpy())
        save("hf-layer-autobitlinear", new(x).numpy())
    save("hf-layer-packed", packed.numpy())
    save("hf-layer-x", x.numpy())
    save("hf-layer-scales", torch.cat([divisor, multiplier]).numpy())


block_formats()
hugging_face()
