"""The machine and the libraries that figures were taken with, in a few lines of text."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import imagecodecs
import numpy as np

_LIBRARIES = ("jpegxl", "webp", "jpegls", "jpeg2k", "png")


def machine() -> str:
    """Processor, load, and versions."""
    libraries = ", ".join(str(getattr(imagecodecs, f"{name}_version")()) for name in _LIBRARIES)
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{_processor()}, {os.cpu_count()} processors, load {load}; one thread, MP per CPU second\n"
        f"Python {platform.python_version()}, numpy {np.__version__}, {libraries}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
