"""A file that people edit: the last good content stays, and whatever is wrong is said once and can be mended."""

from pathlib import Path

import pytest

from serving.decisions.watched import BadFile, Watched


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "file.toml"
    found.write_text("number = 1")
    return found


@pytest.fixture
def watched(file: Path) -> Watched[int]:
    return Watched(file, lambda document: int(document["number"]))


def test_a_change_is_in_force_and_a_mistake_is_not(file: Path, watched: Watched[int]) -> None:
    for text, content, is_wrong in (
        ("number = 22", 22, False),
        ("number = ", 22, True),
        ("numbers = 333", 22, True),
        ("number = [4444]", 22, True),
        ("number = 55555", 55555, False),
    ):
        file.write_text(text)
        watched.refresh()
        assert (watched.content, watched.failure is not None) == (content, is_wrong)


def test_a_file_that_was_away_and_is_back_as_it_was_is_in_force_again(file: Path, watched: Watched[int]) -> None:
    elsewhere = file.rename(file.with_suffix(".away"))
    watched.refresh()
    watched.refresh()
    assert (watched.content, watched.failure is not None) == (1, True)
    elsewhere.rename(file)
    watched.refresh()
    assert watched.failure is None


def test_nobody_starts_with_a_file_that_is_wrong(file: Path) -> None:
    file.write_text("other = 1")
    with pytest.raises(BadFile, match="missing or of the wrong kind"):
        Watched(file, lambda document: document["number"])
