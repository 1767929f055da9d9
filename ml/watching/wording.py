"""What was found, in words that a person understands."""

from collections.abc import Sequence

from ml.watching.figures import Floats


def moved(feature: str, labels: Sequence[str], expected: Floats, now: Floats, rows: int, index: float) -> str:
    """Which values of a feature became more or less frequent; the two that moved most."""
    order = sorted(range(len(labels)), key=lambda place: -abs(float(now[place] - expected[place])))
    parts = [f"{labels[place]} from {expected[place]:.1%} to {now[place]:.1%}" for place in order[:2]]
    return f"{feature}: {', '.join(parts)} (stability index {index:.2f}, {rows:,} requests)"


def rarer(label: str, expected: float, now: float, rows: int) -> str:
    """How frequent the rarer outcome has become among the answers."""
    return f"answers that expect the rarer outcome ({label}) from {expected:.2%} to {now:.2%}, of {rows:,} answers"


def uncalibrated(predicted: float, observed: float, rows: int) -> str:
    """Predictions beside what came true."""
    return f"{predicted:.1%} were predicted and {observed:.1%} came true, of {rows:,} answers with known outcome"


def lossy(loss: float, before: float, rows: int) -> str:
    """The log loss beside that of the test period."""
    return f"log loss {loss:.4f} against {before:.4f} in the test period, of {rows:,} answers with known outcome"
