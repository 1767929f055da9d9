"""What the stream would make of dead letters today: the stream's own transforms, in a Spark session of one process."""

import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from domain.contracts import Topic, topics
from spark_jobs.dead_letters.letters import Position, positions
from spark_jobs.records import Lateness, silver_records
from spark_jobs.registry import Schemas
from spark_jobs.session import make_session
from spark_jobs.settings import StreamSettings
from spark_jobs.stream.batch import take_apart
from spark_jobs.stream.identity_window import IdentityWindow

_MESSAGE = ("topic", "partition", "offset", "arrived_at", "key", "value")


@dataclass(frozen=True)
class Refusal:
    """Why the stream would refuse a message again."""

    reason: str
    error: str


@dataclass
class Judge:
    """Judges messages by today's schemas and expectations. A context manager: the session ends with it.

    Spark takes seconds to start; where there is nothing to judge it is never started.
    """

    settings: StreamSettings
    _folder: tempfile.TemporaryDirectory[str] = field(default_factory=tempfile.TemporaryDirectory)
    _writers: dict[str, dict[int, str]] = field(default_factory=dict)

    _session: SparkSession | None = None

    def __enter__(self) -> Self:
        self._window = IdentityWindow(Path(self._folder.name) / "window", self.settings.dedup_window_seconds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._window.close()
        if self._session:
            self._session.stop()
        self._folder.cleanup()

    def refusals(self, letters: pa.Table, arrived_at: list[datetime]) -> dict[Position, Refusal]:
        """The letters that would be refused again if they reached Kafka at these times; what is absent is valid.

        Raises RegistryAway when the registry does not answer.
        """
        stamped = letters.append_column("arrived_at", pa.array(arrived_at, pa.timestamp("us", "UTC")))
        found: dict[Position, Refusal] = {}
        for name in pc.unique(letters.column("topic")).to_pylist():
            own = stamped.filter(pc.equal(stamped.column("topic"), name)).select(list(_MESSAGE))
            found |= self._of_topic(topics()[name], own) if name in topics() else _of_nobody(own)
        return found

    def _of_topic(self, topic: Topic, messages: pa.Table) -> dict[Position, Refusal]:
        self._session = self._session or make_session("dead-letters", self.settings)
        lateness = Lateness(self.settings.watermark_seconds)
        records = silver_records(self._session.createDataFrame(messages), topic, self._known(topic), lateness)
        (part,) = take_apart(records.toArrow(), [topic], self._window)
        refused = part.dead_letters
        reasons = zip(refused.column("reason").to_pylist(), refused.column("error").to_pylist(), strict=True)
        return {at: Refusal(*why) for at, why in zip(positions(refused), reasons, strict=True)}

    def _known(self, topic: Topic) -> dict[int, str]:
        if topic.name not in self._writers:
            schemas = Schemas(self.settings.schema_registry_url, Path(self._folder.name) / "schemas")
            self._writers[topic.name] = schemas.writers(topic)
        return self._writers[topic.name]


def _of_nobody(messages: pa.Table) -> dict[Position, Refusal]:
    return dict.fromkeys(positions(messages), Refusal("unknown_topic", "the stream does not read this topic any more"))
