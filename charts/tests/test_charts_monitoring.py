"""Alerts and dashboards: their PromQL is valid, and about series that there are; an alert has a runbook and a test."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from charts.boards import BOARDS
from charts.render import CHART, ROOT, documents, helm_template
from charts.tests.metric_names import (
    FILES,
    exported_names,
    known_names,
    panel_queries,
    rule_files,
    rules,
    used_names,
)

from saran.core.settings import Settings

TESTS = Path(__file__).parent / "alerts"
RUNBOOKS = ROOT / "docs/runbooks"
MONITORED = ("monitoring.enabled=true", "kafka.exporter.enabled=true")
ALERTS = sorted(name.removeprefix("alerts/") for name in rule_files() if name.startswith("alerts/"))


def _promtool(*arguments: str | Path) -> str:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("no promtool in PATH: install it with Prometheus, 3.0 or later")
    done = subprocess.run(
        [promtool, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False, cwd=TESTS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_names_are_found_in_an_expression() -> None:
    text = 'sum by (le, a) (rate(x_total{b="c", d!~"e|f"}[5m] offset 1d)) / on (g) group_left () (h:i > 2e3 or 1.5)'
    assert used_names(f"{text} * time()") == {"x_total", "h:i"}
    assert used_names('label_replace(absent(up{a="b"} == 1), "g", "$1", "h", "(.*)") unless y') == {"up", "y"}
    assert {"saran_api_request_seconds_bucket", "saran_load_records_acknowledged_total"} <= exported_names()


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_panels_are_about_series_that_there_are(name: str) -> None:
    expressions = [text for title, text in panel_queries() if title.startswith(f"{name}:")]
    assert len(expressions) >= 4
    assert {series for text in expressions for series in used_names(text)} - known_names() == set()


def test_every_panel_is_about_one_namespace() -> None:
    for name in BOARDS:
        board = json.loads((FILES / f"dashboards/{name}.json").read_text())
        assert board["uid"] == f"saran-{name}"
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                text = target["expr"]
                bare = [series for series in used_names(text) if f'{series}{{namespace="$namespace"' not in text]
                assert not bare, f"{name}: {panel['title']}"


def test_rules_are_about_series_that_there_are_in_one_namespace() -> None:
    for name, found in rule_files().items():
        for rule in rules(found):
            names = used_names(rule["expr"])
            assert names - known_names() == set(), name
            assert [series for series in names if f'{series}{{namespace="shop"' not in rule["expr"]] == [], name


def test_every_series_of_a_part_is_seen_somewhere() -> None:
    texts = [text for _, text in panel_queries()] + [
        rule["expr"] for found in rule_files().values() for rule in rules(found)
    ]
    used = {series for text in texts for series in used_names(text)}
    seen = {series.removesuffix(ending) for series in used for ending in ("_bucket", "_sum", "_count", "")}
    unseen = {series for series in exported_names() if not {series, re.sub("_(bucket|sum|count)$", "", series)} & seen}
    # A gauge beside the counter whose rate is shown, how far a load is, and records handed over but not acknowledged.
    assert unseen == {"saran_load_rate", "saran_load_batch", "saran_load_records_sent_total"}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_its_file_a_runbook_and_a_test_that_fires_and_one_that_does_not(name: str) -> None:
    (alert,) = rules(rule_files()[f"alerts/{name}"])
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert alert["annotations"]["runbook"] == f"docs/runbooks/{name}.md"
    book = (RUNBOOKS / f"{name}.md").read_text()
    assert book.startswith(f"# {alert['alert']}\n")
    assert [line for line in book.splitlines() if line.startswith("## ")] == [
        "## What it means",
        "## How to look",
        "## What to do",
    ]
    cases = yaml.safe_load((TESTS / f"{name}.yaml").read_text())
    assert f"../../saran/files/alerts/{name}.yaml" in cases["rule_files"]
    looks = [look for case in cases["tests"] for look in case["alert_rule_test"]]
    assert {look["alertname"] for look in looks} == {alert["alert"]}
    assert {bool(look["exp_alerts"]) for look in looks} == {True, False}


def test_there_is_nothing_of_an_alert_that_is_gone() -> None:
    assert sorted(path.stem for path in RUNBOOKS.glob("*.md")) == ALERTS
    assert sorted(path.stem for path in TESTS.glob("*.yaml")) == sorted([*ALERTS, "recorded"])


def test_promtool_takes_the_rules() -> None:
    _promtool("check", "rules", "--lint=all", "--lint-fatal", *sorted(FILES.glob("*s/*.yaml")))


def test_promtool_sees_alerts_fire_and_stay_quiet() -> None:
    _promtool("test", "rules", *sorted(TESTS.glob("*.yaml")))


def test_promtool_takes_every_panel(tmp_path: Path) -> None:
    # As rules, so that one run of the program checks all of them.
    made = [
        {"record": "panel:query", "labels": {"panel": title, "n": str(n)}, "expr": text}
        for n, (title, text) in enumerate(panel_queries())
    ]
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": made}]}))
    assert f"{len(made)} rules found" in _promtool("check", "rules", "--lint=none", path)


def test_a_laptops_prometheus_reads_the_ports_of_the_settings_and_the_same_rules() -> None:
    path = ROOT / "docs/prometheus.yml"
    config = yaml.safe_load(path.read_text())
    (job,) = config["scrape_configs"]
    ports = Settings().ports
    assert {each["labels"]["app_kubernetes_io_component"]: each["targets"] for each in job["static_configs"]} == {
        part: [f"127.0.0.1:{port}"]
        for part, port in (
            ("api", ports.api),
            ("streams", ports.stream_metrics),
            ("worker", ports.worker_metrics),
            ("producer", ports.load_metrics),
        )
    }
    found = {file.resolve() for pattern in config["rule_files"] for file in path.parent.glob(pattern)}
    assert {f"{file.parent.name}/{file.stem}" for file in found} == set(rule_files())


def test_promtool_takes_the_laptops_configuration() -> None:
    _promtool("check", "config", "--lint=none", ROOT / "docs/prometheus.yml")


def _rendered(*sets: str, release: str = "shop") -> list[dict[str, Any]]:
    return documents(helm_template(release, sets=(*MONITORED, *sets)))


def _groups(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    (rule,) = [each for each in found if each["kind"] == "PrometheusRule"]
    groups: list[dict[str, Any]] = rule["spec"]["groups"]
    return groups


def test_the_chart_makes_rules_of_the_files_for_its_namespace() -> None:
    written = {rule.get("alert", rule.get("record")): rule for found in rule_files().values() for rule in rules(found)}
    assert {
        rule.get("alert", rule.get("record")): rule for group in _groups(_rendered()) for rule in group["rules"]
    } == written
    for group in _groups(_rendered(release="other")):
        for rule in group["rules"]:
            assert 'namespace="other"' in rule["expr"]
            assert '"shop"' not in rule["expr"]


def test_an_alert_can_be_left_out_and_its_name_must_be_right() -> None:
    names = [group["name"] for group in _groups(_rendered("monitoring.leaveOut={SaranNoEvents}"))]
    assert set(ALERTS) - set(names) == {"no-events"}
    with pytest.raises(subprocess.CalledProcessError) as refused:
        _rendered("monitoring.leaveOut={SaranNoEvent}")
    assert "SaranNoEvent, which is no alert" in refused.value.stderr


def test_dashboards_are_config_maps_that_grafana_finds() -> None:
    found = {
        name: each["data"][name]
        for each in _rendered()
        if each["kind"] == "ConfigMap" and each["metadata"]["labels"].get("grafana_dashboard") == "1"
        for name in each["data"]
    }
    assert {name: json.loads(text)["title"] for name, text in found.items()} == {
        f"{name}.json": f"Saran: {board.title}" for name, board in BOARDS.items()
    }


def test_monitors_select_pods_that_have_the_port() -> None:
    found = _rendered()
    monitors = {each["metadata"]["name"]: each["spec"] for each in found if each["kind"] == "PodMonitor"}
    assert set(monitors) == {f"shop-{part}" for part in ("api", "worker", "streams", "producer", "kafka-exporter")}
    job = next(each for each in found if each["kind"] == "Job" and each["metadata"]["name"].startswith("shop-load-"))
    template = job["spec"]["template"]
    assert monitors["shop-producer"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert [port["name"] for port in template["spec"]["containers"][0]["ports"]] == ["metrics"]


def test_prometheus_has_a_key_for_the_api() -> None:
    def keys(*sets: str) -> dict[str, Any]:
        return {
            each["metadata"]["name"]: given["credentials"]
            for each in _rendered(*sets)
            if each["kind"] == "PodMonitor" and (given := each["spec"]["podMetricsEndpoints"][0].get("authorization"))
        }

    assert keys() == {"shop-api": {"name": "shop-api-keys", "key": "metrics"}}
    assert keys("api.keysSecret=mine") == {"shop-api": {"name": "mine", "key": "metrics"}}


def test_without_monitoring_there_is_nothing_of_it() -> None:
    found = documents(helm_template())
    assert not {each["kind"] for each in found} & {"PodMonitor", "PrometheusRule"}
    assert not [each for each in found if "grafana_dashboard" in each["metadata"].get("labels", {})]
    assert sorted(path.stem for path in (CHART / "files/dashboards").glob("*.json")) == sorted(BOARDS)
