"""This machine: what it has is told, known streams are decoded exactly, and a wrong sample is damage."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilepress
from tilepress.codecs import registry
from tilepress.codecs.classical.raw import Raw
from tilepress.codecs.errors import MissingExtra
from tilepress.codecs.kernels import pack
from tilepress.codecs.kernels.pack import Pack
from tilepress.codecs.kernels.sources import sources_key
from tilepress.jobs.doctor import known, machine
from tilepress.jobs.doctor.checks import BROKEN, LOOK, OK, Check, exit_code_of
from tilepress.jobs.doctor.known import decode_known, known_streams

GOLDEN = Path(__file__).parents[2] / "golden"
STREAMS = [entry for entry in known_streams() if "model" not in entry]


def test_there_is_a_known_stream_of_every_codec_and_shipped_model() -> None:
    """And of the models as they are shipped: a new model needs a new file, see make_golden_streams.py."""
    names = {entry["name"] for entry in known_streams()}
    without = {name for name in registry.CODECS if not registry.needs_model(name)}
    assert names == without | registry.shipped_models().keys()


def test_known_streams_of_pinned_models_are_the_pinned_ones() -> None:
    pinned: list[dict[str, Any]] = json.loads((GOLDEN / "shipped.json").read_text())
    assert [entry for entry in pinned if entry not in known_streams()] == []


def test_known_streams_come_back_exactly() -> None:
    streams = known_streams()
    found = decode_known(streams)
    assert (found.exact, found.wrong, found.finding.outcome) == (len(streams), (), OK)


def test_a_stream_that_decodes_otherwise_is_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_off(self: Raw, streams: Any, spec: Any) -> np.ndarray:
        return decode(self, streams, spec) ^ 1

    decode = Raw.decode
    monkeypatch.setattr(Raw, "decode", one_off)
    found = decode_known(STREAMS)
    assert found.finding.outcome == BROKEN and found.wrong == ("raw (other samples)",)


def test_a_stream_that_does_not_decode_is_damage() -> None:
    (entry, *_) = (entry for entry in STREAMS if entry["name"] == "jpegls")
    assert decode_known([{**entry, "stream": entry["stream"][:40]}]).finding.outcome == BROKEN


def test_an_extra_that_is_not_installed_is_something_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(codec_id: str, *rest: Any) -> Any:
        if codec_id == "raw":
            raise MissingExtra("raw needs torch")
        return load(codec_id, *rest)

    load = known.load_codec
    monkeypatch.setattr(known, "load_codec", without)
    found = decode_known(STREAMS)
    assert found.finding.outcome == LOOK and found.lacking == ("raw",)
    assert found.exact == sum(entry["name"] != "raw" for entry in STREAMS)


def test_a_machine_without_gpu_has_nothing_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert machine.gpu(expected=False).outcome == "not applicable"
    assert machine.gpu(expected=True).outcome == LOOK


def test_a_clock_of_another_century_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = machine.machine_checks()
    assert checks["clock"]().outcome == OK
    monkeypatch.setattr(machine.time, "time", lambda: 0.0)
    assert "1970" in checks["clock"]().text and checks["clock"]().outcome == LOOK


def test_kernels_that_are_not_compiled_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "cache_root", lambda: tmp_path)
    found = machine.machine_checks()["kernels"]()
    assert found.outcome == LOOK and "tilepress warm" in found.text


def test_kernels_that_are_shipped_are_told_and_so_are_damaged_ones(monkeypatch, tmp_path: Path) -> None:
    name = f"{sources_key(None)}/kernel.nbi"
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_bytes(b"code")
    files = {name: hashlib.sha256(b"code").hexdigest()}
    (tmp_path / "manifest.json").write_text(json.dumps(pack.conditions() | {"files": files}))
    monkeypatch.setattr(machine.Pack, "here", lambda: Pack(tmp_path))
    found = machine.machine_checks()["kernels"]()
    assert (found.outcome, found.figures) == (OK, {"kernels": 1.0}) and "shipped" in found.text
    (tmp_path / name).write_bytes(b"cade")
    found = machine.machine_checks()["kernels"]()
    assert found.outcome == LOOK and "damaged" in found.text and "install tilepress anew" in found.text


def test_extras_that_are_missing_are_told_with_the_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "is_installed", lambda name: name != "torch")
    found = machine.machine_checks()["extras"]()
    assert found.outcome == LOOK and "tilepress[learned,train]" in found.text


def test_versions_name_everything_that_decides_what_is_coded() -> None:
    found = machine.versions()
    assert found["tilepress"] == tilepress.__version__
    assert {"python", "code", "numpy", "numba", "imagecodecs", "torch", "ray"} <= found.keys()
    assert machine.version_of("no-such-package") == machine.NOT_INSTALLED


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ((OK, "not applicable"), 0),
        ((OK, LOOK), 3),
        ((LOOK, "not tried"), 5),
        (("not tried", BROKEN, LOOK), 4),
    ],
)
def test_the_worst_outcome_is_the_exit_code(outcomes: tuple[Any, ...], code: int) -> None:
    assert exit_code_of(Check("machine", "x", outcome, "") for outcome in outcomes) == code
