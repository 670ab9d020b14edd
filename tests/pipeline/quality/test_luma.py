"""Luma at 16 to 235, as MATLAB makes it."""

from __future__ import annotations

import numpy as np

from tilepress.pipeline.quality.luma import video_luma


def test_luma_of_video_reaches_from_16_to_235_and_is_rounded() -> None:
    colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [10, 20, 30]]], np.uint8)
    assert video_luma(colours)[0, :, 0].tolist() == [16, 235, 81, 32]
