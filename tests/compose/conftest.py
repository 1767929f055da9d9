"""The whole platform in containers, built and started once for all tests of this folder."""

import shutil
from collections.abc import Iterator

import pytest

from tests.compose.stack import Stack, prepare


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running project; its data is deleted at the end."""
    if not shutil.which("docker"):
        pytest.fail("docker is not installed: these tests need it, with the compose plugin 2.24 or later")
    stack = prepare(tmp_path_factory.mktemp("compose"))
    try:
        stack.up()
        yield stack
    finally:
        stack.down()
