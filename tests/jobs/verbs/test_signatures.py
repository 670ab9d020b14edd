"""One signature a verb: what Python callers may say, what commands offer, what mypy refuses, how messages name it."""

from __future__ import annotations

import inspect
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_args

import pytest

import tilepress
from tests.support.make_collection import encoded, image_of, tree, write_tree
from tilepress.errors import UsageError
from tilepress.jobs.archives.abandon import AbandonConfig
from tilepress.jobs.archives.compact import CompactConfig
from tilepress.jobs.archives.compress import CompressConfig
from tilepress.jobs.archives.forget import ForgetConfig
from tilepress.jobs.archives.repair import RepairConfig
from tilepress.jobs.archives.restore import RestoreConfig
from tilepress.jobs.archives.retry import RetryConfig
from tilepress.jobs.archives.verify import VerifyConfig
from tilepress.jobs.audit.asking import AuditConfig
from tilepress.jobs.certification.asking import CertifyConfig
from tilepress.jobs.cli import app
from tilepress.jobs.data.import_arrays import ImportConfig
from tilepress.jobs.data.recover import RecoverConfig
from tilepress.jobs.deletion.delete_source import DeleteSourceConfig
from tilepress.jobs.doctor.doctor import DoctorConfig
from tilepress.jobs.estimation.estimate import EstimateConfig
from tilepress.jobs.evaluation.evaluate import EvaluateConfig
from tilepress.jobs.fitting.fit_lossless import FitConfig
from tilepress.jobs.report.report import ReportConfig
from tilepress.jobs.reproduction.reproduce import ReproduceConfig
from tilepress.jobs.submission.submit import SubmitConfig
from tilepress.jobs.training.train import TrainConfig
from tilepress.pipeline.engine.engine import EngineConfig

REPOSITORY = Path(__file__).parents[3]
CONFIGS = {
    "abandon": AbandonConfig,
    "audit": AuditConfig,
    "forget": ForgetConfig,
    "compact": CompactConfig,
    "repair": RepairConfig,
    "retry": RetryConfig,
    "compress": CompressConfig,
    "restore": RestoreConfig,
    "verify": VerifyConfig,
    "recover": RecoverConfig,
    "import_arrays": ImportConfig,
    "train": TrainConfig,
    "fit_lossless": FitConfig,
    "doctor": DoctorConfig,
    "estimate": EstimateConfig,
    "evaluate": EvaluateConfig,
    "report": ReportConfig,
    "reproduce": ReproduceConfig,
    "submit": SubmitConfig,
    "certify": CertifyConfig,
    "delete_source": DeleteSourceConfig,
}
COMMANDS = {
    "import_arrays": "import",
    "fit_lossless": "fit-lossless",
    "delete_source": "delete-source",
}  # where the names differ
PYTHON_ONLY = {"quiet", "storage_options"}
OF_ENGINE = {"engine": "kind", "workers": "workers", "ray_address": "ray_address", "gpus_per_actor": "gpus_per_actor"}
LOCAL: dict[str, Any] = {"engine": "local", "workers": 1}


def parameters(verb: str) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(getattr(tilepress, verb)).parameters)


def defaults(config: type) -> dict[str, object]:
    """Default of each field, under the name that verbs give it; nothing for a field without one."""
    found = {}
    for field in fields(config):
        made = field.default if field.default is not MISSING else None
        if field.default_factory is not MISSING:
            made = field.default_factory()
        if field.default is not MISSING or field.default_factory is not MISSING:
            found[{"shard_bytes": "shard_size"}.get(field.name, field.name)] = made
    return found


@pytest.mark.parametrize("verb", CONFIGS)
def test_a_job_that_is_asked_for_nothing_does_what_the_signature_says(verb: str) -> None:
    ours = {name: each.default for name, each in parameters(verb).items() if each.default is not each.empty}
    theirs = defaults(CONFIGS[verb])
    engine = theirs.pop("engine", None)
    if engine is not None:
        assert isinstance(engine, EngineConfig)
        theirs |= {name: getattr(engine, field) for name, field in OF_ENGINE.items()}
    assert theirs == ours


@pytest.mark.parametrize("verb", CONFIGS)
def test_a_command_offers_every_parameter_of_its_verb_and_help_says_what_it_is(verb: str) -> None:
    command = app.cli.commands[COMMANDS.get(verb, verb)]
    offered = {parameter.name: parameter.help for parameter in command.params}
    assert (
        set(offered) - {"as_json", "log", "run_report", "metrics_file", "log_format"}
        == parameters(verb).keys() - PYTHON_ONLY
    )
    assert all(offered.values())
    options = [name for each in command.params if each.param_type_name == "option" for name in each.opts]
    assert options == [name.lower() for name in options]
    text = inspect.getdoc(getattr(tilepress, verb)) or ""
    for name, parameter in parameters(verb).items():
        assert f"    {name}: {get_args(parameter.annotation)[1].help}" in text
    assert "Returns:" in text and "Returns:" not in str(command.help)


USER = """
from pathlib import Path
import tilepress
report = tilepress.compress(Path("a"), "b", quality=3, fidelity="lossy", include=["*.png"])
number: int | None = report.run
tilepress.fit_lossless("a", Path("b"), out="c", hidden={"max": (64, 32)})
tilepress.compress("a", "b", qualty=3)
tilepress.compress("a", "b", quality="best")
tilepress.compress("a", "b", fidelity="perfect")
tilepress.compress("a")
tilepress.compress("a", "b", "jpeg")
tilepress.restore("a", "b", region=(1, 2, 3))
tilepress.verify("a", engine="cloud")
"""


@pytest.mark.slow  # as is every run of mypy: 20 s
def test_mypy_refuses_wrong_keywords_and_types(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(USER)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(REPOSITORY / "pyproject.toml")]
    options = ["--follow-imports", "silent", "--cache-dir", str(REPOSITORY / ".mypy_cache/user"), "user.py"]
    environment = os.environ | {"MYPYPATH": str(REPOSITORY / "infra/src")}
    done = subprocess.run(
        [*command, *options], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    refused = [int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line]
    first_wrong = USER.splitlines().index('tilepress.compress("a", "b", qualty=3)') + 1
    assert sorted(set(refused)) == list(range(first_wrong, len(USER.splitlines()) + 1)), done.stdout + done.stderr


LIGHT = """
import sys
from tilepress.jobs.cli import app
for command in [[], *([name] for name in app.cli.commands)]:
    assert app._run([*command, "--help"]) == 0
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def test_no_help_loads_what_takes_time() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)
    heavy = {"numpy", "pyarrow", "torch", "ray", "numba", "fsspec", "PIL", "yaml", "rich", "pydantic", "imagecodecs"}
    assert heavy & set(done.stderr.split()) == set()


def test_paths_are_taken_everywhere(tmp_path: Path) -> None:
    source, archive = tmp_path / "source", tmp_path / "archive"
    write_tree(source, {"a.png": encoded(image_of("RGB", 60, 60, seed=1), "PNG")})
    assert tilepress.compress(source, archive, **LOCAL).run == 1
    assert tilepress.verify(archive, against=source, **LOCAL).exit_code == 0
    assert tilepress.restore(archive, tmp_path / "back", **LOCAL).exit_code == 0
    assert tree(tmp_path / "back") == tree(source)
    assert list(tilepress.open(archive)) == ["a.png"]
    assert tilepress.evaluate(source, tmp_path / "out", ["png"], **LOCAL).files == 1


def test_a_url_that_became_a_path_is_refused() -> None:
    for wrong in (Path("s3://bucket/a"), Path("memory://a")):
        with pytest.raises(UsageError, match="give URLs as text"):
            tilepress.open(wrong)
        with pytest.raises(UsageError, match="give URLs as text"):
            tilepress.compress("a", wrong)


@pytest.mark.parametrize("verb", [tilepress.audit, tilepress.estimate, tilepress.report, tilepress.open])
def test_an_empty_place_is_refused(verb: Callable[[str], object]) -> None:
    with pytest.raises(UsageError, match="an empty text names no place"):
        verb("")  # as of a variable of a shell that is not set


def test_numbers_without_end_are_refused_where_they_make_no_sense(tmp_path: Path) -> None:
    write_tree(tmp_path / "s", {"a.png": encoded(image_of("RGB", 60, 60, seed=1), "PNG")})
    with pytest.raises(UsageError, match="infinity is none"):
        tilepress.estimate(tmp_path / "s", price_storage=math.inf, price_core_hour=1.0)
    with pytest.raises(UsageError, match="`gpus_per_actor` nan is neither"):
        tilepress.audit(tmp_path / "s", engine="ray", gpus_per_actor=math.nan)


def test_messages_name_parameters_as_the_caller_wrote_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tree(tmp_path / "s", {"a.png": encoded(image_of("RGB", 60, 60, seed=1), "PNG")})
    source, archive = str(tmp_path / "s"), str(tmp_path / "a")
    with pytest.raises(UsageError, match="`max_error` has no effect on png") as caught:
        tilepress.compress(source, archive, codec="png", max_error=2)
    assert "--" not in str(caught.value)
    assert app._run(["compress", source, archive, "--codec", "png", "--max-error", "2"]) == 2
    assert capsys.readouterr().err.startswith("tilepress: --max-error has no effect on png")
    with pytest.raises(UsageError, match="`start` jpeg: "):
        tilepress.fit_lossless(source, out=archive, start="jpeg")
    assert app._run(["fit-lossless", source, "--out", archive, "--from", "jpeg"]) == 2
    assert "--from jpeg: " in capsys.readouterr().err


def test_errors_holds_every_error_below_its_root() -> None:
    def below(root: type[Exception]) -> set[str]:
        return {root.__name__}.union(*map(below, root.__subclasses__()))

    public = {name for name in below(tilepress.errors.TilepressError) if not name.startswith("_")}
    assert public == set(tilepress.errors.__all__)
    assert all(getattr(tilepress.errors, name).__doc__ for name in public)
