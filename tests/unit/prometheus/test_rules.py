"""Prometheus' configuration: its alerts behave as their tests say, and it asks for what the services offer."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
RULES = sorted((ROOT / "prometheus" / "rules").glob("*.yml"))
TESTS = sorted((ROOT / "prometheus" / "tests").glob("*.yml"))
SOURCES = sorted(
    file for package in ("producer", "spark_jobs", "serving", "ml") for file in (ROOT / package).rglob("*.py")
)
"""Where metrics are declared."""

PREFIXES = "stream|producer|api|windows|anomalies|messages|lake|fraud|watching"

needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is not installed (Debian: apt-get install prometheus)"
)


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def rules(kind: str) -> list[dict[str, Any]]:
    groups = [group for file in RULES for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


@needs_promtool
def test_the_configuration_is_valid() -> None:
    promtool("check", "config", "--syntax-only", str(ROOT / "prometheus" / "prometheus.yml"))
    promtool("check", "rules", *map(str, RULES))


@needs_promtool
def test_alerts_fire_when_they_must_and_only_then() -> None:
    promtool("test", "rules", *map(str, TESTS))


def test_every_alert_is_seen_firing_in_a_test() -> None:
    tested = {
        case["alertname"]
        for file in TESTS
        for test in yaml.safe_load(file.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }
    assert tested == {rule["alert"] for rule in rules("alert")}


def test_every_alert_says_how_grave_it_is_what_is_wrong_and_what_to_do() -> None:
    for rule in rules("alert"):
        assert rule["labels"]["severity"] in ("warning", "critical"), rule["alert"]
        assert rule["annotations"].keys() == {"summary", "action"}, rule["alert"]


def test_rules_ask_for_metrics_that_a_service_has() -> None:
    """Counters lose their _total in the sources, histograms gain _bucket in the rules."""
    offered = set(re.findall(rf'"((?:{PREFIXES})_\w+)"', "".join(source.read_text() for source in SOURCES)))
    asked = {name for rule in rules("expr") for name in re.findall(rf"(?<!:)\b(?:{PREFIXES})_\w+\b(?!:)", rule["expr"])}
    for name in asked:
        assert {name, name.removesuffix("_total"), name.removesuffix("_bucket")} & offered, name


def test_what_is_scraped_is_a_service_of_the_platform() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for job in yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]:
        for target in job["static_configs"][0]["targets"]:
            assert target.split(":")[0] in services.keys() | {"127.0.0.1"}, target
