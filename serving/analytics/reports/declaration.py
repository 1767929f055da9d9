"""What a report is: a view of hours, the dimensions it can be cut by, and the figures that can be added up."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

HOUR = "hour"
"""The dimension that every report has: start of a UTC hour."""


class Kind(Enum):
    """What a figure is, which decides how it is summed, rounded and described."""

    COUNT = "count"
    USD = "US dollars rounded to cents"
    MONEY = "units of `currency`; null when currencies are added up"
    NUMBER = "number"


@dataclass(frozen=True)
class Dimension:
    """A column that rows can be filtered and grouped by. `type` is str, int or bool."""

    name: str
    description: str
    example: str | int | bool
    type: type = str


@dataclass(frozen=True)
class Measure:
    """A figure that may be added over hours and dimensions."""

    name: str
    description: str
    kind: Kind = Kind.COUNT
    column: str = ""
    """Column of the view; that of the same name by default."""
    only_where: str = ""
    """A condition on columns of the view, written here and nowhere else."""
    shown: bool = True
    nullable: bool = False
    """Whether the view may not know it for any hour of a group."""

    @property
    def source(self) -> str:
        return self.column or self.name


@dataclass(frozen=True)
class Ratio:
    """One sum divided by another, never an average of averages."""

    name: str
    description: str
    numerator: str
    denominator: str
    digits: int = 6
    unit: str = "ratio 0..1"
    of_all_groups: bool = False
    """Divide by the sum over all groups of the reply instead of the group's own."""


@dataclass(frozen=True)
class Percentiles:
    """Quantiles from a view of bucket counts, which add up where quantiles do not."""

    view: str
    quantiles: tuple[tuple[str, float], ...]
    """Name of each figure and its quantile, 0..1."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.quantiles)


@dataclass(frozen=True)
class Report:
    """An endpoint: `GET /api/analytics/<name>`."""

    name: str
    view: str
    summary: str
    dimensions: tuple[Dimension, ...]
    measures: tuple[Measure, ...]
    ratios: tuple[Ratio, ...]
    main_dimension: str
    main_measure: str
    percentiles: Percentiles | None = None

    @property
    def dimension_names(self) -> tuple[str, ...]:
        return tuple(dimension.name for dimension in self.dimensions)

    @property
    def keys(self) -> tuple[str, ...]:
        """What rows may be grouped by."""
        return (HOUR, *self.dimension_names)

    @property
    def figures(self) -> tuple[str, ...]:
        """Every figure of a row."""
        return tuple(self._figures())

    def _figures(self) -> Iterator[str]:
        yield from (measure.name for measure in self.measures if measure.shown)
        yield from (ratio.name for ratio in self.ratios)
        if self.percentiles:
            yield from self.percentiles.names
