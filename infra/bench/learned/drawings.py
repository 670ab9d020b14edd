"""Flat drawings, where JPEG rings most visibly and photographs teach a network least. Pictures are uint8 (h, w, 3)."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

HEIGHT, WIDTH = 256, 384
SHAPES = 12  # of each kind
WORDS = ["The", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "0123456789"]


def drawing(seed: int) -> np.ndarray:
    """Return rectangles, lines and words of a few colours on a plain ground: the same for the same seed."""
    random = np.random.default_rng(seed)
    colours = [tuple(map(int, each)) for each in random.integers(0, 256, (6, 3))]
    image = Image.new("RGB", (WIDTH, HEIGHT), colours[0])
    pen = ImageDraw.Draw(image)

    def colour() -> tuple[int, ...]:
        return colours[random.integers(1, len(colours))]

    def corner() -> tuple[int, int]:
        return int(random.integers(WIDTH)), int(random.integers(HEIGHT))

    for _ in range(SHAPES):
        (left, top), (right, bottom) = corner(), corner()
        box = (min(left, right), min(top, bottom), max(left, right), max(top, bottom))
        pen.rectangle(box, fill=colour() if random.integers(2) else None, outline=colour())
        pen.line((corner(), corner()), fill=colour(), width=int(random.integers(1, 4)))
        font = ImageFont.load_default(float(random.integers(9, 25)))
        pen.text(corner(), WORDS[random.integers(len(WORDS))], fill=colour(), font=font)
    return np.asarray(image)
