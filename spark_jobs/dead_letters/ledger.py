"""Which dead letters were sent again, and where to: the table ops.redriven_letters."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

import psycopg

from spark_jobs.dead_letters.letters import Position


@dataclass(frozen=True)
class Redriven:
    """A letter that Kafka has acknowledged again."""

    letter: Position
    reason: str
    sent: Position


@dataclass(frozen=True)
class Ledger:
    """Kept in Postgres; recording a letter again changes nothing."""

    database_url: str

    def redriven(self) -> dict[Position, tuple[Position, datetime]]:
        """Where and when each letter was sent again."""
        with closing(self._connect()) as connection:
            rows = connection.execute(
                'select topic, partition, "offset", sent_partition, sent_offset, redriven_at from ops.redriven_letters'
            ).fetchall()
        return {Position(t, p, o): (Position(t, sent_p, sent_o), at) for t, p, o, sent_p, sent_o, at in rows}

    def record(self, sent: Sequence[Redriven]) -> None:
        """Remember what was sent."""
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.executemany(
                'insert into ops.redriven_letters (topic, partition, "offset", reason, sent_partition, sent_offset) '
                "values (%s, %s, %s, %s, %s, %s) on conflict do nothing",
                [
                    (
                        one.letter.topic, one.letter.partition, one.letter.offset, one.reason,
                        one.sent.partition, one.sent.offset,
                    )
                    for one in sent
                ],
            )  # fmt: skip

    def _connect(self) -> psycopg.Connection[tuple[str, int, int, int, int, datetime]]:
        return psycopg.connect(self.database_url, autocommit=True, connect_timeout=10, application_name="dead-letters")
