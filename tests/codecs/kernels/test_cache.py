"""Compiled kernels are found again by later processes, and never those of other sources."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tilepress
from tilepress.codecs.kernels import cache, sources
from tilepress.pipeline.quality.metrics import distortion

PACKAGE = Path(tilepress.__file__).parent
OUTER = """
from tilepress.codecs.kernels.kernel import kernel
from plug.inner import part

@kernel
def whole(x):
    return part(x) + 1

@kernel
def other(x):
    return part(x) + 2

@kernel
def wrong(x):
    return part(x).nothing
"""
INNER = """
from tilepress.codecs.kernels.kernel import inline

@inline
def part(x):
    return x * 2
"""
CALL = """
import json, sys
from plug import outer
from tilepress.codecs.kernels.cache import KernelCache as cache
{before}
print(json.dumps([outer.whole(5), cache.compiled, cache.loaded, cache.not_kept]))
"""
COMPILED, LOADED = [11, 2, 0, 0], [11, 0, 1, 0]  # result, and signatures compiled, loaded, not kept


@pytest.fixture
def plug(tmp_path: Path) -> Path:
    """A package of another author: a kernel that inlines a function of another file."""
    folder = tmp_path / "plug"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "outer.py").write_text(OUTER)
    (folder / "inner.py").write_text(INNER)
    return folder


def environment(tmp_path: Path, **changes: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    paths = f"{tmp_path}{os.pathsep}{PACKAGE.parent}"
    # Python's own cache takes a file of the same size and second for unchanged, and processes take less than a second.
    clean |= {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    return clean | {"TILEPRESS_KERNEL_CACHE": str(tmp_path / "kernels")} | changes


def start(tmp_path: Path, before: str = "", **changes: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CALL.format(before=before)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment(tmp_path, **changes), stdout=pipe, stderr=pipe, text=True)


def result(process: subprocess.Popen[str]) -> list[int]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out)


def call(tmp_path: Path, before: str = "", **changes: str) -> list[int]:
    return result(start(tmp_path, before, **changes))


def test_a_later_process_loads_what_an_earlier_one_compiled(plug, tmp_path) -> None:
    assert call(tmp_path) == COMPILED
    assert call(tmp_path) == LOADED


def test_a_part_that_an_earlier_process_compiled_is_inlined_into_another_kernel(plug, tmp_path) -> None:
    assert call(tmp_path) == COMPILED
    assert call(tmp_path, "assert outer.other(5) == 12") == [11, 1, 2, 0]


def test_a_changed_function_of_another_file_is_never_run_as_it_was(plug, tmp_path) -> None:
    """numba's own cache returns 11 here: it looks at the file of the kernel alone."""
    assert call(tmp_path) == COMPILED
    (plug / "inner.py").write_text(INNER.replace("x * 2", "x * 3"))
    assert call(tmp_path)[:2] == [16, 2]
    (plug / "inner.py").write_text(INNER)
    assert call(tmp_path) == LOADED


@pytest.mark.parametrize("below", ["parts", pytest.param("parts/deeper", marks=pytest.mark.slow)])
def test_a_changed_function_of_another_folder_is_never_run_as_it_was(plug, tmp_path, below) -> None:
    """Rooms of a package are folders: a kernel of one inlines functions of others, beside it or below it."""
    (plug / "kernels").mkdir()
    (plug / below).mkdir(parents=True)
    for folder in ("kernels", "parts", below):
        (plug / folder / "__init__.py").write_text("")
    (plug / below / "inner.py").write_text(INNER)
    (plug / "kernels" / "outer.py").write_text(OUTER.replace("plug.inner", f"plug.{below.replace('/', '.')}.inner"))
    (plug / "outer.py").write_text("from plug.kernels.outer import whole, wrong")
    assert call(tmp_path) == COMPILED
    (plug / below / "inner.py").write_text(INNER.replace("x * 2", "x * 3"))
    assert call(tmp_path)[:2] == [16, 2]
    (plug / below / "inner.py").write_text(INNER)
    assert call(tmp_path) == LOADED


def test_a_file_moved_to_another_folder_is_another_source(plug, tmp_path) -> None:
    from tilepress.codecs.kernels.sources import sources_key

    before = sources_key(plug)
    (plug / "deeper").mkdir()
    (plug / "inner.py").rename(plug / "deeper" / "inner.py")
    assert sources_key(plug) != before


def test_code_of_sources_that_changed_under_way_is_not_kept(plug, tmp_path) -> None:
    edit = f"import pathlib; pathlib.Path({str(plug / 'inner.py')!r}).write_text('edited = True')"
    assert call(tmp_path, edit) == [11, 2, 0, 2]
    assert not list((tmp_path / "kernels").rglob("*.nbc"))


def test_processes_at_the_same_time_compile_everything_once(plug, tmp_path) -> None:
    found = [result(process) for process in [start(tmp_path) for _ in range(4)]]
    assert sorted(found) == [LOADED] * 3 + [COMPILED]


@pytest.mark.slow
def test_processes_that_need_different_kernels_compile_each_of_them_and_what_they_share_once(plug, tmp_path) -> None:
    """`whole`, `other` and the part of both: three signatures, whoever compiles the part."""
    found = [result(process) for process in [start(tmp_path), start(tmp_path, "outer.other(5)")]]
    assert sum(compiled for _, compiled, *_ in found) == 3


def test_a_kernel_that_does_not_compile_keeps_no_lock(plug, tmp_path) -> None:
    before = f"""
import pathlib, subprocess
try:
    outer.wrong(5)
except Exception as exc:
    print("as expected", file=sys.stderr)
(path,) = pathlib.Path({str(tmp_path)!r}).rglob("lock")
free = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
subprocess.run([sys.executable, "-c", free, path], check=True)
"""
    assert call(tmp_path, before)[0] == 11


def test_a_process_does_not_wait_for_ever_for_one_that_hangs(plug, tmp_path) -> None:
    call(tmp_path)
    (lock,) = (tmp_path / "kernels").rglob("lock")
    impatient = "from tilepress.codecs.kernels import lock; lock._PATIENCE_S = 0.2"
    for path in (tmp_path / "kernels").rglob("*.nb*"):
        path.unlink()
    with lock.open("r+") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        assert call(tmp_path, impatient) == COMPILED


def test_damaged_files_are_compiled_again_and_replaced(plug, tmp_path) -> None:
    call(tmp_path)
    for path in (tmp_path / "kernels").rglob("*.nb*"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert call(tmp_path) == COMPILED
    assert call(tmp_path) == LOADED


def test_kernels_work_where_no_code_can_be_kept(plug, tmp_path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert call(tmp_path, TILEPRESS_KERNEL_CACHE=str(tmp_path / "file")) == [11, 2, 0, 2]


def test_kernels_work_without_compilation(plug, tmp_path) -> None:
    assert call(tmp_path, NUMBA_DISABLE_JIT="1") == [11, 0, 0, 0]


def test_every_edit_of_the_package_is_another_folder(tmp_path) -> None:
    """The whole package copied, as an upgrade would lay it out."""
    copy = tmp_path / "tilepress"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "models"), symlinks=False)
    program = "from tilepress.codecs.entropy import rans; print(rans.put_value._cache.cache_path)"
    folders = []
    for edit in ("", "\n# nothing but a comment\n"):
        (copy / "codecs" / "range_coder.py").open("a").write(edit)
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment(tmp_path), capture_output=True, text=True
        )
        folders.append(done.stdout.strip())
    assert len(set(folders)) == 2
    assert all(Path(folder).parent == tmp_path / "kernels" for folder in folders)


def test_folders_that_are_links_are_sources_too(tmp_path) -> None:
    """As those of a checkout are: infra/src/tilepress/pipeline is a link."""
    package, room = tmp_path / "package", tmp_path / "room"
    for folder in (package, room / "deep"):
        folder.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "room").symlink_to("../room")
    (room / "again").symlink_to(".")  # a circle ends
    keys = []
    for content in ("a = 1", "a = 2"):
        (room / "deep/constants.py").write_text(content)
        keys.append(sources.sources_key(package))
    assert keys[0] != keys[1]


def test_kernels_of_the_pipeline_are_those_of_its_sources(tmp_path) -> None:
    folder = sources.package_of(distortion)
    assert folder is not None and folder.name == "pipeline"
    assert {"quality/metrics.py", "findings/likeness.py"} <= {name for name, _ in sources._sources(folder)}


def test_the_folder_is_named_by_sources_compiler_and_settings(plug, monkeypatch) -> None:
    monkeypatch.setenv("NUMBA_OPT", "3")
    keys = [sources.sources_key(plug)]
    assert sources.sources_key(plug) == keys[0]
    monkeypatch.setenv("NUMBA_CACHE_DIR", "elsewhere")
    assert sources.sources_key(plug) == keys[0]
    monkeypatch.setenv("NUMBA_OPT", "2")
    keys.append(sources.sources_key(plug))
    (plug / "new.py").write_text("")
    keys.append(sources.sources_key(plug))
    monkeypatch.setattr(sources, "version", lambda name: "99" if name == "llvmlite" else "1.2.3")
    keys.append(sources.sources_key(plug))
    monkeypatch.setattr(sources, "version", lambda name: "99" if name == "llvmlite" else "1.2.4")
    keys.append(sources.sources_key(plug))
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    assert sources.sources_key(plug) == keys[-1], "kernels have a level of their own"
    assert len(set(keys)) == 5


@pytest.fixture
def root(monkeypatch, tmp_path):
    """cache_root() with other settings; the session's own stays what it was."""
    for name in ("TILEPRESS_KERNEL_CACHE", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    return cache.cache_root.__wrapped__


def test_code_is_kept_in_the_folder_that_is_named_or_in_the_users_cache(root, monkeypatch, tmp_path) -> None:
    assert root() == tmp_path / "home/.cache/tilepress/kernels"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert root() == tmp_path / "xdg/tilepress/kernels"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    assert root() == tmp_path / "numba"
    monkeypatch.setenv("TILEPRESS_KERNEL_CACHE", str(tmp_path / "mine"))
    assert root() == tmp_path / "mine"


def test_without_a_home_code_is_kept_in_a_temporary_folder_of_ones_own(root, monkeypatch, tmp_path) -> None:
    (tmp_path / "home").write_text("a file")
    own = tmp_path / f"tilepress-kernels-{os.getuid()}"
    assert root() == own
    assert own.stat().st_mode & 0o777 == 0o700
    own.chmod(0o777)  # somebody else could put code there
    assert root() is None
    own.rmdir()
    own.symlink_to(tmp_path)
    assert root() is None
