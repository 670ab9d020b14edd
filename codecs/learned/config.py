"""Reads the configuration of a learned codec from its model: JSON checked against the fields of a frozen dataclass."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Self, get_args, get_origin, get_type_hints

from tilepress.codecs.errors import ModelError

_SHOWN = 400  # characters of a config in a message
MAX_LEVELS = 256  # a stream names its level in one byte


@dataclass(frozen=True)
class Config:
    """The `config` of a model, which it round-trips through.

    A family derives a frozen dataclass: fields are int, float, str, bool, or tuples of them, as long as you like
    (`tuple[int, ...]`) or of a fixed length. Fields that came later have defaults. Other keys are passed over.
    """

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> Self:
        """Return the configuration; ModelError if a field is missing, of another type, or out of range."""
        kinds = get_type_hints(cls)
        given = {}
        for field in fields(cls):
            if field.name in config:
                given[field.name] = _checked(config[field.name], kinds[field.name], field.name)
            elif field.default is MISSING:
                raise ModelError(f"the model's config lacks {field.name}")
        new = cls(**given)
        if not new.sane():
            raise ModelError(f"the model's config is out of range: {repr(dict(config))[:_SHOWN]}")
        return new

    def to_json(self) -> dict[str, Any]:
        """Return the `config` of a model: plain values, tuples as lists."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    def sane(self) -> bool:
        """Return whether all fields are within their range and fit together; may raise ModelError that says more."""
        return True


@dataclass(frozen=True)
class LeveledConfig(Config):
    """The configuration of a codec with quality levels. `default_level`: of a person who asks for no quality."""

    default_level: int

    @property
    @abstractmethod
    def level_count(self) -> int:
        """How many levels there are, coarse to fine, 1..MAX_LEVELS."""

    def sane(self) -> bool:
        """Return whether the default level is one of the levels."""
        return 0 <= self.default_level < self.level_count <= MAX_LEVELS

    def level_of(self, quality: int | None) -> int:
        """Return the level of a quality of 1..100, from 0 the coarsest; None is the model's default."""
        return self.default_level if quality is None else (quality - 1) * self.level_count // 100


def _checked(value: Any, kind: Any, name: str) -> Any:
    """Return a JSON value as a field of a type takes it; ModelError if it is of another."""
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        if isinstance(value, list | tuple):
            kinds = (kinds[0],) * len(value) if kinds[1:] == (...,) else kinds
            if len(kinds) == len(value):
                return tuple(_checked(item, each, name) for item, each in zip(value, kinds, strict=True))
    elif kind is float and type(value) in (int, float) and abs(value) < 1e300 and math.isfinite(value):
        return float(value)
    elif type(value) is kind is not float:
        return value
    raise ModelError(f"the model's config has {value!r} for {name}, which is {kind}")


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
