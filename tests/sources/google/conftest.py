from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collector.google_world import GoogleWorld, google_world


@pytest.fixture
def google(tmp_path: Path) -> Iterator[GoogleWorld]:
    with google_world(tmp_path) as world:
        yield world
