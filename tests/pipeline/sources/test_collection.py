"""What a collection holds: every file that the source means, in order, and nothing dropped in silence."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilepress.pipeline.errors import ChangedError, MissingError, StorageError, UsageError
from tilepress.pipeline.sources.collection import Collection
from tilepress.pipeline.storage.base import open_storage

FILES = ["2020/a.png", "2020/raw/b.tif", "2021/c.PNG", "2021/raw/d.png", ".hidden.png", "top.png", "x y/[1].png"]


@pytest.fixture
def source(storage_root: str) -> str:
    """URL of a folder, local or on S3, that holds FILES."""
    storage = open_storage(storage_root)
    for name in FILES:
        storage.write(name, name.encode())
    return storage_root


def names(source: str, **selection: list[str]) -> list[str]:
    return [entry.name for entry in Collection.open(source, **selection).entries()]


def test_a_folder_is_every_file_below_it_in_order(source):
    assert names(source) == names(source + "/") == sorted(FILES)


def test_files_are_read_and_recognised_through_their_entries(source):
    collection = Collection.open(source)
    for entry in collection.entries():
        with Collection.open(source).open_source(entry) as data:
            assert bytes(data) == entry.name.encode()
        assert entry in list(Collection.open(source).entries())


def test_changed_and_vanished_files_are_told_from_the_listed_ones(source):
    collection, storage = Collection.open(source), open_storage(source)
    changed, vanished = list(collection.entries())[:2]
    storage.write(changed.name, b"other content", overwrite=True)
    storage.remove(vanished.name)
    with pytest.raises(ChangedError), collection.open_source(changed):
        pass
    with pytest.raises(MissingError), collection.open_source(vanished):
        pass
    now = {entry.name: entry.fingerprint for entry in collection.entries()}
    assert now[changed.name] != changed.fingerprint and vanished.name not in now


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", [".hidden.png", "top.png"]),
        ("*.png", [".hidden.png", "top.png"]),
        ("**/*.png", [".hidden.png", "2020/a.png", "2021/raw/d.png", "top.png", "x y/[1].png"]),
        ("202?/raw/*", ["2020/raw/b.tif", "2021/raw/d.png"]),
        ("202[!0]/**", ["2021/c.PNG", "2021/raw/d.png"]),
    ],
)
def test_a_glob_means_the_files_that_match(source, pattern, expected):
    assert names(f"{source}/{pattern}") == expected


def test_names_of_a_glob_start_at_its_last_plain_folder(source):
    assert names(f"{source}/2021/r*/*") == ["raw/d.png"]


def test_a_single_file_is_a_collection(source):
    collection = Collection.open(f"{source}/2020/raw/b.tif")
    (entry,) = collection.entries()
    assert (entry.name, entry.size) == ("b.tif", 14)
    with collection.open_source(entry) as data:
        assert bytes(data) == b"2020/raw/b.tif"


def test_a_single_file_with_special_characters_needs_no_quoting_locally(tmp_path):
    (tmp_path / "[1].png").write_bytes(b"")
    (tmp_path / "1.png").write_bytes(b"")
    assert names(f"{tmp_path}/[1].png") == ["[1].png"]


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["*.png"], [], [".hidden.png", "2020/a.png", "2021/raw/d.png", "top.png", "x y/[1].png"]),
        (["*.png", "*.PNG"], ["raw/"], [".hidden.png", "2020/a.png", "2021/c.PNG", "top.png", "x y/[1].png"]),
        ([], ["2020/**", ".*"], ["2021/c.PNG", "2021/raw/d.png", "top.png", "x y/[1].png"]),
        (["/*.png"], [], [".hidden.png", "top.png"]),
        (["2020/*"], [], ["2020/a.png"]),
        (["**/raw/*"], ["d.*"], ["2020/raw/b.tif"]),
        (["[[]1].png"], [], ["x y/[1].png"]),
    ],
)
def test_include_and_exclude_select_by_relative_name(source, include, exclude, expected):
    assert names(source, include=include, exclude=exclude) == expected


def test_a_source_that_is_missing_or_empty_is_a_clear_mistake(storage_root, tmp_path):
    for source in (f"{storage_root}/none", f"{storage_root}/none/", f"{storage_root}/n?ne"):
        with pytest.raises(UsageError, match=r"no such file|no files"):
            names(source)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no files"):
        names(str(tmp_path / "empty"))


def test_excluding_everything_is_a_clear_mistake(source):
    with pytest.raises(UsageError, match="`exclude`"):
        names(source, exclude=["**"])


def test_a_bucket_that_does_not_exist_is_a_clear_mistake(s3_url):
    with pytest.raises(UsageError, match="bucket"):
        names("s3://no-such-bucket/photos")
    with pytest.raises(UsageError, match="bucket"):
        names("s3://buck*/photos")


def test_a_prefix_does_not_take_in_its_longer_neighbours(s3_url):
    storage = open_storage(s3_url)
    for name in ("photos/a.png", "photos-old/b.png", "photos.txt"):
        storage.write(name, b"1")
    assert names(f"{s3_url}/photos") == ["a.png"]


def test_an_archive_inside_the_source_is_left_out_with_a_note(source):
    storage, notes = open_storage(source), []
    for name in ("2020/archive.json", "2020/runs/0001/plan.parquet", "2020/models/1/model.json"):
        storage.write(name, b'{"format":"tilepress-archive-1"}')
    for name in ("2021/archive.json", "2021/runs/1.png", "2020/runs-of-mine/x.png"):
        storage.write(name, b"{}")
    kept = [entry.name for entry in Collection.open(source, on_skip=lambda *note: notes.append(note)).entries()]
    assert kept == sorted([*FILES, "2020/runs-of-mine/x.png", "2021/archive.json", "2021/runs/1.png"])
    assert [name for name, _ in notes] == ["2020/"]
    with pytest.raises(UsageError, match="restore"):
        names(f"{source}/2020")


def test_a_list_names_its_files(source, tmp_path):
    open_storage(source).write("list.txt", b"# mine\n\n2021/c.PNG\n./top.png\n2020/raw/../a.png\n")
    collection = Collection.open(f"list:{source}/list.txt")
    assert [entry.name for entry in collection.entries()] == ["2020/a.png", "2021/c.PNG", "top.png"]
    for entry in collection.entries():
        with Collection.open(f"list:{source}/list.txt").open_source(entry) as data:
            assert bytes(data) == entry.name.encode()
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/x.txt").write_text(f"{source}/top.png\r\n../other.png\n")
    (tmp_path / "other.png").write_bytes(b"")
    place = source.removeprefix("s3:/").lstrip("/")
    expected = sorted([f"{place}/top.png", f"{tmp_path}/other.png".lstrip("/")])
    assert names(f"list:{tmp_path}/lists/x.txt") == expected


@pytest.mark.parametrize(
    ("content", "message"), [(b"none.png", "none.png"), (b"top.png\n./top.png", "line 2"), (b"\xff", "UTF-8")]
)
def test_mistakes_in_a_list_are_named(source, content, message):
    open_storage(source).write("list.txt", content)
    with pytest.raises(UsageError, match=message):
        names(f"list:{source}/list.txt")
    with pytest.raises(UsageError, match="no such list"):
        names(f"list:{source}/no-list.txt")


# Local folders


def test_links_to_files_are_read_and_everything_unreadable_is_reported(tmp_path):
    outside, root, notes = tmp_path / "outside", tmp_path / "root", {}
    outside.mkdir()
    (root / "sub").mkdir(parents=True)
    (outside / "far.png").write_bytes(b"far")
    (root / "near.png").write_bytes(b"near")
    (root / "link.png").symlink_to(outside / "far.png")
    (root / "sub/loop").symlink_to(root)
    (root / "broken").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(os.path.relpath(root / "socket"))
        collection = Collection.open(str(root), on_skip=notes.__setitem__)
        entries = {entry.name: entry for entry in collection.entries()}
    assert list(entries) == ["link.png", "near.png"]
    with collection.open_source(entries["link.png"]) as data:
        assert data == b"far"
    assert {name: reason.split(",")[0] for name, reason in notes.items()} == {
        "broken": "a link that leads nowhere",
        "pipe": "a pipe",
        "socket": "a socket",
        "sub/loop": "a link to a folder",
    }


def test_names_that_are_not_unicode_are_kept_apart_and_readable(tmp_path):
    raw = [b"caf\xe9.png", b"caf\\xe9.png", b"caf\xe9\\.png", b"d\xff/x.png", "café.png".encode()]
    for name in raw:
        path = tmp_path / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name)
    collection = Collection.open(str(tmp_path))
    found = {entry.name: entry for entry in collection.entries()}
    assert list(found) == sorted(found) and len(found) == len(raw)
    assert "d\\xff/x.png" in found and "café.png" in found and "caf\\xe9.png" in found
    contents = set()
    for name, entry in found.items():
        name.encode()
        with collection.open_source(entry) as data:
            assert data == (entry.locator or name.encode())
            contents.add(bytes(data))
    assert contents == set(raw)


@pytest.fixture
def closed(tmp_path, monkeypatch):
    """A folder with a file, and two folders that may not be read: `closed` and `sub/lost+found`."""
    for folder in ("closed", "sub/lost+found"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "hidden.png").write_bytes(b"")
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "sub/z.png").write_bytes(b"")
    original = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith(("closed", "lost+found")):
            raise PermissionError(13, "Permission denied")
        return original(path)

    monkeypatch.setattr(os, "scandir", scandir)  # tests run as root, who may read everything
    return str(tmp_path)


def test_folders_that_may_not_be_read_are_named_and_the_rest_is_listed(closed):
    heard = {}
    found = Collection.open(closed, on_unreadable=heard.__setitem__).entries()
    assert [entry.name for entry in found] == ["a.png", "sub/z.png"]
    advice = "it may not be read; permit it, or run as its owner"
    assert heard == {"closed/": advice, "sub/lost+found/": advice}


@pytest.mark.parametrize(
    "exclude", [["closed/", "lost+found/"], ["closed/**", "sub/lost+found/**"], ["sub/", "/closed/"]]
)
def test_excluded_folders_are_never_read(closed, exclude):
    heard = {}
    found = Collection.open(closed, exclude=exclude, on_unreadable=heard.__setitem__).entries()
    assert "a.png" in {entry.name for entry in found} and heard == {}


def test_whoever_must_know_every_file_is_stopped_by_a_folder_that_may_not_be_read(closed):
    with pytest.raises(StorageError, match="closed: it may not be read; permit it, or run as its owner"):
        list(open_storage(closed).list())
    with pytest.raises(StorageError, match="closed"):
        names(f"{closed}/closed")


def test_neither_a_file_nor_a_folder_is_a_clear_mistake(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="neither"):
        names(str(tmp_path / "pipe"))


def test_relative_sources_start_at_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"1")
    monkeypatch.chdir(tmp_path)
    for source in (".", "*.png", "a.png", "./a.png", f"file://{tmp_path}"):
        assert names(source) == ["a.png"]


PART = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]) | st.sampled_from("ab.-0~"),
    min_size=1,
    max_size=6,
)
NAME = st.lists(PART.filter(lambda part: part not in (".", "..")), min_size=1, max_size=4).map("/".join)


@settings(max_examples=60)
@given(st.lists(NAME, min_size=1, max_size=25, unique=True))
def test_local_names_come_in_the_order_of_an_object_store(wanted):
    with tempfile.TemporaryDirectory() as folder:
        made = []
        for name in wanted:
            path = Path(folder, name)
            with contextlib.suppress(FileExistsError, NotADirectoryError, IsADirectoryError):  # a file in the way
                path.parent.mkdir(parents=True, exist_ok=True)
                path.open("xb").close()
                made.append(name)
        assert names(folder) == sorted(made, key=str.encode)
        for prefix in {name[:3] for name in made if not name[:3].startswith("/") and "//" not in name[:3]}:
            found = [entry.name for entry in open_storage(folder).list(prefix)]
            assert found == sorted((name for name in made if name.startswith(prefix)), key=str.encode)
