"""Fixtures of the dashboard's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboard.served import Dashboard, dashboard_in
from tests.dashboard.state import State


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[Dashboard]:
    """A dashboard of an empty state directory."""
    with dashboard_in(tmp_path / "home") as running:
        yield running


@pytest.fixture
def state(tmp_path: Path) -> State:
    """An empty state directory that nobody looks at."""
    return State(tmp_path)
