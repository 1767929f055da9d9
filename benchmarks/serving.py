"""Requests per second, time and memory of decisions, beside a bare server and three others with the same model.

`python -m benchmarks.serving` asks each in turn with the same rows: first as fast as it answers, then, where it can, at
a steady rate. The server is tied to one core, what asks it to another; the platform's Postgres and Kafka take the
record.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import httpx
import psutil
import typer

from benchmarks.report import Reference, Result, destination, load_average, table, write
from local.environments import ensure
from local.errors import LocalError
from local.platform import Platform
from local.ports import LOCALHOST, Ports
from local.process import family_of
from local.repository import CACHE, ROOT
from serving.decisions.cache import Cache
from serving.decisions.registry import Registered

MODEL = "fraud_detection_model"
OURS, FLOOR = "this API", "raw ASGI hello world"
WARM_UP_S, DRAIN_S = 5.0, 3.0
CONNECTIONS = 32
RATE = 1_000.0
EXPERIMENT = f"""
[[experiments]]
name = "benchmark"
model = "{MODEL}"
kind = "split"
share = 0.1
key = "user_id"
"""


@dataclass(frozen=True)
class Variant:
    """One way to serve. `path`: what is asked; `bodies`: with what; `is_open`: whether at a steady rate too."""

    name: str
    command: list[str]
    port: int
    path: str
    ready: str
    bodies: Path
    env: Mapping[str, str] = field(default_factory=dict)
    is_open: bool = True
    cwd: Path = ROOT


@dataclass(frozen=True)
class Absent:
    """One that cannot be run here, and why."""

    name: str
    reason: str


def variants(platform: Platform, made: Path) -> list[Variant | Absent]:
    """All that are compared; this API first, the floor next."""
    return [_api(platform, made), _hello(made), *_rivals(made)]


def _api(platform: Platform, made: Path) -> Variant:
    cache = Cache(made / "cache")
    served = {
        alias: Registered(MODEL, number, f"{number}-benchmark")
        for number, alias in ((1, "champion"), (2, "challenger"))
    }
    for one in served.values():
        shutil.copytree(made / "form", cache.folder(one), dirs_exist_ok=True)
    cache.remember({MODEL: served})
    (made / "experiments.toml").write_text(EXPERIMENT)
    port = _free_port()
    env = {
        "DATABASE_URL": platform.env["DATABASE_URL"],
        "KAFKA_BOOTSTRAP_SERVERS": platform.env["KAFKA_BOOTSTRAP_SERVERS"],
        "MODEL_CACHE_DIR": str(cache.root),
        "API_EXPERIMENTS_FILE": str(made / "experiments.toml"),
        "API_PORT": str(port),
    }
    command = [sys.executable, "-m", "serving"]
    return Variant(OURS, command, port, "/predict", "/health/live", made / "rows.jsonl", env)


def _hello(made: Path) -> Variant:
    port = _free_port()
    command = [sys.executable, "-m", "benchmarks.hello", str(port)]
    return Variant(FLOOR, command, port, "/", "/", made / "rows.jsonl")


def _rivals(made: Path) -> list[Variant | Absent]:
    """MLflow's own server, MLServer and BentoML, each with the model as MLflow loads it."""
    rows = [json.loads(line) for line in (made / "rows.jsonl").read_text().splitlines()]
    split, v2, plain = (made / f"{name}.jsonl" for name in ("split", "v2", "plain"))
    frames = [{name: _for_mlflow(name, value) for name, value in row.items()} for row in rows]
    _write(split, ({"dataframe_split": {"columns": list(row), "data": [list(row.values())]}} for row in frames))
    _write(v2, (_inference_request(row) for row in frames))
    _write(plain, ({"rows": [row]} for row in frames))
    return [
        _rival("mlflow models serve", "ml", "/invocations", "/ping", split, made, _mlflow_command),
        _rival("MLServer", "rival-mlserver", "/v2/models/model/infer", "/v2/health/ready", v2, made, _mlserver_command),
        _rival("BentoML", "rival-bentoml", "/predict", "/readyz", plain, made, _bentoml_command),
    ]


def _rival(
    name: str, environment: str, path: str, ready: str, bodies: Path, made: Path, command: Any
) -> Variant | Absent:
    requirements = ROOT / "requirements" / f"{environment}.txt"
    if not requirements.exists():
        return Absent(name, f"requirements/{environment}.txt is not there: make lock")
    try:
        folder = ensure(environment)
    except LocalError as error:
        return Absent(name, str(error).splitlines()[0])
    port = _free_port()
    words, env = command(folder / "bin", port, made)
    env = {"PYTHONPATH": str(ROOT), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", **env}
    return Variant(name, words, port, path, ready, bodies, env, is_open=False, cwd=made)


def _mlflow_command(binaries: Path, port: int, made: Path) -> tuple[list[str], dict[str, str]]:
    options = ["-m", str(made / "mlflow"), "-h", LOCALHOST, "-p", str(port), "--env-manager", "local", "-w", "1"]
    return [str(binaries / "mlflow"), "models", "serve", *options], {}


def _mlserver_command(binaries: Path, port: int, made: Path) -> tuple[list[str], dict[str, str]]:
    folder = made / "mlserver"
    folder.mkdir(exist_ok=True)
    ports = {"http_port": port, "grpc_port": _free_port(), "metrics_port": _free_port()}
    settings = {"host": LOCALHOST, "parallel_workers": 0, **ports}
    (folder / "settings.json").write_text(json.dumps(settings))
    model = {
        "name": "model",
        "implementation": "mlserver_mlflow.MLflowRuntime",
        "parameters": {"uri": str(made / "mlflow")},
    }
    (folder / "model-settings.json").write_text(json.dumps(model))
    return [str(binaries / "mlserver"), "start", str(folder)], {}


def _bentoml_command(binaries: Path, port: int, made: Path) -> tuple[list[str], dict[str, str]]:
    words = [str(binaries / "bentoml"), "serve", "benchmarks.bento:Fraud", "--host", LOCALHOST, "--port", str(port)]
    return words, {"MODEL": str(made / "mlflow"), "BENTOML_DO_NOT_TRACK": "true", "BENTOML_HOME": str(made / "bento")}


def _for_mlflow(name: str, value: Any) -> Any:
    """MLflow takes counts as floats and instants without a zone."""
    if name == "event_timestamp":
        return value.partition("+")[0]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _inference_request(row: Mapping[str, Any]) -> dict[str, Any]:
    inputs: list[dict[str, Any]] = [
        {"name": name, "shape": [1, 1], "datatype": _v2_type(value), "data": [value]} for name, value in row.items()
    ]
    for one in inputs:
        if one["datatype"] == "BYTES":
            kind = "datetime" if one["name"] == "event_timestamp" else "str"
            one["parameters"] = {"content_type": kind}
    return {"parameters": {"content_type": "pd"}, "inputs": inputs}


def _v2_type(value: Any) -> str:
    return "BOOL" if isinstance(value, bool) else "FP64" if isinstance(value, float) else "BYTES"


def _write(path: Path, documents: Iterator[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(one) + "\n" for one in documents))


def measure(variant: Variant, seconds: float) -> dict[str, Any]:
    """Start it, warm it up, ask as fast as it answers and at the rate, and end it."""
    with _started(variant) as process:
        _ask(variant, WARM_UP_S)
        closed = _watched(process, variant, seconds, 0.0)
        time.sleep(DRAIN_S)
        opened = _watched(process, variant, seconds, RATE) if variant.is_open else None
        return {"closed_loop": closed, f"open_loop_{RATE:.0f}_per_s": opened}


def _watched(process: psutil.Process, variant: Variant, seconds: float, rate: float) -> dict[str, Any]:
    before = _cpu_seconds(process)
    found = _ask(variant, seconds, rate)
    spent = _cpu_seconds(process) - before
    found["cpu_ms_per_request"] = spent * 1000 / found["answered"] if found["answered"] else None
    found["cpu_share"] = spent / seconds
    found["memory_pss_mb"] = sum(one.memory_full_info().pss for one in family_of(process.pid)) / 2**20
    return found


def _ask(variant: Variant, seconds: float, rate: float = 0.0) -> dict[str, Any]:
    url = f"http://{LOCALHOST}:{variant.port}{variant.path}"
    words = [
        "--bodies",
        str(variant.bodies),
        "--seconds",
        str(seconds),
        "--connections",
        str(CONNECTIONS),
        "--rate",
        str(rate),
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.http_load", url, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as asking:
        psutil.Process(asking.pid).cpu_affinity([_cores()[-1]])
        output, _ = asking.communicate()
    found: dict[str, Any] = json.loads(output)
    return found


@contextmanager
def _started(variant: Variant) -> Iterator[psutil.Process]:
    """The server on the first core, in a session of its own, with nothing of ours open in it."""
    log = tempfile.TemporaryFile()  # noqa: SIM115
    popen = subprocess.Popen(
        variant.command,
        cwd=variant.cwd,
        env={**os.environ, **variant.env},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    process = psutil.Process(popen.pid)
    process.cpu_affinity([_cores()[0]])
    try:
        _wait_until_ready(variant, popen, log)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(popen.pid, signal.SIGTERM)
        try:
            popen.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(popen.pid, signal.SIGKILL)
            popen.wait()
        log.close()


def _wait_until_ready(variant: Variant, popen: "subprocess.Popen[bytes]", log: Any) -> None:
    url = f"http://{LOCALHOST}:{variant.port}"
    body = variant.bodies.read_bytes().splitlines()[0]
    deadline = time.monotonic() + 180
    answer = "nothing"
    while time.monotonic() < deadline and popen.poll() is None:
        try:
            if httpx.get(f"{url}{variant.ready}", timeout=5).status_code == 200:
                reply = httpx.post(
                    f"{url}{variant.path}", content=body, headers={"Content-Type": "application/json"}, timeout=60
                )
                if reply.status_code == 200:
                    return
                answer = f"{reply.status_code} {reply.text[:300]}"
                break
        except httpx.TransportError:
            time.sleep(0.3)
    log.seek(0)
    tail = log.read().decode(errors="replace")[-1500:]
    raise LocalError(f"{variant.name} does not answer ({answer}). Its log ends with:\n{tail}")


def _cpu_seconds(process: psutil.Process) -> float:
    return float(sum(sum(one.cpu_times()[:2]) for one in family_of(process.pid)))


def _free_port() -> int:
    """One that nothing listens on now."""
    return Ports.free().api


def _keep_off_the_servers_core(platform: Platform) -> None:
    """Postgres and Kafka to the core of the client: what is measured has one for itself."""
    for name in ("postgres", "kafka"):
        for process in family_of(platform.pid(name)):
            for thread in process.threads():
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(thread.id, {_cores()[-1]})


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def run(seconds: float, folder: Path) -> dict[str, Any]:
    """Measure all; what cannot be run is there with its reason."""
    made = folder / "model"
    python = CACHE / "env" / "ml" / "bin" / "python"
    subprocess.run([str(python), "-m", "benchmarks.serving_model", str(made)], cwd=ROOT, check=True)
    found: dict[str, Any] = {}
    with Platform(folder / "platform", Ports.free()) as platform:
        platform.start("postgres", "migrate", "kafka", "init")
        _keep_off_the_servers_core(platform)
        for variant in variants(platform, made):
            if isinstance(variant, Absent):
                found[variant.name] = {"skipped": variant.reason}
            else:
                print(f"{variant.name} …", file=sys.stderr, flush=True)
                try:
                    found[variant.name] = measure(variant, seconds)
                except (LocalError, OSError) as error:
                    if variant.name in (OURS, FLOOR):
                        raise
                    print(error, file=sys.stderr)
                    found[variant.name] = {"skipped": str(error).splitlines()[0]}
            time.sleep(DRAIN_S)
    return found


def text(found: Mapping[str, Any]) -> list[str]:
    """The result for people."""
    rows = [
        [name, loop.replace("_", " "), one["requests_per_s"],
         *(round(one[f"p{share}_ms"], 2) for share in (50, 95, 99)),
         round(one["cpu_ms_per_request"], 3), one["memory_pss_mb"], sum(one["errors"].values()) + one["unanswered"]]
        for name, loops in found.items() for loop, one in loops.items()
        if isinstance(one, dict) and one["answered"]
    ]  # fmt: skip
    compared = ratios(found)
    best = compared.get("requests_per_s_to_best_other")
    head = ["", "load", "requests/s", "p50 ms", "p95 ms", "p99 ms", "CPU ms/request", "PSS MB", "errors"]
    skipped = [f"- {name}: not measured, {loops['skipped']}" for name, loops in found.items() if "skipped" in loops]
    skipped += [
        f"- {name}: no request of the {loop.replace('_', ' ')} was answered, {one['errors']}"
        for name, loops in found.items() for loop, one in loops.items()
        if isinstance(one, dict) and not one["answered"]
    ]  # fmt: skip
    return [
        "# Serving one decision",
        "",
        "The fraud model (gradient boosting), one row per request, the same rows for all. This API does everything on",
        "the way: checks the request, splits by an experiment, gives reasons, counts, and records each answer in Kafka",
        "and Postgres.",
        "",
        *table(head, [[str(cell) if isinstance(cell, float) and cell < 1 else cell for cell in row] for row in rows]),
        "",
        f"This API answers {compared['requests_per_s']:.2f} as many as the bare server"
        + (f", and {best:.0f} times as many as the best of the others." if best else "."),
        "",
        *([*skipped, ""] if skipped else []),
        "The server is tied to one core. The load comes from an asyncio client on another core, which Postgres and",
        "Kafka share: at the rates of the bare server the client is the limit, so compare CPU per request. In the open",
        "loop a request's time counts from when it was due.",
    ]  # fmt: skip


def ratios(found: Mapping[str, Any]) -> dict[str, float]:
    """This API beside the floor, and beside the best of the others that answered."""
    ours, floor = (found[name]["closed_loop"] for name in (OURS, FLOOR))
    closed = [
        loops["closed_loop"] for name, loops in found.items() if name not in (OURS, FLOOR) and "skipped" not in loops
    ]
    others = [one["requests_per_s"] for one in closed if one["answered"]]
    return {
        "requests_per_s": ours["requests_per_s"] / floor["requests_per_s"],
        "cpu_of_floor": floor["cpu_ms_per_request"] / ours["cpu_ms_per_request"],
        **({"requests_per_s_to_best_other": ours["requests_per_s"] / max(others)} if others else {}),
    }


def main(
    seconds: Annotated[float, typer.Option(min=1, help="Of each window; fewer than 30 are a trial.")] = 30.0,
    folder: Annotated[Path | None, typer.Option(help="Where the model is kept between runs.")] = None,
) -> None:
    """Ask this API, the floor and the others in turn, and write the result."""
    made = folder or Path(tempfile.mkdtemp(prefix="serving-"))
    before = load_average()
    found = run(seconds, made)
    floor = found[FLOOR]["closed_loop"]
    result = Result(
        name="serving",
        settings={"seconds": seconds, "connections": CONNECTIONS, "client": "asyncio, benchmarks/http_load.py"},
        metrics=found,
        reference=Reference("raw ASGI hello world under the same server", {"requests_per_s": floor["requests_per_s"]}),
        ratio=ratios(found),
        load_average={"before": before, "after": load_average()},
    )
    readable = write(result, text(found), destination(seconds >= 30))
    typer.echo(f"{readable.read_text()}\nwritten to {readable}")
    if folder is None:
        shutil.rmtree(made)


if __name__ == "__main__":
    typer.run(main)
