"""Kernel of the lossless codec: one function walks a plane, when encoding and when decoding.

A sample is predicted by experts (least squares over several windows, a gradient rule, their blend, a network),
whose distributions are mixed in coding it (lossless_tree.py); then every part learns from what it was.
"""

from __future__ import annotations

import math

import numpy as np

from tilepress.codecs.kernel import Float, Int, inline, kernel
from tilepress.codecs.lossless_features import (
    ENERGIES,
    EXPERTS,
    FEATURES,
    level_features,
    own_features,
    partner_features,
    second_features,
    compand,
    logarithm,
)
from tilepress.codecs.lossless_mixer import CLASSES, CONTEXTS, COUNTERS, INPUTS, NODES, RATE, SCALE, SCALES, TEXTURE
from tilepress.codecs.lossless_network import OUTPUTS, run_network
from tilepress.codecs.lossless_numbers import clamp, log2_quarters
from tilepress.codecs.lossless_squares import BLOCK, add_sample, blur_back, combine, enter_block, solve
from tilepress.codecs.lossless_tree import INVERSE, MEAN, NETWORK, PARTS, code_sample

PAD = 8  # border on every side of a plane
FITS = 3  # least-squares experts
GRADIENT, BLEND, STEADY, WIDER = 3, 4, 6, 7  # the other experts
BLENDED = 4  # the first ones are blended
TAPS = 32

# columns of `fits` (FITS, 6) float64, a row for each least-squares expert
COUNT, STRIDE, DECAY, FADE, RIDGE, PERIOD = range(6)

_WIDE, _WIDE_ROWS = 0.85, 0.8  # window of the wide error: decay a column and a row
_WIDE_MEAN = (1 - _WIDE) / (1 + _WIDE) * (1 - _WIDE_ROWS)


@inline
def _energy(error: np.ndarray, k: Int, here: Int, row: Int) -> Float:
    """Eight times the mean size of expert k's errors around."""
    near = 2.0 * np.float64(abs(error[k, here - 1]) + abs(error[k, here - row]))
    far = abs(error[k, here - row - 1]) + abs(error[k, here - row + 1])
    return np.float64(near + far + (abs(error[k, here - 2]) + abs(error[k, here - 2 * row])))


@inline
def _reference(field: np.ndarray, at: Int, row: Int) -> Float:
    """A rough prediction, which the inputs of least squares are taken relative to."""
    return (field[at - 1] + field[at - row]) * np.float32(0.5) + (
        field[at - row + 1] - field[at - row - 1]
    ) * np.float32(0.25)


@inline
def _median(west: Float, north: Float, corner: Float) -> Float:
    """Median edge detector (LOCO-I)."""
    most, least = max(west, north), min(west, north)
    if corner >= most:
        return least
    if corner <= least:
        return most
    return west + north - corner


@inline
def _bucket(x: Float, per_unit: Float, half: Int) -> Int:
    """Class 0..2 half of a signed ratio, the middle one around zero."""
    return np.int64(clamp(x * per_unit + (half + 0.5), 0.0, 2.0 * half + 0.5))


@inline
def _gather(
    field: np.ndarray, at: Int, taps: np.ndarray, g: Int, n: Int, references: np.ndarray, inputs: np.ndarray
) -> None:
    for i in range(n):
        inputs[i] = field[at + taps[0, g, i]] - references[taps[1, g, i]]


@kernel
def code_plane(
    samples: np.ndarray,
    bounds: tuple[Int, Int, Int],
    place: tuple[Int, Int, Int, Int],
    planes: tuple[np.ndarray, np.ndarray],
    fits: np.ndarray,
    taps: np.ndarray,
    moves: np.ndarray,
    layers: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    model: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    probe: tuple[np.ndarray, np.ndarray, Int],
) -> None:
    """Code the samples (height, width) int32 of one plane: read when encoding, else written.

    `bounds`: lowest and highest sample, error. `place`: first sample of the plane in the field, offsets in the
    field to partner and second plane (0: none), the plane's own number. `planes`: field float32, padded planes of
    samples; errors float32 (planes, padded plane). `fits`, `taps`, `moves`: from lossless_levels. `model`: cells,
    mixer, coder, words. `probe`: features (n, FEATURES) int16 and targets (n, 2) float32 of every m-th sample.
    """
    field, blends = planes
    cells, mixer, coder, words = model
    low, high, _ = bounds
    start, partner, second, number = place
    least, most = np.float64(low), np.float64(high)
    height, width = samples.shape
    row = width + 2 * PAD
    size = (height + 2 * PAD) * row
    own = blends[number]
    mate = blends[(start + partner) // size]
    third = blends[(start + second) // size]
    blocks = (width + BLOCK - 1) // BLOCK
    n0, n1, n2 = np.int64(fits[0, COUNT]), np.int64(fits[1, COUNT]), np.int64(fits[2, COUNT])
    s0, s1, s2 = np.int64(fits[0, STRIDE]), np.int64(fits[1, STRIDE]), np.int64(fits[2, STRIDE])
    above0, right0 = np.zeros((blocks + 1, n0 * s0), np.float32), np.zeros((blocks + 1, n0 * s0), np.float32)
    above1, right1 = np.zeros((blocks + 1, n1 * s1), np.float32), np.zeros((blocks + 1, n1 * s1), np.float32)
    above2, right2 = np.zeros((blocks + 1, n2 * s2), np.float32), np.zeros((blocks + 1, n2 * s2), np.float32)
    sums0, sums1, sums2 = np.zeros(n0 * s0, np.float32), np.zeros(n1 * s1, np.float32), np.zeros(n2 * s2, np.float32)
    work = np.zeros(TAPS * TAPS, np.float32)
    inputs, weights = np.zeros((FITS, TAPS), np.float32), np.zeros((FITS, TAPS), np.float32)
    references = np.zeros(moves.size, np.float32)
    error = np.zeros((BLEND + 1, size), np.float32)
    experts, mixture = np.zeros((4, 8)), np.zeros((3, PARTS))
    mixture[2] = 1.0
    logits, context = np.zeros(INPUTS + 1), np.zeros(CONTEXTS + COUNTERS, np.int64)
    energy, levels = np.zeros(8), np.zeros(8, np.int64)
    usual, seen = np.zeros((8, 64, 16)), np.zeros((8, 64, 16))
    for k in range(8):
        value = 0.015625
        for level in range(64):
            usual[k, level] = value * (1.0 + 0.25 * (level & 3))
            if level & 3 == 3:
                value *= 2.0
    biases, bias_seen = np.zeros((2, 2048)), np.zeros((2, 2048))
    features = np.zeros(FEATURES, np.int32)
    hidden = (np.zeros(layers[1].size, np.int32), np.zeros(layers[3].size, np.int32), np.zeros(OUTPUTS, np.int32))
    wide_above, wide_right = np.zeros(width + 1), np.zeros(width + 1)
    has_network = layers[0].size > 0
    done = 0
    taken = 0
    for y in range(height):
        begin, line = start + (y + PAD) * row + PAD, (y + PAD) * row + PAD
        for i in range(1, PAD + 1):
            field[begin - i] = field[begin - row]
        if n0:
            blur_back(above0, fits[0, DECAY], right0)
            sums0[:] = 0
        if n1:
            blur_back(above1, fits[1, DECAY], right1)
            sums1[:] = 0
        if n2:
            blur_back(above2, fits[2, DECAY], right2)
            sums2[:] = 0
        for x in range(width - 1, -1, -1):
            wide_right[x] = wide_above[x] + _WIDE * wide_right[x + 1]
        wide_left = 0.0
        for x in range(width):
            at, here = begin + x, line + x
            block = x // BLOCK
            done += 1
            logits[RATE] = max(0.002, 0.02 / (1.0 + done * 0.0005))
            for r in range(moves.size):
                references[r] = _reference(field, at + moves[r], row)
            reference = np.float64(references[0])
            if x % BLOCK == 0:
                if n0:
                    enter_block(above0, block, fits[0, DECAY], fits[0, FADE], sums0)
                if n1:
                    enter_block(above1, block, fits[1, DECAY], fits[1, FADE], sums1)
                if n2:
                    enter_block(above2, block, fits[2, DECAY], fits[2, FADE], sums2)
            if n0:
                if x % np.int64(fits[0, PERIOD]) == 0:
                    solve(sums0, right0[block + 1], fits[0, DECAY], n0, s0, fits[0, RIDGE], work, weights[0])
                _gather(field, at, taps, 0, n0, references, inputs[0])
            experts[MEAN, 0] = clamp(reference + combine(inputs[0], weights[0], n0), least, most)
            if n1:
                if x % np.int64(fits[1, PERIOD]) == 1 or x == 0:
                    solve(sums1, right1[block + 1], fits[1, DECAY], n1, s1, fits[1, RIDGE], work, weights[1])
                _gather(field, at, taps, 1, n1, references, inputs[1])
            experts[MEAN, 1] = clamp(reference + combine(inputs[1], weights[1], n1), least, most)
            if n2:
                if x % np.int64(fits[2, PERIOD]) == 0:
                    solve(sums2, right2[block + 1], fits[2, DECAY], n2, s2, fits[2, RIDGE], work, weights[2])
                _gather(field, at, taps, 2, n2, references, inputs[2])
            experts[MEAN, 2] = clamp(reference + combine(inputs[2], weights[2], n2), least, most)
            west, north = np.float64(field[at - 1]), np.float64(field[at - row])
            corner, east = np.float64(field[at - row - 1]), np.float64(field[at - row + 1])
            if partner:
                p = at + partner
                rule = _median(west - field[p - 1], north - field[p - row], corner - field[p - row - 1]) + field[p]
            else:
                rule = _median(west, north, corner)
            experts[MEAN, GRADIENT] = clamp(rule, least, most)
            total = blend = 0.0
            for k in range(BLENDED):
                e = _energy(error, k, here, row)
                energy[k] = e
                share = 1.0 / (e * e + 0.3)
                share *= share
                total += share
                blend += share * experts[MEAN, k]
            blend /= total
            near = _energy(error, BLEND, here, row)
            energy[BLEND] = near
            wide_left = _WIDE * wide_left + wide_above[x]
            wide = (wide_left + _WIDE * wide_right[x + 1]) * _WIDE_MEAN
            if partner:
                sides = abs(mate[here + 1]) + abs(mate[here - 1]) + abs(mate[here + row]) + abs(mate[here - row])
                texture = (2.0 * np.float64(abs(mate[here])) + np.float64(sides)) * 1.5
            else:
                texture = abs(west - corner) + abs(north - east) + abs(north - corner)
                texture += abs(west - field[at - 2]) + abs(north - field[at - 2 * row])
            grain = min(max(log2_quarters(texture + 1.0) >> 1, 0), 15)
            band = min(max(log2_quarters(near + 1.0) >> 2, 0), 7)
            pattern = (band * 2 + (own[here - 1] > 0)) * 2 + (own[here - row] > 0)
            pattern = ((pattern * 2 + (west > blend)) * 2 + (north > blend)) * 2 + (east > blend)
            pattern = (pattern * 2 + (corner > blend)) * 2 + (field[at - 2 * row] > blend)
            lean = np.float64(mate[here] if partner else (own[here - 1] + own[here - row]) * np.float32(0.5))
            tilt = band * 9 + np.int64(clamp(lean + 4.5, 0.0, 8.5))
            guess = clamp(blend + (biases[0, pattern] + biases[1, tilt]) * 0.5, least, most)
            experts[MEAN, BLEND] = guess
            experts[MEAN, STEADY] = guess
            experts[MEAN, WIDER] = guess
            energy[STEADY] = wide * 8.0
            energy[WIDER] = near * 0.5 + wide * 4.0
            for k in range(8):
                if k != NETWORK:
                    level = min(max(log2_quarters(energy[k] + 0.25) + 8, 0), 63)
                    levels[k] = level
                    experts[INVERSE, k] = 1.0 / (0.55 * usual[k, level, grain] + 0.03)
            scale = 1.0 / experts[INVERSE, BLEND]
            unit = (near * 0.125 + wide) * 0.5 + 0.05
            if has_network or probe[2] > 0:
                inverse = 1.0 / unit
                own_features(features, field, at, own, here, row, guess, inverse)
                level_features(features, guess, unit, least, most, near * 0.125, wide, texture, scale)
                for k in range(BLENDED):
                    features[EXPERTS + k] = compand((experts[MEAN, k] - guess) * inverse)
                    features[ENERGIES + k] = logarithm((energy[k] * 0.125 + 0.05) * inverse, 16.0)
                if partner:
                    partner_features(features, field, at, partner, mate, here, row, guess, inverse, texture)
                if second:
                    second_features(features, third, here, row, inverse)
            if has_network:
                scale = run_network(features, layers, hidden, guess, unit, mixture)
            band = min(max(log2_quarters(scale * 8.0) >> 1, 0), SCALES - 1)
            sharp = 1.0 / (scale + 0.2)
            context[SCALE] = band
            recent = min(max((log2_quarters(np.float64(abs(own[here - 1])) + 0.25) + 8) >> 2, 0), 7)
            context[TEXTURE] = (grain >> 1) * 8 + recent
            w, n_ = _bucket((west - guess) * sharp, 1.5, 8), _bucket((north - guess) * sharp, 1.5, 8)
            ew, en_ = _bucket(own[here - 1] * sharp, 1.0, 5), _bucket(own[here - row] * sharp, 1.0, 5)
            a, b = (
                _bucket((experts[MEAN, 0] - guess) * sharp, 3.0, 8),
                _bucket((experts[MEAN, 1] - guess) * sharp, 3.0, 8),
            )
            context[2] = band * 16 + grain
            context[3] = w * 17 + n_
            context[4] = (ew * 11 + en_) * 8 + min(band >> 1, 7)
            context[5] = a * 17 + b
            context[6] = band * 8 + np.int64((guess - math.floor(guess)) * 8.0)
            if partner:
                context[7] = _bucket(mate[here] * sharp, 2.0, 16) * SCALES + band
            else:
                nn, ne = _bucket((field[at - 2 * row] - guess) * sharp, 1.5, 8), _bucket((east - guess) * sharp, 1.5, 8)
                context[7] = nn * 17 + ne
            for i in range(COUNTERS):
                context[CONTEXTS + i] = (i * CLASSES + context[CONTEXTS + i]) * NODES
            value = code_sample(
                np.int64(samples[y, x]),
                guess,
                scale,
                bounds,
                experts,
                mixture,
                logits,
                context,
                cells,
                mixer,
                coder,
                words,
            )
            samples[y, x] = value
            field[at] = value
            if probe[2] > 0 and done % probe[2] == 0 and taken < probe[0].shape[0]:
                for i in range(FEATURES):
                    probe[0][taken, i] = features[i]
                probe[1][taken, 0] = value - guess
                probe[1][taken, 1] = unit
                taken += 1
            for k in range(8):
                if k != NETWORK:
                    miss = abs(value - experts[MEAN, k])
                    if k <= BLEND:
                        error[k, here] = value - experts[MEAN, k]
                    level = levels[k]
                    count = seen[k, level, grain]
                    usual[k, level, grain] += (miss - usual[k, level, grain]) / (count + 2.0)
                    seen[k, level, grain] = min(count + 1.0, 200.0)
            own[here] = error[BLEND, here]
            wrong = value - blend
            biases[0, pattern] += (wrong - biases[0, pattern]) / (bias_seen[0, pattern] + 4.0)
            bias_seen[0, pattern] = min(bias_seen[0, pattern] + 1.0, 128.0)
            biases[1, tilt] += (wrong - biases[1, tilt]) / (bias_seen[1, tilt] + 4.0)
            bias_seen[1, tilt] = min(bias_seen[1, tilt] + 1.0, 256.0)
            miss = abs(value - guess)
            wide_left += miss
            wide_above[x] = _WIDE_ROWS * wide_above[x] + miss
            gain = 1.0 / (unit * unit + 0.15)
            target = np.float32(value - reference)
            if n0:
                inputs[0, n0] = target
                add_sample(inputs[0], n0, s0, gain, above0[block], sums0)
            if n1:
                inputs[1, n1] = target
                add_sample(inputs[1], n1, s1, gain, above1[block], sums1)
            if n2:
                inputs[2, n2] = target
                add_sample(inputs[2], n2, s2, gain, above2[block], sums2)
        for i in range(PAD):
            field[begin + width + i] = field[begin + width - 1]
            own[line + width + i] = own[line + width - 1]
            for k in range(BLEND + 1):
                error[k, line + width + i] = error[k, line + width - 1]
