"""Where the counters of a service's processes lie."""

import os
import subprocess
from pathlib import Path

import pytest

from importer.errors import ConfigError
from importer.events.service.meters import shared_between_processes

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    directory = tmp_path / "memory"
    directory.mkdir()
    return directory


@pytest.fixture
def state(tmp_path: Path) -> Path:
    directory = tmp_path / "state"
    directory.mkdir()
    return directory


def test_they_lie_in_memory_for_as_long_as_the_service_runs(state: Path, memory: Path) -> None:
    with shared_between_processes(state, memory=memory) as directory:
        assert os.environ[VARIABLE] == str(directory)
        assert directory.is_relative_to(memory)
        assert directory.parent.name.startswith(f"stats-service-{os.geteuid()}-")
        assert directory.parent.stat().st_mode & 0o777 == 0o700
        (directory / "counter_1.db").touch()
    assert VARIABLE not in os.environ
    assert list(memory.iterdir()) == []


def test_two_services_do_not_count_together(state: Path, memory: Path, tmp_path: Path) -> None:
    with (
        shared_between_processes(state, memory=memory) as one,
        shared_between_processes(tmp_path, memory=memory) as other,
    ):
        assert one.parent != other.parent


def test_what_was_left_behind_is_removed_but_not_what_is_another_services(state: Path, memory: Path) -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    with shared_between_processes(state, memory=memory) as directory:
        common = directory.parent
    own, alive, dead = (common / str(pid) for pid in (os.getpid(), os.getppid(), gone.pid))
    common.mkdir(mode=0o700)
    for left in (own, alive, dead):
        left.mkdir()
        (left / "counter_1.db").touch()
    with shared_between_processes(state, memory=memory) as directory:
        assert directory == own
        assert list(own.iterdir()) == []
        assert not dead.exists()
    assert list(common.iterdir()) == [alive]


def test_without_a_file_system_in_memory_they_lie_in_the_state_directory(state: Path, memory: Path) -> None:
    with shared_between_processes(state, memory=memory / "missing") as directory:
        assert directory.parent == state / "stats-service.meters"
    assert list(state.iterdir()) == []


def test_what_somebody_else_made_there_is_not_used(state: Path, memory: Path, caplog: pytest.LogCaptureFixture) -> None:
    with shared_between_processes(state, memory=memory) as directory:
        common = directory.parent
    common.symlink_to(state)
    with shared_between_processes(state, memory=memory) as directory:
        assert directory.parent == state / "stats-service.meters"
    assert f"{common}: is not a directory" in caplog.text


def test_a_state_directory_that_others_prepared_is_refused(state: Path, memory: Path) -> None:
    (state / "stats-service.meters").mkdir()
    (state / "stats-service.meters").chmod(0o777)
    with (
        pytest.raises(ConfigError, match="can be written by others"),
        shared_between_processes(state, memory=memory / "missing"),
    ):
        pass
