"""The configuration of learned codecs: what is read from a model's JSON, and what is refused."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import pytest

from tilepress.codecs.errors import ModelError
from tilepress.codecs.learned.config import MAX_LEVELS, LeveledConfig

GOOD: dict[str, Any] = {"default_level": 1, "steps": [1, 0.5], "shape": [3, 4], "names": ["a"], "told": True}


@dataclass(frozen=True)
class Example(LeveledConfig):
    steps: tuple[float, ...]
    shape: tuple[int, int]
    names: tuple[str, ...]
    told: bool
    margin: int = 3

    @property
    def level_count(self) -> int:
        return len(self.steps)


def test_a_configuration_round_trips_and_later_fields_have_defaults() -> None:
    config = Example.from_json({**GOOD, "of a later version": 1})
    assert config == Example(1, (1.0, 0.5), (3, 4), ("a",), True, 3)
    assert config.to_json() == {**GOOD, "margin": 3}
    assert Example.from_json(config.to_json()) == config
    with pytest.raises(FrozenInstanceError):
        config.margin = 4  # type: ignore[misc]


@pytest.mark.parametrize("missing", GOOD)
def test_a_field_that_is_missing_is_named(missing: str) -> None:
    with pytest.raises(ModelError, match=missing):
        Example.from_json({key: value for key, value in GOOD.items() if key != missing})


@pytest.mark.parametrize(
    "change",
    [{"default_level": 1.0}, {"default_level": True}, {"default_level": "1"}, {"default_level": None},
     {"default_level": 2}, {"default_level": -1}, {"steps": []}, {"steps": 1}, {"steps": "ab"},
     {"steps": [float("nan")]}, {"steps": [float("inf"), 1]}, {"steps": [10**400, 1]}, {"steps": [True, 1]},
     {"steps": [[1], 1]}, {"shape": [3]}, {"shape": [3, 4, 5]}, {"shape": {"3": 4}}, {"names": [1]}, {"told": 1},
     {"margin": 2.5}, {"steps": [1] * (MAX_LEVELS + 1)}],
)  # fmt: skip
def test_a_field_of_another_type_or_out_of_range_is_a_model_error(change: dict[str, Any]) -> None:
    with pytest.raises(ModelError):
        Example.from_json({**GOOD, **change})


def test_qualities_are_spread_over_the_levels() -> None:
    config = Example.from_json({**GOOD, "steps": [4, 3, 2, 1]})
    assert [config.level_of(quality) for quality in (None, 1, 25, 26, 50, 51, 76, 100)] == [1, 0, 0, 1, 1, 2, 3, 3]
