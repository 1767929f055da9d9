"""Fitted models of scikit-learn as the arrays that are served."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ml.errors import MlError
from ml.form import Linear
from ml.trees import LEAF, Floats, Trees

Nodes = dict[str, np.ndarray[Any, Any]]


def linear(scaler: Any, regression: Any) -> Linear:
    """A logistic regression behind a scaler, as one set of weights."""
    weights = np.asarray(regression.coef_ / scaler.scale_).T
    intercepts = np.asarray(regression.intercept_ - (regression.coef_ / scaler.scale_) @ scaler.mean_)
    return Linear(weights, intercepts, np.asarray(scaler.mean_))


def forest(fitted: Any) -> Trees:
    """A random forest; with more than two classes each tree is there once per class."""
    classes = len(fitted.classes_)
    outputs = [1] if classes == 2 else list(range(classes))
    trees = [
        (place, _forest_nodes(tree.tree_, output))
        for tree in fitted.estimators_
        for place, output in enumerate(outputs)
    ]
    return _joined(trees, np.zeros(len(outputs)), "mean", "float32")


def boosting(fitted: Any) -> Trees:
    """Gradient boosting by histograms, without native categories."""
    trees = [
        (output, _boosting_nodes(predictor.nodes))
        for step in fitted._predictors
        for output, predictor in enumerate(step)
    ]
    return _joined(trees, np.ravel(fitted._baseline_prediction).astype(np.float64), "logistic", "float64")


def _forest_nodes(tree: Any, output: int) -> Nodes:
    is_leaf = tree.children_left < 0
    return {
        "feature": np.where(is_leaf, LEAF, tree.feature),
        "threshold": np.where(is_leaf, 0.0, tree.threshold),
        "left": np.where(is_leaf, 0, tree.children_left),
        "right": np.where(is_leaf, 0, tree.children_right),
        "missing_left": np.asarray(tree.missing_go_to_left, dtype=bool),
        "value": tree.value[:, 0, output] / tree.value[:, 0, :].sum(axis=1),
    }


def _boosting_nodes(nodes: Any) -> Nodes:
    if nodes["is_categorical"].any():
        raise MlError("Gradient boosting with native categories cannot be served: encode them as columns.")
    is_leaf = nodes["is_leaf"].astype(bool)
    return {
        "feature": np.where(is_leaf, LEAF, nodes["feature_idx"]),
        "threshold": np.where(is_leaf, 0.0, nodes["num_threshold"]),
        "left": np.where(is_leaf, 0, nodes["left"]),
        "right": np.where(is_leaf, 0, nodes["right"]),
        "missing_left": nodes["missing_go_to_left"].astype(bool),
        "value": _means_of_leaves(nodes, is_leaf),
    }


def _means_of_leaves(nodes: Any, is_leaf: np.ndarray[Any, Any]) -> Floats:
    """Value of each node as the mean of the leaves below, by training rows: inner nodes keep their own unshrunk one."""
    value, count = nodes["value"].astype(np.float64), nodes["count"].astype(np.float64)
    for node in np.flatnonzero(~is_leaf)[::-1]:
        left, right = nodes["left"][node], nodes["right"][node]
        value[node] = (value[left] * count[left] + value[right] * count[right]) / (count[left] + count[right])
    return np.asarray(value)


def _joined(trees: Sequence[tuple[int, Nodes]], baseline: Floats, link: Any, dtype: str) -> Trees:
    sizes = [len(nodes["feature"]) for _, nodes in trees]
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    moved = [
        {**nodes, "left": nodes["left"] + root, "right": nodes["right"] + root}
        for root, (_, nodes) in zip(roots, trees, strict=True)
    ]
    return Trees(
        feature=_column(moved, "feature").astype(np.int32),
        threshold=_column(moved, "threshold").astype(np.float64),
        left=_column(moved, "left").astype(np.int32),
        right=_column(moved, "right").astype(np.int32),
        missing_left=_column(moved, "missing_left").astype(bool),
        value=_column(moved, "value").astype(np.float64),
        roots=roots,
        outputs=np.array([output for output, _ in trees], dtype=np.int32),
        baseline=baseline,
        link=link,
        dtype=dtype,
    )


def _column(nodes: Iterable[Nodes], name: str) -> np.ndarray[Any, Any]:
    return np.concatenate([one[name] for one in nodes])
