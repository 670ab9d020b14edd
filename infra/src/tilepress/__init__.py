"""tilepress: compress large image archives with learned and classical codecs, and get them back exactly."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what __getattr__ gives
    from tilepress import errors
    from tilepress.jobs.verbs.audit import audit
    from tilepress.jobs.verbs.compress import compress
    from tilepress.jobs.verbs.doctor import doctor
    from tilepress.jobs.verbs.estimate import estimate
    from tilepress.jobs.verbs.evaluate import evaluate
    from tilepress.jobs.verbs.fit_lossless import fit_lossless
    from tilepress.jobs.verbs.import_arrays import import_arrays
    from tilepress.jobs.verbs.recover import recover
    from tilepress.jobs.verbs.report import report
    from tilepress.jobs.verbs.reproduce import reproduce
    from tilepress.jobs.verbs.restore import restore
    from tilepress.jobs.verbs.submit import submit
    from tilepress.jobs.verbs.train import train
    from tilepress.jobs.verbs.upkeep.abandon import abandon
    from tilepress.jobs.verbs.upkeep.certify import certify
    from tilepress.jobs.verbs.upkeep.compact import compact
    from tilepress.jobs.verbs.upkeep.delete_source import delete_source
    from tilepress.jobs.verbs.upkeep.forget import forget
    from tilepress.jobs.verbs.upkeep.protect import protect
    from tilepress.jobs.verbs.upkeep.repair import repair
    from tilepress.jobs.verbs.upkeep.retry import retry
    from tilepress.jobs.verbs.verify import verify
    from tilepress.jobs.verbs.view import view
    from tilepress.pipeline.reading.archive import open_archive as open
    from tilepress.pipeline.reading.ray_dataset import ray_dataset

__version__ = "0.1.0"

# Verbs and errors are loaded on first use, so that `import tilepress` and `tilepress --help` stay light.
_VERBS = {
    "abandon": ("tilepress.jobs.verbs.upkeep.abandon", "abandon"),
    "audit": ("tilepress.jobs.verbs.audit", "audit"),
    "forget": ("tilepress.jobs.verbs.upkeep.forget", "forget"),
    "certify": ("tilepress.jobs.verbs.upkeep.certify", "certify"),
    "compact": ("tilepress.jobs.verbs.upkeep.compact", "compact"),
    "delete_source": ("tilepress.jobs.verbs.upkeep.delete_source", "delete_source"),
    "protect": ("tilepress.jobs.verbs.upkeep.protect", "protect"),
    "repair": ("tilepress.jobs.verbs.upkeep.repair", "repair"),
    "retry": ("tilepress.jobs.verbs.upkeep.retry", "retry"),
    "compress": ("tilepress.jobs.verbs.compress", "compress"),
    "doctor": ("tilepress.jobs.verbs.doctor", "doctor"),
    "estimate": ("tilepress.jobs.verbs.estimate", "estimate"),
    "evaluate": ("tilepress.jobs.verbs.evaluate", "evaluate"),
    "fit_lossless": ("tilepress.jobs.verbs.fit_lossless", "fit_lossless"),
    "import_arrays": ("tilepress.jobs.verbs.import_arrays", "import_arrays"),
    "recover": ("tilepress.jobs.verbs.recover", "recover"),
    "report": ("tilepress.jobs.verbs.report", "report"),
    "reproduce": ("tilepress.jobs.verbs.reproduce", "reproduce"),
    "restore": ("tilepress.jobs.verbs.restore", "restore"),
    "submit": ("tilepress.jobs.verbs.submit", "submit"),
    "train": ("tilepress.jobs.verbs.train", "train"),
    "verify": ("tilepress.jobs.verbs.verify", "verify"),
    "view": ("tilepress.jobs.verbs.view", "view"),
    "open": ("tilepress.pipeline.reading.archive", "open_archive"),
    "ray_dataset": ("tilepress.pipeline.reading.ray_dataset", "ray_dataset"),
}
__all__ = [
    "__version__",
    "abandon",
    "audit",
    "certify",
    "compact",
    "compress",
    "delete_source",
    "doctor",
    "errors",
    "estimate",
    "evaluate",
    "fit_lossless",
    "forget",
    "import_arrays",
    "open",
    "protect",
    "ray_dataset",
    "recover",
    "repair",
    "report",
    "reproduce",
    "restore",
    "retry",
    "submit",
    "train",
    "verify",
    "view",
]


def __getattr__(name: str) -> Any:
    """Import the verb of that name, or the module `errors`."""
    if name == "errors":
        return importlib.import_module("tilepress.errors")
    if name not in _VERBS:
        raise AttributeError(f"module 'tilepress' has no attribute {name!r}")
    module, function = _VERBS[name]
    return getattr(importlib.import_module(module), function)


def __dir__() -> list[str]:
    """What there is to use, loaded or not."""
    return list(__all__)
