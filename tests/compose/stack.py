"""One `docker compose` project of its own: its secrets, ports and volumes, next to whatever else runs here."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from local.credentials import ensure_env_file, parse
from local.ports import Ports, variable

ROOT = Path(__file__).parents[2]
PROJECT = "payments-intelligence-test"
START_SECONDS = 600
_CHOSEN = {"SIMULATE_RATE": 200}


class StackError(AssertionError):
    """A command of docker compose failed; the message carries what it said."""


@dataclass(frozen=True)
class Stack:
    """The running project."""

    env_file: Path
    api: str

    def compose(self, *arguments: str, seconds: float = START_SECONDS) -> str:
        """Run `docker compose` on the project and return what it printed."""
        command = ["docker", "compose", "--project-name", PROJECT, "--env-file", str(self.env_file), *arguments]
        done = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
        )
        if done.returncode != 0:
            raise StackError(f"{' '.join(arguments)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
        return done.stdout

    def up(self) -> None:
        """Build what is ours and start everything; returns when all is healthy."""
        self.compose("build", seconds=1_800)
        self.compose("up", "--detach", "--wait", "--wait-timeout", str(START_SECONDS))

    def down(self) -> None:
        """End everything and forget its data."""
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "10")

    def kill_main_process(self, service: str) -> None:
        """End the process a container exists for, as a crash would. `docker kill` would count as a wish to stop it."""
        self.compose("exec", "-T", service, "sh", "-c", "kill -9 $(cat /proc/1/task/1/children)")

    def restarts(self, service: str) -> int:
        """How often the engine has started the container again."""
        return int(self._inspect(service)["RestartCount"])

    def is_healthy(self, service: str) -> bool:
        """Whether the last health check of the service succeeded."""
        state = self._inspect(service)["State"]
        return bool(state["Running"] and state.get("Health", {}).get("Status") == "healthy")

    def memory_used(self, service: str) -> float:
        """The share of its limit that the service takes now, by the engine's count without caches of files."""
        container = self.compose("ps", "--quiet", service).strip()
        command = ["docker", "stats", "--no-stream", "--format", "{{.MemPerc}}", container]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return float(shown.strip().removesuffix("%")) / 100

    def attempts(self) -> int:
        """The KPI: authorisation attempts of all time."""
        reply = httpx.get(f"{self.api}/api/analytics/kpis", params={"window": "all_time"}, timeout=10)
        return int(reply.raise_for_status().json()["attempts"])

    def _inspect(self, service: str) -> dict[str, Any]:
        container = self.compose("ps", "--all", "--quiet", service).strip()
        found = subprocess.run(["docker", "inspect", container], capture_output=True, text=True, check=True)
        state: dict[str, Any] = json.loads(found.stdout)[0]
        return state


def prepare(folder: Path) -> Stack:
    """A project with fresh secrets and free ports. Images are those that the environment or .env names."""
    env_file = folder / "env"
    ensure_env_file(ROOT / ".env.example", env_file)
    ports = vars(Ports.free())
    lines = {variable(name): ports[name] for name in ("kafka", "registry", "postgres", "api", "mlflow")}
    lines["PROMETHEUS_PORT"] = ports["stream_metrics"]
    images = {name: value for name, value in {**_dot_env(), **os.environ}.items() if name.endswith("_IMAGE")}
    with env_file.open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in {**lines, **images, **_CHOSEN}.items())
    return Stack(env_file, f"http://127.0.0.1:{ports['api']}")


def eventually(holds: Callable[[], bool], within: float, what: str) -> None:
    """Wait until something holds; fails with `what` after this many seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if holds():
            return
        time.sleep(1)
    raise StackError(f"not within {within:.0f} s: {what}")


def _dot_env() -> dict[str, str]:
    file = ROOT / ".env"
    return parse(file.read_text()) if file.is_file() else {}
