"""How storages are reached: fsspec's options, said in a call, in FSSPEC_* variables, or in fsspec's files.

tilepress.open(url, storage_options={"profile": "work"})
tilepress.compress(source, archive, storage_options={"s3://open-data": {"anon": True}, "s3://mine": {"key": ...}})
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any


class StorageOptions(Mapping[str, Any]):
    """Options of fsspec's file systems by name: for all remote places of a call, or by the beginning of their URLs.

    Options hold credentials. They travel to workers (by pickle, in memory) and are never printed, logged or stored.
    """

    def __init__(self, given: Mapping[str, Any] | None = None) -> None:
        """Copy options. A name that holds "://" is the beginning of URLs, and its value the options there."""
        self._given = dict(given or {})

    def at(self, url: str) -> dict[str, Any]:
        """Return the options for one URL: the general ones, under those of the longest beginning that fits it."""
        general = {name: value for name, value in self._given.items() if "://" not in name}
        fitting = [name for name in self._given if "://" in name and _begins(url, name)]
        return {**general, **self._given[max(fitting, key=len)]} if fitting else general

    def __getitem__(self, name: str) -> Any:
        return self._given[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)

    def __hash__(self) -> int:
        return hash(tuple(sorted(self._given)))  # values may be dicts; few sets of options have the same names

    def __repr__(self) -> str:
        return f"{type(self).__name__}(of {', '.join(sorted(self._given)) or 'none'})"


NO_OPTIONS = StorageOptions()


def with_settings(protocol: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return `options` over what fsspec's variables and files say now: fsspec itself reads them once a process."""
    from fsspec.config import default_conf_dir, set_conf_env, set_conf_files

    settings: dict[str, dict[str, Any]] = {}
    set_conf_files(os.environ.get("FSSPEC_CONFIG_DIR", default_conf_dir), settings)
    set_conf_env(settings)
    return {**settings.get(protocol, {}), **options}


def _begins(url: str, beginning: str) -> bool:
    """Whether a URL is at or below another: `s3://bucket` is not the beginning of `s3://bucket-2`."""
    return f"{url}/".startswith(f"{beginning.rstrip('/')}/")
