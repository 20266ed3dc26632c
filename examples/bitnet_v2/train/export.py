"""From the float weights of a training run to a checkpoint in the layout of Hugging Face's `bitnet`.

    python export.py RUN/a4.pt RUN/training.json OUT --bits 4

writes `model.safetensors` (ternary weights as uint8 [N/4, K], their scale alpha beside them, all else in float32),
`config.json` and `contract.txt`. `weight_scale` is alpha itself, as `autobitlinear` has it. The contract says what the layout
has no words for: how each projection's input is quantised, and which transform stands before that (the text that
`hbitlinear::interop::contract` reads).
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from model import EPSILON, ternary


def pack(q):
    """Rows a quarter of N apart share a byte, the first in its lowest bits; codes are q + 1."""
    quarters = (q + 1).to(torch.uint8).chunk(4)
    return sum(quarter << (2 * i) for i, quarter in enumerate(quarters))


def contract(shape, bits):
    """A line for each kind of projection."""
    rule = "a8-absmax" if bits == 8 else "a4-absmean"
    lengths = {"self_attn.o_proj": shape["hidden"], "mlp.down_proj": shape["ffn"]} if shape["transform"] else {}
    names = [f"self_attn.{x}_proj" for x in "qkvo"] + [f"mlp.{x}_proj" for x in ("gate", "up", "down")]
    lines = [f"model.layers.*.{name}.weight {lengths.get(name, 'none')} {rule}" for name in names]
    return "\n".join(["hbitlinear-contract 1", *lines, ""])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("weights", type=Path)
    p.add_argument("training", type=Path)
    p.add_argument("out", type=Path)
    p.add_argument("--bits", type=int, choices=[4, 8], required=True, help="of the activations it was trained with last")
    o = p.parse_args()
    record = json.loads(o.training.read_text())
    shape = record["model"]
    tensors = {}
    for name, value in torch.load(o.weights).items():
        name = f"model.{name}"
        if name.endswith("_proj.weight"):
            q, alpha = ternary(value)
            tensors[name] = pack(q)
            tensors[f"{name}_scale"] = alpha.reshape(1).float()
        else:
            tensors[name] = value.float().contiguous()
    config = {
        "architectures": ["BitNetForCausalLM"],
        "model_type": "bitnet",
        "vocab_size": shape["vocab"],
        "hidden_size": shape["hidden"],
        "intermediate_size": shape["ffn"],
        "num_hidden_layers": shape["layers"],
        "num_attention_heads": shape["heads"],
        "num_key_value_heads": shape["heads"],
        "hidden_act": "silu",
        "rms_norm_eps": EPSILON,
        "rope_theta": shape["rope_theta"],
        "tie_word_embeddings": True,
        "max_position_embeddings": record["training"]["window"],
        "bos_token_id": 0,
        "quantization_config": {
            "quant_method": "bitnet",
            "linear_class": "autobitlinear",
            "quantization_mode": "offline",
        },
    }
    o.out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, o.out / "model.safetensors")
    (o.out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (o.out / "contract.txt").write_text(contract(shape, o.bits))


main()
