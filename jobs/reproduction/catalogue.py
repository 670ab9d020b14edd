"""The tables by name; none is imported before it is asked for."""

from __future__ import annotations

import difflib
import importlib
from typing import cast

from tilepress.jobs.reproduction.table import Table
from tilepress.pipeline.errors import UsageError

TABLES: dict[str, str] = {
    "block-dnn": "tilepress.jobs.reproduction.tables.block_dnn:TABLE",
    "predictive-mlp": "tilepress.jobs.reproduction.tables.predictive_mlp:TABLE",
    "mnist": "tilepress.jobs.reproduction.tables.mnist:TABLE",
    "cifar": "tilepress.jobs.reproduction.tables.cifar:TABLE",
    "high-resolution": "tilepress.jobs.reproduction.tables.high_resolution:TABLE",
    "jpeg-restoration": "tilepress.jobs.reproduction.tables.jpeg_restoration:TABLE",
}


def load_table(name: str) -> Table:
    """Return a table. UsageError, with the nearest name, if there is none of that name."""
    if name not in TABLES:
        near = difflib.get_close_matches(name.lower(), TABLES, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"there is no `table` {name!r}.{hint} There are: {', '.join(TABLES)}")
    module, _, attribute = TABLES[name].partition(":")
    return cast(Table, getattr(importlib.import_module(module), attribute))
