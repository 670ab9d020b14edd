"""Which places data may name: lists and archives of strangers open nothing that a person did not mean."""

from __future__ import annotations

from pathlib import Path

import pytest

import tilepress
from tests.support.interrupted import ONE, damage_image
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.pipeline.archive.plan import Plan
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.sources.collection import Collection
from tilepress.pipeline.storage import generic
from tilepress.pipeline.storage.base import open_storage
from tilepress.pipeline.storage.data_urls import VARIABLE, place_from_data, require_no_secret
from tilepress.pipeline.storage.place import place_text

METADATA = "http://169.254.169.254/latest/meta-data/"
REFUSED = [
    METADATA,
    "HTTPS://example.org/a.png",
    " http://example.org/a.png",
    "ftp://example.org/a",
    "sftp://host/a",
    "github://owner:repo@/a",
    "zip://a.png::http://example.org/a.zip",
    "simplecache://x::s3://bucket/a",
    "s3://bucket/a::http://example.org/a",
    "gs://bucket/x::http://169.254.169.254/",
    "reference://x",
    "data://text,x",
    "dir://x",
    "nobody-knows://x",
]
SECRETS = [
    "sftp://user:pa55word@host/folder",
    "list:sftp://user:pa55word@host/list.txt",
    "s3://user:w/pa55word@host",
    "s3://user:w@/pa55word@host",
    "https://bucket.example/a.png?X-Amz-Signature=pa55word",
    "https://account.example/a.png?sv=1&sig=pa55word",
    "https://host/a.png?access_token=pa55word",
]


@pytest.fixture
def nothing_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where fsspec would open anything."""
    monkeypatch.setattr(generic.fsspec.core, "url_to_fs", lambda *_, **__: pytest.fail("a place was opened"))


@pytest.mark.parametrize("place", REFUSED)
def test_data_name_no_other_places_than_object_stores(place: str) -> None:
    with pytest.raises(UsageError, match=r"names a (place|chain)"):
        place_from_data(place, "the list")


@pytest.mark.parametrize(
    "place",
    ["s3://b/a", "S3://b/a", "gs://b/a", "az://c/a", "abfs://c@account/a", "a.png", "/a", "a::b", "s3://b/a:b@2x.png"],
)
def test_object_stores_and_local_files_may_be_named(place: str) -> None:
    assert place_from_data(place, "the list") == place


def test_data_of_another_place_name_no_local_files() -> None:
    for place in ("/etc/passwd", "file:///etc/passwd", "local:///etc/passwd", "x.png"):
        assert place_from_data(place, "the list") == place
        with pytest.raises(UsageError, match="names a file of this machine"):
            place_from_data(place, "the list", local=False)


def test_more_may_be_allowed_but_no_chains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "sftp, HTTPS")
    assert place_from_data("https://example.org/a.png", "the list")
    with pytest.raises(UsageError):
        place_from_data("http://example.org/a.png", "the list")
    with pytest.raises(UsageError, match="chain"):
        place_from_data("https://example.org/a.zip::https://b", "the list")


@pytest.mark.parametrize("line", REFUSED)
def test_a_list_names_no_other_places(tmp_path: Path, nothing_is_opened: None, line: str) -> None:
    (tmp_path / "list.txt").write_text(f"{line}\n")
    with pytest.raises(UsageError):
        list(Collection.open(f"list:{tmp_path}/list.txt").entries())


def test_a_list_of_another_place_names_no_file_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    storage = open_storage(f"memory://{tmp_path.name}")
    storage.create("near.png", b"y")
    storage.create("list.txt", b"near.png\n")
    storage.create("wrong.txt", f"{tmp_path}/a.png\n".encode())
    storage.create("wrong-2.txt", f"file://{tmp_path}/a.png\n".encode())
    assert [entry.name for entry in Collection.open(f"list:{storage.url}/list.txt").entries()] == ["near.png"]
    for name in ("wrong.txt", "wrong-2.txt"):
        with pytest.raises(UsageError, match="names a file of this machine"):
            list(Collection.open(f"list:{storage.url}/{name}").entries())


def test_an_archive_does_not_say_where_repair_and_retry_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_is_opened: None
) -> None:
    write_tree(tmp_path / "source", {"a.png": encoded(image_of("L", 200, 200), "PNG"), "b.txt": b"text"})
    tilepress.compress(tmp_path / "source", tmp_path / "archive", **ONE)
    damage_image(tmp_path / "archive", "a.png")
    original = Plan.__init__

    def strange(self: Plan, *arguments: object) -> None:
        original(self, *arguments)
        self.settings["source"] = METADATA

    monkeypatch.setattr(Plan, "__init__", strange)
    for verb in (tilepress.repair, tilepress.retry):
        with pytest.raises(UsageError, match=r"a plan of .* names a place by http://"):
            verb(tmp_path / "archive", **ONE)
    assert tilepress.repair(tmp_path / "archive", source=tmp_path / "source", **ONE).mended == ["a.png"]


@pytest.mark.parametrize("place", SECRETS)
def test_a_url_with_credentials_is_refused_and_not_repeated(tmp_path: Path, place: str) -> None:
    for refuse in (
        lambda: place_text(place),
        lambda: require_no_secret(place),
        lambda: tilepress.compress(place, tmp_path / "archive", **ONE),
        lambda: tilepress.open(place),
    ):
        with pytest.raises(UsageError, match="holds credentials") as refused:
            refuse()
        assert "pa55word" not in str(refused.value)
    assert not (tmp_path / "archive").exists()
