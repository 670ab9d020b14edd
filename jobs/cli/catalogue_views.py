"""The lists of codecs, models and recipes, as they are printed; light, since they read nothing but tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilepress.codecs.catalogue import YARDSTICK
from tilepress.jobs.cli.progress import size
from tilepress.jobs.cli.tables import print_json, print_table
from tilepress.jobs.maintenance import catalogue

if TYPE_CHECKING:
    from tilepress.jobs.recipes.recipe import TrainingPlan


def show_codecs(*, as_json: bool) -> int:
    """Print the codecs, and return the exit code."""
    rows = catalogue.codec_rows()
    if as_json:
        print_json(rows)
        return 0
    stored = [row for row in rows if row.get("kind") != YARDSTICK]
    print_table([row | {"MP/s": _speeds(row)} for row in stored], ("codec", "kind", "MP/s", "options", "summary"))
    print("\nTo compare with, in `tilepress evaluate` alone: no archive holds them.")
    print_table([row for row in rows if row not in stored], ("codec", "options", "summary"))
    print("\nMP/s: of RGB photographs, a core, encoding and decoding; `tilepress estimate SOURCE` says it of yours.")
    print("A codec that needs a model is also named by a model: see `tilepress models`.")
    return 0


def _speeds(row: dict[str, Any]) -> str:
    speeds = row.get("speed") or ()
    return ", ".join(f"{each:.2g}" if each < 100 else f"{each:.0f}" for each in speeds)


def show_models(*, as_json: bool) -> int:
    """Print the shipped models, and return the exit code."""
    rows = catalogue.model_rows()
    if as_json:
        print_json(rows)
        return 0
    print_table(
        [row | {"bytes": size(row["bytes"]), "sha256": row["sha256"][:12]} for row in rows],
        ("model", "codec", "bytes", "sha256", "licence"),
    )
    return 0


def show_recipes(name: str | None, *, as_json: bool) -> int:
    """Print the recipes, or one with every key resolved as a YAML that `train` takes; return the exit code."""
    from tilepress.jobs.recipes.keys import yaml_with_notes
    from tilepress.jobs.recipes.recipe import key_notes, load_plan, read_plan, recipe_names

    if as_json:
        print_json([load_plan(each).to_json() for each in ([name] if name else recipe_names())])
    elif name:
        plan = load_plan(name)
        keys = {key: value for key, value in plan.to_json().items() if key != "recipe"}
        print(yaml_with_notes(keys, key_notes(plan)), end="")
    else:
        rows = [
            {"recipe": plan.name, "codec": plan.family, **_lengths(plan)} for plan in map(read_plan, recipe_names())
        ]
        print_table(rows, ("recipe", "codec", "steps", "minutes", "crop", "batch_size"))
        print("Keys and values of one: tilepress recipes RECIPE")
    return 0


def _lengths(plan: TrainingPlan) -> dict[str, Any]:
    options = plan.options
    limit = f"{options.minutes:g}" if options.minutes else "no limit"
    return {"steps": f"{options.steps:,}", "minutes": limit, "crop": options.crop, "batch_size": options.batch_size}
