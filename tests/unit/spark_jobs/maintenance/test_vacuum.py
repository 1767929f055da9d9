"""Which files of a log no promised version needs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from domain.lake import keeping
from spark_jobs.maintenance.vacuum import LogFile, superfluous

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
RULES = replace(keeping("some_table"), log_hours=6, vacuum_hours=168)


def log(first_hours_ago: float, per_hour: int = 60, checkpoint_every: int = 10) -> list[LogFile]:
    """Commits at an even pace until now, with a checkpoint every so many."""
    found = []
    for version in range(int(first_hours_ago * per_hour) + 1):
        at = NOW - timedelta(hours=first_hours_ago) + timedelta(hours=version / per_hour)
        found.append(LogFile(f"{version}.json", version, False, at))
        if version and version % checkpoint_every == 0:
            found.append(LogFile(f"{version}.checkpoint", version, True, at))
    return found


def left(before: list[LogFile]) -> list[LogFile]:
    gone = {one.name for one in superfluous(before, RULES, NOW)}
    return [one for one in before if one.name not in gone]


def test_a_young_log_is_left_alone() -> None:
    assert superfluous(log(5), RULES, NOW) == []


def test_every_version_of_the_last_hours_can_be_rebuilt() -> None:
    kept = left(log(24))
    promised = [one.version for one in log(24) if not one.is_checkpoint and one.written_at >= NOW - timedelta(hours=6)]
    bases = [one.version for one in kept if one.is_checkpoint]
    commits = {one.version for one in kept if not one.is_checkpoint}
    for version in promised:
        base = max(base for base in bases if base <= version)
        assert set(range(base + 1, version + 1)) <= commits


def test_before_that_one_checkpoint_an_hour_is_kept_within_the_vacuum_hours() -> None:
    old = [one for one in left(log(240)) if one.written_at < NOW - timedelta(hours=7)]
    assert all(one.is_checkpoint for one in old)
    assert len(old) == 168 - 7
    assert len({one.written_at.replace(minute=0) for one in old}) == len(old)


def test_without_a_checkpoint_nothing_is_deleted() -> None:
    assert superfluous([one for one in log(24) if not one.is_checkpoint], RULES, NOW) == []


def test_a_table_that_nobody_writes_keeps_its_last_checkpoint_and_its_last_commit() -> None:
    idle = [replace(one, written_at=one.written_at - timedelta(days=400)) for one in log(24)]
    assert [one.name for one in left(idle)] == ["1440.json", "1440.checkpoint"]


def test_the_oldest_goes_first_so_that_a_kill_leaves_no_hole() -> None:
    gone = [one.version for one in superfluous(log(24), RULES, NOW)]
    assert gone == sorted(gone)
