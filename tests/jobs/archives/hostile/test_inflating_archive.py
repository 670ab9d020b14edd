"""Archives of a few kilobytes that stand for gigabytes: refused before they take the memory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from tests.jobs.archives.test_hostile_archive import archive, resealed, sealed, unchanged  # noqa: F401 - fixtures

MOST = 700 << 10  # kilobytes of memory in all; reading an archive takes 140 MB of it
READ = """
import sys, tilepress
from tilepress.codecs.errors import TilepressError
try:
    report = tilepress.verify(sys.argv[1], engine="local", workers=1)
    print("exit", report.exit_code)
except TilepressError as exc:
    print("exit", exc.exit_code)
print(open("/proc/self/status").read())
"""


def repeated(column: str, value: str, rows: int):
    """The first row so many times, with a long text: Parquet's dictionary holds the text once."""

    def change(table: pa.Table) -> pa.Table:
        many = pa.concat_tables([table.slice(0, 1)] * rows)
        field = table.schema.field(column)
        one = pa.array([value], field.type)
        texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), one).dictionary_decode()
        return many.set_column(table.schema.get_field_index(column), field, texts)

    return change


BOMBS = {
    "index of long names": ("index", repeated("path", "x" * 1_000_000, 700)),
    "index of a long reason": ("index", repeated("reason", "x" * 100_000_000, 4)),
    "plan of long names": ("plan", repeated("path", "x" * 1_000_000, 700)),
    "manifest of long seals": ("manifest", repeated("seal", "x" * 1_000_000, 700)),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name.startswith("index of long") else pytest.mark.slow) for name in BOMBS]
)
def test_a_small_file_cannot_become_large_in_memory(archive: Path, name: str) -> None:  # noqa: F811 - the fixture
    kind, change = BOMBS[name]
    run = archive / "runs/0001"
    seal = resealed(run / f"{kind}.parquet", change)
    if kind != "manifest":
        resealed(run / "manifest.parquet", unchanged, **{f"tilepress.{kind}": seal})
    assert (run / f"{kind}.parquet").stat().st_size < 200_000
    done = subprocess.run([sys.executable, "-c", READ, str(archive)], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    assert "exit 4" in done.stdout
    assert int(re.search(r"VmHWM:\s+(\d+)", done.stdout)[1]) < MOST
