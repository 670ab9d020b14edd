"""Train the models of trainings.yaml, one after another, each by `tilepress train`, from a checkout.

    python infra/gpu/train.py PHOTOS OUT

Interrupt it whenever you like: the same command goes on from the last checkpoint, and passes what is finished.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent


def main(photos: str, out: str, trainings: Path = HERE / "trainings.yaml") -> int:
    """Train on `photos` into `out`/name; return 0, or the exit code of the first training that did not end well."""
    paths = [str(HERE.parent / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    for each in yaml.safe_load(trainings.read_text()):
        # -P: from the repository's root, its folder `codecs` would be taken for Python's module
        command = [sys.executable, "-P", "-m", "tilepress", "train", each["recipe"], *each["overrides"]]
        command += ["--data", photos, "--out", str(Path(out) / each["name"]), "--engine", "local"]
        if code := subprocess.call(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)}):
            return code
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
