"""A set of artifacts is whole and verified, or it is not there."""

import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from local import artifacts
from local.downloads import Coordinate
from local.errors import LocalError

JAR = Coordinate("org.example", "one", "1.0")


class FakeSource:
    """Delivers files from memory and counts how often it was asked."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked = 0

    def __call__(self, coordinates: Iterable[Coordinate], folder: Path) -> None:
        self.asked += 1
        for coordinate in coordinates:
            if coordinate.file_name in self.files:
                (folder / coordinate.file_name).write_bytes(self.files[coordinate.file_name])


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A declaration file in place of the real one."""
    file = tmp_path / "artifacts.toml"
    monkeypatch.setattr(artifacts.declared, "__defaults__", (file,))
    return file


def write(file: Path, coordinate: str, content: bytes) -> None:
    file.write_text(f'[kafka]\n"{coordinate}" = "{hashlib.sha256(content).hexdigest()}"\n')


def test_a_set_is_fetched_once(declare: Path, tmp_path: Path) -> None:
    write(declare, "org.example:one:1.0", b"jar")
    source = FakeSource({"one-1.0.jar": b"jar"})
    for _ in range(2):
        folder = artifacts.ensure("kafka", root=tmp_path / "cache", fetcher=source)
    assert (folder / "one-1.0.jar").read_bytes() == b"jar"
    assert source.asked == 1


def test_a_changed_declaration_replaces_the_whole_set(declare: Path, tmp_path: Path) -> None:
    write(declare, "org.example:one:1.0", b"old")
    artifacts.ensure("kafka", root=tmp_path / "cache", fetcher=FakeSource({"one-1.0.jar": b"old"}))
    write(declare, "org.example:one:1.1", b"new")
    folder = artifacts.ensure("kafka", root=tmp_path / "cache", fetcher=FakeSource({"one-1.1.jar": b"new"}))
    assert [jar.name for jar in folder.glob("*.jar")] == ["one-1.1.jar"]


def test_a_file_with_another_checksum_is_refused_and_leaves_nothing(declare: Path, tmp_path: Path) -> None:
    write(declare, "org.example:one:1.0", b"jar")
    with pytest.raises(LocalError, match=r"one-1\.0\.jar is not the file that was declared"):
        artifacts.ensure("kafka", root=tmp_path / "cache", fetcher=FakeSource({"one-1.0.jar": b"tampered"}))
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_file_that_was_not_delivered_is_named(declare: Path, tmp_path: Path) -> None:
    write(declare, "org.example:one:1.0", b"jar")
    with pytest.raises(LocalError, match=r"one-1\.0\.jar was not delivered"):
        artifacts.ensure("kafka", root=tmp_path / "cache", fetcher=FakeSource({}))


def test_an_interrupted_fetch_is_done_again(declare: Path, tmp_path: Path) -> None:
    write(declare, "org.example:one:1.0", b"jar")
    (tmp_path / "cache" / "kafka").mkdir(parents=True)
    (tmp_path / "cache" / "kafka" / "half.jar").write_bytes(b"")
    folder = artifacts.ensure("kafka", root=tmp_path / "cache", fetcher=FakeSource({"one-1.0.jar": b"jar"}))
    assert [jar.name for jar in folder.glob("*.jar")] == ["one-1.0.jar"]


def test_an_archive_is_unpacked(declare: Path, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("lib/app.jar")
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"app"))
    write(declare, "org.example:app:1.0:tar.gz:all", packed.getvalue())
    source = FakeSource({"app-1.0-all.tar.gz": packed.getvalue()})
    folder = artifacts.ensure("kafka", root=tmp_path / "cache", fetcher=source)
    assert (folder / "lib" / "app.jar").read_bytes() == b"app"


@pytest.mark.parametrize("machine", ["linux-amd64", "linux-arm64v8", "darwin-amd64", "darwin-arm64v8"])
def test_postgres_is_declared_for_every_machine(machine: str) -> None:
    assert len(artifacts.declared(f"postgres-{machine}", artifacts.DECLARATIONS)) == 1


def test_a_machine_without_binaries_is_pointed_to_the_other_door() -> None:
    assert artifacts.machine_name("darwin", "arm64") == "darwin-arm64v8"
    with pytest.raises(LocalError, match="make up"):
        artifacts.machine_name("linux", "riscv64")


@pytest.mark.parametrize("unwanted", ["scala", "jackson", "slf4j", "parquet"])
def test_spark_is_not_given_what_pyspark_brings(unwanted: str) -> None:
    names = [Coordinate.parse(text).artifact for text in artifacts.declared("spark", artifacts.DECLARATIONS)]
    assert not [name for name in names if unwanted in name]
