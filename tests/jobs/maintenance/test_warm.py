"""`tilepress warm` says how much it compiled, and that it could not keep it. See also test_every_kernel.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tilepress.codecs.kernels.level import Level
from tilepress.codecs.warm import Warmed
from tilepress.jobs.cli import app
from tilepress.jobs.maintenance import warm
from tilepress.pipeline.errors import EngineError, UsageError


def test_code_that_could_not_be_kept_is_an_error(monkeypatch) -> None:
    monkeypatch.setattr(warm, "warm_kernels", lambda *_: Warmed(3, 0, 1, 0.1, Path("/somewhere")))
    with pytest.raises(EngineError, match=r"1 compiled kernels .* /somewhere: is it full\? Set TILEPRESS_KERNEL_CACHE"):
        warm.warm(quiet=True)


@pytest.mark.parametrize("place", [None, Path(__file__), Path("/proc/none")])
def test_without_a_place_for_code_nothing_is_compiled(place, monkeypatch) -> None:
    monkeypatch.setattr(warm, "cache_root", lambda: place)
    monkeypatch.setattr(warm, "warm_kernels", lambda *_: pytest.fail("it was compiled for nothing"))
    with pytest.raises(EngineError, match="Set TILEPRESS_KERNEL_CACHE"):
        warm.warm(quiet=True)


def test_warming_says_what_it_did(monkeypatch, capsys) -> None:
    monkeypatch.setattr(warm, "warm_kernels", lambda *_: Warmed(3, 2, 0, 1.25, Path("/somewhere")))
    assert warm.show_warm(as_json=False) == 0
    assert capsys.readouterr().out == "compiled 3 kernels, found 2, in 1.2 s; kept in /somewhere\n"


def test_warming_auto_warms_every_codec_that_it_may_choose(monkeypatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        warm, "warm_kernels", lambda codecs, *_: asked.extend(one.codec_id for one in codecs) or Warmed()
    )
    warm.warm(["auto"], quiet=True)
    assert asked == ["jpegxl", "lossless-quick", "bzip2"]


def test_importing_kernels_compiles_none() -> None:
    modules = "tilepress.codecs.lossless.residual, tilepress.codecs.kernels.cache as k"
    program = f"import {modules}; print(k.KernelCache.compiled)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


def test_a_compiling_process_that_dies_is_an_error(monkeypatch, capfd) -> None:
    monkeypatch.setattr(warm, "_CHILD", "tilepress.none_of_that_name")
    with pytest.raises(EngineError, match=r"a process that compiles kernels died \(1\)"):
        warm.warm(["raw"], quiet=True, processes=2)
    assert "none_of_that_name" in capfd.readouterr().err


def test_kernels_of_this_processor_alone_are_not_shipped(monkeypatch) -> None:
    monkeypatch.setattr(warm, "kernel_level", lambda: Level("native", "znver4"))
    with pytest.raises(UsageError, match="unset TILEPRESS_KERNEL_LEVEL"):
        warm.pack_kernels(print)


def test_a_package_that_cannot_be_written_ships_none(monkeypatch, tmp_path) -> None:
    def refuse() -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(warm, "remove_pack", refuse)
    with pytest.raises(EngineError, match=r"kernels cannot be shipped in .*packs.*Permission denied"):
        warm.pack_kernels(print)


def test_kernels_are_shipped_of_all_codecs_or_not_at_all(capsys) -> None:
    assert app._run(["warm", "--pack", "raw"]) == 2
    assert "name none" in capsys.readouterr().err
