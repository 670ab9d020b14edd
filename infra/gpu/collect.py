"""Keep what a call of run.py brought back, for the next call and for good.

    python -m infra.gpu.collect FILES_AT

FILES_AT is the folder where the files of $OUT lie here. The state goes to `.gpu/state` (what the next call carries),
and unpacked to `.gpu/results`: models, logs, curves, report.md.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from infra.gpu import state

HOME = Path(__file__).resolve().parent.parent.parent / ".gpu"


def collect(files: Path, home: Path) -> Path:
    """Replace `home`/state and `home`/results by what is in `files`, which is checked first; gives the results."""
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch) / "work"
        if not state.load(files, work):
            raise state.StateError(f"there is no {state.FACTS} in {files}: is that the folder of the files of $OUT?")
        for name in ("report.md", "run.log"):
            if (files / name).is_file():
                shutil.copyfile(files / name, work / name)
        for folder in (home / "state", home / "results"):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(work, home / "results")
        (home / "state").mkdir(parents=True)
        for path in (*files.glob("state.[0-9]*"), files / state.FACTS):
            shutil.copyfile(path, home / "state" / path.name)
    return home / "results"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path)
    parser.add_argument("--home", type=Path, default=HOME, help="instead of .gpu")
    options = parser.parse_args()
    try:
        results = collect(options.files, options.home)
    except state.StateError as exc:
        parser.error(str(exc))
    print(f"{results}:")
    for path in sorted(results.rglob("*")):
        if path.is_file():
            print(f"  {path.relative_to(results)} ({path.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
