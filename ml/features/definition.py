"""How a request becomes a row of numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from ml.features import derived
from ml.features.fields import Field

MISSING = "__missing__"
"""What a null category becomes; training knows it. A category that training never saw is all zeros."""


@dataclass(frozen=True)
class Number:
    """A feature that is a number. Where the function gives None the number is 0 and the flag beside it is 1."""

    name: str
    inputs: tuple[str, ...]
    function: Callable[..., float | None]
    may_be_missing: bool = True


@dataclass(frozen=True)
class Category:
    """A feature that is one of several names: one column each, in which 1 marks the name that it is."""

    name: str
    inputs: tuple[str, ...]
    function: Callable[..., str | None]


@dataclass(frozen=True)
class Rate:
    """A feature with too many names for a column each: the share of positives that training saw with its name.

    It is drawn towards the overall share where a name is rare, and is the overall share where it is unknown.
    """

    name: str
    inputs: tuple[str, ...]
    function: Callable[..., str | None]


Feature = Number | Category | Rate


def evaluation(feature: Feature) -> Callable[[Mapping[str, Any]], Any]:
    """What takes a feature's value from a clean request, with as few calls as can be: it is part of every answer."""
    function = feature.function
    match feature.inputs:
        case (name,) if function in (derived.same, derived.text):
            return itemgetter(name)
        case (name,):
            return lambda cleaned: function(cleaned[name])
        case (first, second):
            return lambda cleaned: function(cleaned[first], cleaned[second])
    inputs = itemgetter(*feature.inputs)
    return lambda cleaned: function(*inputs(cleaned))


@dataclass(frozen=True)
class Definition:
    """The request of one model and its features. `slices`: fields by whose values evaluation is told apart."""

    model: str
    fields: tuple[Field, ...]
    numbers: tuple[Number, ...]
    categories: tuple[Category, ...] = ()
    rates: tuple[Rate, ...] = ()
    slices: tuple[str, ...] = ()

    def field(self, name: str) -> Field:
        """The field of this name. Raises KeyError."""
        return {one.name: one for one in self.fields}[name]

    def cleaned(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The request as features see it."""
        return {one.name: one.clean(request.get(one.name)) for one in self.fields}
