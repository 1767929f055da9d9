"""`docker compose up` gives the platform, and the platform survives what happens to containers."""

import json
import re

import httpx

from tests.compose.stack import Stack, eventually

LASTING = (
    *("kafka", "schema-registry", "postgres", "stream", "windows", "messages", "anomalies", "maintenance", "dbt"),
    *("api", "mlflow", "watching", "retraining", "producer", "prometheus"),
)
OFF_THE_NETWORK = [
    *("stream", "windows", "messages", "anomalies", "maintenance", "dbt"),
    *("watching", "retraining", "producer"),
]
FIRST_BATCH_WITHIN_S = 120
RECOVERS_WITHIN_S = 180
COUNTED = re.compile(r"payments\.transactions +(?:good|late|fraud_score_out_of_range) +([\d,]+)")
"""What the producer says at its end of the payments that must be in the KPI; all others are repeated or refused."""


def test_everything_is_healthy_once_it_is_up(stack: Stack) -> None:
    assert [name for name in LASTING if not stack.is_healthy(name)] == []


def test_purchases_reach_the_kpi(stack: Stack) -> None:
    eventually(lambda: stack.attempts() > 0, FIRST_BATCH_WITHIN_S, "attempts in the KPI")
    before = stack.attempts()
    eventually(lambda: stack.attempts() > before, 60, "more attempts in the KPI")


def test_history_reaches_the_kpi_once(stack: Stack) -> None:
    """A second `up` runs the one-shots again; the days of history must not be written again."""
    stack.compose("up", "--detach", "--wait", "--no-build")
    log = stack.compose("logs", "backfill")
    assert log.count("seed ") == 1


def test_every_dependency_of_the_api_is_up(stack: Stack) -> None:
    report = httpx.get(f"{stack.api}/health", timeout=10).json()
    assert {name: found["status"] for name, found in report["dependencies"].items() if found["status"] != "up"} == {}


def test_what_publishes_no_port_has_no_way_out(stack: Stack) -> None:
    """No default route. Those that publish a port need one, which shows that the look finds it."""

    def has_default_route(name: str) -> bool:
        routes = stack.compose("exec", "-T", name, "cat", "/proc/net/route").splitlines()[1:]
        return any(route.split()[1] == "00000000" for route in routes)

    assert [name for name in LASTING if not has_default_route(name)] == OFF_THE_NETWORK


def test_nothing_runs_as_root_or_can_write_its_own_code(stack: Stack) -> None:
    for name in LASTING:
        assert stack.compose("exec", "-T", name, "sh", "-c", "cat /proc/1/status | grep ^Uid").split()[1] != "0", name
    for name in ("stream", "dbt", "api", "producer"):
        denied = "touch /app/x 2>/dev/null && exit 1 || exit 0"
        stack.compose("exec", "-T", name, "sh", "-c", denied)


def test_prometheus_finds_its_targets(stack: Stack) -> None:
    query = "http://prometheus:9090/api/v1/query?query=up"
    ask = f"from urllib.request import urlopen; print(urlopen('{query}').read().decode())"

    def up() -> set[str]:
        reply = json.loads(stack.compose("exec", "-T", "api", "python", "-c", ask))
        return {row["metric"]["job"] for row in reply["data"]["result"] if row["value"][1] == "1"}

    eventually(lambda: up() >= {"api", "stream", "producer", "prometheus"}, 60, "all targets up")


def test_a_stream_that_is_killed_comes_back_and_goes_on(stack: Stack) -> None:
    before = stack.restarts("stream")
    stack.kill_main_process("stream")
    eventually(lambda: stack.restarts("stream") > before, 60, "the stream was started again")
    eventually(lambda: stack.is_healthy("stream"), RECOVERS_WITHIN_S, "the stream is healthy again")
    reached = stack.attempts()
    eventually(lambda: stack.attempts() > reached, 60, "the KPI goes on")


def test_every_valid_payment_is_counted_once_in_spite_of_the_kill(stack: Stack) -> None:
    stack.compose("stop", "producer")
    sent = sum(int(count.replace(",", "")) for count in COUNTED.findall(stack.compose("logs", "backfill", "producer")))
    assert sent > 0
    eventually(lambda: stack.attempts() >= sent, 60, f"all {sent} payments in the KPI")
    assert stack.attempts() == sent


def test_only_what_was_killed_started_again_and_all_have_memory_to_spare(stack: Stack) -> None:
    assert {name: stack.restarts(name) for name in LASTING if name != "stream" and stack.restarts(name)} == {}
    used = {name: stack.memory_used(name) for name in LASTING if name != "producer"}
    assert {name: share for name, share in used.items() if share > 0.9} == {}
