"""Everything that a GPU machine is for, in one command: exactness, speed, the busy share, and a slice of training.

    python3 -m infra.gpu.run --minutes 8 --out $OUT

Reads `.gpu/` (photos.zip, packages.tar.xz, state/ as far as they are there), and writes to --out: report.md,
report.json, run.log and the state for the next slice, each file at most 15 MB. What is done already is not done again.
Exit code 0: all that ran passed; 1: something failed, the report says what; 2: it could not run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# where tilepress is, whether it is installed or not, and infra
sys.path.extend(str(Path(__file__).resolve().parents[2] / folder) for folder in ("infra/src", "."))

from infra.gpu import environment, packages, state
from infra.gpu.report import markdown, passed

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("exactness", "speed", "busy", "training")
_END_S = 25.0  # of a call: to write the report and the state
_BUSY_LEAST_S = 90.0  # Ray starts, and a run is long enough to be measured


@dataclass
class Call:
    """One call of the command: where things are, until when it may take, what is known so far."""

    options: argparse.Namespace
    work: Path
    scratch: Path
    deadline: float
    here: environment.Environment
    results: dict[str, Any] = field(default_factory=dict)

    def left(self) -> float:
        """Seconds."""
        return self.deadline - time.monotonic()

    def note(self, text: str) -> None:
        """Say what was not done, and why."""
        print(f"NOT DONE: {text}", flush=True)
        self.results.setdefault("notes", []).append(text)

    def subjects(self) -> list[Any]:
        """The models to look at, shipped ones and those trained here."""
        from infra.gpu.subjects import subjects

        wanted = self.options.models
        return [subject for subject in subjects(self.work / "models") if not wanted or subject.name in wanted]

    def photos(self) -> tuple[Path, dict[str, Any]] | None:
        """The unpacked training set and what is known of it; None if there is none."""
        from infra.gpu.pack import unpack

        if not self.options.photos.is_file():
            return None
        folder = self.scratch / "photos"
        return folder, unpack(self.options.photos, folder)


def exactness(call: Call) -> None:
    """Every model that was not checked on this device yet."""
    from infra.gpu.exactness import Extent, check
    from infra.gpu.subjects import without_model

    found = call.subjects()
    call.results["without_model"] = [] if call.options.models else without_model(found)
    extent = Extent(40, 4, (1, 4)) if call.options.tiny else Extent()
    done = call.results.setdefault("exactness", {})
    for subject in _undone(call, found, done):
        done[subject.name] = _key(call, subject) | check(subject, call.here.device, extent, call.deadline).to_json()
        print(f"exactness of {subject.name}: {'pass' if done[subject.name]['passed'] else 'FAIL'}", flush=True)


def speed(call: Call) -> None:
    """Every model that was not timed on this device yet."""
    from infra.gpu.speed import Load, measure

    load = Load(64, (1,), 1, 0.1) if call.options.tiny else Load()
    done, keys = call.results.setdefault("speed", {}), call.results.setdefault("speed_of", {})
    for subject in _undone(call, call.subjects(), keys):
        done[subject.name], keys[subject.name] = measure(subject, call.here.device, load), _key(call, subject)
        print(f"speed of {subject.name}: {done[subject.name]}", flush=True)


def busy(call: Call) -> None:
    """`compress --engine ray` over the photographs, once a model."""
    from infra.gpu.busy import cluster, measure

    found = call.photos()
    if found is None:
        call.note(f"busy: there are no photographs in {call.options.photos}: make them by infra/gpu/pack.py")
        return
    done, keys = call.results.setdefault("busy", {}), call.results.setdefault("busy_of", {})
    waiting = _undone(call, call.subjects(), keys, _BUSY_LEAST_S)[: 1 if call.options.tiny else None]
    if waiting:
        with cluster(call.here.device) as ray:
            for subject in waiting:
                if call.left() < _BUSY_LEAST_S / 2:
                    call.note(f"busy share of {subject.name}: no time was left")
                    continue
                folder = call.scratch / subject.name
                subject.model.save(folder)
                done[subject.name] = measure(ray, str(folder), found[0], call.here.device)
                keys[subject.name] = _key(call, subject)


def training(call: Call) -> None:
    """A slice of the trainings."""
    from infra.gpu.training import read_list, slice_of

    found = call.photos()
    if found is None:
        call.note(f"training: there are no photographs in {call.options.photos}: make them by infra/gpu/pack.py")
        return
    folder, about = found
    print(f"training set: {about['count']} crops, fingerprint {about['fingerprint'][:16]}", flush=True)
    licence = f"Weights trained on {about['licence']} photographs; keep that notice with them"
    call.results["training_set"] = {name: about[name] for name in ("count", "side", "licence", "fingerprint")}
    call.results["trainings"] = slice_of(
        read_list(call.options.trainings, call.options.override),
        folder,
        call.work,
        licence,
        call.here.device,
        call.deadline,
    )
    for name, each in call.results["trainings"].items():
        print(f"training {name}: {each['state']}", flush=True)


def _key(call: Call, subject: Any) -> dict[str, str]:
    return {"sha256": subject.model.name, "device": call.here.facts["device"]}


def _undone(call: Call, found: list[Any], done: dict[str, Any], least_s: float = 30.0) -> list[Any]:
    out = []
    for subject in found:
        before = {name: done.get(subject.name, {}).get(name) for name in ("sha256", "device")}
        if before != _key(call, subject):
            out.append(subject)
    if out and call.left() < least_s:
        call.note(f"{', '.join(subject.name for subject in out)}: no time was left in this slice")
        return []
    return out


def perform(call: Call) -> None:
    """The stages asked for, in order; one that fails does not keep the others from running."""
    stages: dict[str, Callable[[Call], None]] = {
        "exactness": exactness, "speed": speed, "busy": busy, "training": training,
    }  # fmt: skip
    asked = [name for name in STAGES if name in call.options.stages]
    again = [name for name in ("exactness", "speed") if "training" in asked and name in asked]
    for name in (*asked, *again):  # again: of the models that were finished by this very slice
        why = call.here.why_not(name)
        if why:
            call.note(f"{name}: {why}")
            continue
        try:
            stages[name](call)
        except TimeoutError as exc:
            call.note(f"{name}: {exc}")
        except Exception as exc:  # noqa: BLE001 - a report of the rest is worth more than a traceback
            traceback.print_exc()
            call.results.setdefault("errors", []).append(f"{name}: {exc}")
            call.note(f"{name} failed: {exc}")


def finish(call: Call) -> int:
    """Write the report and the state; the exit code."""
    out = call.options.out
    out.mkdir(parents=True, exist_ok=True)
    call.results["environment"] = call.here.facts
    text = json.dumps(call.results, indent=1)
    (call.work / "report.json").write_text(text)
    (out / "report.json").write_text(text)
    lost = ""
    try:
        state.save(call.work, out)
    except state.StateError as exc:
        lost = f"THE STATE IS LOST: {exc}"
        call.note(lost)
    (out / "report.md").write_text(markdown(call.results))
    print(markdown(call.results), flush=True)
    return 0 if passed(call.results) and not call.results.get("errors") and not lost else 1


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    home = ROOT / ".gpu"
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--minutes", type=float, default=8.0, help="until the results are written")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--models", nargs="+", metavar="NAME", help="only these, of all shipped and trained here")
    parser.add_argument("--photos", type=Path, default=home / "photos.zip", help="made by infra/gpu/pack.py")
    parser.add_argument("--packages", type=Path, nargs="*", default=sorted(home.glob("packages*.tar.xz")))
    parser.add_argument("--state", type=Path, default=home / "state", help="what collect.py kept of the last call")
    parser.add_argument("--trainings", type=Path, default=Path(__file__).parent / "trainings.yaml")
    parser.add_argument("--override", nargs="+", default=[], metavar="KEY=VALUE", help="of every training, at last")
    parser.add_argument("--device", choices=["cuda", "cpu"], help="otherwise the GPU if there is one")
    parser.add_argument("--tiny", action="store_true", help="seconds instead of minutes: to see that it works")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """See the module."""
    started = time.monotonic()
    options = parsed(arguments)
    with tempfile.TemporaryDirectory(prefix="tilepress-gpu-") as scratch:
        carried = Path(scratch) / "packages"
        for packed in options.packages:
            packages.install(packed, carried)
        paths = (str(ROOT / "infra/src"), str(carried), os.environ.get("PYTHONPATH", ""))
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))  # of trainings and Ray's workers
        work = Path(scratch) / "work"
        try:
            resumed = state.load(options.state, work)
        except state.StateError as exc:
            print(exc, file=sys.stderr)
            return 2
        here = environment.probe(options.device)
        print(f"{here.facts.get('device')}, {'going on from ' + str(options.state) if resumed else 'a new beginning'}")
        before = json.loads((work / "report.json").read_text()) if (work / "report.json").is_file() else {}
        results = {name: value for name, value in before.items() if name not in ("notes", "errors")}
        deadline = started + 60 * options.minutes - (_END_S if options.minutes > 1 else 0.0)
        call = Call(options, work, Path(scratch), deadline, here, results)
        perform(call)
        return finish(call)


if __name__ == "__main__":
    raise SystemExit(main())
