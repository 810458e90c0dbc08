"""A world for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A vendor that answers, a store that takes everything, and the commands configured for both."""
    with World(tmp_path / "home") as world:
        yield world
