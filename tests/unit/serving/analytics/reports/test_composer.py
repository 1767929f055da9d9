"""The SQL of the reports: what it reads, and that nothing of a request is part of its text."""

from datetime import UTC, datetime

import pytest

from serving.analytics.reports.catalogue import DECLINES, FINANCIAL, REPORTS, SOLUTIONS, SYSTEM
from serving.analytics.reports.composer import ReportQuery, compose
from serving.analytics.reports.declaration import Report

START = datetime(2026, 3, 1, tzinfo=UTC)
END = datetime(2026, 3, 2, tzinfo=UTC)


def ask(report: Report, **changes: object) -> ReportQuery:
    asked: dict[str, object] = {
        "report": report,
        "start": START,
        "end": END,
        "filters": {},
        "group_by": (report.main_dimension,),
        "sort": report.main_measure,
        "descending": True,
        "limit": 11,
    }
    return ReportQuery(**{**asked, **changes})  # type: ignore[arg-type]


def text(query: ReportQuery) -> str:
    return compose(query)[0].as_string(None)


@pytest.mark.parametrize("report", [*REPORTS, DECLINES], ids=lambda report: report.name)
def test_a_report_reads_its_view_within_the_range(report: Report) -> None:
    statement, parameters = compose(ask(report))
    assert f'from "gold"."{report.view}" where hour >= %(start)s and hour < %(end)s' in statement.as_string(None)
    assert parameters == {"start": START, "end": END, "limit": 11, "offset": 0}


@pytest.mark.parametrize("report", [*REPORTS, DECLINES], ids=lambda report: report.name)
def test_every_ratio_divides_figures_that_are_summed(report: Report) -> None:
    summed = {measure.name for measure in report.measures}
    assert all({ratio.numerator, ratio.denominator} <= summed for ratio in report.ratios)
    assert {report.main_dimension} <= set(report.dimension_names)
    assert report.main_measure in report.figures
    assert len(set(report.keys) | set(report.figures)) == len(report.keys) + len(report.figures)


def test_the_values_of_a_filter_are_bind_parameters() -> None:
    evil = "x'; drop table gold.v; --"
    statement, parameters = compose(ask(SOLUTIONS, filters={"processor": (evil, "ProcessorA")}))
    assert 'and "processor" = any(%(only_processor)s)' in statement.as_string(None)
    assert "drop" not in statement.as_string(None)
    assert parameters["only_processor"] == [evil, "ProcessorA"]


def test_a_name_that_is_no_column_cannot_leave_its_quotes() -> None:
    assert '"attempts"" ; --" desc' in text(ask(SOLUTIONS, sort='attempts" ; --'))


def test_the_order_is_the_same_for_every_page() -> None:
    statement = text(ask(SOLUTIONS, group_by=("hour", "processor"), sort="approval_rate", descending=False))
    assert statement.endswith(
        'order by "approval_rate" asc nulls last, "hour", "processor" limit %(limit)s offset %(offset)s'
    )


def test_amounts_of_several_currencies_are_not_added_up() -> None:
    assert 'null::numeric as "amount"' in text(ask(FINANCIAL, group_by=("merchant_segment",)))
    assert 'null::numeric as "amount"' in text(
        ask(FINANCIAL, group_by=("merchant_segment",), filters={"currency": ("EUR", "USD")})
    )
    assert "null::numeric" not in text(ask(FINANCIAL, group_by=("merchant_segment",), filters={"currency": ("EUR",)}))
    assert "null::numeric" not in text(ask(FINANCIAL, group_by=("currency",)))


def test_percentiles_come_from_the_buckets_under_the_same_conditions() -> None:
    statement = text(ask(SYSTEM, filters={"processor": ("ProcessorA",)}))
    assert statement.count('hour >= %(start)s and hour < %(end)s and "processor" = any(%(only_processor)s)') == 2
    assert '"gold"."v_latency_distribution_hourly"' in statement
