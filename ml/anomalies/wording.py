"""Says in one sentence what is unusual, for a person who is woken by it."""

from collections.abc import Mapping

from ml.anomalies.incident import place
from ml.anomalies.readings import APPROVAL, LATENCY, VOLUME
from ml.anomalies.series import ALL, Key


def sentence(
    metric: str,
    key: Key,
    minutes: int,
    observed: float,
    expected: float,
    size: int,
    extra_declines: Mapping[str, float],
    rest: tuple[float, float] | None,
) -> str:
    """The reason. `extra_declines`: how many more than expected, by reason; `rest`: all other payments' figures."""
    span = "minute" if minutes == 1 else f"{minutes} minutes"
    if metric == APPROVAL:
        told = f"approval {observed:.1%} against an expected {expected:.1%} in the last {span}, {size:,} attempts"
        return f"{place(key)}: {told}{_others(key, rest, '{:.1%}')}; {_cause(extra_declines)}."
    if metric == LATENCY:
        told = f"typical latency {observed:,.0f} ms against an expected {expected:,.0f} ms in the last {span}"
        return f"{place(key)}: {told}, {size:,} attempts{_others(key, rest, '{:,.0f} ms')}."
    if metric == VOLUME:
        if observed == 0:
            return (
                f"{place(key)}: no attempts were seen in the last {span} against an expected {expected:,.0f} a minute."
            )
        told = f"{observed:,.0f} attempts a minute against an expected {expected:,.0f} in the last {span}"
        return f"{place(key)}: {told}{_others(key, rest, '{:,.0f}')}."
    told = f"{observed:.0%} of declines have another reason than usual in the last {span}, {size:,} declines"
    return f"{place(key)}: {told}; {_cause(extra_declines)}."


def _others(key: Key, rest: tuple[float, float] | None, form: str) -> str:
    if key == ALL or rest is None:
        return ""
    observed, expected = (form.format(value) for value in rest)
    return f"; all others together {observed} against {expected}"


def _cause(extra: Mapping[str, float]) -> str:
    more = {reason: number for reason, number in extra.items() if number > 0}
    total = sum(more.values())
    if not more:
        return "no decline reason has become more frequent"
    reason, number = max(more.items(), key=lambda item: item[1])
    if number >= 0.5 * total:
        return f"most of the extra declines are {reason}"
    leading = sorted(more, key=lambda name: -more[name])[:3]
    return f"the extra declines are mostly {', '.join(leading)}"
