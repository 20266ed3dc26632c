"""Trains one model: 8-bit activations for 95 % of the steps, then 4-bit ones, optimizer states kept.

    python train.py OUT --hidden 256 --ffn 1024 --layers 4 --heads 4 --steps 4000 [--no-transform]

writes into the folder OUT `a8.pt` and `a4.pt` (float weights), `curve.csv` and `training.json`. A run that was interrupted
goes on from its last 100 steps if it is started again: the same numbers as without the interruption.
"""

import argparse
import csv
import json
import math
import platform
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import data
from model import Config, Model


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out", type=Path)
    p.add_argument("--hidden", type=int, required=True)
    p.add_argument("--ffn", type=int, required=True)
    p.add_argument("--layers", type=int, required=True)
    p.add_argument("--heads", type=int, required=True)
    p.add_argument("--steps", type=int, required=True, help="of both stages together")
    p.add_argument("--no-transform", action="store_true")
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--window", type=int, default=128)
    p.add_argument("--rate", type=float, default=2e-3)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=1)
    return p.parse_args()


@torch.no_grad()
def loss_of(model, held_out, window, most=None):
    """Nats a byte on the held-out text, or on its first windows."""
    tokens, bytes_ = data.held_out_windows(held_out, window)
    total = count = 0
    for tokens, bytes_ in list(zip(tokens.split(32), bytes_.split(32)))[:most]:
        total += F.cross_entropy(model(tokens).flatten(0, 1), bytes_.flatten(), reduction="sum").item()
        count += bytes_.numel()
    return total / count


def losses(model, held_out, window):
    """At 8 bits, at 4, and with 4 in one group of matrices alone."""
    out = {}
    model.set_bits(8)
    out["a8"] = loss_of(model, held_out, window)
    model.set_h_bits(4)
    out["a4_in_o_and_down_alone"] = loss_of(model, held_out, window)
    model.set_bits(4)
    out["a4"] = loss_of(model, held_out, window)
    model.set_h_bits(8)
    out["a4_in_the_others_alone"] = loss_of(model, held_out, window)
    return out


def rate_at(step, steps, peak):
    warm_up = 100
    if step < warm_up:
        return peak * (step + 1) / warm_up
    progress = (step - warm_up) / (steps - warm_up)
    return peak * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * progress)))


def main():
    o = options()
    o.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    generator = torch.Generator().manual_seed(o.seed)
    model = Model(Config(o.hidden, o.ffn, o.layers, o.heads, not o.no_transform))
    parts, held_out = data.split(data.text())
    decayed = [p for p in model.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if p.dim() != 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}], betas=(0.9, 0.95), fused=True
    )
    first_stage = o.steps * 95 // 100
    results, started, spent, first, rows = {}, time.time(), 0.0, 0, []
    resume = o.out / "resume.pt"
    if resume.exists():
        state = torch.load(resume, weights_only=False)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        generator.set_state(state["generator"])
        results, spent, first, rows = state["results"], state["spent"], state["step"], state["rows"]
    with open(o.out / "curve.csv", "w", newline="") as file:
        curve = csv.writer(file)
        curve.writerow(["step", "bits", "train", "held_out"])
        curve.writerows(rows)
        running = []
        for step in range(first, o.steps):
            bits = 8 if step < first_stage else 4
            if step == first_stage:
                results["stage one"] = losses(model, held_out, o.window)
                torch.save(model.state_dict(), o.out / "a8.pt")
            model.set_bits(bits)
            for group in optimizer.param_groups:
                group["lr"] = rate_at(step, o.steps, o.rate)
            tokens, bytes_ = data.windows(parts, o.window, o.batch, generator)
            loss = F.cross_entropy(model(tokens).flatten(0, 1), bytes_.flatten())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            running.append(loss.item())
            if (step + 1) % 50 == 0 or step + 1 == o.steps:
                held = loss_of(model, held_out, o.window, 2)
                rows.append([step + 1, bits, f"{sum(running) / len(running):.5f}", f"{held:.5f}"])
                curve.writerow(rows[-1])
                file.flush()
                running = []
            if (step + 1) % 100 == 0:
                state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
                state |= {"generator": generator.get_state(), "results": results, "rows": rows, "step": step + 1}
                torch.save(state | {"spent": spent + time.time() - started}, resume.with_suffix(".tmp"))
                resume.with_suffix(".tmp").replace(resume)
    results["stage two"] = losses(model, held_out, o.window)
    torch.save(model.state_dict(), o.out / "a4.pt")
    resume.unlink(missing_ok=True)
    record = {
        "model": vars(model.config) | {"parameters": sum(p.numel() for p in model.parameters())},
        "training": {k: v for k, v in vars(o).items() if k != "out"},
        "held-out nats a byte": results,
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "hours": round((spent + time.time() - started) / 3600, 2),
    }
    (o.out / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(results))


main()
