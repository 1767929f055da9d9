"""The watcher: counts each complete minute, judges it, keeps what it found. All of its state is in Postgres."""

import logging
import threading
import time
from itertools import groupby

from ml.anomalies import metrics, store
from ml.anomalies.detector import Detector
from ml.anomalies.incident import Incident
from ml.anomalies.policy import Policy
from ml.anomalies.profile import HourRow, Profile, build
from ml.anomalies.series import Frame, cut, frame
from ml.anomalies.settings import AnomaliesSettings
from ml.anomalies.store import Connection
from programs.rounds import Rounds

log = logging.getLogger("anomalies")


class Watcher:
    """Follows the stream. One works at a time; a second one waits until the first is gone."""

    def __init__(self, settings: AnomaliesSettings, policy: Policy, stop: threading.Event) -> None:
        self._settings, self._policy, self._stop = settings, policy, stop
        self._detector = Detector(policy)
        self._history: list[HourRow] = []
        self._history_hour = -1
        self._profile: Profile | None = None
        self._profile_of: Frame | None = None

    def run(self) -> None:
        """Work until told to stop; a Postgres that is away is waited for."""
        settings = self._settings
        url = settings.database_url.get_secret_value()
        Rounds(store.NAME, url, settings.poll_seconds, self._stop, metrics.RETRIES).run(self._follow)

    def _follow(self, connection: Connection) -> None:
        self._history_hour = -1
        while not self._stop.is_set():
            self.round(connection)
            self._stop.wait(self._settings.poll_seconds)

    def round(self, connection: Connection) -> int:
        """Bring series and anomalies up to the newest complete minute. Returns how many minutes were judged."""
        until = store.complete_until(connection, self._policy.series)
        if until is None:
            return 0
        self._count(connection, until)
        judged = self._judge_all(connection, self._first_to_judge(connection, until), until)
        self._show(connection, until)
        return judged

    def _judge_all(self, connection: Connection, first: int, until: int) -> int:
        """Judge the minutes [first, until], oldest first, and keep each judgement. Returns how many there were."""
        if first > until:
            return 0
        reach = first - self._detector.frame_minutes
        series = frame(store.rows(connection, reach, until), reach, until - reach + 1)
        for minute in range(first, until + 1):
            if self._stop.is_set():
                return minute - first
            self._judge(connection, series, minute)
        return until - first + 1

    def _count(self, connection: Connection, until: int) -> None:
        """Count what is missing or was revised, an hour at a time at most."""
        minutes = store.unsettled(connection, until, self._policy.series)
        final = until - self._policy.series.final_after_minutes
        if len(minutes) > 120:
            log.info("counting %d minutes of payments", len(minutes))
        for (_, is_final), group in groupby(minutes, key=lambda minute: (minute // 60, minute <= final)):
            for first, last in _runs(list(group)):
                if self._stop.is_set():
                    return
                store.count(connection, first, last, is_final, self._policy.series)
                if is_final:
                    store.roll_up(connection, first, last)
                    self._history_hour = -1

    def _first_to_judge(self, connection: Connection, until: int) -> int:
        judged = store.judged_until(connection)
        begin = store.first_counted(connection) if judged is None else judged + 1
        return max(begin, until - self._policy.tracking.catch_up_minutes)

    def _judge(self, connection: Connection, whole: Frame, minute: int) -> None:
        series = cut(whole, minute, self._detector.frame_minutes)
        incidents = store.incidents(connection, series.first)
        known = {id(one) for one in incidents}
        changed = self._detector.judge(series, self._season(connection, whole, minute), minute, incidents)
        store.save(connection, minute, changed)
        for one in changed:
            if id(one) not in known:
                metrics.FOUND.labels(one.metric).inc()
            if id(one) not in known or not one.is_open:
                log.warning("%s since %s: %s", _state(one), store.instant(one.started).isoformat(), one.reason)

    def _season(self, connection: Connection, series: Frame, minute: int) -> Profile:
        """The profile of these series; the history behind it is read again when an hour is over or counted anew."""
        if self._history_hour != minute // 60:
            self._history = store.history(connection, minute, self._policy.series.hours_days)
            self._history_hour, self._profile = minute // 60, None
            store.forget(connection, minute, self._policy.series)
        if self._profile is None or self._profile_of is not series:
            self._profile, self._profile_of = build(self._history, series.keys, series.reasons), series
        return self._profile

    def _show(self, connection: Connection, until: int) -> None:
        metrics.show_open(store.incidents(connection, until), [metric.name for metric in self._policy.metrics])
        approval = store.hourly_approval(connection, until)
        metrics.APPROVAL.set(float("nan") if approval is None else approval)
        metrics.LAG.set(max(0.0, time.time() - (until + 1) * 60))
        metrics.LAST_SUCCESS.set_to_current_time()


def _state(one: Incident) -> str:
    return f"{one.severity}, open" if one.is_open else "ended"


def _runs(minutes: list[int]) -> list[tuple[int, int]]:
    """Ascending minutes as runs without gaps, first and last of each."""
    pieces: list[tuple[int, int]] = []
    for minute in minutes:
        if pieces and pieces[-1][1] == minute - 1:
            pieces[-1] = (pieces[-1][0], minute)
        else:
            pieces.append((minute, minute))
    return pieces
