"""The OpenAPI document is whole: references resolve, everything is described, examples fit."""

from collections.abc import Iterator
from typing import Any

import pytest

from serving.app import create_app
from serving.settings import ApiSettings

ANALYTICS = ("/api/analytics/kpis", "/api/analytics/trends", "/api/analytics/declines")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(ApiSettings(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")).openapi()


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from references(child)


def test_every_reference_leads_to_a_schema(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert "#/components/schemas/Problem" in found
    assert {name.rsplit("/", 1)[1] for name in found} <= document["components"]["schemas"].keys()


@pytest.mark.parametrize("path", ANALYTICS)
def test_every_parameter_is_described_and_most_have_an_example(document: dict[str, Any], path: str) -> None:
    parameters = document["paths"][path]["get"]["parameters"]
    assert all(parameter["schema"].get("description") or parameter.get("description") for parameter in parameters)
    assert all(parameter["schema"].get("examples") for parameter in parameters if parameter["name"] != "cursor")


@pytest.mark.parametrize("model", ["Kpi", "TrendPoint", "DeclineReason"])
def test_every_figure_says_its_unit(document: dict[str, Any], model: str) -> None:
    properties = document["components"]["schemas"][model]["properties"]
    assert [name for name, one in properties.items() if not one.get("description") and "$ref" not in one] == []


@pytest.mark.parametrize("path", ANALYTICS)
@pytest.mark.parametrize("status", ["422", "503"])
def test_errors_are_documented_as_problems_with_an_example(document: dict[str, Any], path: str, status: str) -> None:
    content = document["paths"][path]["get"]["responses"][status]["content"]
    assert list(content) == ["application/problem+json"]
    assert content["application/problem+json"]["example"]["status"] == int(status)


def test_amounts_are_numbers(document: dict[str, Any]) -> None:
    assert document["components"]["schemas"]["Kpi"]["properties"]["amount_usd"]["type"] == "number"
