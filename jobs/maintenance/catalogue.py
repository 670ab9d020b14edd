"""`tilepress codecs` and `tilepress models`: what --codec takes."""

from __future__ import annotations

from typing import Any

from tilepress.codecs.codec import Codec
from tilepress.codecs.errors import CodecError
from tilepress.codecs.model import Model
from tilepress.codecs.registry import (
    DEFAULT_RESIDUAL,
    codec_class,
    codec_ids,
    load_residual,
    needs_model,
    shipped_models,
)


def codec_rows() -> list[dict[str, Any]]:
    """One row a codec: what it does and which options change it. A broken plug-in is listed with its error."""
    rows: list[dict[str, Any]] = []
    for codec_id in codec_ids():
        try:
            codec = codec_class(codec_id)
        except CodecError as exc:
            rows.append({"codec": codec_id, "summary": f"cannot be loaded: {exc}"})
            continue
        rows.append(
            {
                "codec": codec_id,
                "kind": "lossless" if codec.lossless else "lossy" if not codec.exact else "lossy or with residual",
                "dtypes": sorted(codec.dtypes),
                "channels": sorted(codec.channels),
                "options": sorted(codec.options | _with_residual(codec)),
                "needs_model": needs_model(codec_id),
                "summary": codec.summary,
            }
        )
    return rows


def _with_residual(codec: type[Codec]) -> set[str]:
    """What the residual on top of a lossy base adds."""
    near = codec.exact and not codec.lossless and load_residual(DEFAULT_RESIDUAL).near_lossless
    return {"max_error"} if near else set()


def model_rows() -> list[dict[str, Any]]:
    """One row a shipped model."""
    rows = []
    for name, folder in shipped_models().items():
        model = Model.load(folder)
        size = sum(path.stat().st_size for path in folder.iterdir())
        rows.append(
            {
                "model": name,
                "codec": model.codec_id,
                "sha256": model.name,
                "bytes": size,
                "configuration": dict(model.config),
                "licence": model.licence,
            }
        )
    return rows
