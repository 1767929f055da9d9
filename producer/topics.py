"""`init`: the topics and their registered schemas, made before anyone writes. Safe to repeat."""

import time
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from domain.contracts import avro_schema_text, channels, documents, topic_settings
from producer.errors import ProducerError
from producer.registry import SchemaRegistry
from producer.settings import ProducerSettings

CALL_TIMEOUT_SECONDS = 5.0


def wait_for_broker(servers: str, wait_seconds: float, say: Callable[[str], None]) -> AdminClient:
    """An admin client of a broker that answers; ProducerError after `wait_seconds` without one."""
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            admin.list_topics(timeout=min(CALL_TIMEOUT_SECONDS, wait_seconds))
            return admin
        except KafkaException as error:
            if time.monotonic() >= deadline:
                raise ProducerError(
                    f"No Kafka broker answered at {servers} within {wait_seconds:g} s ({error.args[0].str()}). "
                    "Start it, or set KAFKA_BOOTSTRAP_SERVERS."
                ) from error
            say(f"waiting for Kafka at {servers}: {error.args[0].str()}")
            time.sleep(1.0)


def create_topics(admin: AdminClient, settings: ProducerSettings) -> list[str]:
    """Create the contract's topics that are missing; returns the names of those created."""
    wanted = [_new_topic(name, settings) for name in (*channels(), *documents())]
    return [name for name, future in admin.create_topics(wanted).items() if _is_created(name, future.result)]


def register_schemas(registry: SchemaRegistry) -> dict[str, int]:
    """Set each subject's compatibility, then register its schema; returns schema ids by topic."""
    ids = {}
    for topic in channels().values():
        registry.set_compatibility(topic.subject, topic_settings()["compatibility"])
        ids[topic.name] = registry.register(topic.subject, avro_schema_text(topic.name))
    return ids


def _new_topic(name: str, settings: ProducerSettings) -> NewTopic:
    return NewTopic(
        name,
        num_partitions=settings.partitions,
        replication_factor=settings.replication,
        config={
            "max.message.bytes": str(topic_settings()["max_message_bytes"]),
            "retention.ms": str(settings.retention_hours * 3_600_000),
        },
    )


def _is_created(name: str, result: Callable[[], None]) -> bool:
    try:
        result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise ProducerError(f"Topic {name} could not be created: {error.args[0].str()}") from error
    return True
