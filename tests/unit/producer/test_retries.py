"""Retries: who tries again, when, and what the wait is worth."""

import pytest

from domain.contracts import decline_reasons
from producer.retries import HABITS, MAX_ATTEMPTS, NEVER_HELPS, retry_hazard, retry_wait


@pytest.mark.parametrize("reason", HABITS)
def test_a_retry_that_waits_long_enough_never_does_worse(reason: str) -> None:
    habit = HABITS[reason]

    assert retry_hazard(reason, habit.patient[1]) <= retry_hazard(reason, 0.0)


def test_soft_declines_heal_and_hard_ones_do_not() -> None:
    for code, reason in decline_reasons().items():
        heals = retry_hazard(code, 3000.0) < 0.5
        assert heals == (reason.kind == "soft"), code


def test_a_hard_decline_and_a_last_attempt_are_given_up() -> None:
    assert retry_wait("stolen_card", 1, 0.0, 0.5) is None
    assert retry_wait("do_not_honor", MAX_ATTEMPTS, 0.0, 0.5) is None
    assert retry_hazard("stolen_card", 1e6) == NEVER_HELPS


def test_technical_declines_are_retried_within_seconds_so_that_a_short_run_shows_them() -> None:
    waits = [retry_wait("processor_error", 1, u / 100, 0.5) for u in range(94)]

    assert all(wait is not None and wait < 1.0 for wait in waits)
