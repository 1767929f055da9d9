"""Makes the Python environments from the locked requirements. Standard library only: it runs before anything is there.

`python3 -m local.environments dev dbt` makes what is missing or out of date and is silent about what is not.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from pathlib import Path

from local.errors import LocalError
from local.repository import CACHE, ROOT

OLDEST_PYTHON = (3, 11)
NEWEST_PYTHON = (3, 12)
OLDEST_JAVA = 17

INSTALL_PYTHON = """  Debian, Ubuntu: apt-get install python3 python3-venv
  Fedora:         dnf install python3.12
  macOS:          brew install python@3.12"""
INSTALL_JAVA = """  Debian, Ubuntu: apt-get install openjdk-17-jre-headless
  Fedora:         dnf install java-21-openjdk-headless
  macOS:          brew install openjdk@21"""


def missing_prerequisites() -> list[str]:
    """What this machine lacks, each with the command that installs it; empty when all is well."""
    complaints = [python_complaint(sys.version_info[:2], _missing_modules())]
    try:
        find_java()
    except LocalError as error:
        complaints.append(str(error))
    return [complaint for complaint in complaints if complaint]


def python_complaint(version: tuple[int, ...], missing_modules: Sequence[str]) -> str:
    """What is wrong with a Python of this version without these modules, or nothing."""
    if not OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        found = ".".join(map(str, version))
        wish = f"Python 3.11 or 3.12 is needed, this is {found}. Install one and name it: make PYTHON=python3.12"
        return f"{wish}\n{INSTALL_PYTHON}"
    if missing_modules:
        return f"this Python lacks {', '.join(missing_modules)}. Install a complete one:\n{INSTALL_PYTHON}"
    return ""


def find_java() -> Path:
    """The java of JAVA_HOME, else of the PATH. Raises LocalError when there is none or it is older than 17."""
    home = os.environ.get("JAVA_HOME")
    found = str(Path(home, "bin", "java")) if home else shutil.which("java")
    if not found or not Path(found).is_file():
        where = f"in JAVA_HOME ({home})" if home else "on the PATH"
        raise LocalError(f"Java 17 or later is needed and there is none {where}. Install it:\n{INSTALL_JAVA}")
    answer = subprocess.run([found, "-version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    version = java_version(answer.stderr + answer.stdout)
    if version < OLDEST_JAVA:
        raise LocalError(f"Java 17 or later is needed, {found} is {version or 'none'}. Install it:\n{INSTALL_JAVA}")
    return Path(found)


def java_version(text: str) -> int:
    """The major version in what `java -version` prints; 0 when it prints no version."""
    match = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(match.group(1)) if match else 0


def ensure(name: str, *, root: Path = CACHE / "env", requirements: Path = ROOT / "requirements") -> Path:
    """The environment of a requirements file, made anew when the file has changed or an install was interrupted."""
    locked, folder = requirements / f"{name}.txt", root / name
    stamp, wanted = folder / ".requirements.sha256", fingerprint(locked)
    if stamp.is_file() and stamp.read_text() == wanted and (folder / "bin" / "python").exists():
        return folder
    started = time.monotonic()
    print(f"installing the {name} environment (once; a minute or two)", flush=True)
    stamp.unlink(missing_ok=True)
    install(locked, folder)
    stamp.write_text(wanted)
    print(f"installed the {name} environment in {time.monotonic() - started:.0f} s", flush=True)
    return folder


def fingerprint(locked: Path) -> str:
    """Changes whenever the locked requirements or the Python that would install them change."""
    return hashlib.sha256(locked.read_bytes() + repr(sys.version_info[:2]).encode()).hexdigest()


def install(locked: Path, folder: Path) -> None:
    """An environment holding exactly the locked requirements. Raises LocalError with what pip said."""
    venv.EnvBuilder(with_pip=True, clear=True, symlinks=True).create(folder)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "--quiet", "--require-hashes", "-r", str(locked)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join(done.stderr.strip().splitlines()[-15:])
        raise LocalError(f"pip could not install {locked.name}; check the network and run it again. It said:\n{tail}")


def _missing_modules() -> list[str]:
    return [name for name in ("venv", "ensurepip", "lzma", "ssl") if not _is_importable(name)]


def _is_importable(name: str) -> bool:
    compiled = {"lzma": "_lzma", "ssl": "_ssl"}.get(name, name)
    return importlib.util.find_spec(compiled) is not None


def main(names: Sequence[str]) -> int:
    """Check the prerequisites, then make the named environments. Returns the exit code."""
    if complaints := missing_prerequisites():
        print("\n".join(complaints), file=sys.stderr)
        return 1
    try:
        for name in names:
            ensure(name)
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
