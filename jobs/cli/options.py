"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click


def size(text: str) -> int:
    """Bytes of "256MB", "1.5GiB" or "4096"."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kMGT]?)(i?)B?", text.strip(), re.I)
    if not match or not float(match[1]):
        raise click.BadParameter(f"{text!r} is not a size such as 256MB")
    power = " kmgt".index(match[2].lower() or " ")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


def region(text: str) -> tuple[int, int, int, int]:
    """X, y, width and height of "0,0,512,512"."""
    parts = text.split(",")
    if len(parts) != 4 or not all(re.fullmatch(r"\s*\d+\s*", part) for part in parts):
        raise click.BadParameter(f"{text!r} is not X,Y,WIDTH,HEIGHT in pixels, such as 0,0,512,512")
    x, y, w, h = (int(part) for part in parts)
    if not w or not h:
        raise click.BadParameter(f"{text!r} is empty: width and height are at least 1")
    return x, y, w, h


def subset(text: str) -> tuple[int, int]:
    """Part and number of parts of "3/30" or "1%"."""
    share = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text)
    if share and 0 < float(share[1]) <= 100:
        return 1, max(1, round(100 / float(share[1])))
    part = re.fullmatch(r"(\d+)/(\d+)", text)
    if part and 1 <= int(part[1]) <= int(part[2]):
        return int(part[1]), int(part[2])
    raise click.BadParameter(f"{text!r} is neither a share such as 1% nor a part such as 3/30")


def parsed(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """A click callback that parses an option if it was given."""
    return lambda context, parameter, value: None if value is None else parse(value)


def engine_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say where and how wide a command runs."""
    return _engine_options(
        command,
        workers="Shards at a time; one a processor if not given.",
        auto="this process for small work",
        gpus="GPU share of a codec actor, on Ray.",
    )


def training_options(command: Callable[..., None]) -> Callable[..., None]:
    """The same for a training."""
    return _engine_options(
        command,
        workers="Workers that learn together, on Ray; one a GPU if not given.",
        auto="Ray where -j or --ray-address asks for it",
        gpus="0: train on processors even where there are GPUs.",
    )


def _engine_options(command: Callable[..., None], *, workers: str, auto: str, gpus: str) -> Callable[..., None]:
    for option in (
        click.option("--gpus-per-actor", type=float, default=1.0, show_default=True, help=gpus),
        click.option("--ray-address", metavar="ADDRESS", help="An existing Ray cluster ('auto' finds one)."),
        click.option(
            "--engine",
            type=click.Choice(["auto", "local", "ray"]),
            default="auto",
            show_default=True,
            help=f"local: this process; ray: a Ray cluster; auto: {auto}.",
        ),
        click.option("-j", "--workers", type=click.IntRange(1), help=workers),
    ):
        command = option(command)
    return command


def engine_config(options: dict[str, Any]) -> Any:
    """Take the engine options out of all options."""
    from tilepress.pipeline.engine.engine import EngineConfig

    return EngineConfig(
        options.pop("engine"), options.pop("workers"), options.pop("ray_address"), options.pop("gpus_per_actor")
    )


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
include_option = click.option(
    "--include", multiple=True, metavar="GLOB", help="Only files that match; may be repeated."
)
exclude_option = click.option(
    "--exclude", multiple=True, metavar="GLOB", help="Leave out files that match; may be repeated."
)
tile_option = click.option(
    "--tile", type=click.IntRange(16, 16384), default=512, show_default=True, help="Tile size in pixels."
)
