"""Train the models of trainings.yaml, one after another, each by `tilepress train`, from a checkout.

    python infra/gpu/train.py PHOTOS OUT [NAME ...] [--minutes 3]

Interrupt it whenever you like: the same command goes on from the last checkpoint, and passes what is finished. NAME: of
what is to be trained, all by default; `--minutes`: shorter than listed, to see how fast it is. After each training it
prints steps a second, crops in megapixels a second, and the share of time in which the GPU ran kernels, all between
the first checkpoint and the last: what is loaded, decoded and compiled once is over by then.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

HERE = Path(__file__).resolve().parent
_EVERY_S = 0.5
_UTILISATION = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0"]


class Watch:
    """Samples how busy the GPU is while a training writes checkpoints; nothing where there is no GPU."""

    def __init__(self, checkpoints: Path) -> None:
        self._checkpoints = checkpoints
        self._samples: list[tuple[float, float]] = []  # when, share
        self._saved = 0.0  # when the last checkpoint was
        self.first_step = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def busy(self) -> float | None:
        """The share of time in which the GPU ran kernels, between the first checkpoint and the last; None: unknown."""
        shares = [share for when, share in self._samples if when <= self._saved]
        return statistics.fmean(shares) if shares else None

    def _run(self) -> None:
        while not self._over.wait(_EVERY_S):
            saved = {path: path.stat().st_mtime for path in self._checkpoints.glob("*.json") if path.exists()}
            if saved:
                self._saved = max(saved.values())
                self.first_step = self.first_step or min(int(path.stem) for path in saved)
                if (share := utilisation()) is not None:
                    self._samples.append((time.time(), share))


def utilisation() -> float | None:
    """Return the share of the last moments in which the GPU ran kernels, 0..1; None if there is none that says so."""
    if not shutil.which(_UTILISATION[0]):
        return None
    said = subprocess.run(_UTILISATION, capture_output=True, text=True, check=False).stdout.strip()
    return int(said) / 100 if said.isdecimal() else None


def speed(log: Path, first_step: int) -> tuple[float, float]:
    """Return steps and images a second of a training's log, from a step on: validations and checkpoints included."""
    table = pq.read_table(log, columns=["step", "seconds", "images_per_s"]).to_pylist()
    rows = [row for row in table if row["seconds"] is not None]
    rows = [row for row in rows if row["step"] >= first_step] if first_step < rows[-1]["step"] else rows
    if len(rows) < 2 or rows[-1]["seconds"] <= rows[0]["seconds"]:
        return 0.0, 0.0
    steps = (rows[-1]["step"] - rows[0]["step"]) / (rows[-1]["seconds"] - rows[0]["seconds"])
    return steps, statistics.median(row["images_per_s"] for row in rows)


def report(listed: dict[str, Any], work: Path, watch: Watch, crop: int) -> str:
    """Return what is printed of a training: its speed, and what it is to reach."""
    steps, images = speed(work / "log.parquet", watch.first_step)
    busy = "no GPU" if watch.busy is None else f"{watch.busy:.2f}"
    reach = listed.get("reach", {})
    wanted = f" (to reach: {reach['steps_per_s']} steps/s, {reach['busy']} busy)" if reach else ""
    return (
        f"{listed['name']}: {steps:.2f} steps/s, {images * crop**2 / 1e6:.1f} MP/s of crops, GPU busy: {busy}{wanted}"
    )


def train(listed: dict[str, Any], photos: str, out: str, more: list[str]) -> int:
    """Train one model of the list; print how fast, and return the exit code."""
    folder = Path(out) / listed["name"]
    paths = [str(HERE.parent / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    # -P: from the repository's root, its folder `codecs` would be taken for Python's module
    command = [sys.executable, "-P", "-m", "tilepress", "train", listed["recipe"], *listed["overrides"], *more]
    command += ["--data", photos, "--out", str(folder), "--engine", "local"]
    known = (folder / "model.json").exists()
    work = Path(f"{folder}.training")
    with Watch(work / "checkpoints") as watch:
        code = subprocess.call(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)})
    if not code and not known:
        training = yaml.safe_load((folder / "model.json").read_text())["training"]
        print(report(listed, work, watch, training["crop"]), flush=True)
    return code


def main(arguments: list[str] | None = None) -> int:
    """Read the arguments and train; return 0, or the exit code of the first training that did not end well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos")
    parser.add_argument("out")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--minutes", type=float, help="of each training, in place of those that are listed")
    parser.add_argument("--list", type=Path, default=HERE / "trainings.yaml", help="default: %(default)s")
    given = parser.parse_args(arguments)
    trainings = yaml.safe_load(given.list.read_text())
    if unknown := set(given.names) - {listed["name"] for listed in trainings}:
        parser.error(f"{given.list} lists no {', '.join(sorted(unknown))}")
    more = [f"minutes={given.minutes}"] if given.minutes else []
    wanted = (listed for listed in trainings if not given.names or listed["name"] in given.names)
    codes = (train(listed, given.photos, given.out, more) for listed in wanted)
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    raise SystemExit(main())
