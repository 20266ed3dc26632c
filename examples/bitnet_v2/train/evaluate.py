"""What torch makes of a checkpoint: nats a byte on the held-out text, at several widths of activations and attention states.

    python evaluate.py CHECKPOINT HELD_OUT --out RESULTS.json [--log-probabilities PREFIX]

Everything is computed from the packed ternary weights, as a kernel would: integer sums (exact in float32), times alpha, times
the token's scale. With --log-probabilities also writes PREFIX-a8.npy and PREFIX-a4.npy: for each byte of the held-out text,
in windows as trained, the natural logarithm of its probability in float32.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import data
from model import Attention, BitLinear, Config, Model, quantize_int4, quantize_int8, rotate_half


def unpack(packed):
    return torch.cat([(packed >> (2 * i) & 3).float() - 1 for i in range(4)])


def load(folder):
    config = json.loads((folder / "config.json").read_text())
    made = Model(
        Config(
            config["hidden_size"],
            config["intermediate_size"],
            config["num_hidden_layers"],
            config["num_attention_heads"],
            bool(config["bitnet_v2"]["transforms"]),
            config["vocab_size"],
            config["rope_theta"],
        )
    )
    tensors = {name.removeprefix("model."): value for name, value in load_file(folder / "model.safetensors").items()}
    modules = dict(made.named_modules())
    for name in [name for name in tensors if name.endswith("_proj.weight")]:
        module = modules[name.removesuffix(".weight")]
        module.alpha = tensors.pop(f"{name}_scale")
        tensors[name] = unpack(tensors[name])
    made.load_state_dict(tensors)
    return made.eval(), config["max_position_embeddings"]


def forward_ternary(self, x):
    q, scale = quantize_int8(x) if self.bits == 8 else quantize_int4(x)
    return F.linear(q, self.weight) * self.alpha * scale


def quantize_states(x, bits):
    """Heads of queries, keys or values to unsigned integers by their largest magnitude; the values they stand for."""
    if bits is None:
        return x
    levels = 2**bits - 1
    gamma = x.abs().amax(-1, keepdim=True)
    q = ((x / gamma + 1) * levels / 2).round().clamp(0, levels)
    return torch.where(gamma > 0, (2 * q / levels - 1) * gamma, 0)


def forward_states(self, x, cos, sin):
    q, k, v = (
        projection(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        for projection in (self.q_proj, self.k_proj, self.v_proj)
    )
    q, k = q * cos + rotate_half(q) * sin, k * cos + rotate_half(k) * sin
    query_bits, key_bits = Attention.states
    first_k, first_v = (quantize_states(t[:, :, :1], 8 if key_bits else None) for t in (k, v))
    q, k, v = quantize_states(q, query_bits), quantize_states(k, key_bits), quantize_states(v, key_bits)
    k, v = torch.cat([first_k, k[:, :, 1:]], 2), torch.cat([first_v, v[:, :, 1:]], 2)
    y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(-2)
    return self.o_proj(self.hadamard(self.attn_sub_norm(y)))


@torch.no_grad()
def log_probabilities(made, held_out, window):
    tokens, bytes_ = data.held_out_windows(held_out, window)
    rows = []
    for tokens, bytes_ in zip(tokens.split(16), bytes_.split(16)):
        rows.append(made(tokens).log_softmax(-1).gather(-1, bytes_[..., None])[..., 0])
    return torch.cat(rows)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint", type=Path)
    p.add_argument("held_out", type=Path)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--log-probabilities", type=str)
    p.add_argument("--threads", type=int, default=1)
    o = p.parse_args()
    torch.set_num_threads(o.threads)
    BitLinear.forward, Attention.forward = forward_ternary, forward_states
    made, window = load(o.checkpoint)
    held_out = np.frombuffer(o.held_out.read_bytes(), np.uint8)
    results = {}

    def measure(name, states=(None, None)):
        Attention.states = states
        table = log_probabilities(made, held_out, window)
        results[name] = -table.double().mean().item()
        return table

    for bits in (8, 4):
        made.set_bits(bits)
        table = measure(f"a{bits}")
        if o.log_probabilities:
            np.save(f"{o.log_probabilities}-a{bits}.npy", table.numpy())
        for name, states in {"q8 kv8": (8, 8), "q4 kv4": (4, 4), "q4 kv3": (4, 3), "kv4": (None, 4), "kv3": (None, 3)}.items():
            measure(f"a{bits} {name}", states)
    made.set_h_bits(8)
    measure("a4 in all but o and down")
    made.set_bits(8)
    made.set_h_bits(4)
    measure("a4 in o and down alone")
    o.out.write_text(json.dumps(results, indent=2) + "\n")
    print(o.checkpoint, results)


main()
