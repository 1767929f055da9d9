"""When a declined purchase is tried again, and how much the wait helps: it depends on the reason."""

from dataclasses import dataclass

MAX_ATTEMPTS = 4
NEVER_HELPS = 0.98


@dataclass(frozen=True, slots=True)
class RetryHabit:
    """What merchants do after a decline of one kind, and what the issuer makes of it. Waits in minutes."""

    share: float  # of declines that are tried again
    quick_share: float  # of retries that come too early
    quick: tuple[float, float]
    patient: tuple[float, float]
    helps_from: float  # waiting at least this long helps
    early_hazard: float  # P(declined for the same reason) before that
    late_hazard: float  # and after


HABITS = {
    "processor_error": RetryHabit(0.95, 0.25, (0.02, 0.06), (0.08, 0.5), 0.07, 0.70, 0.05),
    "issuer_unavailable": RetryHabit(0.90, 0.30, (0.05, 0.6), (5.0, 20.0), 4.0, 0.90, 0.06),
    "3ds_failed": RetryHabit(0.70, 0.30, (0.1, 0.5), (0.6, 4.0), 0.5, 0.85, 0.15),
    "do_not_honor": RetryHabit(0.70, 0.40, (0.03, 1.0), (60.0, 180.0), 45.0, 0.90, 0.22),
    "insufficient_funds": RetryHabit(0.60, 0.35, (0.1, 30.0), (1440.0, 2880.0), 1200.0, 0.96, 0.25),
    "limit_exceeded": RetryHabit(0.40, 0.40, (0.1, 30.0), (1440.0, 2000.0), 1200.0, 0.96, 0.20),
    "fraud_suspected": RetryHabit(0.08, 1.00, (0.1, 5.0), (0.1, 5.0), 1e9, NEVER_HELPS, NEVER_HELPS),
}


def retry_hazard(reason: str, minutes: float) -> float:
    """P(declined again for the same reason) after this wait; a reason without a habit never heals."""
    habit = HABITS.get(reason)
    if habit is None:
        return NEVER_HELPS
    return habit.late_hazard if minutes >= habit.helps_from else habit.early_hazard


def retry_wait(reason: str, attempt_number: int, u: float, v: float) -> float | None:
    """Minutes until the next attempt, or None when the purchase is given up; u and v are uniform in [0, 1)."""
    habit = HABITS.get(reason)
    if habit is None or attempt_number >= MAX_ATTEMPTS or u >= habit.share:
        return None
    is_quick = u < habit.share * habit.quick_share
    shortest, longest = habit.quick if is_quick else habit.patient
    return shortest + (longest - shortest) * v
