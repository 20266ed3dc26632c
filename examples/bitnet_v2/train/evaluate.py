"""What torch makes of a checkpoint: nats a byte on the held-out text, at several widths of activations and attention states.

    python evaluate.py CHECKPOINT HELD_OUT

writes into the checkpoint's folder

- `torch.json`: nats a byte by activations and states. `a8`, `a4`: all matrices; `a8-h4`: 4 bits in o and down alone; `a4-h8`:
  4 bits in all others. `kv32`: states as they are; `kv8`: keys and values at 8 bits; `kv4`, `kv3`: at so many, queries at 4,
  with `q32` after it queries as they are. Widths other than `kv32` with the checkpoint's own activations alone.
- `log_probabilities.npy`: with the checkpoint's own activations and `kv32`, the natural logarithm of the probability of each
  of the text's bytes, in windows as trained, float32.
- `roundings.npy`: for each of those tokens a hash of all integers that its activations were rounded to.

Everything is computed from the packed ternary weights, as a kernel would: integer sums (exact in float32), times alpha, times
the token's scale.
"""

import argparse
import json
import re
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
    contract = (folder / "contract.txt").read_text()
    made = Model(
        Config(
            config["hidden_size"],
            config["intermediate_size"],
            config["num_hidden_layers"],
            config["num_attention_heads"],
            not re.search(r"o_proj\.weight none", contract),
            config["vocab_size"],
            config["rope_theta"],
        )
    )
    tensors = {name.removeprefix("model."): value for name, value in load_file(folder / "model.safetensors").items()}
    modules = dict(made.named_modules())
    for name in [name for name in tensors if name.endswith("_proj.weight")]:
        module = modules[name.removesuffix(".weight")]
        module.is_first_of_its_input = bool(re.search("(q|o|gate|down)_proj", name))
        module.alpha = tensors.pop(f"{name}_scale")
        tensors[name] = unpack(tensors[name])
    made.load_state_dict(tensors)
    return made.eval(), config["max_position_embeddings"], 4 if "a4-absmean" in contract else 8


class Roundings:
    """A hash for each token of all integers that were rounded to, in the order in which projections need them."""

    hashes = None

    @classmethod
    def take(cls, q):
        factors = (torch.arange(1, q.shape[-1] + 1) * 2654435761) % 2**32
        row = (q.long() * factors).sum(-1)
        cls.hashes = ((0 if cls.hashes is None else cls.hashes * 31) + row) % 2**32


def forward_ternary(self, x):
    q, scale = quantize_int8(x) if self.bits == 8 else quantize_int4(x)
    if self.is_first_of_its_input:
        Roundings.take(q)
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
def run(made, held_out, window):
    """Log-probabilities and hashes of the roundings, both a row a window."""
    tokens, bytes_ = data.held_out_windows(held_out, window)
    rows, hashes = [], []
    for tokens, bytes_ in zip(tokens.split(16), bytes_.split(16)):
        Roundings.hashes = None
        rows.append(made(tokens).log_softmax(-1).gather(-1, bytes_[..., None])[..., 0])
        hashes.append(Roundings.hashes)
    return torch.cat(rows), torch.cat(hashes)


WIDTHS = {"kv32": (None, None), "kv8": (None, 8), "kv4": (4, 4), "kv3": (4, 3), "kv4 q32": (None, 4), "kv3 q32": (None, 3)}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint", type=Path)
    p.add_argument("held_out", type=Path)
    p.add_argument("--threads", type=int, default=1)
    o = p.parse_args()
    torch.set_num_threads(o.threads)
    BitLinear.forward, Attention.forward = forward_ternary, forward_states
    made, window, own_bits = load(o.checkpoint)
    held_out = np.frombuffer(o.held_out.read_bytes(), np.uint8)
    results = {}
    for bits, h_bits in ((8, 8), (4, 4), (8, 4), (4, 8)):
        made.set_bits(bits)
        made.set_h_bits(h_bits)
        name = f"a{bits}" if bits == h_bits else f"a{bits}-h{h_bits}"
        for widths, Attention.states in WIDTHS.items():
            if widths != "kv32" and not bits == h_bits == own_bits:
                continue
            table, hashes = run(made, held_out, window)
            results[f"{name} {widths}"] = -table.double().mean().item()
            if bits == h_bits == own_bits and widths == "kv32":
                np.save(o.checkpoint / "log_probabilities.npy", table.flatten().numpy())
                np.save(o.checkpoint / "roundings.npy", hashes.flatten().numpy().astype(np.uint32))
    (o.checkpoint / "torch.json").write_text(json.dumps(results, indent=2) + "\n")
    print(o.checkpoint, results)


main()
