"""What keeps a model out of the registry."""

from collections.abc import Mapping

from ml.policy import ModelPolicy


def failures(policy: ModelPolicy, figures: Mapping[str, float]) -> list[str]:
    """Each gate that the figures of the test period do not pass, in words; empty when all are."""
    found = []
    for name, least in policy.gates.items():
        value = figures.get(name)
        if value is None:
            found.append(f"{name} is unknown, {least:g} is needed")
        elif not value >= least or (least == 0.0 and value == 0.0):
            found.append(f"{name} is {value:.4f}, {'more than ' if least == 0.0 else ''}{least:g} is needed")
    return found
