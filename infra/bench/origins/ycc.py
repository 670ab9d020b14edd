"""What origin `ycc` saves: pictures whose colours came from luma and chroma, against JPEG XL of their RGB.

    python infra/bench/origins/ycc.py IMAGES [--limit N] [--codec jpegxl|lossless]

IMAGES holds photos/eval (RGB PNG, made into frames of H.264 here, which FFmpeg and OpenCV convert), live1 (20 pictures
of it came from PhotoCD), xray/eval and varied/eval. Bytes count planes, facts and exceptions. "of planes": against the
codec's bytes of the planes that the picture was made of. Speeds are MP per CPU second.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation
from PIL import Image

from tilepress.codecs.codec import Codec, Settings, TileSpec
from tilepress.codecs.origins.exceptions import pack_exceptions, with_exceptions
from tilepress.codecs.origins.ycc.origin import Ycc
from tilepress.codecs.registry import load_codec, resolve

RULE = Ycc()
FULL_CHROMA = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
Picture = tuple[np.ndarray, list[np.ndarray]]  # RGB; the planes that it was made of, if they are known


@dataclass
class Total:
    """Sums over the pictures of a set."""

    pictures: int = 0
    found: int = 0
    pixels: int = 0
    right: int = 0
    rgb: int = 0
    bytes: int = 0
    planes: int = 0
    look: float = 0.0
    invert: float = 0.0
    apply: float = 0.0


def photos(folder: Path, limit: int) -> Iterator[np.ndarray]:
    """RGB pictures of even sides, uint8 (h, w, 3)."""
    for path in sorted(folder.rglob("*.png"))[:limit]:
        pixels = np.asarray(Image.open(path).convert("RGB"))
        yield np.ascontiguousarray(pixels[: len(pixels) // 2 * 2, : pixels.shape[1] // 2 * 2])


def frames(folder: Path, limit: int) -> Iterator[av.VideoFrame]:
    """Photographs as H.264 gives them back, YUV 4:2:0."""
    for pixels in photos(folder, limit):
        file = io.BytesIO()
        with av.open(file, "w", format="mp4") as video:
            stream = video.add_stream("libx264", rate=1, options={"crf": "20"})
            stream.height, stream.width, stream.pix_fmt = *pixels.shape[:2], "yuv420p"
            video.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            video.mux(stream.encode(None))
        file.seek(0)
        with av.open(file) as video:
            yield next(video.decode(video=0))


def swscale(frame: av.VideoFrame) -> np.ndarray:
    """As FFmpeg converts by default."""
    return frame.to_ndarray(format="rgb24")


def swscale_full(frame: av.VideoFrame) -> np.ndarray:
    """With chroma interpolated."""
    return frame.reformat(format="rgb24", interpolation=FULL_CHROMA).to_ndarray()


def opencv(frame: av.VideoFrame) -> np.ndarray:
    """As OpenCV converts."""
    return cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2RGB_I420)


def video(folder: Path, limit: int, convert: Callable[[av.VideoFrame], np.ndarray]) -> Iterator[Picture]:
    """Frames, and their planes."""
    for frame in frames(folder, limit):
        height, width = frame.height, frame.width
        flat = frame.to_ndarray().ravel()
        cut = np.split(flat, [height * width, height * width * 5 // 4])
        yield convert(frame), [cut[0].reshape(height, width), *(c.reshape(height // 2, width // 2) for c in cut[1:])]


def jpegs(folder: Path, limit: int, subsampling: int) -> Iterator[Picture]:
    """Photographs as Pillow decodes them."""
    for pixels in photos(folder, limit):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=90, subsampling=subsampling)
        yield np.asarray(Image.open(file)), []


def plain(folder: Path, limit: int) -> Iterator[Picture]:
    """Pictures as they are."""
    yield from ((pixels, []) for pixels in photos(folder, limit))


def spec_of(pixels: np.ndarray) -> TileSpec:
    """Of 8 bits."""
    return TileSpec(*pixels.shape, "uint8", 8, "rgb" if pixels.shape[2] == 3 else "gray")


def coded(codec: Codec, pixels: np.ndarray) -> int:
    """Bytes of a picture (h, w) or (h, w, c)."""
    pixels = np.ascontiguousarray(pixels if pixels.ndim == 3 else pixels[:, :, None])
    return len(codec.encode(pixels[None], spec_of(pixels), Settings())[0])


def measured(pictures: Iterator[Picture], jpegxl: Codec, codec: Codec) -> Total:
    """Look at every picture, recover those that have the origin, and prove that they come back."""
    total = Total()
    for pixels, planes in pictures:
        one = _measured(pixels, planes, jpegxl, codec)
        total = replace(total, **{f.name: getattr(total, f.name) + getattr(one, f.name) for f in fields(Total)})
    return total


def _measured(pixels: np.ndarray, planes: list[np.ndarray], jpegxl: Codec, codec: Codec) -> Total:
    spec, size, clock = spec_of(pixels), pixels.shape[0] * pixels.shape[1], time.process_time
    times = [clock()]
    guess = RULE.detect(pixels, spec)
    times.append(clock())
    recovered = RULE.invert(pixels, spec, guess) if guess else None
    if recovered is None:
        return Total(1, pixels=size, look=times[1] - times[0])
    times.append(clock())
    made = RULE.apply(recovered, spec)
    times.append(clock())
    exceptions = pack_exceptions(pixels, made, spec)
    assert np.array_equal(with_exceptions(made, exceptions, spec), pixels)
    own = sum(coded(codec, plane) for plane in recovered.planes) + len(recovered.facts) + len(exceptions)
    look, invert, apply = np.diff(times)
    right = int((made == pixels).all(axis=2).sum())
    theirs = sum(coded(codec, plane) for plane in planes)
    return Total(1, 1, size, right, coded(jpegxl, pixels), own, theirs, look, invert, apply)


def row(name: str, total: Total) -> str:
    """One line of the table."""
    mp = total.pixels / 1e6
    cells = [name, str(total.pictures), str(total.found), f"{mp / max(total.look, 1e-9):.0f}"]
    if total.found:
        of_planes = f"{total.bytes / total.planes:.3f}" if total.planes else ""
        cells += [f"{total.rgb:,}", f"{total.bytes:,}", f"{total.bytes / total.rgb:.3f}", of_planes]
        cells += [f"{total.right / total.pixels:.5f}", f"{mp / total.invert:.1f}", f"{mp / total.apply:.0f}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table, set by set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("--limit", type=int, default=10**9)
    parser.add_argument("--codec", default="jpegxl")
    options = parser.parse_args()
    images, limit, eval_photos = options.images, options.limit, options.images / "photos/eval"
    choice = resolve(options.codec)
    jpegxl, codec = load_codec("jpegxl"), load_codec(choice.codec_id, choice.model_folder)
    photocd = (pair for pair in plain(images / "live1", limit) if RULE.detect(pair[0], spec_of(pair[0])))
    sets: list[tuple[str, Iterator[Picture]]] = [
        ("PhotoCD", photocd),
        ("H.264, FFmpeg", video(eval_photos, limit, swscale)),
        ("H.264, FFmpeg, full chroma", video(eval_photos, limit, swscale_full)),
        ("H.264, OpenCV", video(eval_photos, limit, opencv)),
        ("JPEG 4:4:4", jpegs(eval_photos, limit, 0)),
        ("JPEG 4:2:0", jpegs(eval_photos, limit, 2)),
        *((name, plain(images / name, limit)) for name in ("photos/eval", "xray/eval", "varied/eval")),
    ]
    print("| pictures | | found | look, MP/s | JPEG XL e7 | here | ratio | of planes | right | invert | apply |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, pictures in sets:
        print(row(name, measured(pictures, jpegxl, codec)), flush=True)


if __name__ == "__main__":
    main()
