"""One image to tile rows: cut it, let the codec prepare, and keep it by whichever codec makes it smaller."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import CodecError
from tilepress.pipeline.archive.checksums import hash_band, hashed
from tilepress.pipeline.archive.part import PartBuilder
from tilepress.pipeline.archive.summary import BEYOND_PALETTE, warn
from tilepress.pipeline.coding.codec_faults import fault, is_codecs_own
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.fallbacks import FALLBACKS, JPEG_XL, code_tiles
from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.coding.side_information import side_information
from tilepress.pipeline.coding.tile_coding import CodedTile, Coding
from tilepress.pipeline.coding.tiles import Tile, grid_size
from tilepress.pipeline.compress.file_state import FileState
from tilepress.pipeline.errors import PictureError
from tilepress.pipeline.formats.picture import Picture, tile_spec
from tilepress.pipeline.reading.near_lossless import stays_exact
from tilepress.pipeline.sources.dataset import picture_tiles, whole

_DOUBTFUL = 0.8  # of a file's bytes, about: tiles that take as many may take more, and JPEG XL is tried
_SEARCH = "looking for what a picture was made from"


class ImageEncoder:
    """Codes the images of a shard that are held as pixels."""

    def __init__(self, settings: EncodeSettings, pool: CodecPool, builder: PartBuilder) -> None:
        self._settings = settings
        self._pool = pool
        self._builder = builder
        self.warnings: Counter[str] = Counter()  # tiles that need a word: codecs failed on them, say

    def tiles(self, state: FileState, picture: Picture) -> Iterator[Tile]:
        """Tiles of an image in raster order, once the codec has prepared; a file that breaks on the way is marked.

        Where the picture was made from something smaller, they are those of that.
        """
        if self._find_origin(state, picture):
            yield from self._plane_tiles(state, picture)
            return
        self._prepare(state, picture)
        for tile in self._cut(state, picture):
            if picture.palette_size is not None and tile.samples.max() >= picture.palette_size:
                warn(self.warnings, BEYOND_PALETTE)
            yield tile

    def code_alone(self, state: FileState) -> None:
        """Code an image whose stack did not help."""
        assert state.picture is not None
        for coded in code_tiles(self.tiles(state, state.picture), self.coding, self._pool):
            self.take(state, coded)

    def coding(self, tile: Tile) -> Coding:
        """Return how a tile is to be coded."""
        coding = self._fallback(tile.spec) if tile.side_information is None else self._choose(tile.spec)
        if tile.exact or stays_exact(tile.spec, coding.max_error):
            return replace(coding, settings=replace(coding.settings, max_error=None))
        return coding

    def take(self, state: FileState, coded: CodedTile) -> None:
        """Keep a tile's row for the image."""
        facts = replace(coded.facts, image=state.file.image)
        state.staged.append(self._builder.stage(facts, (coded.latents, coded.residual)))
        state.codecs.add(coded.facts.codec)
        state.near = state.near or not coded.exact
        for text in coded.warnings:
            warn(self.warnings, text)

    def settle(self, state: FileState) -> bool:
        """Choose the smallest way to store an image whose tiles are all coded.

        Return False if the file itself is no larger.
        """
        self._drop_unused(state)
        if state.origin is not None and (self._settings.max_error or not state.origin.far_smaller):
            self._weigh_origin(state)
        if state.tiled_bytes < state.source_bytes:
            return True
        return self._settings.coding.reference != JPEG_XL.reference and self._code_again(state)

    def _find_origin(self, state: FileState, picture: Picture) -> bool:
        """Look for what a picture was made from; whether there is anything."""
        if self._settings.lossy or state.members or picture.colour == "indexed" or picture.bit_depth == 1:
            return False
        from tilepress.pipeline.coding.origins import MAX_BYTES, find_origin

        if picture.nbytes > MAX_BYTES:
            return False
        try:
            samples = whole(picture, self._settings.tile)
            state.origin = find_origin(samples, picture_spec(picture))
        except PictureError:  # reading the tiles meets it again
            return False
        except MemoryError:  # the search takes more of it than the tiles
            warn(self.warnings, f"{_SEARCH} lacked memory")
        except Exception as exc:
            if not is_codecs_own(exc):
                raise
            warn(self.warnings, fault(_SEARCH, exc))
        if state.origin is not None:
            digest = hashlib.sha256()
            hash_band(digest, samples)
            state.pixels = digest.digest()
        return state.origin is not None

    def _plane_tiles(self, state: FileState, picture: Picture) -> Iterator[Tile]:
        from tilepress.pipeline.coding.origins import plane_tiles

        assert state.origin is not None
        state.side_information = None  # of the planes there is none
        yield from plane_tiles(state.turn, state.origin, self._settings.tile)
        if not state.origin.planes:
            self._pool.progress.tile_coded(picture.pixels, len(state.origin.file))

    def _prepare(self, state: FileState, picture: Picture) -> None:
        """Let the codec find what the image's tiles share: reads the image once more, for codecs that do this."""
        coding, size = self._settings.coding, self._side(state)
        codec = self._pool.codec(coding.reference)
        if not codec.has_side_information or not codec.supports(_spec(picture)):
            return
        tiles = picture_tiles(state.turn, picture, picture.read_bands(size), size)
        place = (picture.width, picture.height, size)
        try:
            state.side_information = side_information(coding.reference, tiles, place, coding.settings, self._pool)
        except PictureError:  # reading the tiles meets it again
            return
        except Exception as exc:
            if not is_codecs_own(exc):
                raise
            state.side_information = None
            warn(self.warnings, fault(coding.reference, exc), math.prod(grid_size(*place)))

    def _side(self, state: FileState) -> int:
        """Side of a tile in pixels: a stack is one tile."""
        whole = state.picture if state.members else None
        return max(whole.width, whole.height) if whole else self._settings.tile

    def _cut(self, state: FileState, picture: Picture) -> Iterator[Tile]:
        digest, size = hashlib.sha256(), self._side(state)
        bands = hashed(digest, picture.read_bands(size))
        try:
            yield from picture_tiles(state.turn, picture, bands, size, state.side_information)
        except PictureError as exc:
            state.failure = exc
        state.pixels = digest.digest()

    def _choose(self, spec: TileSpec) -> Coding:
        """The chosen codec where it can represent the tile, else a fall-back."""
        chosen = self._settings.coding
        return chosen if self._pool.codec(chosen.reference).supports(spec) else self._fallback(spec)

    def _fallback(self, spec: TileSpec) -> Coding:
        """JPEG XL where it can represent the tile, raw samples as the last resort."""
        for coding in FALLBACKS:
            if self._pool.codec(coding.reference).supports(spec):
                return coding
        raise CodecError(f"no codec represents {spec}")

    def _weigh_origin(self, state: FileState) -> None:
        """Hold an image's own tiles instead of what it was made from if they are smaller, by real bytes."""
        assert state.picture is not None
        plain = _anew(state)
        self._prepare(plain, state.picture)
        about = self._weigh(state, plain, self.coding)
        fallen_back = self._settings.coding.reference != JPEG_XL.reference and about > _DOUBTFUL * state.source_bytes
        if state.origin is not None and fallen_back:
            self._weigh(state, _anew(state), lambda _: JPEG_XL)  # as `_code_again` would

    def _weigh(self, state: FileState, plain: FileState, choose: Callable[[Tile], Coding]) -> float:
        """Hold an image as another one, of which nothing is coded yet, if that is smaller; return bytes of that, about.

        Tiles are coded one after the other until they take more: against what is far smaller, few of them.
        """
        assert state.picture is not None
        most = state.tiled_bytes
        pool = self._pool.told_to(lambda _: None)  # these tiles are not the image's progress
        tiles, coded, size = self._cut(plain, state.picture), list[CodedTile](), 0
        while group := list(islice(tiles, pool.threads)):
            coded += code_tiles(group, choose, pool)
            size += sum(tile.nbytes for tile in coded[-len(group) :])
            if size >= most:
                return size * state.picture.pixels / sum(tile.facts.w * tile.facts.h for tile in coded)
        for tile in coded:
            self.take(plain, tile)
        self._drop_unused(plain)
        size = plain.tiled_bytes
        if not plain.failure and size < most:
            _exchange(state, plain)
        return size

    def _drop_unused(self, state: FileState) -> None:
        """Forget side information that no tile's codec takes."""
        if not any(self._pool.codec(reference).has_side_information for reference in state.codecs):
            state.side_information = b""

    def _code_again(self, state: FileState) -> bool:
        """Hold the image by JPEG XL instead, side information left out, if that is smaller than its file."""
        picture = state.picture
        if picture is None or not self._pool.codec(JPEG_XL.reference).supports(_spec(picture)):
            return False
        again = _anew(state)
        for coded in code_tiles(self._cut(again, picture), lambda _: JPEG_XL, self._pool):
            self.take(again, coded)
        if again.failure or again.tiled_bytes >= state.source_bytes:
            return False
        _exchange(state, again)
        return True


def _anew(state: FileState) -> FileState:
    """An image of which nothing is coded yet, and whose tiles are its own."""
    return replace(state, side_information=b"", staged=[], codecs=set(), near=False, origin=None)


def _exchange(state: FileState, other: FileState) -> None:
    """Hold an image as it was coded another time."""
    for name in ("side_information", "staged", "codecs", "near", "origin"):
        setattr(state, name, getattr(other, name))


def picture_spec(picture: Picture) -> TileSpec:
    """Return a whole picture as one tile."""
    return tile_spec(picture.mode, picture.dtype, picture.bit_depth, picture.height, picture.width)


def _spec(picture: Picture) -> TileSpec:
    """Any tile of an image."""
    return tile_spec(picture.mode, picture.dtype, picture.bit_depth, 1, 1)
