"""A place for an outbox, and the bytes of a sound one."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.outbox import Outbox, Run
from tests.outbox_children import LANE
from tests.outbox_file.outbox_files import CURSORS, PAYLOADS, payload


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture(scope="module")
def sound_content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of an outbox with payloads, rejects, cursors and runs, some larger than a page."""
    path = tmp_path_factory.mktemp("sound") / "outbox.db"
    with Outbox(path) as outbox:
        with outbox.transaction() as transaction:
            transaction.add(LANE, map(payload, range(-2, PAYLOADS)))
            for name, position in CURSORS.items():
                transaction.move_cursor(name, position)
        for _ in range(2):
            stored = outbox.oldest(LANE)
            assert stored is not None
            outbox.reject(stored, "bad")
        outbox.record_run(Run(1, 2, 0, 3, 4, ""))
    return path.read_bytes()


@pytest.fixture
def restored_umask() -> Iterator[None]:
    umask = os.umask(0o022)
    yield
    os.umask(umask)
