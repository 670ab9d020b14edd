"""`tilepress view` while things go on beside it: damage, archives that grow, storage that does not answer, the end."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from starlette.requests import Request

import tilepress
from tests.jobs.archives.test_hostile_archive import column, resealed, tile, unchanged
from tests.jobs.viewer.test_viewer import jpeg
from tests.support.make_archives import encoded, smooth, write_files
from tests.support.web.asking import Viewer, viewer_of
from tilepress.jobs.viewer import library
from tilepress.jobs.viewer.errors import Abandoned
from tilepress.jobs.viewer.library import Library
from tilepress.jobs.viewer.work import Workers

FILES = {
    "rgb.png": encoded(smooth(150, 170, 3)),
    "rgba.png": encoded(smooth(150, 170, 4)),
    "gray.png": encoded(smooth(150, 170, 1)),
}


def listed(viewer: Viewer) -> list[str]:
    return [image["path"] for image in viewer.get("/api/images").json()["images"]]


def test_a_small_picture_of_an_image_that_was_seen_before_many_others_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "OVERVIEW_BYTES", 1)
    viewer = viewer_of(tmp_path, {name: encoded(smooth(700, 600, 3, seed=5)) for name in ("a.png", "b.png")})
    first = viewer.pixels("a.png", "full/60,/0/default.png")
    viewer.pixels("b.png", "full/60,/0/default.png")
    assert np.array_equal(viewer.pixels("a.png", "full/60,/0/default.png"), first)


def test_what_is_kept_of_many_images_is_bounded_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{n}.png": encoded(smooth(300, 300, 3, seed=n)) for n in range(6)} | {"z.jpg": jpeg("RGB")}
    monkeypatch.setattr(library, "CACHE_BYTES", 700_000)
    monkeypatch.setattr(library, "OVERVIEW_BYTES", 20_000)
    viewer = viewer_of(tmp_path, files)
    for path in [*files, "0.png"]:
        viewer.pixels(path, "full/max/0/default.png")
        viewer.pixels(path, "full/!64,64/0/default.png")
        assert viewer.library.cache.nbytes <= 700_000
        assert viewer.library.overview_bytes <= 20_000
    assert viewer.library.cache.nbytes > 0


def test_what_compact_removed_is_not_called_damaged_and_the_next_request_is_answered(tmp_path: Path) -> None:
    files = {"a.png": FILES["rgb.png"], "b.png": FILES["rgba.png"]}
    viewer = viewer_of(tmp_path, files)
    viewer.base("a.png")
    tilepress.forget(viewer.library.url, include=["b.png"])
    tilepress.compact(viewer.library.url, write=True, engine="local")
    tilepress.compact(viewer.library.url, remove=True, engine="local")
    url = f"{viewer.base('a.png')}/full/max/0/default.png"
    assert viewer.get(url).status_code == 503
    assert np.array_equal(viewer.pixels("a.png", "full/max/0/default.png"), smooth(150, 170, 3))
    assert listed(viewer) == ["a.png"]


def test_an_archive_whose_only_run_is_not_complete_says_so(tmp_path: Path) -> None:
    viewer = viewer_of(tmp_path, {"a.png": FILES["rgb.png"]})
    for name in ("manifest.parquet", "index.parquet"):
        (Path(viewer.library.url) / "runs/0001" / name).unlink()
    reopened = Viewer(Library(viewer.library.url, {}))
    assert listed(reopened) == ["a.png"]
    assert "not complete" in reopened.get("/api/archive").json()["problems"][0]


def test_a_damaged_image_is_an_error_that_says_so_and_the_others_are_shown(tmp_path: Path) -> None:
    viewer = viewer_of(tmp_path, {"a.png": FILES["rgb.png"], "b.png": FILES["rgba.png"]})
    entry = tilepress.open(viewer.library.url)["a.png"]
    part = Path(viewer.library.url) / entry.part
    data = bytearray(part.read_bytes())
    data[entry.index_row.tiles[0].latents[0] + 20] ^= 255
    part.chmod(0o644)
    part.write_bytes(data)
    answer = viewer.get(f"{viewer.base('a.png')}/full/max/0/default.jpg")
    assert (answer.status_code, "damaged" in answer.text) == (500, True)
    assert viewer.get(f"{viewer.base('b.png')}/full/max/0/default.jpg").status_code == 200


def test_an_archive_that_grows_is_seen_with_other_keys_for_what_has_changed(tmp_path: Path) -> None:
    viewer = viewer_of(tmp_path, {"a.png": FILES["rgb.png"], "b.png": FILES["rgba.png"]})
    before = {path: viewer.base(path) for path in ("a.png", "b.png")}
    write_files(tmp_path / "source", {"a.png": FILES["gray.png"], "c.png": FILES["rgba.png"]})
    tilepress.compress(tmp_path / "source", viewer.library.url, codec="jpegxl", tile=64)
    viewer.library.look_again()
    assert listed(viewer) == ["a.png", "b.png", "c.png"]
    assert (viewer.base("a.png") == before["a.png"], viewer.base("b.png") == before["b.png"]) == (False, True)
    assert viewer.get(f"{before['a.png']}/info.json").status_code == 404


def test_storage_that_does_not_answer_is_told_while_what_is_known_is_shown(tmp_path: Path) -> None:
    viewer = viewer_of(tmp_path, {"a.png": FILES["rgb.png"]})
    archive = Path(viewer.library.url)
    archive.rename(tmp_path / "away")
    viewer.library.look_again()
    assert listed(viewer) == ["a.png"]
    assert viewer.get("/api/archive").json()["problems"]
    (tmp_path / "away").rename(archive)
    viewer.library.look_again()
    assert not viewer.get("/api/archive").json()["problems"]
    assert viewer.get(f"{viewer.base('a.png')}/full/max/0/default.jpg").status_code == 200


@pytest.mark.parametrize(
    ("fact", "value"), [("width", 0), ("height", -1), ("mode", "XYZ"), ("bit_depth", (1 << 31) - 1)]
)
def test_an_index_that_says_nonsense_of_a_file_is_told_as_damage(tmp_path: Path, fact: str, value: object) -> None:
    viewer = viewer_of(tmp_path, {"a.jpg": jpeg("RGB")})
    run = Path(viewer.library.url) / "runs/0001"
    seal = resealed(run / "index.parquet", column(fact, value))
    resealed(run / "manifest.parquet", unchanged, **{"tilepress.index": seal})
    reopened = Viewer(Library(viewer.library.url, {}))
    image = reopened.base("a.jpg")
    for url in (f"{image}/full/!100,100/0/default.jpg", f"{image}/info.json", "/api/overview?path=a.jpg"):
        answer = reopened.get(url)
        assert answer.status_code == 500 and "is none" in answer.text and viewer.library.url in answer.text, url


NONSENSE = {
    "tiles that are not there": tile(latents_offset=1 << 40),
    "a tile before the beginning": tile(latents_offset=-1),
    "a tile of no codec": tile(codec="nope"),
    "a tile elsewhere": tile(x=-64),
    "more tiles than are named": column("width", (1 << 31) - 1),
    "no tiles": column("tiles", []),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_tiles_that_an_index_names_wrongly_are_told_as_damage_with_the_archive(tmp_path: Path, name: str) -> None:
    viewer = viewer_of(tmp_path, {"rgb.png": FILES["rgb.png"]})
    run = Path(viewer.library.url) / "runs/0001"
    seal = resealed(run / "index.parquet", NONSENSE[name])
    resealed(run / "manifest.parquet", unchanged, **{"tilepress.index": seal})
    reopened = Viewer(Library(viewer.library.url, {}))
    assert listed(reopened) == ["rgb.png"]
    for url in (f"{reopened.base('rgb.png')}/full/!100,100/0/default.jpg", "/api/overview?path=rgb.png"):
        answer = reopened.get(url)
        assert answer.status_code in (500, 501) and "Traceback" not in answer.text, url
        assert viewer.library.url in answer.text or "codec nope" in answer.text


def test_whatever_an_image_makes_python_raise_the_server_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = viewer_of(tmp_path, {"rgb.png": FILES["rgb.png"]})

    def broken(*_: object) -> None:
        raise OverflowError("too large")

    monkeypatch.setattr(Library, "pyramid", broken)
    for url in (f"{viewer.base('rgb.png')}/full/!9,9/0/default.jpg", "/api/overview?path=rgb.png"):
        answer = viewer.get(url)
        assert answer.status_code == 500 and viewer.library.url in answer.text and "verify" in answer.text


@pytest.mark.parametrize("psnr", [float("nan"), float("inf")])
def test_answers_are_json_whatever_numbers_an_archive_holds(tmp_path: Path, psnr: float) -> None:
    viewer = viewer_of(tmp_path, {"rgb.png": FILES["rgb.png"]})
    run = Path(viewer.library.url) / "runs/0001"
    seal = resealed(run / "index.parquet", tile(psnr=psnr))
    resealed(run / "manifest.parquet", unchanged, **{"tilepress.index": seal})
    reopened = Viewer(Library(viewer.library.url, {}))
    for url in ("/api/tiles?path=rgb.png", "/api/image?path=rgb.png", "/api/images"):
        json.loads(reopened.get(url).text, parse_constant=pytest.fail)


def test_nobody_waits_while_storage_is_asked_whether_the_archive_has_grown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = viewer_of(tmp_path, {"a.png": FILES["rgb.png"]})
    answered, asked = threading.Event(), threading.Event()

    def slow(archive: object) -> object:
        asked.set()
        answered.wait(30)
        return viewer.library._opened.signature

    monkeypatch.setattr(library, "_signature", slow)
    viewer.library._looked = float("-inf")
    assert listed(viewer) == ["a.png"]
    assert asked.wait(10) and not answered.is_set()
    answered.set()


def test_the_end_of_the_server_does_not_wait_for_what_decodes() -> None:
    started, release = threading.Event(), threading.Event()

    def slow(waiting: object) -> None:
        started.set()
        release.wait(60)

    async def ended() -> None:
        workers, nothing = Workers(), asyncio.Event()
        decoding = asyncio.create_task(workers.decode(Request({"type": "http"}, nothing.wait), slow))
        while not started.is_set():
            await asyncio.sleep(0.01)
        workers.end()
        with pytest.raises(Abandoned):
            await asyncio.wait_for(decoding, 10)

    asyncio.run(ended())
    release.set()
