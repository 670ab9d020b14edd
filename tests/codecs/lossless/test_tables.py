"""The shipped tables of the lossless codec: every entry recomputed, and damage refused before a kernel is compiled."""

from __future__ import annotations

import numpy as np
import pytest

from tilepress.codecs.errors import CodecError
from tilepress.codecs.lossless import make_tables, table_file


def test_every_entry_is_the_nearest_number_to_its_value() -> None:
    shipped, computed = table_file.load(), make_tables.computed()
    assert list(shipped) == list(computed) == list(table_file.SIZES)
    for name, table in shipped.items():
        assert table.dtype == np.float64 and len(table) == table_file.SIZES[name]
        assert table.tobytes() == computed[name].tobytes(), name


def test_the_file_is_written_again_as_it_is(tmp_path, monkeypatch, capsys) -> None:
    shipped = table_file.FILE.read_bytes()
    monkeypatch.setattr(table_file, "FILE", tmp_path / "tables.bin")
    make_tables.main()
    assert (tmp_path / "tables.bin").read_bytes() == shipped
    assert capsys.readouterr().out.strip() == table_file.SHA256


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_file_is_refused(damage: str, tmp_path, monkeypatch) -> None:
    data = bytearray(table_file.FILE.read_bytes())
    data[5000] ^= damage == "flip"
    path = tmp_path / "tables.bin"
    if damage != "gone":
        path.write_bytes(data[:-1] if damage == "cut" else data)
    monkeypatch.setattr(table_file, "FILE", path)
    with pytest.raises(CodecError, match="install tilepress again"):
        table_file.load()
