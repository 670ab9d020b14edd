"""One sample of the lossless codec as binary decisions: on which side of the prediction, how far, where exactly.

Steps away from the prediction are as wide as the expected error, so that most samples take two to five decisions.
Every predictor is a logistic distribution, whose logits of such decisions are sums of table entries; the network's
mixture of logistic distributions is evaluated as it is. Decisions below the prediction mirror those above.
With an error bound of N, samples fall into bins of 2N + 1 values, the middle one around the prediction.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tilepress.codecs.kernels.kernel import Float, Int, borrowing, borrowing_kernel, inline
from tilepress.codecs.lossless.mixer import Mixing, code_bit
from tilepress.codecs.lossless.predictors import (
    CENTRE,
    HERE,
    INVERSE,
    MEAN,
    NEAR,
    NETWORK,
    PARTS,
    PREDICTORS,
    SHARPNESS,
    WEIGHT,
)
from tilepress.codecs.lossless.tables import clamp, gap, ln, softplus, upper

# kinds of decisions, see code_bit: which side; on each side, how far by steps and by halving the last step
_WHICH_SIDE = 0
_STEPS = 8  # kinds of steps a side
_HALVINGS = 6  # kinds of halvings a side
_STEP = 1
_HALVING = _STEP + 2 * _STEPS

_DOUBLING = 4  # steps before they grow
_LEAST = 1e-12  # probability


class Side(NamedTuple):
    """The side of the prediction that a sample is on: where distances begin, and how they count."""

    up: Int  # 1: above
    sign: Float  # 1.0 above, -1.0 below
    edge: Float  # between the two sides, in samples
    span: Int  # samples in a bin; distances are in bins
    away: Int  # distance of the sample, ignored when decoding


class Interval(NamedTuple):
    """Distances near..far - 1, one of which is the sample's, and the network's mass beyond either end."""

    near: Int
    far: Int
    outside: Float  # beyond near
    inside: Float  # beyond far


@borrowing
def _mass(mixture: np.ndarray, edge: Float, sign: Float) -> Float:
    """Probability that the network gives to what is beyond `edge`, to the side of `sign`."""
    total = 0.0
    for part in range(PARTS):
        total += mixture[WEIGHT, part] * upper((mixture[CENTRE, part] - edge) * mixture[SHARPNESS, part] * sign)
    return total


@inline
def _odds(here: Float, rest: Float) -> Float:
    """Logit of one of two probabilities."""
    return ln(max(here, 0.0) + _LEAST) - ln(max(rest, 0.0) + _LEAST)


@borrowing
def _beyond(predictors: np.ndarray, width: Float, logits: np.ndarray) -> None:
    """Logits of a sample known to be beyond the near edge to be `width` further."""
    for k in range(PREDICTORS):
        distance = width * predictors[INVERSE, k]
        here = predictors[NEAR, k] - distance
        predictors[HERE, k] = here
        logits[k] = softplus(-predictors[NEAR, k]) + here - gap(distance)


@borrowing
def _between(predictors: np.ndarray, half: Float, whole: Float, logits: np.ndarray) -> None:
    """Logits of a sample known to be less than `whole` beyond the near edge to be `half` further at least."""
    for k in range(PREDICTORS):
        near = predictors[NEAR, k]
        here = near - half * predictors[INVERSE, k]
        far = near - whole * predictors[INVERSE, k]
        predictors[HERE, k] = here
        inner, outer = gap((whole - half) * predictors[INVERSE, k]), gap(half * predictors[INVERSE, k])
        logits[k] = (softplus(-near) - softplus(-far)) - far + inner + here - outer


@borrowing
def _advance(predictors: np.ndarray) -> None:
    """What was looked at is the near edge now."""
    for k in range(PREDICTORS):
        predictors[NEAR, k] = predictors[HERE, k]


@borrowing
def _code_side(
    actual: Int, first: Int, low: Int, high: Int, predictors: np.ndarray, mixture: np.ndarray, mixing: Mixing
) -> tuple[Int, Float]:
    """Code whether the sample is `first` or above; return that, 0 or 1, and the network's mass on the sample's side.

    `actual`: the sample, in levels; ignored when decoding.
    `first`: lowest sample of the upper side; `low`, `high`: lowest and highest sample that there may be.
    `predictors` float64 (ROWS, PREDICTORS): row NEAR is set to the distance of the edge between the sides.
    `mixture` float64 (ROWS_OF_MIXTURE, PARTS): the network's distributions.
    `mixing`: state of the binary decisions, context filled in.
    """
    edge = first - 0.5
    for k in range(PREDICTORS):
        predictors[NEAR, k] = (predictors[MEAN, k] - edge) * predictors[INVERSE, k]
        mixing.logits[k] = predictors[NEAR, k]
    above, below = _mass(mixture, edge, 1.0), _mass(mixture, edge, -1.0)
    mixing.logits[NETWORK] = _odds(above, below)
    if first > high:
        up = np.int64(0)
    elif first <= low:
        up = np.int64(1)
    else:
        up = np.int64(code_bit(np.int64(actual >= first), np.int64(_WHICH_SIDE), mixing))
    if not up:
        for k in range(PREDICTORS):
            predictors[NEAR, k] = -predictors[NEAR, k]
    return up, above if up else below


@borrowing
def _code_steps(
    side: Side, limit: Int, step: Int, outside: Float, predictors: np.ndarray, mixture: np.ndarray, mixing: Mixing
) -> Interval:
    """Walk away from the prediction step by step until the sample is within the step; return that interval.

    `side`: the side of the prediction that the sample is on.
    `limit`: largest distance that there may be, in bins.
    `step`: width of the first steps, in bins; later ones are wider.
    `outside`: the network's mass on this side.
    `predictors` float64 (ROWS, PREDICTORS): row NEAR follows the near edge of the interval.
    `mixture` float64 (ROWS_OF_MIXTURE, PARTS): the network's distributions.
    `mixing`: state of the binary decisions, context filled in.
    """
    first = _STEP + (0 if side.up else _STEPS)
    near = np.int64(0)
    taken = 0
    while True:
        far = near + step
        if far > limit:
            inside = _mass(mixture, side.edge + side.sign * ((limit + 1) * side.span), side.sign)
            return Interval(near, limit + 1, outside, inside)
        _beyond(predictors, np.float64(step * side.span), mixing.logits)
        mass = min(_mass(mixture, side.edge + side.sign * (far * side.span), side.sign), outside)
        mixing.logits[NETWORK] = _odds(mass, outside - mass)
        if not code_bit(np.int64(side.away >= far), first + min(taken, _STEPS - 1), mixing):
            return Interval(near, far, outside, mass)
        near, outside = far, mass
        _advance(predictors)
        taken += 1
        if taken >= _DOUBLING and taken % 2 == 0:
            step *= 2


@borrowing
def _code_halvings(side: Side, interval: Interval, predictors: np.ndarray, mixture: np.ndarray, mixing: Mixing) -> Int:
    """Halve the interval until one distance is left; return it: the sample's, in bins.

    `side`: the side of the prediction that the sample is on.
    `interval`: distances to begin with, from `_code_steps`.
    `predictors` float64 (ROWS, PREDICTORS): row NEAR follows the near edge of the interval.
    `mixture` float64 (ROWS_OF_MIXTURE, PARTS): the network's distributions.
    `mixing`: state of the binary decisions, context filled in.
    """
    near, far, outside, inside = interval
    first = _HALVING + (0 if side.up else _HALVINGS)
    depth = 0
    while far - near > 1:
        middle = (near + far) >> 1
        half, whole = np.float64((middle - near) * side.span), np.float64((far - near) * side.span)
        _between(predictors, half, whole, mixing.logits)
        mass = clamp(_mass(mixture, side.edge + side.sign * (middle * side.span), side.sign), inside, outside)
        mixing.logits[NETWORK] = _odds(mass - inside, outside - mass)
        if code_bit(np.int64(side.away >= middle), first + min(depth, _HALVINGS - 1), mixing):
            near, outside = middle, mass
            _advance(predictors)
        else:
            far, inside = middle, mass
        depth += 1
    return near


@borrowing_kernel
def code_sample(
    actual: Int,
    guess: Float,
    scale: Float,
    bounds: tuple[Int, Int, Int],
    predictors: np.ndarray,
    mixture: np.ndarray,
    mixing: Mixing,
) -> Int:
    """Code one sample; return the sample that the decoder gets, within the error bound of `actual`.

    `actual`: the sample, low..high, in levels; ignored when decoding.
    `guess`: prediction, low..high, in levels.
    `scale`: expected size of the error, in levels.
    `bounds`: low, high and error bound, in levels.
    `predictors` float64 (ROWS, PREDICTORS): rows MEAN and INVERSE filled in.
    `mixture` float64 (ROWS_OF_MIXTURE, PARTS): the network's distributions.
    `mixing`: state of the binary decisions, context filled in.
    """
    low, high, error = bounds
    span = 2 * error + 1
    first = np.int64(math.floor(guess + (0.5 if error else 0.0))) + error + 1  # of the upper side
    up, outside = _code_side(actual, first, low, high, predictors, mixture, mixing)
    sign = 1.0 if up else -1.0
    limit = (high - first) // span if up else (first - 1 - low) // span
    away = (actual - first) // span if up else (first - 1 - actual) // span
    side = Side(up, sign, first - 0.5, span, away)
    step = np.int64(max(np.int64(clamp(scale * 0.8, 0.0, 1e6)) // span, 1))
    interval = _code_steps(side, limit, step, outside, predictors, mixture, mixing)
    near = _code_halvings(side, interval, predictors, mixture, mixing)
    value = first + near * span + error if up else first - 1 - near * span - error
    return min(max(value, low), high)
