"""One anomaly: what departs, where, since when, and why."""

from dataclasses import dataclass, field
from typing import Any

from ml.anomalies.series import ALL, Key

WARNING, CRITICAL = "warning", "critical"


@dataclass
class Incident:
    """A row of ops.anomalies. Instants are minutes since 1970."""

    metric: str
    key: Key
    started: int
    detected: int
    severity: str
    expected: float
    observed: float
    attempts: int
    reason: str
    evidence: dict[str, Any] = field(default_factory=dict)
    ended: int | None = None
    is_new_level: bool = False
    """It lasted so long that the series' level counts as usual now."""
    id: int | None = None
    """Number of its row; None until it is kept."""

    @property
    def is_open(self) -> bool:
        return self.ended is None

    def is_near(self, minute: int, minutes: int) -> bool:
        """Whether it is open, or ended at most this many minutes ago."""
        return self.ended is None or minute - self.ended <= minutes


def place(key: Key) -> str:
    """Where, in words."""
    if key == ALL:
        return "All payments"
    words = {"merchant_segment": "segment ", "issuer": "issuer "}
    text = ", ".join(words.get(column, "") + value for column, value in key.parts.items())
    return text[:1].upper() + text[1:]
