"""The command line explains itself and fails in one line."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ml.cli import app

RUN = CliRunner()
COMMANDS = [
    [],
    *([name] for name in ("train", "models", "promote", "rollback", "month", "watch", "retrain", "reference")),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: list[str]) -> None:
    assert RUN.invoke(app, [*command, "--help"]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "no_such_model"], "There is no model no_such_model; choose among"),
        (["train", "--mapping", "map.toml"], "--mapping goes with --data FILE"),
        (["train", "--data", "gone.csv"], "There is no file gone.csv"),
        (["train", "--lake", "nowhere"], "has no table"),
        (["rollback", "fraud_detection_model"], "has no champion"),
        (["promote", "fraud_detection_model"], "has no challenger"),
        (["models", "--tracking", "http://127.0.0.1:9"], "No tracking server answers"),
    ],
)
def test_mistakes_are_said_in_one_line(
    arguments: list[str], said: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.getbasetemp() / "cli"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    done = RUN.invoke(app, arguments)
    assert done.exit_code == 1
    assert said in done.output
    assert "Traceback" not in done.output


def test_the_served_form_needs_neither_mlflow_nor_pandas_nor_scikit_learn() -> None:
    heavy = "{'mlflow', 'pandas', 'sklearn', 'deltalake', 'duckdb', 'matplotlib'}"
    code = f"import sys, ml.form, ml.policies; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "[]"
