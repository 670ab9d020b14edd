"""The autoencoder of Boltzmann machines on MNIST: does pre-training matter, and what do its bytes buy?

    nice .venv/bin/python infra/bench/learned/rbm.py mnist OUT [--epochs 16] [--digits 20000] [--work FOLDER]

Trains the published network, 784-1000-500-196, on the first 20,000 digits: from random weights, from machines trained
by CD-1 and from principal components, by SGD with momentum and by Adam. Prints the tables of infra/tables/mnist.md; OUT
gets `mnist.png`, the curves. Every byte is one of a stream that was decoded again: the first 1,000 test digits as an
archive stacks them. One core, 40 CPU seconds for 6 epochs of one of the seven runs; FOLDER keeps finished ones.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rbm_rates import byte_table, fixed_table
from rbm_training import RATES, STARTS, Digits, Run, read_digits, trained

TEXT = """## Does pre-training matter?

{curves}
![errors after every epoch](mnist.png)

## 196 codes in a byte each: 4:1

{fixed}
## Bytes

{rates}"""


def curve_table(runs: list[Run], epochs: list[int]) -> str:
    """Markdown."""
    lines = [
        f"| start | optimiser | {' | '.join(map(str, epochs))} | CPU s |",
        "|---|---|" + "--:|" * (len(epochs) + 1),
    ]
    for run in runs:
        cells = " | ".join(f"{run.errors[epoch]:.2f}" if epoch < len(run.errors) else "" for epoch in epochs)
        lines.append(f"| {run.start} | {run.optimiser} | {cells} | {run.seconds:.0f} |")
    return "\n".join(lines) + "\n"


def draw(runs: list[Run], path: Path) -> None:
    """The errors of all runs over epochs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for run in runs:
        style = "-" if run.optimiser == "Adam" else "--"
        axes.plot(run.errors, style, color=f"C{STARTS.index(run.start)}", label=f"{run.start}, {run.optimiser}")
    axes.axhline(0.9, color="gray", linewidth=0.8)
    axes.set(xlabel="epoch", ylabel="squared error of a test digit", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


def page(runs: list[Run], digits: Digits) -> str:
    """The tables, in Markdown."""
    last = {len(run.errors) - 1 for run in runs}
    shown = sorted({0, 1, 2, 4, 8, 16, 32} & set(range(max(last))) | last)
    best = {start: min((r for r in runs if r.start == start), key=lambda run: run.errors[-1]) for start in STARTS}
    return TEXT.format(
        curves=curve_table(runs, shown),
        fixed=fixed_table([best["machines"], best["klt"]], digits),
        rates=byte_table(min(best.values(), key=lambda run: run.errors[-1]), digits),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mnist", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--longer", type=int, default=0, help="epochs of one more run: klt, Adam")
    parser.add_argument("--digits", type=int, default=20_000)
    parser.add_argument("--test", type=int, default=1_000)
    parser.add_argument("--work", type=Path, default=Path("rbm-work"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    for folder in (options.out, options.work):
        folder.mkdir(parents=True, exist_ok=True)
    digits = read_digits(options.mnist, options.digits, options.test)
    runs = [trained(start, name, digits, options.epochs, options.work) for start, name in RATES]
    if options.longer:
        runs.append(trained("klt", "Adam", digits, options.longer, options.work))
    draw(runs, options.out / "mnist.png")
    print(page(runs, digits))


if __name__ == "__main__":
    main()
