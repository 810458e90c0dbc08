"""An outbox in memory and on disk, and no thread that stays."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.outbox import Outbox
from tests.doubles import WAIT_SECONDS


@pytest.fixture(params=["memory", "disk"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.db" if request.param == "disk" else None) as outbox:
        yield outbox


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive(), thread
