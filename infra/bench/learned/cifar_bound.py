"""What 192 bytes of a 32 x 32 RGB image can carry, computed from CIFAR-10: linear transforms, a bound, JPEG 2000.

    python infra/bench/learned/cifar_bound.py cifar10

The Karhunen-Loeve transform of whole images (3,072 samples) is that of the training images; all figures are of the test
images, PSNR of the mean squared error over all of them, samples clipped and rounded.

- Coefficients in 8 bits each: the 192 of the largest variance, in uniform steps over the range of the training images.
- Bits where they are worth most: each of 1,536 bits goes to the coefficient whose error it lowers most, a uniform
  quantiser of the training images' range keeping a quarter of its error with each bit more.
- Gaussian bound: no code of so many bits an image has less error on Gaussian coefficients of the test images' variances
  (reverse water-filling; Cover, Thomas, "Elements of information theory", section 10.3.3). Images are not Gaussian, and
  a code may gain from that; a transform that knows only their covariance cannot.
- JPEG 2000: the finest bare code stream of at most 192 bytes, the same without its main header, which has no sample in
  it, and the bytes of the published 43.6 and 36.98 dB.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.jobs.reproduction.coders import Jpeg2000

BITS = 192 * 8
_COEFFICIENTS = 192
_DEEP = 12  # bits of a coefficient, at most
_QUALITIES = range(80, 601, 4)  # tenths of a dB
_SOD = b"\xff\x93"  # start of data: what stands before it is headers
_PUBLISHED = (43.6, 36.98)


class Transform:
    """The Karhunen-Loeve transform of images (n, 32, 32, 3), largest variance first."""

    def __init__(self, images: np.ndarray) -> None:
        rows = images.reshape(len(images), -1).astype(np.float64)
        self.mean = rows.mean(axis=0)
        _, vectors = np.linalg.eigh(np.cov(rows - self.mean, rowvar=False, bias=True))
        self.basis = vectors[:, ::-1]

    def forward(self, images: np.ndarray) -> np.ndarray:
        """Return coefficients (n, 3072)."""
        coefficients: np.ndarray = (images.reshape(len(images), -1) - self.mean) @ self.basis
        return coefficients

    def psnr(self, coefficients: np.ndarray, images: np.ndarray) -> float:
        """Return the PSNR in dB of the images that coefficients stand for."""
        decoded = np.clip(np.rint(coefficients @ self.basis.T + self.mean), 0, 255)
        return decibels(float(np.mean((decoded - images.reshape(len(images), -1)) ** 2)))


def decibels(error: float) -> float:
    """Return the PSNR of a mean squared error of 8-bit samples."""
    return float(10 * np.log10(255**2 / error))


def quantised(training: np.ndarray, values: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Return values (n, k) in 2^bits[k] uniform steps over the range of `training`; 0 bits: the mean, which is 0."""
    low, steps = training.min(axis=0), 2.0**bits
    width = (training.max(axis=0) - low) / steps
    cells = np.clip(np.floor((values - low) / width), 0, steps - 1)
    return np.asarray(np.where(bits > 0, low + (cells + 0.5) * width, 0.0))


def allocated(training: np.ndarray) -> np.ndarray:
    """Return BITS bits, (k,), given one by one to the coefficient whose error they lower most."""
    variance = np.mean(training**2, axis=0)
    first = np.ptp(training, axis=0) ** 2 / 12
    bits = np.zeros(training.shape[1], np.int64)
    for _ in range(BITS):
        error = np.where(bits > 0, np.minimum(first / 4.0**bits, variance), variance)
        # a first bit alone may gain nothing where values are far apart: the best mean gain of the next few counts
        gains = [(error - np.minimum(first / 4.0 ** (bits + k), variance)) / k for k in range(1, 5)]
        bits[int(np.argmax(np.where(bits < _DEEP, np.max(gains, axis=0), -1.0)))] += 1
    return bits


def gaussian_bound(variances: np.ndarray) -> float:
    """Return the PSNR in dB of Gaussian coefficients at BITS bits, by bisection of the level of water."""
    low, high = 1e-9, float(variances.max())
    for _ in range(100):
        level = (low + high) / 2
        rate = 0.5 * np.log2(np.maximum(variances / level, 1)).sum()
        low, high = (level, high) if rate > BITS else (low, level)
    return decibels(float(np.minimum(variances, level).mean()))


def jpeg2000(images: np.ndarray) -> dict[str, float]:
    """Return what JPEG 2000 needs and gives, by name, in dB and bytes."""
    coder, errors, bare, sizes = Jpeg2000(), [], [], dict[float, list[int]]()
    for image in images:
        points = list(_points(coder, image))
        errors.append(min((error for size, _, error in points if size <= BITS // 8), default=float("nan")))
        bare.append(min(error for size, header, error in points if size - header <= BITS // 8))
        for wanted in _PUBLISHED:
            fine = [size for size, _, error in points if error and decibels(error) < wanted]
            sizes.setdefault(wanted, []).append(max(fine))
    found = {"JPEG 2000 in 192 bytes, dB": decibels(float(np.mean(errors)))}
    found["JPEG 2000 in 192 bytes and its headers, dB"] = decibels(float(np.mean(bare)))
    return found | {f"bytes of JPEG 2000 below {wanted} dB": float(np.mean(each)) for wanted, each in sizes.items()}


def _points(coder: Jpeg2000, image: np.ndarray) -> Iterator[tuple[int, int, float]]:
    """Yield bytes, those of headers, and the error of an image at some qualities."""
    spec = TileSpec(*image.shape[:2], 3, "uint8", 8, "rgb")
    for quality in _QUALITIES:
        stream = coder.compress(image, quality)
        error = np.mean((coder.decode_tile(stream, spec).astype(np.float64) - image) ** 2)
        yield len(stream), stream.index(_SOD) + len(_SOD), float(error)


def bounds(training: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """Return the figures of images uint8 (n, 32, 32, 3), by name, in dB and bytes."""
    transform = Transform(training)
    learned, seen = transform.forward(training), transform.forward(test)
    eight = np.where(np.arange(seen.shape[1]) < _COEFFICIENTS, 8, 0)
    few = np.where(eight > 0, seen, 0.0)
    return {
        "192 coefficients as they are, dB": transform.psnr(few, test),
        "192 coefficients in 8 bits, dB": transform.psnr(quantised(learned, seen, eight), test),
        "1,536 bits where they are worth most, dB": transform.psnr(quantised(learned, seen, allocated(learned)), test),
        "Gaussian bound, dB": gaussian_bound(np.mean(seen**2, axis=0)),
        **jpeg2000(test[:200]),
    }


def main() -> None:
    """Read the arrays and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="with cifar10_lossless_train_part.npz and ..._test_part.npz")
    folder = parser.parse_args().folder
    training, test = (np.load(folder / f"cifar10_lossless_{part}_part.npz")["images"] for part in ("train", "test"))
    for name, value in bounds(training, test).items():
        print(f"{name}: {value:.2f}")


if __name__ == "__main__":
    main()
