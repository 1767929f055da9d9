"""What only the simulator knows of an attempt: the chances that a model estimates."""

from collections import defaultdict
from typing import Any

import pyarrow as pa

from domain.contracts import reference
from ml.policy import retry
from producer.approval import approval_probability, hazards
from producer.ceiling import appearance, chance_after
from producer.draw import derived_id
from producer.incidents import CALM
from producer.purchases import Purchase
from producer.retries import HABITS

TRUTH = "simulation_truth"
"""Table of the lake beside those of the stream."""


def by_processor(processor: str) -> str:
    """Column that holds P(approved) through this processor."""
    return f"p_{processor}"


PROCESSORS: tuple[str, ...] = tuple(reference()["processors"]["names"])
SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("transaction_id", pa.string()),
        ("event_timestamp", pa.timestamp("us", "UTC")),
        ("event_date", pa.date32()),
        ("p_approved", pa.float64()),
        *((by_processor(name), pa.float64()) for name in PROCESSORS),
        ("p_after", pa.list_(pa.float64())),
        ("look", pa.string()),
    ]
)
"""`p_after`: of a decline, P(approved) of a retry after each of the waits in contracts/models.toml. `look`: of a first
attempt, all that can be seen of its purchase, so that equal looks have equal chances of fraud."""


class TruthWitness:
    """Told of every attempt by the simulator; `rows` holds the truth by event id."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self._users: dict[str, set[int]] = defaultdict(set)

    def __call__(self, purchase: Purchase, at_ms: int, reason: str | None) -> None:
        """Note the chances of this attempt."""
        hour = at_ms // 3_600_000 % 24
        chances = {name: approval_probability(hazards(purchase, name, hour, CALM)) for name in PROCESSORS}
        self.rows[derived_id(purchase.bits, purchase.attempt_number)] = {
            "transaction_id": purchase.transaction_id,
            "p_approved": chances[purchase.processor],
            **{by_processor(name): chance for name, chance in chances.items()},
            "p_after": None if reason is None else _after(purchase, reason, hour),
            "look": self._look(purchase) if purchase.attempt_number == 1 else None,
        }

    def _look(self, purchase: Purchase) -> str:
        users = self._users[purchase.device_id]
        users.add(purchase.customer.user_id)
        return "/".join(map(str, appearance(purchase, len(users))))


def _after(purchase: Purchase, reason: str, hour: int) -> list[float]:
    """A reason that no wait heals needs the chance once."""
    if reason not in HABITS:
        return [chance_after(purchase, reason, 0.0, hour)] * len(retry().waits_minutes)
    return [chance_after(purchase, reason, wait, hour) for wait in retry().waits_minutes]
