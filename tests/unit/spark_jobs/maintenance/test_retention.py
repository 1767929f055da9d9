"""Detail stays in Postgres until nobody needs it: labels of fraud ripen late."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from spark_jobs.maintenance import rounds
from spark_jobs.maintenance.retention import LAST_READERS
from spark_jobs.maintenance.settings import MaintenanceSettings


def settings(**more: object) -> MaintenanceSettings:
    return MaintenanceSettings.model_validate({"DATABASE_URL": "postgresql://nowhere", **more})


def test_labels_of_the_last_purchase_of_a_day_are_ripe_for_hours_before_it_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[datetime] = []
    monkeypatch.setattr(rounds, "retain_database", lambda *values: asked.append(values[-1]) or [])
    kept = settings()
    rounds.Round(kept)._retain_database()
    first_day_kept = asked[0].date() - timedelta(days=kept.database_retention_days)
    last_to_leave = datetime.combine(first_day_kept, datetime.min.time(), UTC)
    ripe = last_to_leave + timedelta(days=kept.label_delay_days)
    assert datetime.now(UTC) - ripe >= LAST_READERS


def test_detail_that_would_leave_before_its_labels_are_ripe_is_refused() -> None:
    with pytest.raises(ValidationError, match="raise MAINTENANCE_DATABASE_RETENTION_DAYS to 14"):
        settings(ML_LABEL_DELAY_DAYS=13.5)
    assert settings(ML_LABEL_DELAY_DAYS=13.5, database_retention_days=14)
