"""The text: the King James Bible as Debian's `bible-kjv` prints it, 4.4 MB, out of copyright.

`apt-get install bible-kjv bible-kjv-text`, then `bible -f gen1:1-rev22:21`. Sixteen runs of 4 KiB, spread evenly over the
text, are held out of training; together they are the 64 KiB that perplexities are measured on.
"""

import subprocess

import numpy as np
import torch

RUN, RUNS = 4096, 16
BEGIN = 0  # The token that every window begins with; no byte of the text.


def text():
    return np.frombuffer(subprocess.run(["bible", "-f", "gen1:1-rev22:21"], capture_output=True, check=True).stdout, np.uint8)


def split(data):
    """The parts to train on, and the held-out bytes."""
    starts = [(2 * i + 1) * len(data) // (2 * RUNS) for i in range(RUNS)]
    held_out = np.concatenate([data[start : start + RUN] for start in starts])
    edges = [0, *(edge for start in starts for edge in (start, start + RUN)), len(data)]
    return [data[a:b] for a, b in zip(edges[::2], edges[1::2])], held_out


def windows(parts, length, count, generator):
    """`count` random windows as tokens and the bytes that follow them, both [count, length]."""
    sizes = np.array([len(part) - length for part in parts])
    ends = np.cumsum(sizes)
    places = torch.randint(int(ends[-1]), (count,), generator=generator).numpy()
    rows = []
    for place in places:
        part = int(np.searchsorted(ends, place, side="right"))
        at = place - (ends[part] - sizes[part])
        rows.append(parts[part][at : at + length])
    return shifted(torch.from_numpy(np.stack(rows).astype(np.int64)))


def shifted(rows):
    return torch.cat([torch.full_like(rows[:, :1], BEGIN), rows[:, :-1]], 1), rows


def held_out_windows(held_out, length):
    return shifted(torch.from_numpy(held_out.astype(np.int64)).view(-1, length))


if __name__ == "__main__":
    import sys

    with open(sys.argv[1], "wb") as file:
        file.write(split(text())[1].tobytes())
