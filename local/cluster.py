"""What the platform is spread over: a Spark cluster of processes, several streams, and a stand-in for an object store.

None of it is part of the demo. Every declaration works with the unchanged jobs, which are told by variables alone.
"""

import importlib.util
from dataclasses import replace
from pathlib import Path

from local.environments import find_java
from local.errors import LocalError
from local.ports import LOCALHOST
from local.readiness import answers_http
from local.repository import CACHE
from local.service import Service
from local.services import declare
from local.site import Site

BUCKET = "lake"
STORE_KEYS = {"LAKE_S3_ACCESS_KEY_ID": "local", "LAKE_S3_SECRET_ACCESS_KEY": "local-only"}


def spark_master(site: Site, port: int, page_port: int) -> Service:
    """The master of a standalone cluster at spark://127.0.0.1:port."""
    options = ["--host", LOCALHOST, "--port", str(port), "--webui-port", str(page_port)]
    return Service(
        name="spark-master",
        command=lambda: _spark("org.apache.spark.deploy.master.Master", *options),
        env={"SPARK_LOCAL_IP": LOCALHOST, "SPARK_HOME": str(_spark_home()), "SPARK_SCALA_VERSION": "2.13"},
        ports={"spark_master": port, "spark_master_page": page_port},
        is_ready=answers_http(f"http://{LOCALHOST}:{page_port}/json/"),
    )


def spark_worker(site: Site, number: int, master_port: int, page_port: int, cores: int = 1) -> Service:
    """A worker that offers some cores and a GiB to the master."""
    folder = site.data / f"spark-worker-{number}"
    options = ["--host", LOCALHOST, "--webui-port", str(page_port), "--cores", str(cores), "--memory", "1g"]
    return Service(
        name=f"spark-worker-{number}",
        command=lambda: _spark(
            "org.apache.spark.deploy.worker.Worker", *options, "--work-dir", str(folder),
            f"spark://{LOCALHOST}:{master_port}",
        ),
        prepare=lambda: folder.mkdir(parents=True, exist_ok=True),
        env={"SPARK_LOCAL_IP": LOCALHOST, "SPARK_HOME": str(_spark_home()), "SPARK_SCALA_VERSION": "2.13"},
        needs=("spark-master",),
        ports={"spark_worker_page": page_port},
        is_ready=answers_http(f"http://{LOCALHOST}:{page_port}/json/"),
    )  # fmt: skip


def stream_shard(site: Site, index: int, count: int, metrics_port: int, **env: str) -> Service:
    """Process `index` of `count` that share the stream; `env` sets further variables of it."""
    alone = declare(site)["stream"]
    ready = answers_http(f"http://{LOCALHOST}:{metrics_port}/metrics", containing='stream_up{query="money"} 1')
    return replace(
        alone,
        name=f"stream-{index}-of-{count}",
        env={
            **alone.env,
            "STREAM_SHARD_INDEX": str(index),
            "STREAM_SHARD_COUNT": str(count),
            "STREAM_METRICS_PORT": str(metrics_port),
            **env,
        },
        ports={"stream_metrics": metrics_port},
        is_ready=ready,
    )


def object_store(port: int) -> Service:
    """A store with the interface of S3, in memory: for tests, and forgotten when it ends."""
    return Service(
        name="object-store",
        command=lambda: [str(_store_bin()), "--host", LOCALHOST, "--port", str(port)],
        ports={"object_store": port},
        is_ready=answers_http(f"http://{LOCALHOST}:{port}/"),
        restarts=False,
    )


def _store_bin() -> Path:
    return CACHE / "env" / "objectstore" / "bin" / "moto_server"


def _spark(main: str, *arguments: str) -> list[str]:
    """A daemon of Spark from the jars that pyspark brings."""
    jars = _spark_home() / "jars" / "*"
    return [str(find_java()), *_JVM, "-cp", str(jars), main, *arguments]


def _spark_home() -> Path:
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        raise LocalError("pyspark is not installed: run `make install`")
    return Path(found.origin).parent


_JVM = [
    "-Xmx256m",
    # Its port is fixed, and nothing is submitted that way.
    "-Dspark.master.rest.enabled=false",
    *(
        f"--add-opens=java.base/{package}=ALL-UNNAMED"
        for package in ("java.lang", "java.net", "java.nio", "java.util", "sun.nio.ch")
    ),
]
