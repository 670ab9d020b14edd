"""A page with every kind of section, of made images."""

from __future__ import annotations

import math

import numpy as np

from tests.support.make_collection import picture
from tilepress.jobs.pages.downloads import csv_file, json_file
from tilepress.jobs.pages.page import Page
from tilepress.jobs.pages.picture_sections import Compared, Comparison, Finding, Findings, Gallery, Thumb
from tilepress.jobs.pages.pictures import exact_pair, thumbnail
from tilepress.jobs.pages.sections import (
    Axis,
    Bar,
    Bars,
    Column,
    CurveChart,
    Curves,
    Distribution,
    Distributions,
    Downloads,
    Figure,
    Figures,
    Line,
    Notes,
    Section,
    Share,
    Shares,
    Table,
)
from tilepress.jobs.pages.spread import Spread

ROWS = 300
COLUMNS = ("path", "bytes", "saved", "PSNR")


def sample_page(images: int = 24, name: str = "photos.tp") -> Page:
    """Return the page; `name` is its title, and in the names of all that it shows."""
    return Page(
        title=name,
        subtitle="What the archive holds, and what it saved",
        kicker="tilepress report",
        command=f"tilepress report {name}",
        facts=[("made", "2026-11-28 05:00 UTC"), ("version", "0.1.0")],
        sections=[*_numbers(name), *_charts(name), *_images(images, name), *_rest(name)],
    )


def sample_rows(name: str) -> list[tuple[str, int, float, float | None]]:
    """Return the rows of the page's table; the PSNR of every seventh is not known."""
    return [
        (
            f"2024/{name}/{at:04d}.png",
            1000 + at * 7919 % 900_001,
            (at * 37 % 100) / 100,
            None if at % 7 == 0 else 30 + at,
        )
        for at in range(ROWS)
    ]


def _numbers(name: str) -> list[Section]:
    figures = [
        Figure("images", 10_000, "count", note="and 12 other files"),
        Figure("files", 12_345_678_901, "bytes", command=f"tilepress info {name}"),
        Figure("stored", 5_345_678_901, "bytes"),
        Figure("saved", 0.567, "percent", note="more than JPEG XL alone", tone="good"),
        Figure("quarantined", 12, "count", note="stored verbatim, with the reason", tone="warn"),
        Figure("worst PSNR", 31.247, "number", "dB"),
    ]
    shares = [
        Share("pixels, by lossless", 7000, 9_000_000_000, 4_100_000_000),
        Share(f"JPEG, transcoded byte for byte, {name}", 2900, 3_200_000_000, 1_150_000_000),
        Share("stored verbatim", 100, 145_678_901, 145_678_901),
    ]
    bars = [Bar("damaged", 7, "they end before their pixels do", "bad"), Bar(f"unsupported {name}", 5, tone="warn")]
    return [
        Figures(title="At a glance", figures=figures, command=f"tilepress info {name} --json"),
        Shares(title="Savings by kind", lead="Bytes of the files, and of what is stored.", shares=shares),
        Bars(title="Quarantined files", bars=bars, command=f"tilepress errors {name}"),
    ]


def _charts(name: str) -> list[Section]:
    rng = np.random.default_rng(1)
    sizes, rates = Spread(), Spread()
    for size, rate in zip(rng.lognormal(13, 1.5, 2000), rng.normal(3.1, 0.6, 2000), strict=True):
        sizes.add(round(float(size)))
        rates.add(float(rate))
    rate = np.array([0.1, 0.25, 0.5, 1.0, 2.0])
    lines = [
        Line(
            codec,
            [(float(x), gain + 6 * math.log2(1 + 8 * float(x))) for x in rate],
            [f"quality {q}" for q in (10, 30, 50, 70, 90)],
        )
        for gain, codec in ((22.0, "jpeg"), (24.5, "jpegxl"), (25.5, f"cnn-ae {name}"), (24.0, "gdn-factorized"))
    ]
    return [
        Distributions(
            title="Distributions",
            lead="How large the files are, and what their pixels cost.",
            charts=[
                Distribution("Size of the files", sizes.histogram(), "bytes"),
                Distribution("Bits per pixel", rates.histogram(), "number", "bpp"),
            ],
        ),
        Curves(
            title="Rate and distortion",
            charts=[
                CurveChart("PSNR", Axis("rate", "bpp", log=True), Axis("PSNR", "dB"), lines),
                CurveChart("Again", Axis("rate", "bpp"), Axis("PSNR", "dB"), lines[:2]),
            ],
        ),
    ]


def _images(images: int, name: str) -> list[Section]:
    made = [picture(96 + at, 128, 3, seed=at).astype(np.uint8) for at in range(images)]
    thumbs = [Thumb(thumbnail(each), f"{name}/{at}.png", f"{at} %", "2.4 bpp") for at, each in enumerate(made)]
    rng = np.random.default_rng(2)
    pairs = []
    for at, each in enumerate(made[:6]):
        noisy = np.clip(each + rng.integers(-3, 4, each.shape), 0, 255).astype(np.uint8)
        pairs.append(Compared(f"{name}/{at}.png", *exact_pair(each, noisy), f"{30 + at}.1 dB", [("rate", "0.4 bpp")]))
    findings = [
        Finding(
            "Dark frames",
            "They are nearly black: was the shutter closed?",
            12,
            "warn",
            thumbs[:5],
            "tilepress errors x",
        ),
        Finding("Damaged files", "They end before their pixels do.", 3, "bad"),
    ]
    return [
        Findings(title="Findings", findings=findings),
        Comparison(title="Worst images", lead="Original and decoded, the lowest PSNR first.", images=pairs),
        Gallery(title="A sample", lead="Previews, from the latents.", thumbs=thumbs),
    ]


def _rest(name: str) -> list[Section]:
    rows = sample_rows(name)
    columns = [Column("path"), Column("size", "bytes"), Column("saved", "percent"), Column("PSNR", "number", "dB")]
    files = [csv_file("rows.csv", COLUMNS, rows, "every row"), json_file("figures.json", {"name": name}, "the figures")]
    return [
        Table(title="Largest files", columns=columns, rows=rows, most=100, download=files[0]),
        Notes(title="Notes", paragraphs=[f"Everything above is of {name}.", "A second paragraph."]),
        Downloads(title="Data", files=files),
    ]
