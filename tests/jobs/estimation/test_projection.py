"""Intervals hold as often as they say, on populations that are known; samples are the same for the same files."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student_t

from tilepress.jobs.estimation.costs import payback
from tilepress.jobs.estimation.population import ending_of, survey
from tilepress.jobs.estimation.projecting import Basis
from tilepress.jobs.estimation.projection import Draw, Interval, Sampled, project, student
from tilepress.jobs.estimation.repeats import Repeats
from tilepress.jobs.estimation.strata import in_order, strata_of
from tilepress.pipeline.storage.base import FOLDER, ListedFile

KINDS = {"jpg": (0.8, 0.03), "png": (0.5, 0.2), "tif": (0.4, 0.25)}  # mean and spread of bytes out to bytes in


def made(seed: int, count: int) -> dict[ListedFile, int]:
    """Files of three kinds in five folders, of sizes that differ by a thousand times, with what each takes."""
    rng = random.Random(seed)
    found = {}
    for number in range(count):
        kind = rng.choice([*KINDS, "jpg"])
        mean, spread = KINDS[kind]
        size = int(math.exp(rng.gauss(14 if kind == "tif" else 12.5, 1.2)))
        ratio = rng.choice([0.05, 1.0]) if rng.random() < 0.03 else min(1.0, max(0.02, rng.gauss(mean, spread)))
        found[ListedFile(f"f{rng.randrange(5)}/{number:05}.{kind}", size)] = round(size * ratio)
    return found


def projected(population: dict[ListedFile, int], units: int, seed: int) -> Interval:
    """What a sample of so many units says."""
    listed = survey(sorted(population, key=lambda file: file.name), seed)
    strata = strata_of(listed)
    order = list(in_order(strata))
    rows = {
        number: {
            "archive_bytes": sum(population[file] for file in unit.files),
            "source_bytes": unit.bytes,
            "format": "",
        }
        for number, (_, unit) in enumerate(order[:units])
    }
    return Basis(listed, strata, order, 1, remote=False).files(rows)


@pytest.mark.parametrize(("count", "units"), [(60, 12), (300, 25), pytest.param(300, 80, marks=pytest.mark.slow)])
def test_the_truth_lies_in_the_interval_19_times_in_20(count: int, units: int) -> None:
    held, widths = 0, []
    for seed in range(100):
        population = made(seed, count)
        truth = sum(population.values())
        interval = projected(population, units, seed)
        held += interval.low <= truth <= interval.high
        widths.append((interval.high - interval.low) / truth)
    assert held >= 91  # of 100 draws at 95 %, fewer come up once in 40 times; these are always the same
    assert sorted(widths)[50] < {12: 0.5, 25: 0.4, 80: 0.1}[units]  # half of the archive is no answer


def test_what_is_measured_whole_is_exact() -> None:
    population = made(1, 40)
    truth = sum(population.values())
    assert projected(population, 1000, 0) == Interval(truth, truth, truth)


def test_the_same_files_give_the_same_sample_and_another_seed_another() -> None:
    files = sorted(made(3, 200), key=lambda file: file.name)
    first, again, other = (list(in_order(strata_of(survey(files, seed)))) for seed in (0, 0, 1))
    assert first == again
    assert [unit for _, unit in first[:20]] != [unit for _, unit in other[:20]]
    files_of = [{unit.files for _, unit in order} for order in (first, other)]
    assert files_of[0] == files_of[1]


@given(st.lists(st.integers(0, 1 << 22), max_size=60), st.integers(0, 3), st.integers(1, 20))
def test_every_byte_is_in_one_stratum_and_every_file_in_one_unit(sizes: list[int], seed: int, folders: int) -> None:
    files = [ListedFile(f"{at % folders}/{at}.{'abc'[at % 3]}", size) for at, size in enumerate(sizes)]
    listed = survey([*files, ListedFile("empty", 0, kind=FOLDER)], seed)
    strata = strata_of(listed)
    drawn = {file for _, unit in in_order(strata) for file in unit.files}
    assert sum(stratum.bytes for stratum in strata) == listed.bytes == sum(sizes)
    assert drawn == {file for file in files if file.size}
    assert sum(len(unit.files) for _, unit in in_order(strata)) == len(drawn)
    assert listed.files == len(files) + 1


@given(st.lists(st.tuples(st.integers(1, 1000), st.floats(0.01, 1), st.floats(0, 1)), min_size=1, max_size=8))
def test_an_interval_holds_its_value_and_no_less_than_was_measured(draws: list[tuple[int, float, float]]) -> None:
    drawn = tuple(Draw(size, chance, size * ratio) for size, chance, ratio in draws)
    stratum = Sampled("PNG", 2 * sum(draw.bytes for draw in drawn), drawn)
    found = project([stratum, Sampled("TIFF", 10, ())], most=1.0)
    assert sum(draw.value for draw in drawn) <= found.low * (1 + 1e-9) or found.low == found.value
    assert found.low <= found.value * (1 + 1e-9) and found.value <= found.high * (1 + 1e-9)


def test_memory_stays_bounded_however_many_files_there_are() -> None:
    listed = survey(ListedFile(f"{at % 300:03}/{at}.x{at % 40}", 300_000 + at) for at in range(60_000))
    assert listed.files == 60_000 and len(listed.cells) < 400
    assert sum(len(cell.units()) for cell in listed.cells.values()) < 40_000
    assert all(stratum.limit < math.inf or len(stratum.units) == stratum.files for stratum in strata_of(listed))


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 15, 200])
def test_quantiles_are_those_of_students_t(freedom: int) -> None:
    assert student(freedom) == pytest.approx(student_t.ppf(0.975, freedom), rel=2e-3)


def test_repeats_are_told_by_etags_and_estimated_where_there_are_many() -> None:
    few, many = Repeats(), Repeats()
    for number in range(10):
        few.add(ListedFile(f"{number}", 100, etag=f"{number % 4}"))
    for number in range(240_000):
        many.add(ListedFile(f"{number}", 1000, etag=f"{number % 120_000}"))
    assert few.bytes == 600
    assert many.bytes == pytest.approx(120_000_000, rel=0.03)
    local = Repeats()
    local.add(ListedFile("a", 5))
    local.add(ListedFile("b", 5))
    assert local.bytes == 0


def test_it_pays_for_itself_in_the_month_in_which_storage_has_saved_the_cost() -> None:
    half = Interval(1e12, 0.9e12, 1.9e12)
    found = payback(2 * 10**12, half, Interval(100.0, 90.0, 120.0), 20.0, 0.5)
    assert (found.compressing.value, found.saved_a_month.value) == (50.0, 20.0)
    assert (found.month, found.latest_month) == (3, 30)
    assert payback(10, Interval(10, 10, 10), Interval(1, 1, 1), 20.0, 0.5).month is None


@pytest.mark.parametrize(
    ("name", "ending"),
    [("a/B.JPG", "jpg"), ("x.tar.gz", "gz"), (".hidden", ""), ("a.b/c", ""), ("a.long-one", ""), ("a.é", "")],
)
def test_what_a_name_ends_in(name: str, ending: str) -> None:
    assert ending_of(name) == ending
