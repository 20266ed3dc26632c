"""A small random BitNet b1.58 as transformers has it, and what transformers makes of it: the folder `hf`.

    pip install torch==2.15.0 transformers==5.24.0 safetensors==0.8.0 tokenizers==0.23.3 accelerate
    TORCHDYNAMO_DISABLE=1 python make_hf.py

ReLU², grouped queries, tied embeddings, everything but the ternary weights in bf16, as in BitNet-b1.58-2B-4T; a byte-level
tokenizer. `expected.safetensors` has the tokens of a prompt, the logits of each of them and the 200 tokens that follow if
always the likeliest is taken, computed in float32 by the model that `from_pretrained` reads from the folder.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import BitNetConfig, BitNetForCausalLM
from transformers.integrations.bitnet import AutoBitLinear, pack_weights, replace_with_bitnet_linear
from transformers.utils.quantization_config import BitNetQuantConfig

OUT = Path(__file__).parent / "hf"
PROMPT = "In the beginning God created the heaven and the earth."
VOCAB = 320


def tokenizer():
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=VOCAB, special_tokens=["<begin>"], initial_alphabet=alphabet)
    made.train_from_iterator([PROMPT * 3, "And the earth was without form, and void; " * 3] * 20, trainer)
    begin = made.token_to_id("<begin>")
    made.post_processor = processors.TemplateProcessing(single="<begin> $A", special_tokens=[("<begin>", begin)])
    made.save(str(OUT / "tokenizer.json"))
    return made


def checkpoint():
    # Chosen so that no activation lies on an edge between two integers, where one program rounds up and another down.
    torch.manual_seed(4)
    config = BitNetConfig(
        vocab_size=VOCAB,
        hidden_size=96,
        intermediate_size=224,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=2,
        hidden_act="relu2",
        max_position_embeddings=512,
        rms_norm_eps=1e-5,
        rope_theta=500000.0,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=None,
        pad_token_id=None,
    )
    model = BitNetForCausalLM(config)
    tensors = {}
    for name, value in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        if name.endswith("_proj.weight"):
            value = torch.randn_like(value)
            scale = value.abs().mean()
            tensors[name] = pack_weights((value / scale).round().clamp(-1, 1))
            tensors[f"{name}_scale"] = (scale * 0.1).reshape(1).bfloat16()
        elif "norm" in name:
            tensors[name] = (1 + 0.3 * torch.randn_like(value)).bfloat16()
        else:
            # Small, or tied embeddings only ever repeat a token.
            tensors[name] = (0.1 * torch.randn_like(value)).bfloat16()
    written = config.to_dict() | {
        "architectures": ["BitNetForCausalLM"],
        "dtype": "bfloat16",
        "quantization_config": {
            "quant_method": "bitnet",
            "linear_class": "autobitlinear",
            "quantization_mode": "offline",
        },
    }
    (OUT / "config.json").write_text(json.dumps(written, indent=2) + "\n")
    save_file(tensors, OUT / "model.safetensors", metadata={"format": "pt"})


torch.set_num_threads(1)
OUT.mkdir(exist_ok=True)
tokens = tokenizer().encode(PROMPT).ids
checkpoint()
model = BitNetForCausalLM.from_pretrained(OUT, dtype=torch.float32).eval()
# What bf16 there is was read as bf16; its values in float32, so that float32 is computed in.
torch.nn.Module.float(model)
classes = {type(m).__name__ for n, m in model.named_modules() if n.endswith("_proj")}
assert classes == {"AutoBitLinear"}, classes
with torch.no_grad():
    ids = torch.tensor([tokens])
    logits = model(ids).logits[0]
    for _ in range(200):
        ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(-1)], 1)
greedy = ids[0, len(tokens) :]
print(len(tokens), logits.std(), logits.max() - logits.min(), greedy.tolist())
expected = {"tokens": torch.tensor(tokens), "logits": logits.contiguous(), "greedy": greedy.contiguous()}
save_file(expected, OUT / "expected.safetensors")
