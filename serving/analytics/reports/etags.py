"""Weak entity tags: the same request over the same batches has the same answer."""

import hashlib
import re

from serving.analytics.models import Progress
from serving.analytics.reports.composer import ReportQuery

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def etag(query: ReportQuery, progress: Progress, version: str) -> str:
    """The tag of an answer: what was asked, the newest batch, what the batch layer wrote, and who answers."""
    asked = (
        query.report.name,
        query.start,
        query.end,
        sorted(query.filters.items()),
        query.group_by,
        query.sort,
        query.descending,
        query.limit,
        query.offset,
    )
    state = (progress.last_batch_id, progress.data_through, progress.batch_layer_writes, version)
    return f'W/"{hashlib.sha256(repr((asked, state)).encode()).hexdigest()[:24]}"'


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether a client has this answer already (RFC 9110: weak comparison)."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag.removeprefix("W/") in _TAG.findall(if_none_match)
