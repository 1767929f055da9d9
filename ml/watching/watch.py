"""The watcher: counts each complete hour, judges it, keeps what it found. All of its state is in Postgres."""

import logging
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

from ml.errors import MlError
from ml.policy import WatchingPolicy, models
from ml.watching import metrics, retraining, store
from ml.watching.hours import Hour, instant, number_of
from ml.watching.judge import Finding, judge, looks
from ml.watching.reference import Reference
from ml.watching.settings import WatchingSettings
from ml.watching.store import Connection, Version
from programs.rounds import Rounds

log = logging.getLogger("watching")

REQUESTS, JUDGED = "requests", "judged"
_FETCH_SECONDS = 120
_FETCH_AGAIN_SECONDS = 300.0
_POSITIVE = {"risk_scoring_model": "HIGH"}
"""The class whose probability is judged by outcomes, where it is not what `score` holds."""


class Watcher:
    """Follows the log of inferences. One works at a time; a second one waits until the first is gone."""

    def __init__(self, settings: WatchingSettings, policy: WatchingPolicy, stop: threading.Event) -> None:
        self._settings, self._policy, self._stop = settings, policy, stop
        self._references: dict[Version, Reference] = {}
        self._fetched_at: dict[Version, float] = {}

    def run(self) -> None:
        """Work until told to stop; a Postgres that is away is waited for."""
        settings = self._settings
        url = settings.database_url.get_secret_value()
        Rounds(store.NAME, url, settings.poll_seconds, self._stop, metrics.RETRIES).run(self._follow)

    def _follow(self, connection: Connection) -> None:
        while not self._stop.is_set():
            self.round(connection, datetime.now(UTC))
            self._stop.wait(self._settings.poll_seconds)

    def round(self, connection: Connection, now: datetime) -> int:
        """Bring counts, outcomes and drift up to the newest complete hour. Returns how many hours were judged."""
        end = number_of(now - timedelta(minutes=self._policy.settle_minutes))
        first = store.first_hour(connection)
        if first is None:
            metrics.LAST_SUCCESS.set_to_current_time()
            return 0
        first = max(first, end - self._policy.longest_outcome_hours - self._slowest_hours())
        self._count(connection, first, end)
        for model in models():
            self._settle(connection, model, first, end)
        judged = self._judge_all(connection, first, end)
        store.forget(connection, now)
        self._show(connection, end, now)
        return judged

    def _count(self, connection: Connection, first: int, end: int) -> None:
        for hour in self._due(connection, REQUESTS, first, end):
            with connection.transaction():
                for version, rows in store.answered(connection, hour).items():
                    self._count_version(connection, version, hour, rows)
                store.set_done(connection, REQUESTS, hour + 1)

    def _count_version(self, connection: Connection, version: Version, hour: int, rows: int) -> None:
        counts = {}
        reference = self._reference(connection, version)
        if reference is not None:
            one_in = -(-rows // self._policy.sample_rows)
            requests, scores = store.sample(connection, version, hour, one_in)
            if requests:
                names = {name for request in requests for name in request} | {"score"}
                counts = reference.profile({name: [one.get(name) for one in requests] for name in names}, scores)
        store.keep_counts(connection, version, hour, rows, counts)

    def _settle(self, connection: Connection, model: str, first: int, end: int) -> None:
        step, delay = f"outcomes:{model}", self._outcome_hours(model)
        for hour in self._due(connection, step, first, end - delay):
            with connection.transaction():
                if store.was_asked(connection, model, hour):
                    store.settle(connection, model, hour, _POSITIVE.get(model, ""))
                store.set_done(connection, step, hour + 1)

    def _judge_all(self, connection: Connection, first: int, end: int) -> int:
        due = self._due(connection, JUDGED, first, end)
        for hour in due:
            self._judge(connection, hour)
        return len(due)

    def _judge(self, connection: Connection, hour: int) -> None:
        reach = self._slowest_hours() + self._policy.longest_outcome_hours + self._policy.leave_looks
        found, known = store.hours(connection, hour - reach, hour), store.open_findings(connection)
        with connection.transaction():
            for version in found.keys() | known.keys():
                changed = self._look(connection, version, found.get(version, []), hour, known.get(version, []))
                store.save(connection, version, changed)
                _tell(version, changed)
            retraining.ask(connection, instant(hour + 1))
            store.set_done(connection, JUDGED, hour + 1)

    def _look(
        self, connection: Connection, version: Version, hours: list[Hour], hour: int, known: list[Finding]
    ) -> list[Finding]:
        newest = max((one.number for one in hours if one.rows), default=-1)
        if newest <= hour - self._policy.longest_hours:
            return [one.over(hour, "; it is no longer asked") for one in known]
        reference = self._reference(connection, version)
        if reference is None:
            return []
        found = looks(reference, hours, hour, self._policy)
        for reading in found[-1]:
            metrics.VALUE.labels(version[0], str(version[1]), *reading.key).set(reading.value)
        return judge(found, hour, known, self._policy)

    def _due(self, connection: Connection, step: str, first: int, end: int) -> range:
        """The hours before `end` that a step has still to do."""
        done = store.done_until(connection, step)
        return range(first if done is None else max(done, first), end)

    def _outcome_hours(self, model: str) -> int:
        """How many hours after an answer its outcome is known for good."""
        labels = int(-(-self._settings.label_delay_days * 24 // 1)) if models()[model].waits_for_labels else 0
        return max(labels, self._policy.outcome_hours.get(model, 0))

    def _slowest_hours(self) -> int:
        return max(map(self._outcome_hours, models()))

    def _reference(self, connection: Connection, version: Version) -> Reference | None:
        """What a version is compared with; None while that cannot be had."""
        if version not in self._references:
            kept = store.reference(connection, version)
            if kept is None and time.monotonic() - self._fetched_at.get(version, -1e9) > _FETCH_AGAIN_SECONDS:
                self._fetched_at[version] = time.monotonic()
                kept = fetch(version)
                if kept is not None:
                    store.keep_reference(connection, version, kept)
            if kept is None:
                return None
            try:
                self._references[version] = Reference.from_json(kept)
            except MlError as error:
                log.warning("%s version %d cannot be judged: %s", *version, error)
                return None
        return self._references[version]

    def _show(self, connection: Connection, end: int, now: datetime) -> None:
        newest = store.hours(connection, end - 1, end - 1)
        known = store.open_findings(connection)
        metrics.ROWS.clear()
        metrics.OPEN.clear()
        for version in newest.keys() | known.keys():
            rows = sum(one.rows for one in newest.get(version, []))
            metrics.ROWS.labels(version[0], str(version[1])).set(rows)
            for kind in ("data", "prediction", "performance"):
                count = sum(one.kind == kind for one in known.get(version, []))
                metrics.OPEN.labels(version[0], str(version[1]), kind).set(count)
        metrics.WITHOUT_REFERENCE.set(sum(version not in self._references for version in newest))
        asked = store.models_asked_for(connection)
        for model in models():
            metrics.ASKED.labels(model).set(model in asked)
        metrics.LAG.set(max(0.0, (now - instant(end)).total_seconds()))
        metrics.LAST_SUCCESS.set_to_current_time()


def fetch(version: Version) -> str | None:
    """A version's reference from MLflow, or None and a line in the log.

    In a process of its own: MLflow takes 200 MB, and as long as it likes.
    """
    command = [sys.executable, "-m", "ml", "reference", version[0], str(version[1])]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        log.warning("%s version %d: MLflow did not give its reference in %d s", *version, _FETCH_SECONDS)
        return None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        log.warning("%s version %d has no reference: %s", *version, said[-1] if said else "no reason given")
        return None
    return done.stdout


def _tell(version: Version, changed: list[Finding]) -> None:
    for one in changed:
        if one.id is None or one.ended is not None:
            state = "began" if one.id is None else "ended"
            log.warning("%s drift of %s version %d %s: %s", one.kind, *version, state, one.reason)
