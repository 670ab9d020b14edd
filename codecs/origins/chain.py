"""What a picture was made from, over several rules: a gray JPEG, as RGB, in 16 bits, enlarged.

A rule that gives one plane gives a picture, which may have an origin of its own. A chain of at most MAX_STEPS rules
says how the picture is made; planes and file of its last rule are stored beside it, by whoever stores the chain.

Stream: frame | steps uint8 | of each: length of the id uint8, of the facts uint32, of the exceptions uint64 | of each
step: id (ASCII), facts, exceptions. The first step makes the picture, the next one the only plane of the first, and so
on.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.origins.base import MAX_FACTS, Recovered
from tilepress.codecs.origins.detect import origin
from tilepress.codecs.origins.inset.rule import Inset, jpeg_facts_of, part_of
from tilepress.codecs.origins.jpeg.eighth import eighth_of
from tilepress.codecs.origins.jpeg.facts import read_facts
from tilepress.codecs.origins.rectangle import Rectangle
from tilepress.codecs.stream import read_frame, write_frame

if TYPE_CHECKING:
    from tilepress.codecs.jpeg.decoders import Decoder

MAX_STEPS = 3
JPEG = "jpeg"  # the rule whose last step is given a JPEG file
_MAGIC, _VERSION = b"TO", 1
_LENGTHS = struct.Struct("<BIQ")


@dataclass(frozen=True)
class Step:
    """One rule of a chain: how a picture is made of planes or of a file, and where the rule makes it wrongly."""

    origin: str  # `Origin.id`
    facts: bytes  # of `Recovered`
    exceptions: bytes  # of `pack_exceptions`


@dataclass(frozen=True)
class Chain:
    """All that a picture was made from.

    `planes` and `file` are what the last step is given; the steps before have one plane each, which the next one makes.
    """

    steps: tuple[Step, ...]
    planes: tuple[np.ndarray, ...]
    file: bytes

    @property
    def part(self) -> Rectangle | None:
        """The part that the file holds of the picture which the last step makes; None where it holds all of that."""
        last = self.steps[-1]
        return part_of(last.facts) if last.origin == Inset.id else None

    @property
    def decoder(self) -> Decoder | None:
        """The decoder that makes the picture, or that part, of the file; None where there is no file."""
        return jpeg_decoder(self.steps[-1])

    def describe(self) -> str:
        """Return a few words for people: what the picture was at first, then what was done to it, in that order."""
        *before, last = self.steps
        words = [origin(last.origin).describe(Recovered(last.facts, self.planes, self.file))]
        return "; ".join([*words, *(origin(step.origin).describe(Recovered(step.facts)) for step in before[::-1])])


def jpeg_decoder(step: Step) -> Decoder | None:
    """Return by which decoder a step makes something of a JPEG file; None for a rule that makes it of planes alone."""
    if step.origin not in (JPEG, Inset.id):
        return None
    from tilepress.codecs.jpeg.decoders import DECODERS  # loads numba

    facts = step.facts if step.origin == JPEG else jpeg_facts_of(step.facts)
    return DECODERS[read_facts(facts).decoder]


def pack_steps(steps: Sequence[Step]) -> bytes:
    """Return the stream of a chain's steps: everything but planes and file."""
    payload = bytes([len(steps)])
    for step in steps:
        payload += _LENGTHS.pack(len(step.origin), len(step.facts), len(step.exceptions))
    payload += b"".join(step.origin.encode("ascii") + step.facts + step.exceptions for step in steps)
    return write_frame(_MAGIC, _VERSION, payload)


def unpack_steps(data: bytes) -> tuple[Step, ...]:
    """Return the steps of a stream. StreamError for bytes that `pack_steps` did not write."""
    _, payload = read_frame(_MAGIC, {_VERSION}, data)
    count = payload[0] if payload else 0
    if not 1 <= count <= MAX_STEPS or len(payload) < 1 + count * _LENGTHS.size:
        raise StreamError(f"a chain of origins has 1 to {MAX_STEPS} steps: the bytes are damaged")
    lengths = [_LENGTHS.unpack_from(payload, 1 + number * _LENGTHS.size) for number in range(count)]
    at = 1 + count * _LENGTHS.size
    if at + sum(map(sum, lengths)) != len(payload) or any(facts > MAX_FACTS for _, facts, _ in lengths):
        raise StreamError("lengths in a chain of origins are not those of its parts")
    return tuple(_steps(payload, at, lengths))


def _steps(payload: bytes, at: int, lengths: Sequence[tuple[int, int, int]]) -> Iterator[Step]:
    for sizes in lengths:
        name, facts, exceptions = (payload[at + sum(sizes[:i]) : at + sum(sizes[: i + 1])] for i in range(3))
        at += sum(sizes)
        if not name.isascii():
            raise StreamError("the id of an origin is not ASCII: the bytes are damaged")
        yield Step(name.decode("ascii"), facts, exceptions)


def plane_specs(steps: Sequence[Step], spec: TileSpec) -> tuple[TileSpec, ...]:
    """Return shape and type of each plane that a chain's last step is given.

    StreamError for facts that no rule writes for such a picture, UnknownCodecError for a rule that is not known.

    Args:
        steps: Of the chain.
        spec: Of the picture.
    """
    return _specs(steps, spec)[-1]


def reproduce(chain: Chain, spec: TileSpec) -> np.ndarray:
    """Make the picture: (h, w, c) of the type of `spec`.

    StreamError for planes, file or facts that `recover` did not return, UnknownCodecError for a rule that is not known.
    """
    from tilepress.codecs.origins.exceptions import with_exceptions  # loads numba

    specs = _specs(chain.steps, spec)
    if [(p.shape, p.dtype) for p in chain.planes] != [(s.shape, np.dtype(s.dtype)) for s in specs[-1]]:
        raise StreamError("planes of an origin are not those that its facts tell")
    if any(one.exceeded_by(plane) for plane, one in zip(chain.planes, specs[-1], strict=True)):
        raise StreamError("a plane of an origin holds samples beyond its bits")
    planes, file = chain.planes, chain.file
    for step, (made_spec, *_) in zip(chain.steps[::-1], [*specs[-2::-1], (spec,)], strict=True):
        made = origin(step.origin).apply(Recovered(step.facts, planes, file), made_spec)
        planes, file = (with_exceptions(made, step.exceptions, made_spec),), b""
    return planes[0]


def remade(steps: Sequence[Step], decoded: np.ndarray, spec: TileSpec) -> np.ndarray:
    """Make a picture that was a JPEG of another decoding of that file, without exceptions: (h, w, c), as `spec` says.

    StreamError unless the last rule is one of a whole JPEG, and the decoding of the size that the rule tells.

    Args:
        steps: Of its chain.
        decoded: The JPEG: uint8 (height, width, 1 or 3).
        spec: Of the picture.
    """
    *before, last = steps
    if last.origin != JPEG:
        raise StreamError(f"an origin {last.origin!r} stands where one of a JPEG has to be")
    specs = [spec, *(plane for (plane, *_) in _specs(before, spec))]
    facts, whole = read_facts(last.facts), specs[-1]
    if decoded.shape[:2] != facts.size(whole) or decoded.shape[2] not in (1, whole.channels):
        raise StreamError("JPEG file: it is not of the size of its picture")
    picture = np.ascontiguousarray(np.broadcast_to(facts.cut(decoded), whole.shape))
    for step, made in zip(before[::-1], specs[-2::-1], strict=True):
        picture = origin(step.origin).apply(Recovered(step.facts, (picture,)), made)
    return picture


def eighth(steps: Sequence[Step], decoded: Callable[[int], np.ndarray], spec: TileSpec) -> np.ndarray | None:
    """Make a picture that was a JPEG at an eighth of its sides, without exceptions: (h, w, c) of the type of `spec`.

    None where the last rule is none of a JPEG, or another one does more than change each pixel by itself. Errors are
    those of `reproduce`.

    Args:
        steps: Of its chain.
        decoded: Gives the JPEG at 1/8 or 1/1 of its sides, see `eighth_of`.
        spec: Of the whole picture.
    """
    *before, last = steps
    if last.origin != JPEG or not all(origin(step.origin).pixelwise for step in before):
        return None
    specs = [spec, *(plane for (plane, *_) in _specs(before, spec))]
    small = eighth_of(decoded, last.facts, specs[-1])
    for step, made in zip(before[::-1], specs[-2::-1], strict=True):
        made = replace(made, height=small.shape[0], width=small.shape[1])
        small = origin(step.origin).apply(Recovered(step.facts, (small,)), made)
    return small


def _specs(steps: Sequence[Step], spec: TileSpec) -> list[tuple[TileSpec, ...]]:
    """Of each step the planes that it is given."""
    found: list[tuple[TileSpec, ...]] = []
    for step in steps:
        if found and len(found[-1]) != 1:
            raise StreamError("a chain of origins goes on after a rule that gives more or less than one plane")
        made = found[-1][0] if found else spec
        found.append(origin(step.origin).plane_specs(step.facts, made))
        if any(_samples(plane) > _samples(made) for plane in found[-1]):
            raise StreamError("a plane of an origin is larger than the picture")
    return found


def _samples(spec: TileSpec) -> int:
    return spec.height * spec.width * spec.channels
