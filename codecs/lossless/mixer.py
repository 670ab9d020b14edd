"""One binary decision of the lossless codec: logits of predictors and of adaptive counters mixed, refined and coded.

Two sets of weights, chosen by different contexts and trained on line, each mix the same logits (Mahoney, "Adaptive
weighing of context models", 2005); their mean is refined by an adaptive table of itself (secondary estimation).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tilepress.codecs.entropy.range_coder import NEW_CELL, raw_bit
from tilepress.codecs.kernels.kernel import Float, Int, borrowing, borrowing_kernel
from tilepress.codecs.lossless.predictors import PREDICTORS
from tilepress.codecs.lossless.tables import clamp, squash, stretch

COUNTERS = 6
INPUTS = 16  # PREDICTORS, counters, a constant, one unused
NODES = 32  # kinds of decision
SCALES = 24  # classes of expected error: the first set's context
TEXTURES = 64  # the second set's context
CLASSES = 1024  # contexts of a counter

_BIAS = PREDICTORS + COUNTERS
_SECOND = NODES * SCALES * INPUTS
_REFINED = _SECOND + NODES * TEXTURES * INPUTS
_BINS = 34  # of the refining table: logits -8..8 by halves, and one beyond
MIXER = _REFINED + NODES * SCALES * _BINS
CELLS = COUNTERS * CLASSES * NODES

# places of `context`: classes for the two sets of weights, and the counters' contexts
SCALE, TEXTURE, CONTEXTS = 0, 1, 2
RATE = INPUTS  # place in `logits`

_CONSTANT = 0.3
_REFINING = 0.02  # rate of the refining table
_COUNT_LIMIT = 150
_ADAPT = np.array([65536 * 2 // (2 * n + 3) for n in range(1024)], np.int32)


class Mixing(NamedTuple):
    """All that coding a bit needs: what is known of the sample, what was learnt, and the stream."""

    logits: np.ndarray  # (INPUTS + 1,) float64: of the predictors, filled in; of counters; then the learning rate
    context: np.ndarray  # (CONTEXTS + COUNTERS,) int64: classes at SCALE and TEXTURE; each counter's first cell
    cells: np.ndarray  # (CELLS,) uint32
    mixer: np.ndarray  # (MIXER,) float64
    coder: np.ndarray  # range_coder.start
    words: np.ndarray  # (n,) uint16


def new_cells() -> np.ndarray:
    """Return counters (CELLS,) uint32 that have seen nothing."""
    return np.full(CELLS, NEW_CELL, np.uint32)


def new_mixer(first: np.ndarray) -> np.ndarray:
    """Return weights and refining tables (MIXER,) float64; `first`: weights (NODES, INPUTS) to begin with."""
    mixer = np.zeros(MIXER)
    first_weights(mixer)[:] = first[:, None]
    mixer[_SECOND:_REFINED].reshape(NODES, TEXTURES, INPUTS)[:] = first[:, None]
    mixer[_REFINED:].reshape(-1, _BINS)[:] = [squash(np.float64((i - 16) / 2)) for i in range(_BINS)]
    return mixer


def first_weights(mixer: np.ndarray) -> np.ndarray:
    """Return the weights (NODES, SCALES, INPUTS) of the first set, a view."""
    return mixer[:_SECOND].reshape(NODES, SCALES, INPUTS)


@borrowing
def _dot(mixer: np.ndarray, at: Int, logits: np.ndarray) -> Float:
    a = b = c = d = 0.0
    for i in range(0, INPUTS, 4):
        a += mixer[at + i] * logits[i]
        b += mixer[at + i + 1] * logits[i + 1]
        c += mixer[at + i + 2] * logits[i + 2]
        d += mixer[at + i + 3] * logits[i + 3]
    return (a + b) + (c + d)


@borrowing
def _learn(mixer: np.ndarray, at: Int, logits: np.ndarray, step: Float) -> None:
    for i in range(INPUTS):
        mixer[at + i] += step * logits[i]


@borrowing
def _count(cells: np.ndarray, at: Int, bit: Int) -> None:
    state = np.int64(cells[at])
    count = state & 1023
    probability = state >> 10
    probability += ((4194303 * bit - probability) * np.int64(_ADAPT[count])) >> 16
    count += count < _COUNT_LIMIT
    cells[at] = (probability << 10) | count


@borrowing
def set_rate(logits: np.ndarray, done: Int) -> None:
    """Learn fast at first: the rate of sample number `done` (from 1)."""
    logits[RATE] = max(0.002, 0.02 / (1.0 + done * 0.0005))


@borrowing_kernel
def code_bit(bit: Int, node: Int, mixing: Mixing) -> Int:
    """Code `bit` (ignored when decoding) of kind `node`, below NODES, and return it."""
    logits, context, cells, mixer, coder, words = mixing
    for i in range(COUNTERS):
        logits[PREDICTORS + i] = stretch(np.int64(cells[context[CONTEXTS + i] + node]) >> 20)
    logits[_BIAS] = _CONSTANT
    scale = node * SCALES + context[SCALE]
    first = scale * INPUTS
    second = _SECOND + (node * TEXTURES + context[TEXTURE]) * INPUTS
    one, two = _dot(mixer, first, logits), _dot(mixer, second, logits)
    mean = (one + two) * 0.5
    place = (clamp(mean, -7.99, 7.99) + 8.0) * 2.0
    bin_ = np.int64(place)
    near = place - bin_
    refined = _REFINED + scale * _BINS + bin_
    table = mixer[refined] * (1.0 - near) + mixer[refined + 1] * near
    probability = np.int64((squash(mean) + table) * 32768.0)
    bit = raw_bit(bit, min(max(probability, 1), 65535), coder, words)
    rate = logits[RATE]
    _learn(mixer, first, logits, (bit - squash(one)) * rate)
    _learn(mixer, second, logits, (bit - squash(two)) * rate)
    mixer[refined] += (bit - mixer[refined]) * (_REFINING * (1.0 - near))
    mixer[refined + 1] += (bit - mixer[refined + 1]) * (_REFINING * near)
    for i in range(COUNTERS):
        _count(cells, context[CONTEXTS + i] + node, bit)
    return bit
