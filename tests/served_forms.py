"""Served forms of models that learnt nothing of use, in a second: for tests of what serves them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from ml import comparison
from ml.features.definition import Definition
from ml.features.definitions import DEFINITIONS
from ml.features.encoder import Encoder
from ml.features.fields import Field
from ml.form import ServedModel
from ml.training import conversion

CLASSES = {"fraud_detection_model": ("honest", "fraud"), "risk_scoring_model": ("LOW", "MEDIUM", "HIGH")}
FACTS: dict[str, dict[str, Any]] = {
    "smart_routing_policy": {"processors": ["ProcessorA", "ProcessorB", "ProcessorC"]},
    "smart_retry_policy": {
        "waits_minutes": [1.0, 60.0, 1440.0],
        "waits_tried": {"insufficient_funds": [60.0, 1440.0], "do_not_honor": [1.0, 60.0]},
        "fee_fixed_usd": 0.1,
        "fee_share": 0.01,
    },
}
NAMES = {
    "currency": ("USD", "EUR"),
    "card_network": ("Visa", "Amex"),
    "processor": ("ProcessorA", "ProcessorB", "ProcessorC"),
    "decline_reason": ("insufficient_funds", "do_not_honor"),
    "payment_method": ("credit_card", "crypto"),
}


def value(field: Field, rng: Random) -> Any:
    """A value of a field, or None."""
    if rng.random() < 0.1 and not field.is_required:
        return None
    match field.kind:
        case "number":
            return rng.random() if field.maximum else float(rng.randrange(1, 500))
        case "boolean":
            return rng.random() < 0.5
        case "category":
            return rng.choice(NAMES.get(field.name, ("DE", "FR", "Retail", "Germany")))
        case "instant":
            return (datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=rng.randrange(100_000))).isoformat()


def columns(definition: Definition, count: int, seed: int) -> dict[str, list[Any]]:
    """Requests by column."""
    rng = Random(seed)
    return {field.name: [value(field, rng) for _ in range(count)] for field in definition.fields}


def served(model: str, seed: int = 1) -> tuple[ServedModel, dict[str, list[Any]], Any]:
    """A model, rows, and what scikit-learn makes of them."""
    definition, classes = DEFINITIONS[model], CLASSES.get(model, ("declined", "approved"))
    rows = columns(definition, 300, seed)
    labels = np.array([(at * 7 + seed) % len(classes) for at in range(300)])
    encoder = Encoder.learn(definition, rows, (labels > 0).astype(np.float64))
    with threadpool_limits(1):  # threads that wait for one another take longer than the work, most on a busy machine
        fitted = HistGradientBoostingClassifier(max_iter=4, early_stopping=False).fit(encoder.matrix(rows), labels)
    found = ServedModel(model, encoder, conversion.boosting(fitted), classes, 0.5, FACTS.get(model, {}))
    return found, rows, fitted.predict_proba(encoder.matrix(rows))


def write(model: str, folder: Path, seed: int = 1) -> None:
    """The folder that training would have registered."""
    found, rows, expected = served(model, seed)
    found.save(folder)
    comparison.keep({name: values[:40] for name, values in rows.items()}, expected[:40], folder)
