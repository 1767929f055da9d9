"""The innermost loops of serving, compiled: trees walked, log-odds made probabilities. None of them checks bounds.

Types are those of `ml.trees`; what Python calls is at the end.
"""

import math
from typing import Any

from numba import njit


def _walk(matrix, feature, threshold, left, right, missing_left, value, roots, outputs, margins):  # type: ignore[no-untyped-def]
    for row in range(matrix.shape[0]):
        for tree in range(roots.shape[0]):
            node = roots[tree]
            while feature[node] >= 0:
                x = matrix[row, feature[node]]
                is_left = x <= threshold[node] or (x != x and missing_left[node])
                node = left[node] if is_left else right[node]
            margins[row, outputs[tree]] += value[node]


def _explain(row, feature, threshold, left, right, missing_left, value, roots, outputs, margins, added):  # type: ignore[no-untyped-def]
    for tree in range(roots.shape[0]):
        output = outputs[tree]
        node = roots[tree]
        while feature[node] >= 0:
            column = feature[node]
            x = row[column]
            is_left = x <= threshold[node] or (x != x and missing_left[node])
            child = left[node] if is_left else right[node]
            added[output, column] += value[child] - value[node]
            node = child
        margins[0, output] += value[node]


def _logistic(margins, probabilities):  # type: ignore[no-untyped-def]
    rows, count = margins.shape
    for row in range(rows):
        if count == 1:
            small = math.exp(-abs(margins[row, 0]))
            high = 1.0 / (1.0 + small)
            low = small / (1.0 + small)
            probabilities[row, 0] = low if margins[row, 0] > 0.0 else high
            probabilities[row, 1] = high if margins[row, 0] > 0.0 else low
            continue
        highest = margins[row].max()
        total = 0.0
        for place in range(count):
            probabilities[row, place] = math.exp(margins[row, place] - highest)
            total += probabilities[row, place]
        for place in range(count):
            probabilities[row, place] /= total


def _strongest(added, feature_of, sums, places):  # type: ignore[no-untyped-def]
    for column in range(added.shape[0]):
        sums[feature_of[column]] += added[column]
    for rank in range(places.shape[0]):
        best = -1
        for place in range(sums.shape[0]):
            is_taken = False
            for before in range(rank):
                is_taken = is_taken or places[before] == place
            if not is_taken and sums[place] != 0.0 and (best < 0 or abs(sums[place]) > abs(sums[best])):
                best = place
        places[rank] = best


def _compiled(function: Any) -> Any:
    """Machine code, kept beside this module or in NUMBA_CACHE_DIR; made at each start where neither can be written."""
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:
        return njit(nogil=True)(function)


walk = _compiled(_walk)
"""Adds to `margins` what each tree answers, for each row of the matrix."""
explain = _compiled(_explain)
"""The same for one row, and adds to `added`, margin by column, what each step of a walk changed."""
strongest = _compiled(_strongest)
"""Adds columns up by feature into `sums`, and fills `places` with those of the largest sums, -1 where none is left."""
logistic = _compiled(_logistic)
"""Probabilities of the classes from log-odds: the sigmoid of one margin, the softmax of several."""
