"""What the machine has: Python, PyTorch, the device, and which packages are missing for which stage."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import Any

_CORE = ("numpy", "numba", "torch", "safetensors")
_FILES = ("pyarrow", "fsspec", "tifffile", "PIL", "imagecodecs", "zstandard")
NEEDS: dict[str, tuple[str, ...]] = {
    "exactness": _CORE,
    "speed": _CORE,
    "training": (*_CORE, *_FILES, "yaml", "click", "rich", "matplotlib", "tensorboardX"),
    "busy": (*_CORE, *_FILES, "rich", "ray"),
}
_DISTRIBUTIONS = {"PIL": "pillow", "yaml": "pyyaml"}


@dataclass
class Environment:
    """`device` is "cuda" or "cpu"; `missing` has the packages that each stage lacks."""

    device: str
    facts: dict[str, Any] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)

    def why_not(self, stage: str) -> str:
        """Why a stage cannot run here, or ""."""
        lacks = self.missing.get(stage, [])
        names = " ".join(_DISTRIBUTIONS.get(name, name) for name in lacks)
        return f"this machine lacks {names} or cannot use them: carry them (infra/gpu/README.md)" if lacks else ""


def probe(device: str | None = None) -> Environment:
    """Look. `device` forces one; otherwise CUDA where PyTorch can use it."""
    names = sorted({name for needed in NEEDS.values() for name in needed})
    reasons = {name: reason for name in names if (reason := _unusable(name))}
    missing = {stage: [name for name in needed if name in reasons] for stage, needed in NEEDS.items()}
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
        "packages": {name: _version(name) for name in names},
    }
    if reasons:
        facts["unusable"] = reasons
    if "torch" not in missing["speed"]:
        device = _torch_facts(facts, device)
    return Environment(device or "cpu", facts, missing)


def _torch_facts(facts: dict[str, Any], device: str | None) -> str:
    import torch

    facts["cuda"] = torch.version.cuda
    if device != "cpu" and torch.cuda.is_available():
        torch.zeros(1, device="cuda")
        properties = torch.cuda.get_device_properties(0)
        facts["device"] = properties.name
        facts["device_memory_gb"] = round(properties.total_memory / 1e9, 1)
        facts["cudnn"] = torch.backends.cudnn.version()
        facts["driver"] = _driver()
        return "cuda"
    facts["device"] = "cpu"
    return device or "cpu"


def _driver() -> str:
    if shutil.which("nvidia-smi") is None:
        return "unknown"
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True, check=False, timeout=30).stdout.strip()


def _unusable(name: str) -> str:
    """Why a package cannot be imported, or "". Ray is only looked for: it takes seconds."""
    try:
        if name == "ray":
            return "" if importlib.util.find_spec(name) else "not there"
        importlib.import_module(name)
    except Exception as exc:  # noqa: BLE001 - packages that do not fit each other raise what they like
        return "not there" if isinstance(exc, ModuleNotFoundError) and exc.name == name else f"{exc}"
    return ""


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(_DISTRIBUTIONS.get(name, name))
    except importlib.metadata.PackageNotFoundError:
        return None if _unusable(name) else "of unknown version"
