"""From the float weights of a training run to a checkpoint in the layout of Hugging Face's `bitnet`.

    python export.py RUN/a4.pt RUN/training.json OUT --bits 4

writes `model.safetensors` (ternary weights as uint8 [N/4, K], their scale alpha beside them, all else in float32) and
`config.json`. `weight_scale` is alpha itself, as `autobitlinear` has it. The config's `bitnet_v2` says what the layout has no
words for: the bits of the activations and which projections have which transform before their quantiser.
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
    transforms = {"self_attn.o_proj": str(shape["hidden"]), "mlp.down_proj": str(shape["ffn"])}
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
        "bitnet_v2": {"activation_bits": o.bits, "transforms": transforms if shape["transform"] else {}},
    }
    o.out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, o.out / "model.safetensors")
    (o.out / "config.json").write_text(json.dumps(config, indent=2) + "\n")


main()
