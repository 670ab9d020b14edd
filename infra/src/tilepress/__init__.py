"""tilepress: compress large image archives with learned and classical codecs, and get them back exactly."""

from typing import Any

__version__ = "0.1.0"

# Verbs are loaded on first use, so that `import tilepress` and `tilepress --help` stay light.
_VERBS = {
    "compress": "tilepress.jobs.compress",
    "restore": "tilepress.jobs.restore",
    "verify": "tilepress.jobs.verify",
    "open": "tilepress.pipeline.reader",
}
__all__ = ["__version__", "compress", "open", "restore", "verify"]


def __getattr__(name: str) -> Any:
    """Import the verb of that name."""
    if name not in _VERBS:
        raise AttributeError(f"module 'tilepress' has no attribute {name!r}")
    import importlib

    module = importlib.import_module(_VERBS[name])
    return module.open_archive if name == "open" else getattr(module, name)
