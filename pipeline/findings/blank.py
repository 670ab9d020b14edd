"""Pictures without content: one value, but for noise."""

from __future__ import annotations

import numpy as np

from tilepress.pipeline.findings.finding import BLANK, Finding
from tilepress.pipeline.findings.sample import Sample

_NEAR = 2  # levels on either side of the median that count as its own: noise. None where there are few levels
_FEW = 6  # bits
_SHARE = 0.9995  # of the samples of every channel


def find_blank(sample: Sample) -> Finding | None:
    """Return the finding if nearly all samples of each channel are near their median, in the crops and beyond."""
    near = max(_NEAR, sample.peak >> 11) if sample.bits > _FEW else 0
    share = min(_share(counts, near) for counts in sample.thin_counts)
    if share >= _SHARE:
        share = min(share, *(_share(counts, near) for counts in sample.counts))
    if share < _SHARE:
        return None
    return Finding(BLANK, share, f"{100 * share:.2f} % of the samples are within {near} levels of one value")


def _share(counts: np.ndarray, near: int) -> float:
    """Share of samples that are within `near` levels of the median."""
    sums = np.cumsum(counts)
    median = int(np.searchsorted(sums, (sums[-1] + 1) // 2))
    return float(counts[max(0, median - near) : median + near + 1].sum() / sums[-1])
