"""The command line as a person meets it: help, exit codes, one-line errors, JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.in_process import run
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.jobs.cli import app

VERBS = list(app.cli.commands)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images, and two files that are none."""
    folder = tmp_path_factory.mktemp("cli") / "source"
    pictures = {f"{mode}.png": encoded(image_of(mode, 80, 100), "PNG") for mode in ("L", "RGB")}
    write_tree(folder, pictures | {"notes.txt": b"text", "deep/cut.png": pictures["RGB.png"][:500]})
    return folder


@pytest.fixture(scope="module")
def archive(source: Path) -> Path:
    """An archive of the source."""
    archive = source.parent / "archive"
    assert app._run(["compress", str(source), str(archive), "--engine", "local"]) == 3
    return archive


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_explains_itself(verb: str, capfd) -> None:
    code, out, _ = run(capfd, verb, "--help")
    assert code == 0
    assert out.startswith("Usage: tilepress")
    assert verb in ("codecs", "models") or f"tilepress {verb} " in out.partition("Example")[2], "help has an example"


def test_the_first_help_names_every_command_and_exit_code(capfd) -> None:
    code, out, _ = run(capfd, "--help")
    assert code == 0
    assert all(f"  {verb} " in out for verb in VERBS)
    assert all(f" {number} " in out.partition("Exit codes:")[2] for number in ("0", "2", "3", "4", "5", "130/143"))


def test_compress_says_what_it_did_and_needs_a_look_with_3(source: Path, tmp_path: Path, capfd) -> None:
    code, out, _ = run(capfd, "compress", source, tmp_path / "a", "--engine", "local")
    assert code == 3  # cut.png is damaged
    assert "4 files" in out
    assert "pixels, by jpegxl" in out
    assert "damaged: 1" in out
    assert f"tilepress errors {tmp_path / 'a'}" in out
    code, out, _ = run(capfd, "compress", source, tmp_path / "a", "--engine", "local")
    assert code == 0
    assert "nothing new" in out


def test_a_sound_archive_verifies_with_0_and_a_damaged_one_with_4(archive: Path, tmp_path: Path, capfd) -> None:
    code, out, _ = run(capfd, "verify", archive, "--engine", "local")
    assert (code, "everything stored is as it was written" in out) == (0, True)
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", archive, copy], check=True)
    (copy / "runs/0001/parts/00000.parquet").unlink()
    code, out, _ = run(capfd, "verify", copy, "--engine", "local")
    assert code == 4
    assert "runs/0001/parts/00000.parquet" in out
    assert "RGB.png" in out
    code, out, _ = run(capfd, "restore", copy, tmp_path / "back", "--engine", "local")
    assert (code, "RGB.png" in out) == (4, True)


def test_verify_against_a_changed_source_ends_with_3(archive: Path, source: Path, tmp_path: Path, capfd) -> None:
    subprocess.run(["cp", "-r", source, tmp_path / "s"], check=True)
    (tmp_path / "s/L.png").write_bytes((source / "RGB.png").read_bytes())
    (tmp_path / "s/new.png").write_bytes(b"new")
    (tmp_path / "s/notes.txt").unlink()
    code, out, _ = run(capfd, "verify", archive, "--against", tmp_path / "s", "--engine", "local")
    assert code == 3
    assert all(name in out for name in ("L.png", "new.png", "notes.txt"))


WRONG = {
    "missing source": ("compress", "{tmp}/no", "{tmp}/a"),
    "empty source": ("compress", "{empty}", "{tmp}/a"),
    "source is an archive": ("compress", "{archive}", "{tmp}/a"),
    "missing archive to restore": ("restore", "{tmp}/no", "{tmp}/back"),
    "missing archive to verify": ("verify", "{tmp}/no"),
    "missing archive to list": ("ls", "{tmp}/no"),
    "missing archive for cat": ("cat", "{tmp}/no", "x"),
    "missing archive for info": ("info", "{tmp}/no"),
    "missing archive for errors": ("errors", "{tmp}/no"),
    "unknown codec": ("compress", "{source}", "{tmp}/a", "--codec", "jpegxll"),
    "codec without quality": ("compress", "{source}", "{tmp}/a", "--quality", "50"),
    "codec without effort": ("compress", "{source}", "{tmp}/a", "--codec", "raw", "--effort", "5"),
    "lossless codec asked for loss": ("compress", "{source}", "{tmp}/a", "--codec", "png", "--fidelity", "lossy"),
    "lossy codec asked for pixels": ("compress", "{source}", "{tmp}/a", "--codec", "jpeg"),
    "fidelity file with a codec": ("compress", "{source}", "{tmp}/a", "--codec", "jpeg", "--fidelity", "file"),
    "unknown fidelity": ("compress", "{source}", "{tmp}/a", "--fidelity", "perfect"),
    "tile too small": ("compress", "{source}", "{tmp}/a", "--tile", "3"),
    "shard size is no size": ("compress", "{source}", "{tmp}/a", "--shard-size", "big"),
    "shard size is nothing": ("compress", "{source}", "{tmp}/a", "--shard-size", "0"),
    "address without cluster": ("compress", "{source}", "{tmp}/a", "--engine", "local", "--ray-address", "x"),
    "nothing included": ("compress", "{source}", "{tmp}/a", "--include", "*.bmp"),
    "nothing to restore": ("restore", "{archive}", "{tmp}/back", "--include", "*.bmp"),
    "region of three": ("restore", "{archive}", "{tmp}/back", "--region", "1,2,3"),
    "region of words": ("restore", "{archive}", "{tmp}/back", "--region", "a,b,c,d"),
    "region negative": ("restore", "{archive}", "{tmp}/back", "--region", "-1,0,5,5"),
    "region empty": ("restore", "{archive}", "{tmp}/back", "--region", "0,0,0,5"),
    "subset of nothing": ("verify", "{archive}", "--subset", "0%"),
    "subset beyond": ("verify", "{archive}", "--subset", "4/3"),
    "subset of words": ("verify", "{archive}", "--subset", "some"),
    "verify against nothing": ("verify", "{archive}", "--against", "{tmp}/no"),
    "cat of nothing": ("cat", "{archive}", "no.png"),
    "cat into no folder": ("cat", "{archive}", "L.png", "-o", "{tmp}/no/x.png"),
    "info of nothing": ("info", "{archive}", "no.png"),
    "ls of nothing": ("ls", "{archive}", "no.png"),
    "no command of that name": ("compres",),
    "option of another command": ("restore", "{archive}", "{tmp}/back", "--codec", "png"),
    "argument missing": ("restore", "{archive}"),
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=[name.replace(" ", "-") for name in WRONG])
def test_what_is_wrong_is_said_in_a_line_with_2(arguments, archive: Path, source: Path, tmp_path: Path, capfd) -> None:
    (tmp_path / "empty").mkdir()
    places = {"tmp": tmp_path, "archive": archive, "source": source, "empty": tmp_path / "empty"}
    before = sorted(tmp_path.rglob("*"))
    code, out, err = run(capfd, *(argument.format(**places) for argument in arguments))
    assert code == 2
    assert out == ""
    lines = [line for line in err.splitlines() if not line.startswith(("Usage: ", "Try '"))]
    assert len([line for line in lines if line.strip()]) == 1, err
    assert sorted(tmp_path.rglob("*")) == before, "nothing was written"


def test_a_codec_that_is_nearly_right_is_suggested(source: Path, tmp_path: Path, capfd) -> None:
    _, _, err = run(capfd, "compress", source, tmp_path / "a", "--codec", "jpegx")
    assert "jpegxl" in err


def test_a_region_outside_every_image_is_refused_by_name(archive: Path, tmp_path: Path, capfd) -> None:
    options = ("--include", "L.png", "--region", "900,900,5,5", "--engine", "local")
    code, out, _ = run(capfd, "restore", archive, tmp_path / "back", *options)
    assert code == 2
    assert "L.png" in out
    assert "100 x 80" in out


def test_a_differing_file_at_the_destination_is_named_with_2(archive: Path, tmp_path: Path, capfd) -> None:
    write_tree(tmp_path / "back", {"L.png": b"mine"})
    code, out, _ = run(capfd, "restore", archive, tmp_path / "back", "--engine", "local")
    assert code == 2
    assert "L.png" in out
    assert "--overwrite" in out
    assert (tmp_path / "back/L.png").read_bytes() == b"mine"
    assert (tmp_path / "back/RGB.png").exists()


def test_json_of_every_command_parses(archive: Path, source: Path, tmp_path: Path, capfd) -> None:
    done = run(capfd, "compress", source, tmp_path / "a", "--json", "--engine", "local")
    assert json.loads(done[1])["summary"]["images"] == {"jpegxl": 2, "file": 2}
    assert json.loads(done[1])["exit_code"] == done[0] == 3
    report = json.loads(run(capfd, "verify", archive, "--json", "--engine", "local")[1])
    assert (report["images"], report["problems"], report["exit_code"]) == (4, [], 0)
    report = json.loads(run(capfd, "restore", archive, tmp_path / "back", "--json", "--engine", "local")[1])
    assert sum(report["restored"].values()) == 4
    info = json.loads(run(capfd, "info", archive, "--json")[1])
    assert (info["format"], len(info["runs"])) == ("tilepress-archive-1", 1)
    assert json.loads(run(capfd, "info", archive, "L.png", "--json")[1])["width"] == 100
    listed = [json.loads(line) for line in run(capfd, "ls", archive, "--json")[1].splitlines()]
    assert [row["path"] for row in listed] == ["L.png", "RGB.png", "deep/cut.png", "notes.txt"]
    errors = json.loads(run(capfd, "errors", archive, "--json")[1])
    assert [(row["path"], row["reason_code"]) for row in errors] == [
        ("deep/cut.png", "damaged"),
        ("notes.txt", "unsupported"),
    ]
    assert {row["codec"] for row in json.loads(run(capfd, "codecs", "--json")[1])} >= {"jpegxl", "png", "jpeg", "raw"}
    assert isinstance(json.loads(run(capfd, "models", "--json")[1]), list)


def test_a_dry_run_says_what_it_would_do(source: Path, tmp_path: Path, capfd) -> None:
    code, out, _ = run(capfd, "compress", source, tmp_path / "a", "--dry-run")
    assert (code, "would compress 4 files" in out) == (0, True)
    assert list(tmp_path.iterdir()) == []
    report = json.loads(run(capfd, "compress", source, tmp_path / "a", "--dry-run", "--json")[1])
    assert (report["run"], report["planned_files"]) == (None, 4)


def test_ls_takes_a_file_a_folder_or_a_glob(archive: Path, capfd) -> None:
    for path, expected in (("L.png", ["L.png"]), ("deep", ["deep/cut.png"]), ("*.txt", ["notes.txt"])):
        lines = run(capfd, "ls", archive, path)[1].splitlines()
        assert [line.rpartition(" ")[2] for line in lines[1:-1]] == expected


def test_cat_gives_the_bytes_of_a_file(archive: Path, source: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tilepress", "cat", archive, "deep/cut.png"], capture_output=True, check=True
    )
    assert done.stdout == (source / "deep/cut.png").read_bytes()
    assert app._run(["cat", str(archive), "notes.txt", "-o", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out").read_bytes() == b"text"


def test_a_reader_that_closes_early_is_no_error(archive: Path) -> None:
    command = f"{sys.executable} -m tilepress ls {archive} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


LISTING = """
import sys
from tilepress.jobs.cli import app
for command in {commands!r}:
    assert app._run(command) == 0, command
print(*sorted(name for name in sys.modules if name.split(".")[0] in ("torch", "ray", "numba")), file=sys.stderr)
"""


def test_reading_a_jpegxl_archive_loads_neither_torch_nor_ray_nor_numba(archive: Path, tmp_path: Path) -> None:
    local = ["--engine", "local"]
    commands = [
        ["ls", str(archive)],
        ["info", str(archive)],
        ["errors", str(archive)],
        ["cat", str(archive), "L.png", "-o", str(tmp_path / "one")],
        ["restore", str(archive), str(tmp_path / "back")],
        [
            "restore",
            str(archive),
            str(tmp_path / "crops"),
            "--include",
            "L.png",
            "--region",
            "0,0,5,5",
        ],
        ["verify", str(archive), *local],
    ]
    program = LISTING.format(commands=commands)
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().splitlines()[-1:] in ([], [""]), done.stderr


def test_help_and_version_come_at_once(capfd) -> None:
    code, out, _ = run(capfd, "--version")
    assert (code, out.startswith("tilepress")) == (0, True)


def test_tables_join_what_a_codec_takes_and_failures_name_their_file_once(capfd) -> None:
    from tilepress.jobs.cli.tables import print_failures, print_table

    print_table([{"codec": "x", "options": ("effort", "max_error")}], ("codec", "options"))
    print_failures("not restored", [("a.png", "a.png has no view"), ("b.png", "too large")])
    out = capfd.readouterr().out
    assert "effort, max_error" in out
    assert out.splitlines()[-2:] == ["not restored: a.png: has no view", "not restored: b.png: too large"]
