"""What pictures suffer in measures.py, each in strengths 0 (hardly) to 1 (badly). Pictures are uint8 (h, w, 3)."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageFilter

Impairment = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def _clipped(image: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)


def blur(image: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
    """Gaussian, of radius 0.4 to 3."""
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(0.4 + 2.6 * strength)))


def noise(image: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
    """Normal, of 2 to 30 levels, each sample by itself."""
    return _clipped(image + random.normal(0, 2 + 28 * strength, image.shape))


def jpeg(image: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
    """Quality 90 to 5."""
    return _through(image, "JPEG", quality=round(90 - 85 * strength))


def pixels(image: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
    """Of 2 to 5 the side, mixed with the picture."""
    side, (height, width) = 2 + round(3 * strength), image.shape[:2]
    small = Image.fromarray(image).resize((-(-width // side), -(-height // side)), Image.Resampling.BOX)
    coarse = np.asarray(small.resize((width, height), Image.Resampling.NEAREST)).astype(float)
    return _clipped(image + (0.3 + 0.7 * strength) * (coarse - image))


def levels(image: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
    """As few as 32 to 5 of each sample."""
    step = 255 / round(31 - 27 * strength)
    return _clipped(np.rint(image / step) * step)


def contrast(image: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
    """Around the mean, less by 3 % to 40 %, and a shift of 0 to 15 levels."""
    mean = image.mean(axis=(0, 1))
    shift = 15 * strength * random.choice([-1, 1])
    return _clipped(mean + (0.97 - 0.37 * strength) * (image - mean) + shift)


def rings(image: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
    """No frequencies beyond 0.6 to 0.1 of what samples can hold."""
    height, width = image.shape[:2]
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    kept = np.hypot(rows, columns) < 0.3 - 0.25 * strength
    spectrum = np.fft.rfft2(image, axes=(0, 1)) * kept[..., None]
    return _clipped(np.fft.irfft2(spectrum, (height, width), axes=(0, 1)))


def jpeg2000(image: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
    """8:1 to 128:1."""
    return _through(image, "JPEG2000", quality_mode="rates", quality_layers=[8 * 2 ** (4 * strength)])


def webp(image: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
    """Quality 90 to 0."""
    return _through(image, "WEBP", quality=round(90 - 90 * strength))


def _through(image: np.ndarray, name: str, **options: object) -> np.ndarray:
    out = io.BytesIO()
    Image.fromarray(image).save(out, name, **options)
    return np.asarray(Image.open(out).convert("RGB"))


IMPAIRMENTS: Mapping[str, Impairment] = {
    f.__name__: f for f in (blur, noise, jpeg, pixels, levels, contrast, rings, jpeg2000, webp)
}
