"""The configuration of the models of `rbm-autoencoder`."""

from __future__ import annotations

from dataclasses import dataclass

from tilepress.codecs.learned.config import LeveledConfig

UNIT = 4080  # what a code of 1 is among the integers that go into the decoder: 2^4 * 3 * 5 * 17
_MAX_LEVELS, _MAX_LAYERS, _MAX_NEURONS = 16, 8, 4096
_ACTIVATION_BITS = range(4, 17)


@dataclass(frozen=True)
class RbmConfig(LeveledConfig):
    """The `config` of a model.

    `layers`: neurons of each layer of the encoder, the codes last; the decoder is their mirror. `steps`: of each
    level, coarse to fine, how many there are from a code's least value to its largest, at most 255 and a divisor of
    UNIT where the quantiser is uniform. `quantiser`: uniform or kmeans. `coder`: fixed, a byte a code, or entropy.
    `activation_bits`: of the results of the decoder's hidden layers.
    """

    block: int
    layers: tuple[int, ...]
    steps: tuple[int, ...]
    quantiser: str
    coder: str
    activation_bits: int

    @property
    def level_count(self) -> int:
        """How many quality levels there are."""
        return len(self.steps)

    @property
    def codes(self) -> int:
        """How many codes, K, a block has."""
        return self.layers[-1]

    def sane(self) -> bool:
        """Return whether all fields are within their range."""
        kinds = self.quantiser in ("uniform", "kmeans") and self.coder in ("fixed", "entropy")
        shape = 2 <= self.block <= 64 and 1 <= len(self.layers) <= _MAX_LAYERS
        neurons = all(1 <= count <= _MAX_NEURONS for count in self.layers)
        steps = 1 <= len(self.steps) <= _MAX_LEVELS and all(map(self._possible, self.steps))
        return super().sane() and kinds and shape and neurons and steps and self.activation_bits in _ACTIVATION_BITS

    def _possible(self, steps: int) -> bool:
        return 1 <= steps <= 255 and (self.quantiser == "kmeans" or UNIT % steps == 0)
