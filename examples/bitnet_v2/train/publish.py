"""From finished training runs to the committed checkpoints, with what torch makes of each.

    python publish.py RUNS ../checkpoints small-v2 small-plain [--threads 2]

For each name, RUNS/NAME/{a8,a4}.pt become NAME-a8 and NAME-a4 (export.py, evaluate.py); the run's record and its curve are
NAME.training.json and NAME.curve.csv. The held-out text is written as held_out.txt.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def python(script, *arguments):
    subprocess.run([sys.executable, HERE / script, *map(str, arguments)], check=True)


p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("runs", type=Path)
p.add_argument("out", type=Path)
p.add_argument("names", nargs="+")
p.add_argument("--threads", type=int, default=1)
o = p.parse_args()
o.out.mkdir(parents=True, exist_ok=True)
held_out = o.out / "held_out.txt"
python("data.py", held_out)
for name in o.names:
    run = o.runs / name
    for stage in ("a8", "a4"):
        folder = o.out / f"{name}-{stage}"
        python("export.py", run / f"{stage}.pt", run / "training.json", folder, "--bits", stage[1])
        python("evaluate.py", folder, held_out, "--threads", o.threads)
    shutil.copy(run / "training.json", o.out / f"{name}.training.json")
    shutil.copy(run / "curve.csv", o.out / f"{name}.curve.csv")
