"""A GGUF of a whole model's shape with random ternary weights, for llama-bench.

    python random_model.py OUT.gguf --type tq2_0

The architecture is llama.cpp's `bitnet`; the default sizes are those of BitNet-b1.58-2B-4T. The same seed gives the same
weights in both types. The embedding, which is the output's weight as well, is random Q6_K, which is what `llama-quantize`
makes of it beside TQ2_0; `--head f16` has it as the published file does. Needs PyPI's `gguf`.
"""

import argparse
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter

BLOCK = 256
# Byte to the character that GPT-2's vocabulary writes it as: itself where that is visible, otherwise one from U+0100 on.
VISIBLE = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
CHARACTERS = [chr(b) if b in VISIBLE else chr(0x100 + sum(o not in VISIBLE for o in range(b))) for b in range(256)]
# Norms' gains are 1; so the scale only has to be one that a block can store.
SCALE = np.frombuffer(np.float16(1 / 32).tobytes(), np.uint8)


def tq2_0(codes):
    """Blocks of 256 codes to 66 bytes: byte 32 h + m has the codes of weights 128 h + m + 32 n, n < 4, the first lowest."""
    fields = codes.reshape(-1, 2, 4, 32)
    packed = fields[:, :, 0] | fields[:, :, 1] << 2 | fields[:, :, 2] << 4 | fields[:, :, 3] << 6
    return packed.reshape(-1, 64)


def trits(digits):
    """Base-3 digits [blocks, 5, bytes], the first most significant, to bytes: the value of 243 scaled to 256, rounded up."""
    value = np.zeros((digits.shape[0], digits.shape[2]), np.uint16)
    for n in range(5):
        value = 3 * value + digits[:, n]
    return ((value * 256 + 242) // 243).astype(np.uint8)


def tq1_0(codes):
    """Blocks of 256 codes to 54 bytes: 32 bytes of 5 codes, 16 of 5, 4 of 4."""
    rest = codes[:, 240:].reshape(-1, 4, 4)
    rest = np.concatenate([rest, np.zeros_like(rest[:, :1])], 1)
    return np.concatenate([trits(codes[:, :160].reshape(-1, 5, 32)), trits(codes[:, 160:240].reshape(-1, 5, 16)), trits(rest)], 1)


TYPES = {"tq1_0": (Type.TQ1_0, tq1_0), "tq2_0": (Type.TQ2_0, tq2_0)}


def ternary(random, kind, outputs, inputs):
    codes = random.integers(0, 3, (outputs * inputs // BLOCK, BLOCK), np.uint8)
    packed = TYPES[kind][1](codes)
    scales = np.broadcast_to(SCALE, (len(packed), 2))
    return np.concatenate([packed, scales], 1).reshape(outputs, -1)


def head(random, kind, rows, inputs):
    if kind == "f16":
        return (random.standard_normal((rows, inputs), np.float32) / 32).astype(np.float16)
    if kind == "q8_0":
        blocks = random.integers(-127, 128, (rows * inputs // 32, 34), np.int8).view(np.uint8)
        blocks[:, :2] = np.frombuffer(np.float16(1 / 2048).tobytes(), np.uint8)
        return blocks.reshape(rows, -1)
    blocks = random.integers(0, 256, (rows * inputs // BLOCK, 210), np.uint8)
    blocks[:, 192:208] = random.integers(1, 64, (len(blocks), 16), np.uint8)
    blocks[:, 208:] = np.frombuffer(np.float16(1 / 16384).tobytes(), np.uint8)
    return blocks.reshape(rows, -1)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out", type=Path)
    p.add_argument("--type", choices=TYPES, default="tq2_0")
    p.add_argument("--head", choices=["q6_k", "q8_0", "f16"], default="q6_k")
    p.add_argument("--layers", type=int, default=30)
    p.add_argument("--hidden", type=int, default=2560)
    p.add_argument("--ffn", type=int, default=6912)
    p.add_argument("--heads", type=int, default=20)
    p.add_argument("--kv-heads", type=int, default=5)
    p.add_argument("--vocab", type=int, default=128256)
    p.add_argument("--seed", type=int, default=1)
    o = p.parse_args()
    if o.hidden % BLOCK or o.ffn % BLOCK or o.hidden % o.heads or o.heads % o.kv_heads or o.vocab < 256:
        p.error("hidden and ffn must be multiples of 256, hidden one of heads, heads one of kv-heads; vocab at least 256")
    random = np.random.default_rng(o.seed)
    w = GGUFWriter(o.out, "bitnet")
    w.add_name(f"random {o.type}")
    w.add_context_length(4096)
    w.add_embedding_length(o.hidden)
    w.add_block_count(o.layers)
    w.add_feed_forward_length(o.ffn)
    w.add_head_count(o.heads)
    w.add_head_count_kv(o.kv_heads)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_freq_base(500000.0)
    w.add_rope_dimension_count(o.hidden // o.heads)
    w.add_vocab_size(o.vocab)
    # Bytes, then names that no text has; llama.cpp wants merges, and this one never occurs.
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("default")
    w.add_token_list(CHARACTERS + [f"<unused {i}>" for i in range(256, o.vocab)])
    w.add_token_types([1] * o.vocab)
    w.add_token_merges([f"{CHARACTERS[0]} {CHARACTERS[0]}"])
    w.add_bos_token_id(0)
    w.add_eos_token_id(0)
    w.add_add_bos_token(True)

    def norm(name, width):
        w.add_tensor(name, np.ones(width, np.float32))

    def matrix(name, outputs, inputs):
        w.add_tensor(name, ternary(random, o.type, outputs, inputs), raw_dtype=TYPES[o.type][0])

    raw = {"q6_k": Type.Q6_K, "q8_0": Type.Q8_0, "f16": None}[o.head]
    w.add_tensor("token_embd.weight", head(random, o.head, o.vocab, o.hidden), raw_dtype=raw)
    norm("output_norm.weight", o.hidden)
    states = o.hidden // o.heads * o.kv_heads
    for layer in range(o.layers):
        at = f"blk.{layer}."
        norm(at + "attn_norm.weight", o.hidden)
        norm(at + "attn_sub_norm.weight", o.hidden)
        norm(at + "ffn_norm.weight", o.hidden)
        norm(at + "ffn_sub_norm.weight", o.ffn)
        matrix(at + "attn_q.weight", o.hidden, o.hidden)
        matrix(at + "attn_k.weight", states, o.hidden)
        matrix(at + "attn_v.weight", states, o.hidden)
        matrix(at + "attn_output.weight", o.hidden, o.hidden)
        matrix(at + "ffn_gate.weight", o.ffn, o.hidden)
        matrix(at + "ffn_up.weight", o.ffn, o.hidden)
        matrix(at + "ffn_down.weight", o.hidden, o.ffn)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


main()
