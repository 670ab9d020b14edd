"""One sample of the lossless codec as binary decisions: on which side of the prediction, how far, where exactly.

Steps away from the prediction are as wide as the expected error, so that most samples take two to five decisions.
Every expert is a logistic distribution, whose logits of such decisions are sums of table entries; the network's
mixture of logistic distributions is evaluated as it is. Decisions below the prediction mirror those above.
With an error bound of N, samples fall into bins of 2N + 1 values, the middle one around the prediction.
"""

from __future__ import annotations

import math

import numpy as np

from tilepress.codecs.kernel import Float, Int, inline, kernel
from tilepress.codecs.lossless_mixer import EXPERTS, code_bit
from tilepress.codecs.lossless_numbers import clamp, gap, ln, softplus, upper

PARTS = 3  # logistic distributions of the network's mixture
NETWORK = 5  # its place among the experts
MEAN, INVERSE, NEAR, HERE = range(4)  # rows of `experts`
WEIGHT, CENTRE, SHARPNESS = range(3)  # rows of `mixture`

_SIDES = 8  # decisions about distance with weights of their own, a side
_HALVINGS = 6
_DOUBLING = 4  # steps before they grow
_LEAST = 1e-12  # probability mass


@inline
def _mass(mixture: np.ndarray, edge: Float, sign: Float) -> Float:
    """Mass of the network's mixture beyond `edge`, to the side of `sign`."""
    total = 0.0
    for part in range(PARTS):
        total += mixture[WEIGHT, part] * upper((mixture[CENTRE, part] - edge) * mixture[SHARPNESS, part] * sign)
    return total


@inline
def _odds(here: Float, rest: Float) -> Float:
    return ln(max(here, 0.0) + _LEAST) - ln(max(rest, 0.0) + _LEAST)


@inline
def _beyond(experts: np.ndarray, width: Float, logits: np.ndarray) -> None:
    """Logits of a sample known to be beyond the near edge to be `width` further."""
    for k in range(EXPERTS):
        distance = width * experts[INVERSE, k]
        here = experts[NEAR, k] - distance
        experts[HERE, k] = here
        logits[k] = softplus(-experts[NEAR, k]) + here - gap(distance)


@inline
def _between(experts: np.ndarray, half: Float, whole: Float, logits: np.ndarray) -> None:
    """Logits of a sample known to be less than `whole` beyond the near edge to be `half` further at least."""
    for k in range(EXPERTS):
        near = experts[NEAR, k]
        here = near - half * experts[INVERSE, k]
        far = near - whole * experts[INVERSE, k]
        experts[HERE, k] = here
        inner, outer = gap((whole - half) * experts[INVERSE, k]), gap(half * experts[INVERSE, k])
        logits[k] = (softplus(-near) - softplus(-far)) - far + inner + here - outer


@kernel
def code_sample(
    actual: Int,
    guess: Float,
    scale: Float,
    bounds: tuple[Int, Int, Int],
    experts: np.ndarray,
    mixture: np.ndarray,
    logits: np.ndarray,
    context: np.ndarray,
    cells: np.ndarray,
    mixer: np.ndarray,
    coder: np.ndarray,
    words: np.ndarray,
) -> Int:
    """Code one sample within low..high (`bounds`: low, high, error) and return what the decoder gets.

    `guess`: prediction within low..high; `scale`: expected error. `experts` (4, EXPERTS): means and inverse scales
    filled in. `mixture` (3, PARTS). The others: see code_bit.
    """
    low, high, error = bounds
    span = 2 * error + 1
    first = np.int64(math.floor(guess + (0.5 if error else 0.0))) + error + 1
    edge = first - 0.5
    for k in range(EXPERTS):
        experts[NEAR, k] = (experts[MEAN, k] - edge) * experts[INVERSE, k]
        logits[k] = experts[NEAR, k]
    above, below = _mass(mixture, edge, 1.0), _mass(mixture, edge, -1.0)
    logits[NETWORK] = _odds(above, below)
    if first > high:
        up = np.int64(0)
    elif first <= low:
        up = np.int64(1)
    else:
        up = np.int64(code_bit(np.int64(actual >= first), 0, logits, context, cells, mixer, coder, words))
    sign = 1.0 if up else -1.0
    if up:
        limit, away, outside = (high - first) // span, (actual - first) // span, above
    else:
        limit, away, outside = (first - 1 - low) // span, (first - 1 - actual) // span, below
        for k in range(EXPERTS):
            experts[NEAR, k] = -experts[NEAR, k]
    kind = 1 if up else 1 + _SIDES
    near = np.int64(0)
    inside = 0.0  # mass beyond the far edge
    step = np.int64(max(np.int64(clamp(scale * 0.8, 0.0, 1e6)) // span, 1))
    taken = 0
    while True:
        far = near + step
        if far > limit:
            far = limit + 1
            inside = _mass(mixture, edge + sign * (far * span), sign)
            break
        _beyond(experts, np.float64(step * span), logits)
        mass = min(_mass(mixture, edge + sign * (far * span), sign), outside)
        logits[NETWORK] = _odds(mass, outside - mass)
        node = kind + min(taken, _SIDES - 1)
        if not code_bit(np.int64(away >= far), node, logits, context, cells, mixer, coder, words):
            inside = mass
            break
        near, outside = far, mass
        for k in range(EXPERTS):
            experts[NEAR, k] = experts[HERE, k]
        taken += 1
        if taken >= _DOUBLING and taken % 2 == 0:
            step *= 2
    kind = 1 + 2 * _SIDES if up else 1 + 2 * _SIDES + _HALVINGS
    depth = 0
    while far - near > 1:
        middle = (near + far) >> 1
        _between(experts, np.float64((middle - near) * span), np.float64((far - near) * span), logits)
        mass = clamp(_mass(mixture, edge + sign * (middle * span), sign), inside, outside)
        logits[NETWORK] = _odds(mass - inside, outside - mass)
        node = kind + min(depth, _HALVINGS - 1)
        if code_bit(np.int64(away >= middle), node, logits, context, cells, mixer, coder, words):
            near, outside = middle, mass
            for k in range(EXPERTS):
                experts[NEAR, k] = experts[HERE, k]
        else:
            far, inside = middle, mass
        depth += 1
    value = first + near * span + error if up else first - 1 - near * span - error
    return min(max(value, low), high)
