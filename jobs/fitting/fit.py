"""One level of the lossless codec fitted to windows of an archive, and every level measured on others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tilepress.codecs.classical.jpegxl import JpegXl
from tilepress.codecs.codec import Settings
from tilepress.codecs.lossless.codec import Lossless
from tilepress.codecs.lossless.levels import DEFAULT, FAST, MAX, Level
from tilepress.codecs.lossless.model import model_of
from tilepress.codecs.lossless.network import Network
from tilepress.codecs.lossless.stack import StartState, encode_stack
from tilepress.jobs.fitting.export import network_of
from tilepress.jobs.fitting.images import Window, spread
from tilepress.jobs.fitting.mixing import mean_mixing, usual_mixing
from tilepress.jobs.fitting.network import Schedule, fit
from tilepress.jobs.fitting.samples import collect
from tilepress.pipeline.errors import UsageError

ROWS = 1_500_000  # of features a level, at most
LEAST_ROWS = 2000
EFFORTS = {FAST.name: 2, DEFAULT.name: 5, MAX.name: 9}
_JPEGXL_EFFORT = 7

# Samples coded to collect features, and in learning and in judging the mixing weights: a minute or so in all
_FEATURE_SAMPLES = {FAST.name: 16_000_000, DEFAULT.name: 16_000_000, MAX.name: 8_000_000}
_MIXING_SAMPLES = {FAST.name: 4_000_000, DEFAULT.name: 3_000_000, MAX.name: 2_000_000}

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Fitted:
    """What a level's fitting gave. `rows`: of features learned from; `mixing`: whether learned mixing weights won."""

    prior: StartState
    rows: int
    mixing: bool


def fit_level(
    level: Level,
    hidden: tuple[int, int] | None,
    start: StartState,
    windows: Sequence[Window],
    schedule: Schedule,
    tell: Tell,
) -> Fitted:
    """Learn the network and the mixing weights of a level, and return them.

    Args:
        level: Which level.
        hidden: Widths of the two hidden layers; None: no network.
        start: What to go on from, where its shape fits.
        windows: Images to learn from.
        schedule: Epochs, seconds and seed.
        tell: Hears what is being done.
    """
    network, rows = None, 0
    if hidden:
        network, rows = _network(level, hidden, start.network, windows, schedule, tell)
    same_kind = (network is None) == (start.network is None)
    usual = StartState(network, start.mixing if same_kind else usual_mixing(network))
    tell(f"{level.name}: learning to mix")
    chosen = spread(windows, 2 * _MIXING_SAMPLES[level.name])
    learning, judging = chosen[: len(chosen) // 2], chosen[len(chosen) // 2 :]
    learned = StartState(network, mean_mixing(learning, level, usual))
    better = payload_bytes(judging, level, learned) < payload_bytes(judging, level, usual)
    return Fitted(learned if better else usual, rows, better)


def _network(
    level: Level,
    hidden: tuple[int, int],
    start: Network | None,
    windows: Sequence[Window],
    schedule: Schedule,
    tell: Tell,
) -> tuple[Network, int]:
    tell(f"{level.name}: looking at {len(windows)} images")
    rows = collect(windows, level, ROWS, _FEATURE_SAMPLES[level.name])
    count = len(rows.features)
    if count < LEAST_ROWS:
        raise UsageError(
            f"the {len(windows)} images to fit to have {count} samples that say anything, {LEAST_ROWS} are needed: "
            "give more or larger images"
        )
    tell(f"{level.name}: training on {count:,} samples")
    return network_of(fit(rows, hidden, start, schedule)), count


def payload_bytes(windows: Sequence[Window], level: Level, prior: StartState) -> int:
    """Return the bytes that coding the windows takes."""
    return sum(len(encode_stack(window.samples, None, window.spec, level, 0, prior)) for window in windows)


def jpegxl_bytes(windows: Sequence[Window]) -> list[int]:
    """Return bytes of each window as codec `jpegxl` codes it, effort 7."""
    return [_coded(JpegXl(), window, _JPEGXL_EFFORT) for window in windows]


def lossless_bytes(windows: Sequence[Window], level: Level, priors: Mapping[str, StartState]) -> list[int]:
    """Return bytes of each window as codec `lossless` codes it at a level, with a model of these priors."""
    codec = Lossless(model_of(priors, {}, ""))
    return [_coded(codec, window, EFFORTS[level.name]) for window in windows]


def _coded(codec: JpegXl | Lossless, window: Window, effort: int) -> int:
    return len(codec.encode_tile(window.samples, window.spec, Settings(effort=effort)))
