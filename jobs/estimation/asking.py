"""What `tilepress estimate` was asked for, and whether that makes sense."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tilepress.codecs.registry import QUICK
from tilepress.jobs.codec_choice import AUTO
from tilepress.jobs.estimation.sampling import engine_of
from tilepress.jobs.page_file import require_page_name, require_page_place
from tilepress.pipeline.archive.fidelity import LOSSY
from tilepress.pipeline.archive.index_row import MAX_TILE
from tilepress.pipeline.engine.engine import EngineConfig
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.storage.base import true_place
from tilepress.pipeline.storage.listing_rules import KEEP
from tilepress.pipeline.storage.options import NO_OPTIONS

DEFAULT_TILE = 512
LOSSLESS = "lossless"
DEFAULT_CODECS = (AUTO, LOSSLESS)  # where none is named; the second for some of the units


@dataclass(frozen=True)
class EstimateConfig:
    """What `tilepress.estimate` was asked for; its signature describes every field."""

    source: str
    codecs: tuple[str, ...] = ()
    quality: int | None = None
    effort: int | None = None
    fidelity: str = "pixels"
    max_error: int | None = None
    residual: str = QUICK
    out: str | None = None
    report: str | None = None  # where the page goes
    minutes: float = 2.0
    sample: int | None = None
    seed: int = 0
    price_storage: float | None = None
    price_core_hour: float | None = None
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    links: str = KEEP
    tile: int = DEFAULT_TILE
    shard_bytes: int | None = None
    engine: EngineConfig = field(default_factory=EngineConfig)
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # of all places: see StorageOptions

    @property
    def shown_codecs(self) -> tuple[str, ...]:
        """Those that were asked for; without any, `auto` and, where it can store so, the smallest."""
        plain = self.quality is None and self.fidelity != LOSSY
        return self.codecs or (DEFAULT_CODECS if plain else DEFAULT_CODECS[:1])

    @property
    def alternatives(self) -> tuple[str, ...]:
        """Codecs that nobody asked for, which not every unit is measured with."""
        return () if self.codecs else self.shown_codecs[1:]

    @property
    def prices(self) -> tuple[float, float] | None:
        """Those of a terabyte a month and of a core-hour, if both are given."""
        both = self.price_storage, self.price_core_hour
        return None if both[0] is None or both[1] is None else (both[0], both[1])


def check(config: EstimateConfig) -> None:
    """Raise UsageError for what cannot be done as asked, before anything is made."""
    if not 16 <= config.tile <= MAX_TILE:
        raise UsageError(f"`tile` {config.tile} is not within 16 to {MAX_TILE}")
    if (config.price_storage is None) != (config.price_core_hour is None):
        raise UsageError("`price_storage` and `price_core_hour` say together when compressing pays: give both")
    if config.prices is not None and not all(map(math.isfinite, config.prices)):
        raise UsageError("`price_storage` and `price_core_hour` are amounts of money: infinity is none")
    require_page_name("report", config.report)
    engine_of(config.engine)  # a wrong engine option must not leave a folder behind
    if config.out is None and config.engine.ray_address:
        raise UsageError("name a place for `out` that every machine of the cluster reaches")
    for name, written in (("out", config.out), ("report", config.report)):
        if written is not None and f"{true_place(written)}/".startswith(f"{true_place(config.source)}/"):
            raise UsageError(f"`{name}` {written} lies within the source and would become part of it: choose another")
    require_page_place("report", config.report, config.storage_options)
