"""How far the textures of decoded pixels are from those of the original: what squared error does not see.

Decoders of least squared error blur what latents do not say. Decoders trained against a critic fill it in, though not
where it was. The distance compares distributions, not places: features of all blocks of 8 x 8 luma samples are the
logarithms of the energies of their DCT coefficients, and the distance is that of Frechet between the Gaussians that fit
both pictures' features (Dowson, Landau, "The Frechet distance between multivariate normal distributions", 1982), as
Heusel et al. 2017 use it with features of a network. It is 0 for equal textures, and grows with blur as with noise.
"""

from __future__ import annotations

import numpy as np

SIDE = 8  # of blocks
LEAST_BLOCKS = 256  # of a picture, for its covariances to mean something
_FLOOR = 1.0  # added to energies, in squared levels of 8 bits: rounding is no texture
_LUMA = np.array([0.299, 0.587, 0.114])


def texture_distance(original: np.ndarray, decoded: np.ndarray, peak: int) -> float | None:
    """Return the distance of two pictures (h, w, c) of samples 0..`peak`, c being 1 or 3; None for small ones."""
    features = [_features(image, peak) for image in (original, decoded)]
    if len(features[0]) < LEAST_BLOCKS:
        return None
    (mean, covariance), (other_mean, other) = ((f.mean(axis=0), np.cov(f, rowvar=False)) for f in features)
    shared = np.sqrt(np.maximum(np.linalg.eigvals(covariance @ other).real, 0)).sum()
    apart = float(np.sum((mean - other_mean) ** 2) + np.trace(covariance) + np.trace(other) - 2 * shared)
    return max(apart, 0.0)


def _features(image: np.ndarray, peak: int) -> np.ndarray:
    """Return (blocks, 63) log energies of the coefficients but the mean, of whole blocks from the top left."""
    samples = image.astype(np.float64) * (255 / peak)
    luma = samples @ _LUMA if image.shape[2] == len(_LUMA) else samples[..., 0]
    rows, columns = (side // SIDE for side in luma.shape)
    blocks = luma[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE).swapaxes(1, 2)
    basis = _cosines()
    energies = (basis @ blocks @ basis.T).reshape(-1, SIDE * SIDE)[:, 1:] ** 2
    logarithms: np.ndarray = np.log(energies + _FLOOR)
    return logarithms


def _cosines() -> np.ndarray:
    """The orthonormal DCT-II of SIDE samples, a row a frequency."""
    k, n = np.mgrid[:SIDE, :SIDE]
    basis: np.ndarray = np.cos(np.pi * (2 * n + 1) * k / (2 * SIDE)) * np.sqrt(2 / SIDE)
    basis[0] /= np.sqrt(2)
    return basis
