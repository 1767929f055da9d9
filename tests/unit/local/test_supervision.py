"""Restarts are quick at first and slow down while they do not help."""

from local.supervision import FIRST_DELAY_S, LONGEST_DELAY_S, delay_before_restart


def test_the_first_restart_is_nearly_immediate() -> None:
    assert delay_before_restart(0) == FIRST_DELAY_S


def test_each_quick_end_doubles_the_wait_up_to_a_limit() -> None:
    assert delay_before_restart(3) == 8 * FIRST_DELAY_S
    assert delay_before_restart(5_000) == LONGEST_DELAY_S
