"""The embedded Kafka: one KRaft node, broker and controller in one process."""

import base64
import os
import subprocess
import uuid
from pathlib import Path

from local import artifacts
from local.environments import find_java
from local.errors import LocalError
from local.ports import LOCALHOST
from local.process import tail
from local.site import Site

LOGGING = Path(__file__).with_name("kafka-log4j2.properties")


def prepare(site: Site) -> None:
    """Write the configuration; format the storage on the first start."""
    place = folder(site)
    place.mkdir(parents=True, exist_ok=True)
    configuration = place / "server.properties"
    configuration.write_text("".join(f"{name}={value}\n" for name, value in properties(site).items()))
    if not (place / "log" / "meta.properties").is_file():
        _format(site, configuration)


def command(site: Site) -> list[str]:
    """The broker's command line."""
    return [*_java("-Xms256m", "-Xmx512m"), "kafka.Kafka", str(folder(site) / "server.properties")]


def folder(site: Site) -> Path:
    """Its configuration and its log of records."""
    return site.data / "kafka"


def properties(site: Site) -> dict[str, str]:
    """One node: everything that is kept in several copies elsewhere is kept once here."""
    controller = f"{LOCALHOST}:{site.ports.kafka_controller}"
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{site.kafka},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{site.kafka}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(folder(site) / "log"),
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "broker.heartbeat.interval.ms": "500",
        "broker.session.timeout.ms": "2000",
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        "num.network.threads": "2",
        "num.io.threads": "4",
    }


def _format(site: Site, configuration: Path) -> None:
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    log = site.data / "logs" / "kafka-format.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    # An id that begins with a dash would be read as an option.
    arguments = ["format", f"--cluster-id={cluster_id}", "--config", str(configuration), "--ignore-formatted"]
    with log.open("ab") as output:
        command = [*_java("-Xmx128m"), "kafka.tools.StorageTool", *arguments]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False)
    if done.returncode != 0:
        raise LocalError(f"Kafka's storage could not be formatted:\n{tail(log)}")


def _java(*options: str) -> list[str]:
    class_path = os.pathsep.join(str(jar) for jar in sorted(artifacts.ensure("kafka").glob("*.jar")))
    return [str(find_java()), *options, f"-Dlog4j2.configurationFile={LOGGING}", "-cp", class_path]
