"""How a person asks for an evaluation, of files, buckets and archives, and what is refused."""

from __future__ import annotations

import json

import pytest

import tilepress
from tests.jobs.archives.test_s3 import upload
from tests.support.evaluations import CODECS, OUTPUTS, QUALITIES, rows, snapshot, timeless
from tests.support.interrupted import ONE
from tests.support.make_collection import write_tree
from tilepress import compress, evaluate
from tilepress.codecs.registry import shipped_models
from tilepress.jobs.cli.app import _run
from tilepress.pipeline.errors import UsageError


def test_an_archive_is_evaluated_as_the_files_in_it(evaluated, mixed, tmp_path):
    compress(str(mixed), str(tmp_path / "a.tp"), **ONE)
    report = evaluate(str(tmp_path / "a.tp"), str(tmp_path / "out"), CODECS, qualities=QUALITIES, tile=32, **ONE)
    for row, wanted in zip(timeless(tmp_path / "out"), timeless(evaluated[0]), strict=True):
        assert row | {"reason": "", "source_bytes": 0} == wanted | {"reason": "", "source_bytes": 0}
    assert report.exit_code == 3 and report.images == 4


def test_the_folder_holds_the_models_it_needs(evaluated):
    hashes = {row["reference"].partition("@")[2] for row in rows(evaluated[0])} - {""}
    assert {path.name for path in (evaluated[0] / "models").iterdir()} == hashes and len(hashes) == 1


@pytest.mark.slow
@pytest.mark.parametrize("where", ["local", "s3"])
def test_ray_gives_the_same_rows_and_no_cpu_times_of_what_ran_in_actors(where, evaluated, mixed, ray_cluster, request):
    place = str(mixed.parent / "on-ray")
    given = str(mixed)
    if where == "s3":
        server = request.getfixturevalue("s3_server")
        given, place = server.new_prefix(), server.new_prefix()
        upload(mixed, given)
    engine = {"engine": "ray", "workers": 2}
    report = evaluate(given, place, CODECS, qualities=QUALITIES, tile=32, **engine)
    assert report.engine == "ray" and report.exit_code == 3
    assert timeless(place) == timeless(evaluated[0])
    evaluated = [row for row in rows(place) if row["outcome"] == "evaluated"]
    assert all((row["encode_cpu_s"] is None) == (row["codec"] == "block-dnn-16") for row in evaluated)
    assert all(row["encode_s"] > 0 for row in evaluated)
    assert {name for name in snapshot(place) if "/" not in name} == OUTPUTS
    assert evaluate(given, place, CODECS, qualities=QUALITIES, tile=32, **engine).written == []


@pytest.mark.slow
def test_on_ray_without_gpus_networks_run_in_the_tasks_where_clocks_see_them(evaluated, mixed, ray_cluster, tmp_path):
    engine = {"engine": "ray", "workers": 2, "gpus_per_actor": 0}
    evaluate(str(mixed), str(tmp_path / "out"), CODECS, qualities=QUALITIES, tile=32, **engine)
    assert timeless(tmp_path / "out") == timeless(evaluated[0])
    coded = [row for row in rows(tmp_path / "out") if row["outcome"] == "evaluated"]
    assert all(row["encode_cpu_s"] > 0 and row["decode_cpu_s"] > 0 for row in coded)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"codecs": ["jpgxl"]}, "Did you mean jpegxl"),
        ({"codecs": []}, "at least one of `codecs`"),
        ({"codecs": ["jpegxl:10"]}, "no quality to choose"),
        ({"codecs": ["jpeg:10,300"]}, "quality 300 of codec jpeg is not within 1 to 100"),
        ({"codecs": ["jpegxl"], "qualities": (10,)}, "`qualities` have no effect"),
        ({"codecs": ["jpeg:10", "png"], "qualities": (10,)}, "`qualities` have no effect"),
        ({"codecs": ["jpeg", "raw"], "effort": 5}, "`effort` has no effect: none of the codecs takes one"),
        ({"codecs": ["jpegxl"], "effort": 10}, "`effort` 10 is not within 1 to 9"),
        ({"codecs": ["block-dnn", "block-dnn-16"]}, "block-dnn and block-dnn-16 are the same codec"),
        ({"codecs": ["jpeg:10", "jpeg:10,20"]}, "named twice"),
        ({"codecs": ["jpeg", "png"], "anchor": "jpegxl"}, "`anchor` jpegxl is not among the codecs: jpeg, png"),
        ({"codecs": ["jpeg"], "fidelity": "pixels"}, "does not decode the same on every machine"),
        ({"codecs": ["png"], "fidelity": "file"}, "takes 'lossy' or 'pixels', not 'file'"),
        ({"codecs": ["png"], "tile": 8}, "`tile` 8"),
        ({"codecs": ["png"], "include": ("*.gif",)}, "no files there, or none that `include`"),
        ({"codecs": ["png"], "engine": "cloud"}, "`engine`"),
    ],
)
def test_what_cannot_be_done_as_asked_is_refused_before_anything_is_written(arguments, words, mixed, tmp_path):
    with pytest.raises(UsageError) as caught:
        evaluate(str(mixed), str(tmp_path / "out"), arguments.pop("codecs"), **{**ONE, **arguments})
    assert words in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_an_empty_source_and_a_folder_of_something_else_are_refused(mixed, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no files there"):
        evaluate(str(tmp_path / "empty"), str(tmp_path / "out"), ["png"], **ONE)
    write_tree(tmp_path / "mine", {"letter.txt": b"dear"})
    with pytest.raises(UsageError, match=r"holds other files, such as letter.txt: choose another `out`"):
        evaluate(str(mixed), str(tmp_path / "mine"), ["png"], **ONE)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]
    with pytest.raises(UsageError, match="lies within the source"):
        evaluate(str(mixed), str(mixed / "results"), ["png"], **ONE)


def test_codecs_have_their_own_qualities_after_a_colon_and_models_make_one_curve(mixed, tmp_path):
    names = ["jpeg:80,20", "png", "block-dnn-16:50"]
    report = evaluate(str(mixed / "colour.png"), str(tmp_path / "out"), names, anchor="jpeg", **ONE)
    found = [(means.codec, means.quality) for means in report.means]
    assert found == [("jpeg", 20), ("jpeg", 80), ("png", None), ("block-dnn-16", 50)]
    assert {c.curve: c.reason for c in report.comparisons if c.metric == "psnr"} == {
        "png": "no curve: png is lossless",
        "block-dnn-16": "no curve: block-dnn-16 has one point",
    }


def test_a_model_folder_is_a_codec_too(mixed, tmp_path):
    folder = shipped_models()["block-dnn-16"]
    evaluate(str(mixed / "colour.png"), str(tmp_path / "out"), [f"{folder}:50"], **ONE)
    (row,) = rows(tmp_path / "out")
    assert row["codec"] == str(folder) and row["outcome"] == "evaluated"


def test_the_command_prints_what_the_summary_says_and_json_for_programs(mixed, tmp_path, capfd):
    arguments = ["evaluate", str(mixed), "--codec", "jpeg:30", "--codec", "png", "--out", str(tmp_path / "out")]
    assert _run([*arguments, "-j", "1"]) == 3
    said = capfd.readouterr().out
    assert "lossless" in said and "torn.png" in said and "summary.md" in said
    assert _run([*arguments, "--json"]) == 3
    content = json.loads(capfd.readouterr().out)
    assert [means["codec"] for means in content["means"]] == ["jpeg", "png"]
    assert content["exit_code"] == 3 and content["written"] == [] and content["images"] == 4
    assert _run([*arguments]) == 3
    assert "was complete already, nothing was written" in capfd.readouterr().out


@pytest.mark.parametrize("text", ["10,x", "0", "10,,20", "101", "٣"])
def test_a_list_of_qualities_that_is_none_is_refused_with_2(text, mixed, tmp_path, capfd):
    out = tmp_path / "out"
    assert _run(["evaluate", str(mixed), "--codec", "jpeg", "--quality", text, "--out", str(out)]) == 2
    assert "not a list of qualities" in capfd.readouterr().err and not out.exists()


def test_evaluate_is_a_function_of_the_package():
    assert tilepress.evaluate is evaluate
