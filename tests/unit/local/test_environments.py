"""Environments are made when they must be, and what is missing is named with its cure."""

from pathlib import Path

import pytest

from local import environments
from local.errors import LocalError


@pytest.fixture
def installs(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Stands in for pip: remembers what was installed and makes a folder that looks like an environment."""
    done: list[Path] = []

    def install(locked: Path, folder: Path) -> None:
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        (folder / "bin" / "python").touch()
        done.append(locked)

    monkeypatch.setattr(environments, "install", install)
    return done


def ensure(tmp_path: Path) -> Path:
    return environments.ensure("dev", root=tmp_path / "env", requirements=tmp_path)


def test_an_environment_is_installed_once(tmp_path: Path, installs: list[Path]) -> None:
    (tmp_path / "dev.txt").write_text("one==1.0\n")
    assert ensure(tmp_path) == ensure(tmp_path)
    assert len(installs) == 1


def test_changed_requirements_install_it_again(tmp_path: Path, installs: list[Path]) -> None:
    for content in ("one==1.0\n", "one==1.1\n"):
        (tmp_path / "dev.txt").write_text(content)
        ensure(tmp_path)
    assert len(installs) == 2


def test_an_environment_whose_python_is_gone_is_installed_again(tmp_path: Path, installs: list[Path]) -> None:
    (tmp_path / "dev.txt").write_text("one==1.0\n")
    (ensure(tmp_path) / "bin" / "python").unlink()
    ensure(tmp_path)
    assert len(installs) == 2


def test_an_interrupted_install_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dev.txt").write_text("one==1.0\n")

    def interrupted(locked: Path, folder: Path) -> None:
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(environments, "install", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ensure(tmp_path)
    assert not (tmp_path / "env" / "dev" / ".requirements.sha256").exists()


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "21" 2023-09-19', 21),
        ('java version "1.8.0_412"', 8),
        ("The operation could not be completed", 0),
    ],
)
def test_javas_version_is_understood(text: str, version: int) -> None:
    assert environments.java_version(text) == version


@pytest.mark.parametrize("version", [(3, 10), (3, 13)])
def test_a_python_that_is_not_supported_is_named_with_the_cure(version: tuple[int, int]) -> None:
    complaint = environments.python_complaint(version, [])
    assert f"3.{version[1]}" in complaint
    assert "apt-get install python3" in complaint


def test_a_python_without_venv_is_named_with_the_cure() -> None:
    assert "python3-venv" in environments.python_complaint((3, 11), ["ensurepip"])


def test_a_complete_python_is_nothing_to_complain_about() -> None:
    assert environments.python_complaint((3, 12), []) == ""


def fake_java(folder: Path, version: str) -> None:
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)


def test_java_home_comes_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_java(tmp_path, "21.0.1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert environments.find_java() == tmp_path / "bin" / "java"


def test_an_old_java_is_refused_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_java(tmp_path, "11.0.2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(LocalError, match=r"is 11(.|\n)*apt-get install openjdk-17"):
        environments.find_java()


def test_no_java_is_named_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalError, match=r"none on the PATH(.|\n)*brew install"):
        environments.find_java()
