"""Small block-dnn models for the golden archive: a cosine transform in the place of a trained network.

The shipped models are too large for it, and are trained anew from time to time; a decoder does not see the difference.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.entropy import rans
from tilepress.codecs.model import Model

_BLOCK, _FRACTION = 8, 18
_STEPS = {4: (0.125,), 8: (0.125,), 16: (0.25, 0.0625)}  # by ratio
_SHIFT = 4.0  # added to coefficients, since latents are not negative
_THRESHOLDS = (3000, 12000, 40000)
_SYMBOLS = 24


def cosine_model(ratio: int) -> Model:
    """A model of 64 / ratio latents a block, with one or two levels."""
    basis = _basis(64 // ratio)
    shift = np.full(len(basis), _SHIFT)
    shift[0] = 0
    tensors = {"analysis0.weight": basis.astype(np.float32), "analysis0.bias": shift.astype(np.float32)}
    for level, step in enumerate(_STEPS[ratio]):
        tensors |= {f"level{level}.{name}": array for name, array in _level(basis, shift, step, ratio).items()}
    config = {
        "block": _BLOCK,
        "latents": len(basis),
        "steps": list(_STEPS[ratio]),
        "default_level": len(_STEPS[ratio]) - 1,
        "fraction_bits": _FRACTION,
        "layers": 1,
    }
    return Model("block-dnn", config, {"made": "by hand, for tests", "rate": 1e-05}, "CC0-1.0", tensors)


def _basis(count: int) -> np.ndarray:
    """The first two-dimensional cosines (count, 64), low frequencies first, rows of length 1."""
    x = np.arange(_BLOCK)
    lines = np.array([np.cos(np.pi * (x + 0.5) * u / _BLOCK) for u in range(_BLOCK)])
    lines /= np.linalg.norm(lines, axis=1, keepdims=True)
    order = sorted(((u, v) for u in range(_BLOCK) for v in range(_BLOCK)), key=lambda f: (f[0] + f[1], f))
    return np.array([np.outer(lines[u], lines[v]).ravel() for u, v in order[:count]])


def _level(basis: np.ndarray, shift: np.ndarray, step: float, seed: int) -> dict[str, np.ndarray]:
    one, depth = 1 << _FRACTION, len(basis)
    rng = np.random.default_rng(seed)
    near = rng.integers(-60, 61, (3, depth, 5 * min(depth, 16)))  # small, so that predictions stay sensible
    own = np.tile([2048, 2048, -512, 512, 40, 8], (3, depth, 1))
    top = np.full(depth, round(2 * _BLOCK / step))
    start = np.tile(np.rint((shift + 0.5 * _BLOCK * (np.arange(depth) == 0)) / step), (3, 1))
    return {
        "decoder": np.rint(basis.T * step * one).astype(np.int16),
        "offset": np.rint(-(basis.T @ shift) * one).astype(np.int32),
        "near": near.astype(np.int8),
        "own": own.astype(np.int16),
        "bias": rng.integers(-500, 500, (3, depth)).astype(np.int16),
        "base": np.full((3, depth), 1500, np.int16),
        "slope": rng.integers(200, 1500, (3, depth, 9)).astype(np.int16),
        "thresholds": np.array(_THRESHOLDS, np.int32),
        "start": start.astype(np.int16),
        "doubt": np.full((3, depth), 2, np.int16),
        "top": top.astype(np.int16),
        "cdf": _cdf(),
    }


def _cdf() -> np.ndarray:
    values = np.arange(_SYMBOLS)
    scales = np.repeat([1.0, 3.0, 8.0, 16.0], 4)[:, None] * np.tile([1.0, 1.1, 1.2, 1.1], 4)[:, None]
    return rans.frequencies((1000 * np.exp(-values / scales)).astype(np.int64))
