"""How a wheel is named: for a Python and a platform if it ships compiled kernels, for all of them if it does not.

`make wheel` compiles kernels into the tree and builds a wheel of it, without isolation: it is asked here whether they
are those of the sources.
"""

from __future__ import annotations

import sys
from email import message_from_string
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class KernelsHook(BuildHookInterface):
    """Looks at the packs of codecs/kernels/pack.py below the tree that is built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Set the tags of the wheel. RuntimeError for kernels of other sources than those in the wheel."""
        sources = Path(self.root, "infra/src")
        if version == "editable" or not (sources / "tilepress/codecs/kernels/packs").is_dir():
            return
        sys.path.insert(0, str(sources))
        from tilepress.codecs.kernels.pack import Pack
        from tilepress.codecs.kernels.sources import shipped_keys

        pack = Pack.here()
        if not pack.keys or not pack.keys <= {*shipped_keys()} or pack.damaged():
            raise RuntimeError(f"{pack.folder} is not of these sources: `tilepress warm --pack` makes it anew")
        build_data["pure_python"] = False
        build_data["tag"] = _tag_of_numba()


def _tag_of_numba() -> str:
    """Kernels run where the numba runs that compiled them: Python, C library, and processor."""
    about = message_from_string(distribution("numba").read_text("WHEEL") or "")
    python, abi, _ = about["Tag"].split("-")
    return f"{python}-{abi}-{'.'.join(tag.split('-')[2] for tag in about.get_all('Tag', []))}"
