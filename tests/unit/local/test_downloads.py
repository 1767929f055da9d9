"""Both fetchers are told exact files and nothing else."""

import xml.etree.ElementTree as ElementTree

import pytest

from local.downloads import Coordinate, choose_fetcher, render_ivy, render_pom
from local.errors import LocalError

ARCHIVE = Coordinate.parse("io.example:app:2.0:tar.gz:all")
JAR = Coordinate.parse("org.example:one:1.0")


def test_a_coordinate_says_which_file_it_is() -> None:
    assert JAR.file_name == "one-1.0.jar"
    assert ARCHIVE.file_name == "app-2.0-all.tar.gz"


@pytest.mark.parametrize("text", ["org.example:one", "a:b:c:d:e:f", ""])
def test_what_is_no_coordinate_is_refused(text: str) -> None:
    with pytest.raises(LocalError, match="group:artifact:version"):
        Coordinate.parse(text)


def test_the_pom_excludes_everything_transitive() -> None:
    pom = ElementTree.fromstring(render_pom([JAR, ARCHIVE]))
    dependencies = pom.findall(".//{*}dependency")
    assert [dependency.findtext("{*}exclusions/{*}exclusion/{*}artifactId") for dependency in dependencies] == [
        "*",
        "*",
    ]
    assert [dependency.findtext("{*}classifier") for dependency in dependencies] == [None, "all"]


def test_the_ivy_file_switches_transitive_resolution_off() -> None:
    ivy = ElementTree.fromstring(render_ivy([JAR, ARCHIVE]))
    dependencies = ivy.findall("dependencies/dependency")
    assert [dependency.get("transitive") for dependency in dependencies] == ["false", "false"]
    artifact = dependencies[1].find("artifact")
    assert artifact is not None
    assert artifact.get("{http://ant.apache.org/ivy/extra}classifier") == "all"


def test_neither_names_a_registry() -> None:
    assert "repository" not in render_pom([JAR])
    assert "resolver" not in render_ivy([JAR])


def test_an_unknown_fetcher_is_refused() -> None:
    with pytest.raises(LocalError, match="auto, maven or ivy"):
        choose_fetcher("gradle")
