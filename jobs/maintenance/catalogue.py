"""`tilepress codecs` and `tilepress models`: what --codec takes, found without loading a codec of tilepress's own."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from tilepress.codecs import catalogue
from tilepress.codecs.errors import CodecError, ModelError
from tilepress.codecs.speeds import SPEEDS

CODECS = Path(catalogue.__file__).parent
_MODELS = CODECS / "models"


def codec_rows() -> list[dict[str, Any]]:
    """Return one row a codec, built in or of a plug-in; a broken plug-in is listed with its error.

    `speed`: megapixels a second of a core, encoding and decoding RGB photographs; None or not there: not known.
    Yardsticks, of the kind "for evaluate only", come last.
    """
    rows = [asdict(facts) | {"speed": SPEEDS.get(facts.codec)} for facts in catalogue.BUILT_IN]
    known = {row["codec"] for row in rows}
    plugins = sorted({point.name for point in entry_points(group="tilepress.codecs")} - known)
    yardsticks = [asdict(facts) for facts in catalogue.YARDSTICKS if facts.codec not in plugins]
    return rows + [_plugin_row(codec_id) for codec_id in plugins] + yardsticks


def _plugin_row(codec_id: str) -> dict[str, Any]:
    from tilepress.codecs.registry import codec_class, needs_model

    try:
        return asdict(catalogue.facts_of(codec_class(codec_id), needs_model=needs_model(codec_id)))
    except CodecError as exc:
        return {"codec": codec_id, "summary": f"cannot be loaded: {exc}"}


def model_rows() -> list[dict[str, Any]]:
    """Return one row a shipped model, as its model.json describes it; whoever uses a model verifies it first."""
    return [_model_row(path.parent) for path in sorted(_MODELS.glob("*/model.json"))]


def _model_row(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / "model.json").read_text())
        return {
            "model": folder.name,
            "codec": content["codec_id"],
            "sha256": content["sha256"],
            "bytes": sum(path.stat().st_size for path in folder.iterdir()),
            "configuration": content["config"],
            "licence": content["licence"],
        }
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ModelError(f"{folder} is not as it was shipped: install tilepress again ({exc})") from exc
