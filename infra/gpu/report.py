"""The report of a call: what the machine is, what passed, how fast it was, where the trainings are."""

from __future__ import annotations

from typing import Any

Results = dict[str, Any]


def markdown(results: Results) -> str:
    """The whole report."""
    sections = (_environment, _exactness, _speed, _busy, _trainings)
    lines = [line for section in sections for line in (*section(results), "")]
    notes = results.get("notes", [])
    return (
        "\n".join([*lines, *(["## Not done", "", *(f"- {note}" for note in notes)] if notes else [])]).rstrip() + "\n"
    )


def passed(results: Results) -> bool:
    """Whether every exactness check passed, and there were some, or none was asked for; and no training failed."""
    verdicts = list(results.get("exactness", {}).values())
    trainings = results.get("trainings", {}).values()
    return all(each["passed"] for each in verdicts) and not any(t["state"].startswith("failed") for t in trainings)


def _environment(results: Results) -> list[str]:
    facts = dict(results.get("environment", {}))
    packages = facts.pop("packages", {})
    lines = ["# tilepress on a GPU machine", "", *(f"- {name}: {value}" for name, value in facts.items())]
    return [*lines, "- " + ", ".join(f"{name} {version or 'MISSING'}" for name, version in packages.items())]


def _exactness(results: Results) -> list[str]:
    rows = [
        [name, "pass" if each["passed"] else "FAIL", each["checks"], each["variants"],
         f"{100 * each['analysis_differs']:.3f} %", each["seconds"]]
        for name, each in results.get("exactness", {}).items()
    ]  # fmt: skip
    head = ["model", "decoding exact", "checks", "variants", "symbols the device chose otherwise", "s"]
    failures = [f"- {name}: {what}" for name, each in results.get("exactness", {}).items() for what in each["failures"]]
    without = results.get("without_model", [])
    missing = [f"No model of {', '.join(without)}: nothing is known of their exactness."] if without else []
    return ["## Exactness", "", *_table(head, rows), "", *failures, *missing]


def _speed(results: Results) -> list[str]:
    names = ("device", "side", "batch", "analyse", "pack", "unpack", "synthesise", "encode", "decode")
    rows = [
        [model, *(row.get(name, "") for name in names)]
        for model, each in results.get("speed", {}).items()
        for row in each
    ]
    return ["## Speed, MP/s (one thread of the processor)", "", *_table(["model", *names], rows)]


def _busy(results: Results) -> list[str]:
    names = ("images", "megapixels", "seconds", "mp_per_s", "actors", "actor_busy", "actor_busy_inside", "device_busy")
    rows = [[model, *(each.get(name, "") for name in names)] for model, each in results.get("busy", {}).items()]
    return ["## compress --engine ray", "", *_table(["model", *names], rows)]


def _trainings(results: Results) -> list[str]:
    rows = []
    for name, each in results.get("trainings", {}).items():
        final = each.get("final") or {}
        figures = ", ".join(f"{key} {final[key]:.4g}" for key in ("psnr", "bpp", "mse") if key in final)
        rows.append([name, each["state"], each.get("trained_steps") or each.get("step", 0), figures])
    failed = [line for each in results.get("trainings", {}).values() if each["state"].startswith("failed")
              for line in ("```", each.get("log", ""), "```")]  # fmt: skip
    return ["## Trainings", "", *_table(["model", "state", "steps", "held-out images"], rows), *failed]


def _table(head: list[str], rows: list[list[Any]]) -> list[str]:
    if not rows:
        return ["(none)"]
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines]
