"""What the commands that only look print: ls, info, errors, cat, codecs, models. Each returns the exit code."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

from tilepress.jobs.archives import listing
from tilepress.jobs.cli.progress import size
from tilepress.jobs.cli.tables import print_json, print_notes, print_summary, print_table
from tilepress.jobs.maintenance import catalogue
from tilepress.pipeline.archive.schema import bound_text
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.reading.archive import open_archive

if TYPE_CHECKING:
    from tilepress.jobs.recipes.recipe import TrainingPlan


def show_ls(url: str, path: str | None, *, as_json: bool) -> int:
    """One line an image."""
    archive = open_archive(url)
    print_notes(archive.problems)
    found = 0
    for entry in listing.listed(archive, path):
        found += 1
        row = listing.describe(entry)
        if as_json:
            print_json(row, indent=None)
            continue
        shape = f"{row['width']}x{row['height']} {row['mode']}" if row["width"] else "-"
        gone = "  (gone from the source)" if row["gone_from_source"] else ""
        sizes = f"{row['source_bytes']:>12,} {row['stored_bytes']:>12,}"
        print(f"{sizes}  {row['method']:<12} {shape:<18} {row['path']}{gone}")
    if path is not None and not found:
        print(f"tilepress: nothing in {url} matches {path!r}", file=sys.stderr)
        return 2
    return 0


def show_info(url: str, path: str | None, *, as_json: bool) -> int:
    """An archive, or one image."""
    if path is not None:
        _print_facts(listing.describe(listing.one_entry(url, path)), as_json=as_json)
        return 0
    info = listing.archive_info(url)
    if as_json:
        print_json(info)
        return 0
    print_notes(info.problems)
    print(f"archive {info.archive_id}  {info.format}  {info.url}")
    for run in info.runs:
        settings, press = run["settings"], run["settings"]["press"]
        state = "complete" if run["complete"] else "NOT COMPLETE: repeat its command to finish it"
        print(
            f"run {run['run']}: {run['images']:,} images from {settings['source']}, codec {settings['codec']}, "
            f"fidelity {press['fidelity']}{_bound(press)}, tiles of {press['tile']}, {state}"
        )
    print_summary(info.summary)
    if info.gone:
        print(f"{info.gone:,} of them are gone from the source")
    return 0


def _bound(press: dict[str, Any]) -> str:
    return f" {bound_text(press['max_error'])}" if press.get("max_error") else ""


def _print_facts(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        if value not in (None, ""):
            print(f"{name:<{width}}  {value}")


def show_errors(url: str, *, as_json: bool) -> int:
    """Files that are held only as bytes, or not at all."""
    rows = list(listing.failures(open_archive(url)))
    if as_json:
        print_json(rows)
        return 0
    for row in rows:
        held = "kept as its bytes" if row["stored"] else "NOT STORED"
        print(f"{row['reason_code']:<15} {held:<18} {row['path']}: {row['reason']}")
    counts = ", ".join(f"{count:,} {reason}" for reason, count in listing.reasons(rows).items())
    print(counts or f"every file of {url} is held by its pixels or as a transcoded JPEG")
    return 0


def write_cat(url: str, path: str, output: str | None) -> int:
    """One file to standard output or to a file; nothing is written before all of it is proven right."""
    entry = listing.one_entry(url, path)
    with tempfile.TemporaryFile() as scratch:
        entry.write(cast(BinaryIO, scratch))
        scratch.seek(0)
        if output is None:
            shutil.copyfileobj(scratch, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            _copy_to(Path(output), scratch)
    return 0


def _copy_to(output: Path, source: IO[bytes]) -> None:
    try:
        with output.open("wb") as file:
            shutil.copyfileobj(source, file)
    except OSError as exc:
        raise UsageError(f"{output} cannot be written: {exc.strerror}") from exc


def show_codecs(*, as_json: bool) -> int:
    """The codecs."""
    rows = catalogue.codec_rows()
    if as_json:
        print_json(rows)
        return 0
    print_table(rows, ("codec", "kind", "options", "summary"))
    print("\nA codec that needs a model is also named by a model: see `tilepress models`.")
    return 0


def show_models(*, as_json: bool) -> int:
    """The shipped models."""
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
    """The recipes that come with tilepress; or one of them, every key resolved, as a YAML that `train` takes."""
    import yaml

    from tilepress.jobs.recipes.recipe import load_plan, read_plan, recipe_names

    if as_json:
        print_json([load_plan(each).to_json() for each in ([name] if name else recipe_names())])
    elif name:
        keys = load_plan(name).to_json()
        print(yaml.safe_dump({key: value for key, value in keys.items() if key != "recipe"}, sort_keys=False), end="")
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
