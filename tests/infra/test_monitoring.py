"""infra/monitoring names only metrics that there are, in expressions that Prometheus parses, as Grafana expects it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from tilepress.pipeline.monitoring.metrics import METRICS

FOLDER = Path(__file__).parents[2] / "infra/monitoring"
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
RULES = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"][0]["rules"]
LABELS = {metric.full_name: {*metric.labels, "instance", "job"} for metric in METRICS}
FOREIGN = {"kube_cronjob_status_last_successful_time": {"namespace", "cronjob"}}  # of kube-state-metrics
COLUMNS = 24  # of Grafana's grid


def panel_expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def as_promql(expression: str) -> str:
    """An expression of a panel as Grafana sends it."""
    return re.sub(r"\$\w+", "x", expression.replace("$__rate_interval", "5m"))


EXPRESSIONS = [rule["expr"] for rule in RULES] + [as_promql(each) for each in panel_expressions()]


def selectors(node: Any) -> Iterator[Any]:
    """Every selector of a metric in a parsed expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    names = ("lhs", "rhs", "expr", "vector_selector", "vs", "args", "param")
    for part in (getattr(node, name, None) for name in names):
        for each in part if isinstance(part, list) else [part]:
            if each is not None:
                yield from selectors(each)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_exists_and_has_the_labels_that_are_asked_for(expression: str) -> None:
    found = list(selectors(promql_parser.parse(expression)))
    assert {each.name for each in found} == set(re.findall(r"\b(?:tilepress|kube)_\w+", expression))
    for each in found:
        known = (LABELS | FOREIGN)[each.name]
        assert {matcher.name for matcher in each.matchers.matchers} <= known
    grouped = {name for names in re.findall(r"\bby \(([^)]*)\)", expression) for name in names.split(", ")}
    assert all(grouped <= (LABELS | FOREIGN)[each.name] for each in found)


def test_a_wrong_name_or_a_broken_expression_would_be_found() -> None:
    with pytest.raises(KeyError):
        test_every_metric_exists_and_has_the_labels_that_are_asked_for("rate(tilepress_pictures_total[5m])")
    with pytest.raises(ValueError):
        promql_parser.parse("sum by (verb (tilepress_running)")


def test_every_metric_is_shown_or_watched() -> None:
    asked = set(re.findall(r"tilepress_\w+", " ".join(EXPRESSIONS)))
    assert asked == LABELS.keys()


def test_names_follow_the_conventions_of_prometheus() -> None:
    for metric in METRICS:
        assert re.fullmatch("tilepress(_[a-z]+)+", metric.full_name) and metric.help.endswith(".")
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert ("timestamp" in metric.name) <= metric.name.endswith("_timestamp_seconds")


def test_alerts_say_what_is_the_matter() -> None:
    alerts = [rule for rule in RULES if "alert" in rule]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) >= 8
    for rule in alerts:
        assert rule["labels"]["severity"] in ("warning", "critical") and rule["annotations"]["summary"]
        used = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        names = set(re.findall(r"\b(?:tilepress|kube)_\w+", rule["expr"]))
        assert names and all(used <= (LABELS | FOREIGN)[name] for name in names)
    tried = (FOLDER / "alerts.test.yaml").read_text()
    untried = {rule["alert"] for rule in alerts if f'"{rule["alert"]}"' not in tried}
    assert untried == {"TilepressNothingReported", "TilepressCronJobMissing"}


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    assert DASHBOARD["schemaVersion"] >= 39 and DASHBOARD["id"] is None and DASHBOARD["uid"] and DASHBOARD["title"]
    variables = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    used = {name for each in panel_expressions() for name in re.findall(r"\$(\w+)", each)}
    assert used - {"__rate_interval"} == variables.keys() - {"datasource"}
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in DASHBOARD["panels"]:
        assert panel["type"] in ("gauge", "stat", "table", "timeseries") and panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] and panel["fieldConfig"]["overrides"] == []
        letters = [target["refId"] for target in panel["targets"]]
        assert letters and len(set(letters)) == len(letters)
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_panels_lie_on_the_grid_and_not_on_each_other() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= COLUMNS for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


def test_the_sample_reads_the_rules_and_takes_rays_prefix_off() -> None:
    sample = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    assert sample["rule_files"] == ["alerts.yaml"]
    jobs = {job["job_name"]: job for job in sample["scrape_configs"]}
    for name in ("tilepress-ray", "tilepress-kubernetes"):
        rule = next(each for each in jobs[name]["metric_relabel_configs"] if "replacement" in each)
        renamed = re.fullmatch(rule["regex"], "ray_tilepress_images_total")
        assert renamed and renamed.expand(rule["replacement"].replace("$", "\\")) in LABELS
