"""Model folders: immutable, named by their content, and any damage is found."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilepress.codecs import model as model_file
from tilepress.codecs.errors import ModelError
from tilepress.codecs.model import JSON_NAME, WEIGHTS_NAME, Model


def example(**changes: object) -> Model:
    tensors = {"b.cdf": np.array([[0, 5, 9]], np.uint16), "a.weight": np.array([[1.5, -2]], np.float32)}
    facts = {"codec_id": "x", "config": {"k": 3}, "training": {"seed": 1}, "licence": "CC0", "tensors": tensors}
    return Model(**{**facts, **changes})


def test_a_model_comes_back_from_its_folder(tmp_path: Path) -> None:
    model = example()
    model.save(tmp_path / "m")
    again = Model.load(tmp_path / "m", expected=model.name)
    assert (again.codec_id, again.config, again.training, again.licence) == ("x", {"k": 3}, {"seed": 1}, "CC0")
    assert again.name == model.name
    for key, array in model.tensors.items():
        np.testing.assert_array_equal(again.tensors[key], array)
        assert again.tensors[key].dtype == array.dtype


def test_the_name_of_a_content_never_changes() -> None:
    assert example().name == "01b4721b4ac5388a7d7183df7d20ea712088686ebc6676f15c4a5bfeb4d3c041"


def test_the_name_does_not_depend_on_the_order_of_anything() -> None:
    tensors = dict(reversed(example().tensors.items()))
    assert example(tensors=tensors).name == example().name
    assert example(config={"a": 1, "b": 2}).name == example(config={"b": 2, "a": 1}).name


@pytest.mark.parametrize(
    "change",
    [
        {"codec_id": "y"},
        {"config": {"k": 4}},
        {"training": {}},
        {"licence": ""},
        {"tensors": {}},
        {"tensors": {**example().tensors, "a.weight": np.array([[1.5], [-2]], np.float32)}},
        {"tensors": {**example().tensors, "a.weight": np.array([[1.5, -2]], np.float64)}},
        {"tensors": {"b.cdf": example().tensors["a.weight"], "a.weight": example().tensors["b.cdf"]}},
    ],
)
def test_any_other_content_has_another_name(change: dict[str, object]) -> None:
    assert example(**change).name != example().name


@given(data=st.data())
@settings(max_examples=300)
def test_a_flipped_bit_is_found(data: st.DataObject) -> None:
    files = [bytearray(part) for part in example().to_bytes()]
    which = data.draw(st.integers(0, 1))
    bit = data.draw(st.integers(0, 8 * len(files[which]) - 1))
    files[which][bit >> 3] ^= 1 << (bit & 7)
    try:
        found = Model.from_bytes(bytes(files[0]), bytes(files[1]), expected=example().name)
    except ModelError:
        return
    assert found.name == example().name, "only layout that carries no content may differ"


@given(description=st.binary(max_size=200), weights=st.binary(max_size=200))
@settings(max_examples=100)
def test_arbitrary_bytes_are_a_model_error(description: bytes, weights: bytes) -> None:
    for files in ((description, example().to_bytes()[1]), (example().to_bytes()[0], weights)):
        with pytest.raises(ModelError):
            Model.from_bytes(*files)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "null",
        "[" * 100_000,
        '{"format": 1e999}',
        '{"a": NaN}',
        '{"format": 1, "codec_id": 3, "config": {}, "training": {}, "licence": "", "sha256": ""}',
        '{"format": 2, "codec_id": "x", "config": {}, "training": {}, "licence": "", "sha256": ""}',
        '{"format": 1, "codec_id": "x", "config": {"a": 1e999}, "training": {}, "licence": "", "sha256": ""}',
    ],
)
def test_hostile_json_is_a_model_error(text: str) -> None:
    with pytest.raises(ModelError):
        Model.from_bytes(text.encode(), example().to_bytes()[1])


def test_lengths_in_the_weights_file_are_not_trusted() -> None:
    description, weights = example().to_bytes()
    for length in (0, 2**20, 2**40, 2**63, 2**64 - 1):
        with pytest.raises(ModelError):
            Model.from_bytes(description, struct.pack("<Q", length) + weights[8:])


def test_files_larger_than_a_model_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example().save(tmp_path)
    monkeypatch.setattr(model_file, "MAX_WEIGHTS_BYTES", 100)
    with pytest.raises(ModelError, match="larger"):
        Model.load(tmp_path)


def test_a_folder_without_one_of_the_files_is_a_model_error(tmp_path: Path) -> None:
    for name in (JSON_NAME, WEIGHTS_NAME):
        folder = tmp_path / name
        example().save(folder)
        (folder / name).unlink()
        with pytest.raises(ModelError, match="cannot read"):
            Model.load(folder)


def test_a_model_that_is_not_the_expected_one_is_refused(tmp_path: Path) -> None:
    example().save(tmp_path)
    with pytest.raises(ModelError, match="damaged"):
        Model.load(tmp_path, expected="0" * 64)


def test_a_changed_fact_is_found_even_where_nothing_is_expected(tmp_path: Path) -> None:
    example().save(tmp_path)
    facts = json.loads((tmp_path / JSON_NAME).read_text())
    facts["config"]["k"] = 4
    (tmp_path / JSON_NAME).write_text(json.dumps(facts))
    with pytest.raises(ModelError):
        Model.load(tmp_path)


def test_saving_never_replaces_another_model(tmp_path: Path) -> None:
    example().save(tmp_path)
    example().save(tmp_path)
    with pytest.raises(ModelError, match="immutable"):
        example(licence="other").save(tmp_path)
    assert Model.load(tmp_path).name == example().name


def test_loaded_tensors_cannot_be_changed() -> None:
    loaded = Model.from_bytes(*example().to_bytes())
    with pytest.raises(ValueError, match="read-only"):
        loaded.tensors["b.cdf"][0, 0] = 7
