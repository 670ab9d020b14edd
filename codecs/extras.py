"""What a small install leaves out: packages that only some codecs and verbs need, by the extra that brings them."""

from __future__ import annotations

import importlib.util

from tilepress.codecs.errors import MissingExtra

# extra of pyproject.toml -> modules that it brings
EXTRAS = {
    "learned": ("torch",),
    "ray": ("ray",),
    "train": ("torch", "ray", "matplotlib", "tensorboardX", "pytorch_optimizer"),
    "view": ("starlette", "uvicorn"),
    "metrics": ("prometheus_client",),
    "certify": ("cryptography",),
    "jobs": ("pydantic", "ray"),
    "parity": ("pyeclib",),
}


def require_extra(extra: str, purpose: str, *modules: str) -> None:
    """Raise MissingExtra, with the line to type, unless modules of an extra can be found; none is imported.

    `purpose`: whatever needs them, as the subject of a sentence, such as "codec block-dnn". `modules`: those of the
    extra that are needed; without, all of them.
    """
    if missing := [name for name in modules or EXTRAS[extra] if not is_installed(name)]:
        raise MissingExtra(
            f"{purpose} needs {' and '.join(missing)}, and this tilepress was installed without: "
            f"pip install 'tilepress[{extra}]'"
        )


def is_installed(module: str) -> bool:
    """Return whether a top-level module can be found, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
