"""The Dockerfiles: locked requirements before sources, nothing from the checkout that does not belong."""

import re
from pathlib import Path

import pytest

from local.ports import Ports

ROOT = Path(__file__).parents[3]
COMPONENTS = {
    "producer": "producer",
    "spark_jobs": "stream",
    "postgres": "migrations",
    "dbt": "dbt",
    "serving": "serving",
    "ml": "ml",
}
"""Each folder with a Dockerfile, and the requirements of its image."""

FIRST_PARTY = {"contracts", "domain", "local", "ml", "postgres", "producer", "serving", "spark_jobs"}


def dockerfile(component: str) -> str:
    return (ROOT / component / "Dockerfile").read_text()


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_base_is_a_variable_with_a_pinned_default(component: str) -> None:
    text = dockerfile(component)
    assert re.search(r"(?m)^ARG PYTHON_IMAGE=python:3\.11-slim-bookworm$", text)
    assert set(re.findall(r"(?m)^FROM (\S+)", text)) <= {"${PYTHON_IMAGE}", "spark"}
    assert "syntax=" not in text


@pytest.mark.parametrize(("component", "group"), COMPONENTS.items())
def test_locked_requirements_are_installed_before_the_sources_are_copied(component: str, group: str) -> None:
    text = dockerfile(component)
    assert f"source=requirements/{group}.txt" in text
    assert (ROOT / "requirements" / f"{group}.txt").is_file()
    assert 0 < text.index("--require-hashes") < text.index("\nCOPY ")


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_last_word_on_the_user_is_not_root(component: str) -> None:
    assert re.findall(r"(?m)^USER (\S+)", dockerfile(component)) == ["app"]


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_folder_that_the_sources_import_is_copied(component: str) -> None:
    folders = set(re.findall(r"(?m)^COPY ([\w/]+) \1$", dockerfile(component)))
    copied = {folder.partition("/")[0] for folder in folders}
    assert component in copied
    for folder in folders - {"dbt", "local"}:
        assert _imported_by(folder) <= copied, f"{folder} imports what {component}/Dockerfile does not copy"


def test_the_context_of_a_build_is_what_is_listed() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == FIRST_PARTY | {"dbt", "requirements"}


def test_ports_inside_the_images_are_the_known_ones() -> None:
    assert f"EXPOSE {Ports().api}" in dockerfile("serving")
    assert f"EXPOSE {Ports().stream_metrics}" in dockerfile("spark_jobs")
    assert re.search(rf"EXPOSE 5000 {Ports().watching_metrics}", dockerfile("ml"))


def _imported_by(folder: str) -> set[str]:
    imports = re.compile(r"(?m)^(?:from|import) (\w+)")
    sources = (ROOT / folder).rglob("*.py")
    return {name for source in sources for name in imports.findall(source.read_text())} & FIRST_PARTY
