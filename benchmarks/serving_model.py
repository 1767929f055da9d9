"""The model that the benchmark of serving asks everybody, made in the environment of the models.

`python -m benchmarks.serving_model FOLDER` trains fraud on a small simulated world and writes `form` (for the API),
`mlflow` (the same form as a model of MLflow, for the others) and `rows.jsonl`, requests with all their fields.
"""

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import mlflow

from ml import comparison
from ml.datasets import sets
from ml.datasets.examples import Examples, divide
from ml.datasets.source import LakeSource
from ml.features.definitions import FRAUD
from ml.features.encoder import Encoder
from ml.form import ServedModel
from ml.registry import served
from ml.registry.flavour import signature
from ml.training.candidates import BOOSTING
from ml.training.run import CLASSES
from ml.training.tuning import fit, positives
from ml.world.month import Month, write_month

ROWS = 1_000
CHECKED = 60
ROOT = Path(__file__).resolve().parents[1]


def make(folder: Path) -> None:
    """Write the folder; what is there already stays."""
    if (folder / "rows.jsonl").exists():
        return
    lake = folder / "lake"
    if not lake.exists():
        write_month(Month(date(2026, 3, 13), days=12, purchases_per_day=1500, customers=1500), lake, _say)
    divided = divide(sets.read(FRAUD.model, LakeSource(str(lake)), 1.0).examples, 1.0)
    _say("trains gradient boosting")
    classes = CLASSES[FRAUD.model]
    positive = positives(divided.training.label, len(classes))
    encoder = Encoder.learn(FRAUD, divided.training.columns, positive)
    matrix = encoder.training_matrix(divided.training.columns, positive)
    estimator = fit(BOOSTING, BOOSTING.settings[-1], matrix, divided.training.label)
    model = ServedModel(FRAUD.model, encoder, BOOSTING.serve(estimator), classes, 0.5)
    rows = _complete(divided.test)
    form = folder / "form"
    model.save(form)
    columns = {name: [row[name] for row in rows[:CHECKED]] for name in rows[0]}
    comparison.keep(columns, estimator.predict_proba(encoder.matrix(columns)), form)
    mlflow.pyfunc.save_model(
        str(folder / "mlflow"),
        python_model=str(served.__file__),
        artifacts={"form": str(form)},
        signature=signature(FRAUD, model.classes),
        code_paths=[str(ROOT / name) for name in ("ml", "domain", "contracts")],
        pip_requirements=["numba", "numpy", "pandas", "pydantic-settings"],
    )
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _complete(test: Examples) -> list[dict[str, Any]]:
    names = [one.name for one in FRAUD.fields]
    rows = (
        dict(zip(names, values, strict=True)) for values in zip(*(test.columns[name] for name in names), strict=True)
    )
    whole = [{name: _plain(value) for name, value in row.items()} for row in rows if None not in row.values()]
    return whole[:ROWS]


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
