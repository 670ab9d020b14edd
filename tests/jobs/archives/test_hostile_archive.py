"""Archives whose seals are right and whose content is not: one kind of error, and never a crash."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tilepress
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.jobs.archives.listing import archive_info
from tilepress.pipeline.archive.sealed import SEAL_KEY, SealedWriter, seal_json
from tilepress.pipeline.errors import IntegrityError

LOCAL = {"engine": "local", "workers": 1}
Change = Callable[[pa.Table], pa.Table]


def resealed(path: Path, change: Change, **metadata: str) -> str:
    """Rewrite a sealed Parquet file with other rows or metadata; returns its new seal."""
    file = pq.ParquetFile(path)
    kept = {key.decode(): value.decode() for key, value in file.metadata.metadata.items()}
    table, out = change(file.read()), io.BytesIO()
    writer = SealedWriter(out, table.schema, compression="ZSTD")
    writer.write(table)
    seal = writer.close({key: value for key, value in (kept | metadata).items() if key != SEAL_KEY})
    path.write_bytes(out.getvalue())
    return seal


def unchanged(table: pa.Table) -> pa.Table:
    return table


def column(name: str, value: object, kind: pa.DataType | None = None) -> Change:
    def change(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index(name)
        field = table.schema.field(at) if kind is None else pa.field(name, kind)
        return table.set_column(at, field, pa.array([value] * table.num_rows, field.type))

    return change


def tile(**facts: object) -> Change:
    def change(table: pa.Table) -> pa.Table:
        rows = [[{**one, **facts} for one in row] for row in table.column("tiles").to_pylist()]
        at = table.schema.get_field_index("tiles")
        return table.set_column(at, table.schema.field(at), pa.array(rows, table.schema.field(at).type))

    return change


def paths(*names: str) -> Change:
    """The first row, once under each of these names."""

    def change(table: pa.Table) -> pa.Table:
        rows = [{**table.slice(0, 1).to_pylist()[0], "path": name} for name in names]
        return pa.Table.from_pylist(rows, schema=table.schema)

    return change


INDEXES = {
    "no path column": lambda table: table.drop_columns(["path"]),
    "no tiles column": lambda table: table.drop_columns(["tiles"]),
    "path is a number": column("path", 5, pa.int32()),
    "path is null": column("path", None),
    "method is null": column("method", None),
    "part is null": column("part", None),
    "part is a path": column("part", "../../etc", pa.string()),
    "size is null": column("source_bytes", None),
    "hash is null": column("file_sha256", None),
    "width is 0": column("width", 0),
    "tile size is 0": column("tile_size", 0),
    "mode is unknown": column("mode", "XYZ"),
    "codec is null": tile(codec=None),
    "length is huge": tile(latents_bytes=1 << 60),
    "offset is negative": tile(latents_offset=-1),
    "length is negative": tile(latents_bytes=-(1 << 63)),
    "file of all numbers": column("source_bytes", (1 << 63) - 1),
    "file of fewer bytes than none": column("source_bytes", -1),
    "no rows": lambda table: table.slice(0, 0),
}


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    write_tree(folder / "source", {"a.png": encoded(image_of("RGB", 60, 60, seed=1), "PNG")})
    tilepress.compress(str(folder / "source"), str(folder / "archive"), **LOCAL)
    return folder / "archive"


@pytest.fixture
def archive(sealed: Path, tmp_path: Path) -> Path:
    return shutil.copytree(sealed, tmp_path / "archive")


@pytest.mark.parametrize(
    ("names", "said"), [(("a.png", "a.png"), "more than once"), (("b.png", "a.png"), "out of order")]
)
def test_paths_that_readers_would_not_find_are_said(archive: Path, names: tuple[str, ...], said: str):
    run = archive / "runs/0001"
    seal = resealed(run / "index.parquet", paths(*names))
    resealed(run / "manifest.parquet", unchanged, **{"tilepress.index": seal})
    problems = tilepress.verify(str(archive), subset=(1, 30), **LOCAL).problems
    assert any(file == "runs/0001/index.parquet" and said in problem for file, _, problem in problems)


@pytest.mark.parametrize("identity", [{}, {"archive_id": 5}, {"archive_id": "mine"}])
def test_an_archive_without_an_id_is_damaged(archive: Path, identity: dict[str, object]):
    (archive / "archive.json").write_bytes(seal_json({"format": "tilepress-archive-1", **identity}))
    report = tilepress.verify(str(archive), **LOCAL)
    assert report.exit_code == 4 and [file for file, _, _ in report.problems] == ["archive.json"]


def test_a_changed_readme_is_noted_and_is_no_damage(archive: Path):
    assert not any("README" in note for note in tilepress.verify(str(archive), **LOCAL).notes)
    for change in (lambda path: path.write_text("hello"), Path.unlink):
        change(archive / "README.txt")
        report = tilepress.verify(str(archive), **LOCAL)
        assert report.exit_code == 0 and any("README.txt" in note for note in report.notes)


@pytest.mark.parametrize("name", INDEXES)
def test_wrong_index_is_damage(archive: Path, name: str):
    run = archive / "runs/0001"
    seal = resealed(run / "index.parquet", INDEXES[name])
    resealed(run / "manifest.parquet", unchanged, **{"tilepress.index": seal})
    try:
        found = tilepress.verify(str(archive), **LOCAL).exit_code
    except IntegrityError as exc:
        found = exc.exit_code
    assert found == 4


@pytest.mark.parametrize("settings", ["{", "[]", "[1]", "null"])
@pytest.mark.parametrize("member", ["settings", "totals"])
def test_wrong_plan_is_damage(archive: Path, member: str, settings: str):
    resealed(archive / "runs/0001/plan.parquet", unchanged, **{f"tilepress.{member}": settings})
    assert tilepress.verify(str(archive), **LOCAL).exit_code == 4
    if (member, settings) != ("settings", "[]"):
        with pytest.raises(IntegrityError):
            archive_info(str(archive))


def test_manifest_of_strings_is_damage(archive: Path):
    resealed(archive / "runs/0001/manifest.parquet", column("shard", "../../x", pa.string()))
    assert tilepress.verify(str(archive), **LOCAL).exit_code == 4


@pytest.mark.parametrize("name", ["runs/99999999999999999999/plan.parquet", "runs/0001/parts/².parquet"])
def test_files_that_no_archive_has_are_ignored(archive: Path, name: str):
    (archive / name).parent.mkdir(parents=True, exist_ok=True)
    (archive / name).touch()
    assert tilepress.verify(str(archive), **LOCAL).exit_code == 0
