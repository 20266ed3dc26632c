"""A BitNet v2 language model as the paper trains it (arXiv 2504.18415, eq. 1-8): LLaMA-shaped, bytes as tokens.

Every matrix but the embedding is ternary with one absmean scale (eq. 1, 2). Activations are quantised per token: int8
absmax (eq. 5) or int4 absmean (eq. 6). The attention output and FFN down projections are H-BitLinear (eq. 7): a norm of
their own and a Hadamard transform stand before the quantiser. Gradients pass every rounding straight through.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

EPSILON = 1e-5


@dataclass
class Config:
    hidden: int
    ffn: int
    layers: int
    heads: int
    transform: bool
    vocab: int = 256
    rope_theta: float = 10000.0


def quantize_int8(x):
    gamma = x.abs().amax(-1, keepdim=True)
    q = (x * (127 / (gamma + EPSILON))).round().clamp(-128, 127)
    return q, gamma / 127


def quantize_int4(x):
    beta = x.abs().mean(-1, keepdim=True)
    q = (x * (math.sqrt(7) / (beta + EPSILON))).round().clamp(-8, 7)
    return q, beta / math.sqrt(7)


def through(x, bits):
    """The values that the quantised row stands for; its gradient is that of x."""
    q, scale = quantize_int8(x) if bits == 8 else quantize_int4(x)
    return x + (q * scale - x).detach()


def ternary(weight):
    alpha = weight.abs().mean()
    return (weight / (alpha + EPSILON)).round().clamp(-1, 1), alpha


def sylvester(order):
    h = torch.ones(1, 1)
    while len(h) < order:
        h = torch.cat([torch.cat([h, h], 1), torch.cat([h, -h], 1)])
    return h / math.sqrt(order)


class Hadamard(nn.Module):
    """The orthonormal transform of natural order along the last axis, as a product of two Kronecker factors."""

    def __init__(self, length):
        super().__init__()
        outer = 2 ** (int(math.log2(length)) // 2)
        assert length & (length - 1) == 0
        self.register_buffer("outer", sylvester(outer), persistent=False)
        self.register_buffer("inner", sylvester(length // outer), persistent=False)

    def forward(self, x):
        blocks = x.unflatten(-1, (len(self.outer), len(self.inner)))
        return (self.outer @ (blocks @ self.inner)).flatten(-2)


class RMSNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON) * self.weight


class BitLinear(nn.Module):
    """Its input is normed and, before an H-BitLinear, transformed already; `bits` are those of its activations."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * 0.02)
        self.bits = 8

    def forward(self, x):
        q, alpha = ternary(self.weight)
        weight = self.weight + (q * alpha - self.weight).detach()
        return F.linear(through(x, self.bits), weight)


def rotate_half(x):
    a, b = x.chunk(2, -1)
    return torch.cat([-b, a], -1)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads = c.heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (BitLinear(c.hidden, c.hidden) for _ in range(4))
        self.attn_sub_norm = RMSNorm(c.hidden)
        self.hadamard = Hadamard(c.hidden) if c.transform else nn.Identity()

    def forward(self, x, cos, sin):
        q, k, v = (
            projection(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = q * cos + rotate_half(q) * sin, k * cos + rotate_half(k) * sin
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(-2)
        return self.o_proj(self.hadamard(self.attn_sub_norm(y)))


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj, self.up_proj = BitLinear(c.hidden, c.ffn), BitLinear(c.hidden, c.ffn)
        self.down_proj = BitLinear(c.ffn, c.hidden)
        self.ffn_sub_norm = RMSNorm(c.ffn)
        self.hadamard = Hadamard(c.ffn) if c.transform else nn.Identity()

    def forward(self, x):
        y = F.silu(self.gate_proj(x)) * self.up_proj(x)
        return self.down_proj(self.hadamard(self.ffn_sub_norm(y)))


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(c.hidden), RMSNorm(c.hidden)
        self.self_attn, self.mlp = Attention(c), Mlp(c)

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Model(nn.Module):
    """Logits of the next byte; the embedding is tied to the output."""

    def __init__(self, c):
        super().__init__()
        self.config = c
        self.embed_tokens = nn.Embedding(c.vocab, c.hidden)
        nn.init.normal_(self.embed_tokens.weight, std=0.02)
        self.layers = nn.ModuleList(Block(c) for _ in range(c.layers))
        self.norm = RMSNorm(c.hidden)

    def set_bits(self, bits):
        for module in self.modules():
            if isinstance(module, BitLinear):
                module.bits = bits

    def set_h_bits(self, bits):
        """Of the attention output and FFN down projections alone."""
        for layer in self.layers:
            layer.self_attn.o_proj.bits = layer.mlp.down_proj.bits = bits

    def forward(self, tokens):
        c = self.config
        size = c.hidden // c.heads
        frequencies = c.rope_theta ** (-torch.arange(0, size, 2).float() / size)
        angles = torch.outer(torch.arange(tokens.shape[-1]).float(), frequencies)
        angles = torch.cat([angles, angles], -1)
        x, cos, sin = self.embed_tokens(tokens), angles.cos(), angles.sin()
        for layer in self.layers:
            x = layer(x, cos, sin)
        return F.linear(self.norm(x), self.embed_tokens.weight)
