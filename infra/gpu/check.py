"""Check that models decode on this machine's GPU bit for bit as on its processor, and measure how fast.

    python infra/gpu/check.py --out DIR --seconds 240
    python infra/gpu/check.py --out DIR --seconds 240 --models block-dnn-16 cnn-ae gdn-factorized

The second takes at most six minutes on an H100, and has what is stated as the reach of these models in its last table.
Runs from a checkout, with numpy, numba, torch and safetensors. Without a GPU the processor is checked against itself,
and the report says so. Writes DIR/report.md and DIR/report.json. Exit code 0: every model was checked to the end and is
exact; 1: one was not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "src"))  # tilepress of this checkout, if none is installed

import torch
from exactness import checks, tiles

from tilepress.codecs.codec import Codec, Settings, TileSpec
from tilepress.codecs.registry import codec_class, load_codec, resolve, shipped_models

MOST_S = 4.0  # that one case is timed
REACH = {  # MP/s that a GPU shall do, from tiles in the processor's memory to symbols there, and back
    "block-dnn-16": {"analyse": 2000, "synthesise": 2000},
    "cnn-ae": {"synthesise": 400},
    "gdn-factorized": {"synthesise": 400},
}


def run(names: list[str], device: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the report on models, by name or folder: first all exactness, then speed in the time that is left."""
    deadline = time.monotonic() + options.seconds
    gpu = torch.cuda.get_device_name(0) if device == "cuda" else "none: the processor alone"
    versions = {"torch": torch.__version__, "CUDA": torch.version.cuda, "python": platform.python_version()}
    report: dict[str, Any] = {"GPU": gpu, "processors": len(os.sched_getaffinity(0)), **versions}
    report |= {"exactness": [], "speed": [], "reach": [], "failures": []}
    for name in names:
        count, before = 0, len(report["failures"])
        for same, check in checks(loaded(name, "cpu"), loaded(name, device), device, options.side, options.batches):
            count += 1
            report["failures"] += [] if same else [f"{name}: {check}"]
            if time.monotonic() > deadline:
                report["failures"].append(f"{name}: time ran out after {count} checks")
                break
        report["exactness"].append({"model": name, "exact": len(report["failures"]) == before, "checks": count})
        print(report["exactness"][-1], flush=True)
    places = [(place, batch) for place in dict.fromkeys((device, "cpu")) for batch in options.batches]
    cases = [(name, place, batch) for place, batch in places for name in names]
    for number, (name, place, batch) in enumerate(cases):
        left = (deadline - time.monotonic()) / (len(cases) - number)
        took = measure(loaded(name, place), options.timed_side, batch, min(left / 2, MOST_S)) if left > 0 else {}
        report["speed"].append({"model": name, "device": place, "batch": batch, **(took or {"decode": "no time left"})})
    report["reach"] = list(reached(report["speed"], device))
    return report


def reached(speed: list[dict[str, Any]], device: str) -> Iterator[dict[str, Any]]:
    """Yield the speed of the best batch on the device and on the processor, of every model and step of REACH."""
    for name, steps in REACH.items():
        for step, wanted in steps.items():
            rows = [row for row in speed if row["model"] == name and step in row]
            best = {row["device"]: 0.0 for row in rows}
            for row in rows:
                best[row["device"]] = max(best[row["device"]], row[step])
            if device in best:
                share = round(best[device] / wanted, 3)
                found = {"device": best[device], "processor": best.get("cpu", ""), "share": share}
                yield {"model": name, "step": step, **found, "reach": wanted}


@cache
def loaded(name: str, device: str) -> Codec:
    """Return the codec of a model on a device."""
    choice = resolve(name)
    return load_codec(choice.codec_id, choice.model_folder, device)


def measure(codec: Codec, side: int, batch: int, seconds: float) -> dict[str, float]:
    """Return MP/s of the four steps, of encoding and of decoding `batch` RGB tiles of `side` x `side` pixels.

    Each is a median of all runs that begin within `seconds`, at least one, after a first run that compiles kernels.
    PyTorch is left with one thread of the processor, as workers have it.
    """
    torch.set_num_threads(1)
    spec, settings = TileSpec(side, side, 3, "uint8", 8, "rgb"), Settings()
    originals = tiles(spec, batch)
    runs: list[dict[str, float]] = []
    end = time.monotonic() + seconds
    while len(runs) < 2 or time.monotonic() < end:
        runs.append({})
        symbols = _timed(runs[-1], codec.analyse, originals, spec, settings)
        latents = _timed(runs[-1], codec.pack, symbols)
        symbols = _timed(runs[-1], codec.unpack, latents, spec)
        _timed(runs[-1], codec.synthesise, symbols)
    took = {step: statistics.median(each[step] for each in runs[1:]) for step in runs[0]}
    took |= {"encode": took["analyse"] + took["pack"], "decode": took["unpack"] + took["synthesise"]}
    return {step: round(batch * side * side / 1e6 / each, 2) for step, each in took.items()}


def _timed(seconds: dict[str, float], step: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a step. It lies in the processor's memory, so the device is done by then."""
    started = time.perf_counter()
    result = step(*arguments)
    seconds[step.__name__] = time.perf_counter() - started
    return result


def markdown(report: dict[str, Any]) -> str:
    """Return the report as a page."""
    lines = ["# tilepress on this machine", ""]
    lines += [f"- {name}: {fact}" for name, fact in report.items() if not isinstance(fact, list)]
    lines += [f"- FAIL {failure}" for failure in report["failures"]]
    for title in (title for title in ("exactness", "speed", "reach") if report[title]):
        columns = list(report[title][0])
        rows = [columns, ["---"] * len(columns), *([row.get(name, "") for name in columns] for row in report[title])]
        lines += ["", f"## {title}", "", *("| " + " | ".join(map(str, row)) + " |" for row in rows)]
    return "\n".join([*lines, "", "Speed in MP/s, RGB, one thread of the processor; reach: its best batch.", ""])


def main(arguments: list[str] | None = None) -> int:
    """Run the checks, write and print the report; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the report")
    parser.add_argument("--seconds", type=float, default=240.0, help="time for everything; exactness comes first")
    parser.add_argument("--models", nargs="+", metavar="NAME|FOLDER", help="default: all shipped that run networks")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--side", type=int, default=96, help="of the tiles that are checked, in pixels")
    parser.add_argument("--timed-side", type=int, default=512, help="of the tiles that are timed, in pixels")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32], help="how many tiles at once")
    options = parser.parse_args(arguments)
    shipped = [name for name in shipped_models() if codec_class(resolve(name).codec_id).networks]
    report = run(options.models or shipped, options.device, options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "report.json").write_text(json.dumps(report, indent=1))
    (options.out / "report.md").write_text(markdown(report))
    print(markdown(report))
    return 1 if report["failures"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
