"""Two ways to bring exact artifacts onto the machine: Maven where it is installed, else the Ivy inside pyspark.

Neither resolves anything transitively and neither is told a registry: each uses its own configuration, so a mirror
set up for Maven (settings.xml) or for Ivy (a file named by IVY_SETTINGS) is honoured.
"""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from local.environments import find_java
from local.errors import LocalError

MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"


@dataclass(frozen=True)
class Coordinate:
    """One published file: group:artifact:version[:type[:classifier]]."""

    group: str
    artifact: str
    version: str
    type: str = "jar"
    classifier: str = ""

    @classmethod
    def parse(cls, text: str) -> "Coordinate":
        """Raises LocalError when the text has fewer than three or more than five parts."""
        parts = text.split(":")
        if not 3 <= len(parts) <= 5:
            raise LocalError(f"{text!r} is not group:artifact:version[:type[:classifier]]")
        return cls(*parts)

    @property
    def file_name(self) -> str:
        """The name under which both fetchers leave the file."""
        suffix = f"-{self.classifier}" if self.classifier else ""
        return f"{self.artifact}-{self.version}{suffix}.{self.type}"


Fetcher = Callable[[Iterable[Coordinate], Path], None]
"""Leaves the files of some coordinates in a folder, or raises LocalError."""


def choose_fetcher(name: str = "auto") -> Fetcher:
    """The fetcher called `maven` or `ivy`; `auto` takes Maven when it is installed."""
    if name == "auto":
        name = "maven" if shutil.which("mvn") else "ivy"
    fetchers: dict[str, Fetcher] = {"maven": fetch_with_maven, "ivy": fetch_with_ivy}
    if name not in fetchers:
        raise LocalError(f"unknown fetcher {name!r}: choose auto, maven or ivy")
    return fetchers[name]


def fetch_with_maven(coordinates: Iterable[Coordinate], folder: Path) -> None:
    """Copy the files through a generated pom that excludes everything transitive."""
    pom = folder / "pom.xml"
    pom.write_text(render_pom(coordinates))
    command = ["mvn", "-B", "-q", "-f", str(pom), f"{MAVEN_PLUGIN}:copy-dependencies", f"-DoutputDirectory={folder}"]
    _run(command, "Maven")
    pom.unlink()


def fetch_with_ivy(coordinates: Iterable[Coordinate], folder: Path) -> None:
    """Copy the files through a generated ivy.xml with transitive resolution off."""
    descriptor = folder / "ivy.xml"
    descriptor.write_text(render_ivy(coordinates))
    settings = os.environ.get("IVY_SETTINGS")
    command = [str(find_java()), "-jar", str(_bundled_ivy()), *(["-settings", settings] if settings else [])]
    command += ["-ivy", str(descriptor), "-cache", str(folder / "cache"), "-confs", "default", "-warn"]
    _run([*command, "-retrieve", f"{folder}/[artifact]-[revision](-[classifier]).[ext]"], "Ivy")
    shutil.rmtree(folder / "cache")
    descriptor.unlink()


def render_pom(coordinates: Iterable[Coordinate]) -> str:
    """A pom naming exactly these files."""
    nothing_else = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"
    dependencies = "".join(
        f"<dependency><groupId>{c.group}</groupId><artifactId>{c.artifact}</artifactId><version>{c.version}</version>"
        f"<type>{c.type}</type>{f'<classifier>{c.classifier}</classifier>' if c.classifier else ''}"
        f"{nothing_else}</dependency>"
        for c in coordinates
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>local</groupId><artifactId>artifacts</artifactId><version>1</version>"
        f"<dependencies>{dependencies}</dependencies></project>"
    )


def render_ivy(coordinates: Iterable[Coordinate]) -> str:
    """An ivy.xml naming exactly these files."""
    dependencies = "".join(
        f"<dependency org={quoteattr(c.group)} name={quoteattr(c.artifact)} rev={quoteattr(c.version)} "
        f'transitive="false" conf="default->default"><artifact name={quoteattr(c.artifact)} type={quoteattr(c.type)} '
        f"ext={quoteattr(c.type)}{f' m:classifier={quoteattr(c.classifier)}' if c.classifier else ''}/></dependency>"
        for c in coordinates
    )
    return (
        '<ivy-module version="2.0" xmlns:m="http://ant.apache.org/ivy/extra">'
        '<info organisation="local" module="artifacts"/><configurations><conf name="default"/></configurations>'
        f"<dependencies>{dependencies}</dependencies></ivy-module>"
    )


def _bundled_ivy() -> Path:
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise LocalError("pyspark is not installed here: run `make install`, or install Maven")
    found = sorted((Path(spec.origin).parent / "jars").glob("ivy-*.jar"))
    if not found:
        raise LocalError("this pyspark brings no Ivy: install Maven (Debian: apt-get install maven)")
    return found[-1]


def _run(command: list[str], name: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise LocalError(f"{name} could not fetch everything; check the network and run it again. It said:\n{tail}")
