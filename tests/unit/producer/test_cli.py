"""The commands, writing to files so that no broker is needed."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from producer.cli import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def written(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_simulate_writes_the_same_file_for_the_same_seed_and_start(tmp_path: Path) -> None:
    for name in ("a", "b"):
        to = tmp_path / name
        result = run(
            "simulate",
            "--no-pace",
            "--count",
            50,
            "--seed",
            7,
            "--start-at",
            "2026-03-01T12:00:00Z",
            "--to",
            to,
            "--bad",
            "none",
        )
        assert result.exit_code == 0, result.output

    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() != ""


def test_a_run_without_pace_ends_now_rather_than_in_the_future(tmp_path: Path) -> None:
    run("simulate", "--no-pace", "--count", 3000, "--rate", 1, "--to", tmp_path / "a", "--bad", "none")
    times = [
        event["value"]["timestamp"] for event in written(tmp_path / "a") if event["topic"] == "ecommerce.transactions"
    ]

    assert datetime.fromisoformat(max(times)) <= datetime.now(UTC) + timedelta(seconds=5)
    assert datetime.fromisoformat(min(times)) <= datetime.now(UTC) - timedelta(seconds=2900)


def test_backfill_covers_its_days_and_leaves_messages_out_when_told(tmp_path: Path) -> None:
    result = run(
        "backfill",
        "--days",
        2,
        "--purchases-per-day",
        500,
        "--to",
        tmp_path / "a",
        "--no-messages",
        "--ledger",
        tmp_path / "l.csv",
    )
    events = written(tmp_path / "a")

    assert result.exit_code == 0, result.output
    assert {event["topic"] for event in events} == {"ecommerce.transactions", "payments.transactions"}
    assert sum(
        event["topic"] == "ecommerce.transactions" and event["kind"] == "good" for event in events
    ) == pytest.approx(1000, rel=0.05)
    assert len((tmp_path / "l.csv").read_text().splitlines()) == len(events) + 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["simulate", "--no-pace"], "--duration or --count"),
        (["simulate", "--bad", "rotten=1"], "undecodable"),
        (["simulate", "--incident", "flood"], "issuer_outage"),
        (["simulate", "--start-at", "noon"], "ISO 8601"),
        (["simulate", "--start-at", "2999-01-01"], "future"),
        (["replay", "absent.csv"], "There is no file"),
        (["replay", "absent.csv", "--topic", "x"], "payments.transactions"),
    ],
)
def test_mistakes_end_with_one_plain_sentence(arguments: list[str], why: str) -> None:
    result = run(*arguments)

    assert result.exit_code == 1
    assert why in result.output
    assert "Traceback" not in result.output


def test_replay_exits_with_1_when_a_row_was_rejected(tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    rows = [
        {"message_id": "1", "timestamp": "2026-03-01", "user_id": user, "channel": "review", "text": "fine"}
        for user in (1, "x")
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = run("replay", file, "--topic", "customer.messages", "--to", tmp_path / "out")

    assert result.exit_code == 1
    assert "row 2, column user_id" in result.output
    assert len(written(tmp_path / "out")) == 1


def test_absent_services_are_named_with_their_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("PRODUCER_WAIT_SECONDS", "0.1")
    result = run("init")

    assert result.exit_code == 1
    assert "KAFKA_BOOTSTRAP_SERVERS" in result.output
