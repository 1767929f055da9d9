"""Brings the sets of artifacts.toml into .cache/artifacts: checked, unpacked, and either whole or absent."""

import fcntl
import hashlib
import platform
import shutil
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from local.downloads import Coordinate, Fetcher, choose_fetcher
from local.errors import LocalError
from local.repository import CACHE

DECLARATIONS = Path(__file__).with_name("artifacts.toml")
SETS = ("kafka", "registry", "postgres", "spark")
DEFAULT_ROOT = CACHE / "artifacts"
STAMP = ".complete"

_SYSTEMS = {"linux": "linux", "darwin": "darwin"}
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64v8", "arm64": "arm64v8"}


def ensure(name: str, *, root: Path = DEFAULT_ROOT, fetcher: Fetcher | None = None) -> Path:
    """The folder of a set, fetched first when it is missing or its declaration has changed.

    Raises LocalError when a file cannot be had or is not the one that was declared.
    """
    checksums = declared(name)
    stamp = _stamp_of(checksums)
    folder = root / name
    with _one_at_a_time(root):
        if not _is_complete(folder, stamp):
            _replace(folder, checksums, stamp, fetcher or choose_fetcher())
    return folder


def declared(name: str, declarations: Path = DECLARATIONS) -> dict[str, str]:
    """The coordinates of a set and the SHA-256 of each file; `postgres` is the one for this machine."""
    sets: dict[str, dict[str, str]] = tomllib.loads(declarations.read_text())
    key = f"postgres-{machine_name()}" if name == "postgres" else name
    if key not in sets:
        raise LocalError(f"no artifact set {key!r}: {', '.join(sorted(sets))} are declared in {declarations.name}")
    return sets[key]


def machine_name(system: str = sys.platform, machine: str | None = None) -> str:
    """The operating system and processor as Postgres' binaries are named after them."""
    machine = machine or platform.machine()
    if system not in _SYSTEMS or machine.lower() not in _MACHINES:
        raise LocalError(f"no Postgres binaries for {system}/{machine}: use `make up` (Docker) here")
    return f"{_SYSTEMS[system]}-{_MACHINES[machine.lower()]}"


def verify(file: Path, expected: str) -> None:
    """Raise LocalError unless the file has the expected SHA-256."""
    if not file.is_file():
        raise LocalError(f"{file.name} was not delivered")
    with file.open("rb") as content:
        actual = hashlib.file_digest(content, "sha256").hexdigest()
    if actual != expected:
        raise LocalError(
            f"{file.name} is not the file that was declared, so it is not used: "
            f"expected SHA-256 {expected}, got {actual}. "
            "Delete it from the local Maven or Ivy cache and run it again; if it stays, do not trust its source."
        )


def _replace(folder: Path, checksums: Mapping[str, str], stamp: str, fetch: Fetcher) -> None:
    coordinates = {Coordinate.parse(text): sha256 for text, sha256 in checksums.items()}
    print(f"fetching {folder.name}: {len(coordinates)} file{'s' if len(coordinates) > 1 else ''}", flush=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        downloads, content = Path(scratch, "downloads"), Path(scratch, "content")
        downloads.mkdir()
        content.mkdir()
        fetch(coordinates, downloads)
        for coordinate, sha256 in coordinates.items():
            verify(downloads / coordinate.file_name, sha256)
            _place(downloads / coordinate.file_name, content)
        (content / STAMP).write_text(stamp)
        shutil.rmtree(folder, ignore_errors=True)
        content.rename(folder)


def _place(file: Path, content: Path) -> None:
    """Archives are unpacked, everything else is moved as it is. Only verified files get here."""
    if file.name.endswith(".tar.gz"):
        with tarfile.open(file) as archive:
            archive.extractall(content)
    elif file.name.startswith("embedded-postgres-binaries-"):
        _unpack_postgres(file, content)
    else:
        file.rename(content / file.name)


def _unpack_postgres(jar: Path, content: Path) -> None:
    with zipfile.ZipFile(jar) as outer:
        inner = next(name for name in outer.namelist() if name.endswith(".txz"))
        with outer.open(inner) as stream, tarfile.open(fileobj=stream, mode="r:xz") as archive:
            archive.extractall(content)


def _stamp_of(checksums: Mapping[str, str]) -> str:
    return hashlib.sha256(repr(sorted(checksums.items())).encode()).hexdigest()


def _is_complete(folder: Path, stamp: str) -> bool:
    file = folder / STAMP
    return file.is_file() and file.read_text() == stamp


@contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
