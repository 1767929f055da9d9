"""Who asks: the holder of a key with its scopes and merchants, or anybody."""

from dataclasses import dataclass, replace
from enum import StrEnum

from serving.access.errors import Forbidden, Unauthorised
from serving.analytics.reports.composer import ReportQuery


class Scope(StrEnum):
    """What a key may be good for."""

    ANALYTICS_READ = "analytics:read"
    AUDIT_READ = "audit:read"
    DECISIONS_WRITE = "decisions:write"


@dataclass(frozen=True)
class Caller:
    """The holder of a key, or, without one, anybody."""

    key_id: int | None
    scopes: frozenset[str]
    merchant_ids: frozenset[str] | None = None
    """The merchants that the caller is limited to; None for the whole business."""

    def require(self, scope: Scope, *, of_the_whole_business: bool = True) -> None:
        """Return when the caller may do this.

        Raises:
            Unauthorised: when nobody may without a key.
            Forbidden: when this key may not.
        """
        if scope not in self.scopes:
            if self.key_id is None:
                raise Unauthorised(f"This needs a key with the scope {scope}.")
            raise Forbidden(f"The key lacks the scope {scope}.")
        if of_the_whole_business and self.merchant_ids is not None:
            raise Forbidden("The key is limited to its merchants: it may ask /api/analytics/merchants alone.")

    def narrowed(self, query: ReportQuery) -> ReportQuery:
        """The query with nothing in it but the caller's merchants.

        Raises:
            Forbidden: when the query names another one.
        """
        if self.merchant_ids is None:
            return query
        named = {str(value) for value in query.filters.get("merchant_id", ())}
        if named - self.merchant_ids:
            raise Forbidden("The key is not for every merchant that merchant_id names.")
        wanted = tuple(sorted(named or self.merchant_ids))
        return replace(query, filters={**query.filters, "merchant_id": wanted})


ANYBODY = Caller(None, frozenset({Scope.ANALYTICS_READ, Scope.DECISIONS_WRITE}))
"""Without a key, where none is required: the page, its figures, and decisions."""
NOBODY = Caller(None, frozenset())
"""Without a key, where one is required."""
