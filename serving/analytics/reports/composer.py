"""The SQL of every report: identifiers from the catalogue alone, everything a client says as a bind parameter."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql

from domain.sketch import GAMMA
from serving.analytics.reports.declaration import Kind, Measure, Percentiles, Ratio, Report

FilterValue = str | int | bool


@dataclass(frozen=True)
class ReportQuery:
    """What is wanted of a report; `start` is inclusive, `end` exclusive, both whole hours in UTC."""

    report: Report
    start: datetime
    end: datetime
    filters: Mapping[str, tuple[FilterValue, ...]]
    group_by: tuple[str, ...]
    sort: str
    descending: bool
    limit: int
    offset: int = 0

    @property
    def has_one_currency(self) -> bool:
        """Whether amounts in units of a currency may be added up within a group."""
        return "currency" in self.group_by or len(self.filters.get("currency", ())) == 1


def compose(query: ReportQuery) -> tuple[sql.Composed, dict[str, Any]]:
    """The statement and its bind parameters. Columns: the keys grouped by, every figure, and is_from_batch."""
    report = query.report
    steps = [sql.SQL("summed as ({})").format(_summed(query))]
    source: sql.Composable = sql.SQL("summed")
    figures = [*_shown(report), *map(_ratio, report.ratios)]
    if report.percentiles:
        steps += _percentile_steps(query, report.percentiles)
        source = sql.SQL("summed left join percentiles using ({})").format(_names(query.group_by))
        figures += map(sql.Identifier, report.percentiles.names)
    statement = sql.SQL(
        "with {steps} select {columns} from {source} order by {order} limit %(limit)s offset %(offset)s"
    ).format(
        steps=_comma(steps),
        columns=_comma([_names(query.group_by), *figures, sql.Identifier("is_from_batch")]),
        source=source,
        order=_order(query),
    )
    return statement, _parameters(query)


def _summed(query: ReportQuery) -> sql.Composed:
    sums = [_sum(measure, query) for measure in query.report.measures]
    return sql.SQL(
        "select {keys}, {sums}, bool_and(is_from_batch) as is_from_batch from {view} where {wanted} group by {keys}"
    ).format(
        keys=_names(query.group_by),
        sums=_comma(sums),
        view=sql.Identifier("gold", query.report.view),
        wanted=_wanted(query),
    )


def _sum(measure: Measure, query: ReportQuery) -> sql.Composed:
    if measure.kind is Kind.MONEY and not query.has_one_currency:
        return sql.SQL("null::numeric as {}").format(sql.Identifier(measure.name))
    condition = sql.SQL(" filter (where {})").format(_own(measure.only_where)) if measure.only_where else sql.SQL("")
    total = sql.SQL("sum({}){}").format(sql.Identifier(measure.source), condition)
    if not measure.nullable:
        total = sql.SQL("coalesce({}, 0)").format(total)
    rounded = sql.SQL("round({}, 2)" if measure.kind is Kind.USD else "{}").format(total)
    kind = sql.SQL("bigint" if measure.kind is Kind.COUNT else "numeric")
    return sql.SQL("{}::{} as {}").format(rounded, kind, sql.Identifier(measure.name))


def _own(condition: str) -> sql.SQL:
    """A condition of the catalogue as SQL: it is part of this program, never of a request."""
    return sql.SQL(condition)


def _wanted(query: ReportQuery) -> sql.Composed:
    conditions = [sql.SQL("hour >= %(start)s and hour < %(end)s")]
    for name in query.filters:
        conditions.append(
            sql.SQL("{} = any({})").format(sql.Identifier(name), sql.Placeholder(f"only_{name}"))  # type: ignore[arg-type]
        )
    return sql.SQL(" and ").join(conditions)


def _shown(report: Report) -> list[sql.Composable]:
    return [sql.Identifier(measure.name) for measure in report.measures if measure.shown]


def _ratio(ratio: Ratio) -> sql.Composed:
    whole = sql.SQL("sum({}) over ()" if ratio.of_all_groups else "{}").format(sql.Identifier(ratio.denominator))
    return sql.SQL("round({}::numeric / nullif({}, 0), {}) as {}").format(
        sql.Identifier(ratio.numerator), whole, sql.Literal(ratio.digits), sql.Identifier(ratio.name)
    )


def _percentile_steps(query: ReportQuery, percentiles: Percentiles) -> list[sql.Composed]:
    """Buckets summed by group, counted through from the fastest, and the bucket in which each quantile lies."""
    keys = _names(query.group_by)
    counted = sql.SQL(
        "counted as (select {keys}, bucket, sum(attempts) as attempts from {view}"
        " where {wanted} group by {keys}, bucket)"
    ).format(keys=keys, view=sql.Identifier("gold", percentiles.view), wanted=_wanted(query))
    cumulated = sql.SQL(
        "cumulated as (select *, sum(attempts) over (partition by {keys} order by bucket) as through,"
        " sum(attempts) over (partition by {keys}) as total from counted)"
    ).format(keys=keys)
    chosen = [_quantile(name, share) for name, share in percentiles.quantiles]
    found = sql.SQL("percentiles as (select {keys}, {chosen} from cumulated group by {keys})").format(
        keys=keys, chosen=_comma(chosen)
    )
    return [counted, cumulated, found]


def _quantile(name: str, share: float) -> sql.Composed:
    """The middle of the bucket in which a quantile lies, as `domain.sketch.middle_of`."""
    return sql.SQL(
        "round((2 * power({gamma}::double precision, min(bucket) filter (where through > {share} * (total - 1)))"
        " / ({gamma} + 1))::numeric, 3) as {name}"
    ).format(gamma=sql.Literal(GAMMA), share=sql.Literal(share), name=sql.Identifier(name))


def _order(query: ReportQuery) -> sql.Composed:
    """The sort asked for, then the keys, so that the order is one and the same for every page."""
    direction = sql.SQL("desc nulls last" if query.descending else "asc nulls last")
    first = sql.SQL("{} {}").format(sql.Identifier(query.sort), direction)
    return _comma([first, *(sql.Identifier(key) for key in query.group_by if key != query.sort)])


def _parameters(query: ReportQuery) -> dict[str, Any]:
    values = {f"only_{name}": list(wanted) for name, wanted in query.filters.items()}
    return {**values, "start": query.start, "end": query.end, "limit": query.limit, "offset": query.offset}


def _names(names: Iterable[str]) -> sql.Composed:
    return _comma(map(sql.Identifier, names))


def _comma(parts: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)
