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


def _explain(  # type: ignore[no-untyped-def]
    row, feature, threshold, left, right, missing_left, value, roots, outputs, baseline, shares, probabilities, added
):
    margins = baseline.copy()
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
        margins[output] += value[node]
    if shares > 0.0:
        added /= shares
        mean(margins, shares, probabilities)
    else:
        logistic(margins, probabilities)


def _mean(margins, shares, probabilities):  # type: ignore[no-untyped-def]
    count = margins.shape[0]
    for place in range(count):
        probabilities[place + (count == 1)] = margins[place] / shares
    if count == 1:
        probabilities[0] = 1.0 - probabilities[1]


def _logistic(margins, probabilities):  # type: ignore[no-untyped-def]
    count = margins.shape[0]
    if count == 1:
        small = math.exp(-abs(margins[0]))
        high = 1.0 / (1.0 + small)
        low = small / (1.0 + small)
        probabilities[0] = low if margins[0] > 0.0 else high
        probabilities[1] = high if margins[0] > 0.0 else low
        return
    highest = margins.max()
    total = 0.0
    for place in range(count):
        probabilities[place] = math.exp(margins[place] - highest)
        total += probabilities[place]
    for place in range(count):
        probabilities[place] /= total


def _link(margins, shares, probabilities):  # type: ignore[no-untyped-def]
    for row in range(margins.shape[0]):
        if shares > 0.0:
            mean(margins[row], shares, probabilities[row])
        else:
            logistic(margins[row], probabilities[row])


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


mean = _compiled(_mean)
"""Probabilities of the classes from the sums of `shares` trees each."""
logistic = _compiled(_logistic)
"""Probabilities of the classes from log-odds: the sigmoid of one margin, the softmax of several."""
link = _compiled(_link)
"""Probabilities from margins, row by row: the mean of `shares` trees, or of log-odds where that is 0."""
walk = _compiled(_walk)
"""Adds to `margins` what each tree answers, for each row of the matrix."""
explain = _compiled(_explain)
"""The probabilities of one row, and adds to `added`, margin by column, what each step of a walk changed."""
strongest = _compiled(_strongest)
"""Adds columns up by feature into `sums`, and fills `places` with those of the largest sums, -1 where none is left."""
