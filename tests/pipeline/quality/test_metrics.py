"""Measures of quality, against independent libraries and against what their authors wrote."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tilepress.pipeline.quality.metrics import MS_SSIM_SIDE, MS_SSIM_WEIGHTS, distortion, ms_ssim, psnr, ssim

KINDS = [("uint8", 255), ("uint16", 65535), ("uint16", 4095)]
every_kind = pytest.mark.parametrize(("dtype", "peak"), KINDS)


def pair(height: int, width: int, channels: int, dtype: str, peak: int, noise: float = 0.04, seed: int = 0):
    """A smooth picture with edges, and the same with blur and noise."""
    rng = np.random.default_rng(seed)
    field = ndimage.zoom(rng.random((height // 12 + 2, width // 12 + 2, channels)), (12, 12, 1), order=1)
    clean = field[:height, :width]
    clean[height // 3 : height // 2] = 1 - clean[height // 3 : height // 2]
    blurred = ndimage.gaussian_filter(clean, (1, 1, 0)) + rng.normal(0, noise, clean.shape)
    return tuple((np.clip(image, 0, 1) * peak).round().astype(dtype) for image in (clean, blurred))


@every_kind
@pytest.mark.parametrize("shape", [(64, 80, 1), (61, 47, 3), (11, 200, 2), (33, 11, 4)])
def test_ssim_is_that_of_scikit_image(shape, dtype, peak):
    original, decoded = pair(*shape, dtype, peak)
    wanted = structural_similarity(
        original,
        decoded,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=peak,
    )
    assert ssim(original, decoded, peak) == pytest.approx(wanted, abs=1e-9)
    assert distortion(original, decoded, peak).ssim == pytest.approx(wanted, abs=1e-9)
    assert wanted < 0.97


@every_kind
@pytest.mark.parametrize("shape", [(176, 192, 3), (256, 176, 1)])
@pytest.mark.parametrize("noise", [0.01, 0.2])
def test_ms_ssim_is_that_of_pytorch_msssim_where_sides_halve_evenly(shape, noise, dtype, peak):
    from pytorch_msssim import ms_ssim as theirs

    original, decoded = pair(*shape, dtype, peak, noise)
    planes = (torch.from_numpy(image.astype(np.float64)).permute(2, 0, 1)[None] for image in (original, decoded))
    wanted = float(theirs(*planes, data_range=peak))
    assert ms_ssim(original, decoded, peak) == pytest.approx(wanted, abs=1e-4)
    assert distortion(original, decoded, peak).ms_ssim == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(("height", "width"), [(161, 161), (163, 200), (175, 333), (162, 165)])
def test_ms_ssim_of_odd_sides_is_that_of_the_authors_code(height, width):
    original, decoded = pair(height, width, 1, "uint8", 255)
    assert ms_ssim(original, decoded, 255) == pytest.approx(matlab_ms_ssim(original, decoded), abs=1e-6)


def matlab_ms_ssim(original: np.ndarray, decoded: np.ndarray) -> float:
    """As `msssim.m` of Wang et al.: `imfilter` of ones(2)/4 with symmetric borders, then every second sample."""
    x, y = (image[..., 0].astype(np.float64) for image in (original, decoded))
    product = 1.0
    for scale, weight in enumerate(MS_SSIM_WEIGHTS):
        full, map_ = structural_similarity(
            x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, full=True
        )
        contrast = contrast_structure(x, y)
        product *= (full if scale == 4 else contrast) ** weight
        assert map_.shape == x.shape
        x, y = (ndimage.correlate(v, np.ones((2, 2)) / 4, mode="reflect", origin=-1)[::2, ::2] for v in (x, y))
    return product


def contrast_structure(x: np.ndarray, y: np.ndarray) -> float:
    """Mean of (2 sxy + C2) / (sx^2 + sy^2 + C2) over windows inside the plane."""

    def blur(values: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(values, 1.5, radius=5)[5:-5, 5:-5]

    mx, my, c2 = blur(x), blur(y), (0.03 * 255) ** 2
    variances = blur(x * x) - mx * mx + blur(y * y) - my * my
    return float(((2 * (blur(x * y) - mx * my) + c2) / (variances + c2)).mean())


@settings(max_examples=40)
@given(st.data())
def test_mse_psnr_and_maximum_error_are_those_of_numpy_and_scikit_image(data):
    dtype, peak = data.draw(st.sampled_from(KINDS))
    shape = data.draw(st.tuples(st.integers(1, 24), st.integers(1, 24), st.integers(1, 4)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    original, decoded = rng.integers(0, peak + 1, (2, *shape)).astype(dtype)
    found = distortion(original, decoded, peak)
    difference = original.astype(np.int64) - decoded
    assert found.mse == pytest.approx(float((difference**2).mean()), rel=1e-12)
    assert found.max_error == int(abs(difference).max())
    if found.max_error:
        wanted = peak_signal_noise_ratio(original, decoded, data_range=peak)
        assert found.psnr == pytest.approx(wanted, abs=1e-9)
        assert psnr(found.mse, peak) == found.psnr
    assert distortion(decoded, original, peak) == found


@every_kind
def test_equal_images_have_no_finite_psnr_and_a_similarity_of_one(dtype, peak):
    image, _ = pair(MS_SSIM_SIDE, MS_SSIM_SIDE, 3, dtype, peak)
    found = distortion(image, image.copy(), peak)
    assert (found.mse, found.psnr, found.ssim, found.ms_ssim, found.max_error) == (0, None, 1, 1, 0)
    assert ssim(image, image, peak) == pytest.approx(1, abs=1e-12)
    assert ms_ssim(image, image, peak) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("height", "width", "similar", "multiscale"),
    [
        (10, 300, False, False),
        (300, 10, False, False),
        (11, 11, True, False),
        (160, 400, True, False),
        (161, 161, True, True),
    ],
)
def test_an_image_too_small_for_a_measure_has_none(height, width, similar, multiscale):
    original, decoded = pair(height, width, 3, "uint8", 255)
    found = distortion(original, decoded, 255)
    assert (found.ssim is not None, found.ms_ssim is not None) == (similar, multiscale)
    assert (ssim(original, decoded, 255), ms_ssim(original, decoded, 255)) == (found.ssim, found.ms_ssim)
    equal = distortion(original, original, 255)
    assert (equal.ssim is not None, equal.ms_ssim is not None) == (similar, multiscale)
    assert found.psnr is not None


def test_planes_are_measured_one_by_one_and_averaged():
    original, decoded = pair(176, 176, 3, "uint8", 255)
    decoded[..., 1] = original[..., 1]
    for measure in (ssim, ms_ssim):
        planes = [measure(original[..., [at]], decoded[..., [at]], 255) for at in range(3)]
        assert planes[1] == pytest.approx(1) and measure(original, decoded, 255) == pytest.approx(np.mean(planes))


def test_an_inverted_image_has_a_multiscale_similarity_of_zero_not_a_complex_one():
    original, _ = pair(176, 176, 1, "uint8", 255)
    assert ms_ssim(original, 255 - original, 255) == 0
    assert ssim(original, 255 - original, 255) < 0


@pytest.mark.parametrize("bad", ["shape", "dtype", "float", "flat"])
def test_what_cannot_be_compared_is_refused(bad):
    a, b = pair(20, 20, 1, "uint8", 255)
    a, b = {
        "shape": (a, b[:, :19]),
        "dtype": (a, b.astype(np.uint16)),
        "float": (a / 255, b / 255),
        "flat": (a[..., 0], b[..., 0]),
    }[bad]
    with pytest.raises(ValueError):
        distortion(a, b, 255)


def test_measuring_is_quick_beside_coding():
    original, decoded = pair(512, 512, 3, "uint8", 255)
    seconds = []
    for _ in range(4):
        started = time.thread_time()
        distortion(original, decoded, 255)
        seconds.append(time.thread_time() - started)
    assert min(seconds) < 0.1
