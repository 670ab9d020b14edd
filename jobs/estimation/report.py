"""What an estimate says: plain values, for people, programs and pages."""

from __future__ import annotations

from dataclasses import dataclass, field

from tilepress.jobs.estimation.projection import Interval

_ENOUGH = 25  # units: of so many 115 of 120 intervals held, of 12 112, of 6 107 (infra/bench/estimate.py, three codecs)


@dataclass(frozen=True)
class KindEstimate:
    """Files of one kind: JPEG, PNG, TIFF or other. `sampled_files` of them were measured."""

    kind: str
    files: int
    bytes: int
    sampled_files: int
    archive_bytes: Interval
    core_hours: Interval


@dataclass(frozen=True)
class Payback:
    """When compressing pays for itself, in the currency of the prices that were given.

    `month`: the first at whose end storage has saved what compressing costs; None if none does. `latest_month`: the
    same at the wrong ends of the intervals.
    """

    compressing: Interval
    saved_a_month: Interval
    month: int | None
    latest_month: int | None


@dataclass(frozen=True)
class CodecEstimate:
    """What one codec makes of the collection."""

    codec: str
    archive_bytes: Interval
    saved_percent: Interval
    core_hours: Interval  # of processors like this one
    hours: Interval  # of `workers` shards at a time
    workers: int
    memory_bytes: int  # that so many shards are admitted for
    scratch_bytes: int  # of local disk, at most, while they are at work
    pixels_per_second: float  # of a core; 0 where the sample holds no pictures
    kinds: list[KindEstimate]
    units: int = 0  # that were measured: large files, or groups of small ones
    payback: Payback | None = None


@dataclass
class EstimateReport:
    """What compressing `source` takes. `files` and `bytes` were listed; intervals hold 19 times in 20."""

    source: str
    files: int = 0
    bytes: int = 0
    empty: int = 0  # of the files: links, folders, and files without content
    listed_all: bool = True
    listing_seconds: float = 0.0
    sampled_units: int = 0
    sampled_files: int = 0
    sampled_bytes: int = 0
    resumed_units: int = 0  # that an earlier command measured
    damaged_files: int = 0  # of those sampled: they do not decode, and are stored verbatim; or could not be read
    unreadable: list[tuple[str, str]] = field(default_factory=list)  # files and folders that could not be listed, why
    left_out: int = 0  # pipes, archives and the like: `compress` names them
    repeated_bytes: int = 0  # of files whose content others have, by ETag: stored once, and not subtracted here
    codecs: list[CodecEstimate] = field(default_factory=list)
    engine: str = ""
    seconds: float = 0.0
    compiling_seconds: float = 0.0  # of these, spent by this process on kernels that were in no cache
    overrun_seconds: float = 0.0  # beyond `minutes`; what took longest then: `slowest_file`, in `slowest_seconds`
    slowest_file: str = ""  # of a unit, its first file
    slowest_seconds: float = 0.0
    unseen_bytes: int = (
        0  # in strata without a measured unit, such as files too large for the time; by others of a kind
    )
    out: str = ""
    page: str = ""  # the HTML page, besides that in `out`

    @property
    def uncertain(self) -> list[str]:
        """Codecs that measured so few units of a larger collection that their intervals hold less often than said."""
        every = self.sampled_units if self.sampled_bytes >= self.bytes else _ENOUGH
        return [codec.codec for codec in self.codecs if codec.units < min(_ENOUGH, every)]

    @property
    def exit_code(self) -> int:
        """0 complete; 3 complete, but the listing was cut short, or files could not be read, or do not decode."""
        return 0 if self.listed_all and not self.unreadable and not self.damaged_files else 3
