"""What the test period shows of a trained model. Nothing here chooses anything."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from ml.datasets.examples import Examples
from ml.evaluation import figures as of
from ml.evaluation import policies, resampling
from ml.evaluation.ceilings import approval_ceiling, fraud_ceiling
from ml.features.encoder import Floats
from ml.policy import costs
from ml.training.trained import Evidence, Figures, Judged, Trained

_LARGEST_SLICES = 12
_IMPORTANCE_ROWS = 4_000
_SMALLEST_SLICE = 100


def show(trained: Trained) -> Evidence:
    """All evidence of one model."""
    test, judged = trained.divided.test, Judged(trained.probabilities, trained.served.threshold)
    judge = _JUDGES[trained.served.name]
    found = _SHOWN.get(trained.served.name, _no_policy)(trained)
    return Evidence(
        figures={**judge(test, judged), **found.figures},
        ceiling={**_CEILINGS.get(trained.served.name, _no_ceiling)(trained), **found.ceiling},
        intervals={**_intervals(trained), **found.intervals},
        curves={**_curves(trained), **found.curves},
        slices=_slices(trained),
        importance=_importance(trained),
        confusion=of.confusion(_chosen(judged), test.label, trained.probabilities.shape[1]).tolist(),
        notes=found.notes,
        rivals={name: judge(test, one) for name, one in trained.rivals.items()},
    )


def _chosen(judged: Judged) -> npt.NDArray[np.int64]:
    """The class that a decision takes: by threshold for two, the most probable of more."""
    if judged.probabilities.shape[1] > 2:
        return np.asarray(judged.probabilities.argmax(axis=1), dtype=np.int64)
    return (judged.probabilities[:, 1] >= judged.threshold).astype(np.int64)


def _common(test: Examples, judged: Judged) -> dict[str, float]:
    """Figures that every model has; `positive` is the last class."""
    probabilities, label = judged.probabilities, test.label
    score, positive = probabilities[:, -1], label == probabilities.shape[1] - 1
    precision, recall = of.precision_recall(score, positive, judged.threshold)
    return {
        "rows": float(test.count),
        "positive_share": float(positive.mean()),
        "accuracy": float((_chosen(judged) == label).mean()),
        "precision": precision,
        "recall": recall,
        "f1": of.f1_at(score, positive, judged.threshold),
        "pr_auc": of.pr_auc(score, positive),
        "roc_auc": of.roc_auc(score, positive),
        "log_loss": of.log_loss(probabilities, label),
        "skill": of.skill(probabilities, label),
        "calibration_error": of.calibration_error(score, positive),
    }


def _fraud(test: Examples, judged: Judged) -> dict[str, float]:
    score, positive, amount = judged.probabilities[:, 1], test.label == 1, test.numbers("amount_usd")
    at_100, best_at_100 = of.precision_at_cards(score, positive, test.columns["card"], test.at)
    per_thousand = 1000.0 / test.count
    return _common(test, judged) | {
        "precision_at_100_cards": at_100,
        "most_at_100_cards": best_at_100,
        "cost_usd_per_1000": per_thousand * of.fraud_cost(score, positive, amount, judged.threshold, costs()),
        "cost_usd_per_1000_without": per_thousand * of.fraud_cost(score, positive, amount, 2.0, costs()),
    }


def _approval(test: Examples, judged: Judged) -> dict[str, float]:
    wrong = _chosen(judged) != test.label
    lost = float(test.numbers("amount_usd")[wrong].sum()) * costs().margin_share
    return _common(test, judged) | {
        "pr_auc_declines": of.pr_auc(judged.probabilities[:, 0], test.label == 0),
        "cost_usd_per_1000": 1000.0 * lost / test.count,
    }


def _risk(test: Examples, judged: Judged) -> dict[str, float]:
    stopped = (_chosen(judged) == 2).astype(np.float64)
    amount, fraud = test.numbers("amount_usd"), test.label == 2
    per_thousand = 1000.0 / test.count
    return _common(test, judged) | {
        "macro_f1": of.macro_f1(judged.probabilities, test.label),
        "cost_usd_per_1000": per_thousand * of.fraud_cost(stopped, fraud, amount, 0.5, costs()),
        "cost_usd_per_1000_without": per_thousand * of.fraud_cost(stopped, fraud, amount, 2.0, costs()),
    }


_JUDGES: Mapping[str, Callable[[Examples, Judged], dict[str, float]]] = {
    "fraud_detection_model": _fraud,
    "approval_propensity_model": _approval,
    "risk_scoring_model": _risk,
    "smart_routing_policy": _common,
    "smart_retry_policy": _common,
}
_CEILINGS: Mapping[str, Callable[[Trained], Figures]] = {
    "fraud_detection_model": fraud_ceiling,
    "approval_propensity_model": approval_ceiling,
    "smart_retry_policy": approval_ceiling,
    "smart_routing_policy": approval_ceiling,
}
_SHOWN: Mapping[str, Callable[[Trained], Evidence]] = {
    "smart_routing_policy": policies.routing,
    "smart_retry_policy": policies.retrying,
}


def _no_ceiling(_: Trained) -> Figures:
    return {}


def _no_policy(_: Trained) -> Evidence:
    return Evidence({})


def _intervals(trained: Trained) -> dict[str, resampling.Interval]:
    test, score = trained.divided.test, trained.probabilities[:, -1]
    right = (_chosen(Judged(trained.probabilities, trained.served.threshold)) == test.label).astype(np.float64)
    losses = of.log_losses(trained.probabilities, test.label)
    f1 = resampling.f1_statistics(score, test.label == trained.probabilities.shape[1] - 1, trained.served.threshold)
    return {
        "accuracy": resampling.interval(resampling.with_ones(right), test.hours),
        "log_loss": resampling.interval(resampling.with_ones(losses), test.hours),
        "f1": resampling.interval(f1, test.hours, resampling.f1),
    }


def _curves(trained: Trained) -> dict[str, list[tuple[float, ...]]]:
    test, score = trained.divided.test, trained.probabilities[:, -1]
    positive = test.label == trained.probabilities.shape[1] - 1
    curves: dict[str, list[tuple[float, ...]]] = {"calibration": list(of.calibration(score, positive))}
    curves["precision_recall"] = [
        (recall, precision)
        for precision, recall in (of.precision_recall(score, positive, at) for at in np.quantile(score, _QUANTILES))
    ]
    if trained.served.name == "fraud_detection_model":
        curves["cost"] = list(of.cost_curve(score, positive, test.numbers("amount_usd"), costs()))
    return curves


_QUANTILES = 1.0 - np.geomspace(1e-4, 1.0, 60)


def _slices(trained: Trained) -> dict[str, dict[str, dict[str, float]]]:
    test = trained.divided.test
    found: dict[str, dict[str, dict[str, float]]] = {}
    for field in trained.served.encoder.definition.slices:
        values = np.array([str(value) for value in test.columns[field]])
        names, counts = np.unique(values, return_counts=True)
        largest = names[np.argsort(-counts)][:_LARGEST_SLICES]
        kept = [name for name in largest if (values == name).sum() >= _SMALLEST_SLICE]
        found[field] = {str(name): _slice(trained, values == name) for name in kept}
    return found


def _slice(trained: Trained, mask: npt.NDArray[np.bool_]) -> dict[str, float]:
    rows = _common(trained.divided.test.where(mask), Judged(trained.probabilities[mask], trained.served.threshold))
    return {name: rows[name] for name in ("rows", "positive_share", "precision", "recall", "f1", "roc_auc", "log_loss")}


def _importance(trained: Trained) -> dict[str, float]:
    """By how much log loss rises when a feature is shuffled among rows of the test period; the largest first."""
    rng = np.random.default_rng(resampling.SEED)
    label = trained.divided.test.label
    chosen = rng.choice(len(label), min(_IMPORTANCE_ROWS, len(label)), replace=False)
    matrix, label = trained.test_matrix[chosen], label[chosen]
    before = of.log_loss(trained.served.scorer.probabilities(matrix), label)
    origins = np.array(trained.served.encoder.origins)
    found = {
        str(feature): of.log_loss(_shuffled(trained, matrix, origins == feature, rng), label) - before
        for feature in dict.fromkeys(origins.tolist())
    }
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def _shuffled(trained: Trained, matrix: Floats, columns: npt.NDArray[np.bool_], rng: np.random.Generator) -> Floats:
    changed = matrix.copy()
    changed[:, columns] = matrix[rng.permutation(len(matrix))][:, columns]
    return trained.served.scorer.probabilities(changed)
