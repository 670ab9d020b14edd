"""The predictors of the lossless codec: their places, the samples they look at, and the two simple ones.

Every predictor predicts a logistic distribution: a mean and an inverse scale. Least squares over several windows
(least_squares.py) and the gradient rule are blended by how well they did around; the blend without its usual
error (bias.py) is the guess. It counts three times: its scale comes from errors nearby, from those of a wide
window, and from both. The network (network.py) predicts a mixture, centred on the guess.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tilepress.codecs.kernels.kernel import Float, Int, borrowing, inline

PAD = 8  # samples of border on every side of a plane

PREDICTORS = 8
FITS = 3  # least-squares predictors, places 0 to 2; a level may use fewer
GRADIENT, BLEND, NETWORK, STEADY, WIDER = range(FITS, PREDICTORS)
BLENDED = GRADIENT + 1  # the first ones are blended

# rows of `predictors` (ROWS, PREDICTORS) float64: distributions; distances from the edges of a decision, in scales
ROWS = 4
MEAN, INVERSE, NEAR, HERE = range(ROWS)

# rows of `mixture` (ROWS_OF_MIXTURE, PARTS) float64: what the network predicts, PARTS logistic distributions
PARTS = 3
ROWS_OF_MIXTURE = 3
WEIGHT, CENTRE, SHARPNESS = range(ROWS_OF_MIXTURE)


class PlaneView(NamedTuple):
    """The samples that a prediction may use: its plane as decoded so far, and all planes known before it.

    All planes, and those of a base after them, lie in one field, each with a border of PAD samples, so that a
    neighbour, above or in another plane, is an offset to add to the place `at` of a sample in the field.
    """

    field: np.ndarray  # (planes * padded size,) float32: samples
    errors: np.ndarray  # float32: errors of the guess, at the same places; none for planes of a base
    start: Int  # where the plane begins in the field
    row: Int  # samples of a padded row: the offset to the row below
    partner: Int  # offset to the plane coded before this one; 0: none
    second: Int  # offset to the plane before that; 0: none
    low: Float  # lowest sample, np.float64
    high: Float  # highest sample, np.float64


@inline
def median_edge(west: Float, north: Float, corner: Float) -> Float:
    """Return the median edge detector's prediction (Weinberger, Seroussi and Sapiro, "LOCO-I", 2000, section 3.1)."""
    most, least = max(west, north), min(west, north)
    if corner >= most:
        return least
    if corner <= least:
        return most
    return west + north - corner


@borrowing
def gradient(picture: PlaneView, at: Int) -> Float:
    """Return the prediction of the median edge detector on samples, or on differences to the partner."""
    field, row = picture.field, picture.row
    west, north, corner = np.float64(field[at - 1]), np.float64(field[at - row]), np.float64(field[at - row - 1])
    if picture.partner:
        p = at + picture.partner
        return median_edge(west - field[p - 1], north - field[p - row], corner - field[p - row - 1]) + field[p]
    return median_edge(west, north, corner)


@borrowing
def blend(predictors: np.ndarray, energy: np.ndarray) -> Float:
    """Mean of the BLENDED first predictions, the weight falling with the fourth power of a predictor's energy."""
    total = mean = 0.0
    for k in range(BLENDED):
        share = 1.0 / (energy[k] * energy[k] + 0.3)
        share *= share
        total += share
        mean += share * predictors[MEAN, k]
    return mean / total
