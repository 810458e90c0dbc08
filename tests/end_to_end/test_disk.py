"""A disk that is full, an outbox that was damaged, a directory that cannot be written: one line, and nothing lost."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import ROOT, Result
from tests.end_to_end import children
from tests.end_to_end.world import World

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "--")
needs_mounts = pytest.mark.skipif(
    subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False).returncode
    != 0,
    reason="may not mount a file system in a namespace of its own",
)


class _Shell:
    """A shell in whose name space file systems can be mounted, for the commands it runs alone."""

    def __init__(self, world: World, process: subprocess.Popen[str]) -> None:
        self._world = world
        self._process = process

    def do(self, command: str) -> Result:
        """Run a shell command to its end."""
        errors = self._world.commands.home / "errors.txt"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"({command}) </dev/null >/dev/null 2>{shlex.quote(str(errors))}; echo $?\n")
        self._process.stdin.flush()
        return Result(int(self._process.stdout.readline()), "", errors.read_text(), 0.0)

    def run(self, name: str) -> Result:
        """Make one cycle of a command."""
        return self.do(shlex.join([sys.executable, str(ROOT / "bin" / name), "-q", "--once"]))


@pytest.fixture
def shell(world: World) -> Iterator[_Shell]:
    """A shell with the environment of the world's commands."""
    with subprocess.Popen(
        [*NAMESPACE, "sh"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env=world.commands.environment,
        cwd=world.commands.home,
    ) as process:
        yield _Shell(world, process)


def _assert_failed_in_one_line(result: Result) -> None:
    assert result.code == 1, result
    assert len(result.stderr.splitlines()) == 1, result


@needs_mounts
@pytest.mark.parametrize("spare_bytes", [0, 16_384])
def test_on_a_full_disk_what_was_kept_stays_and_the_rest_is_asked_again(
    world: World, shell: _Shell, spare_bytes: int
) -> None:
    shell.do('mount -t tmpfs -o size=1m none "$STATE_DIR"')
    offered = world.expected("livestats")
    world.store.down()
    kept = shell.run("livestats")
    assert (kept.code, kept.stderr) == (0, "")
    shell.do('head -c 1m /dev/zero >"$STATE_DIR/ballast"')
    shell.do(f'truncate -s -{spare_bytes} "$STATE_DIR/ballast"')
    world.clock.now += 200
    _assert_failed_in_one_line(shell.run("livestats"))
    shell.do('rm "$STATE_DIR/ballast"')
    world.store.up()
    result = shell.run("livestats")
    assert (result.code, result.stderr) == (0, "")
    world.assert_stored(offered | world.expected("livestats"))


@needs_mounts
def test_a_disk_that_is_full_from_the_start_is_one_line(world: World, shell: _Shell) -> None:
    shell.do('mount -t tmpfs -o size=64k none "$STATE_DIR"')
    shell.do('head -c 1m /dev/zero >"$STATE_DIR/ballast"')
    _assert_failed_in_one_line(shell.run("dailyjobs"))
    shell.do('mount -t tmpfs -o size=8m none "$STATE_DIR"')
    assert shell.run("dailyjobs").code == 0
    world.assert_stored(world.expected("dailyjobs"))


@needs_mounts
def test_a_state_directory_that_is_read_only_is_a_configuration_error(world: World, shell: _Shell) -> None:
    shell.do('mount -t tmpfs -o ro none "$STATE_DIR"')
    result = shell.run("dailyjobs")
    assert result.code == 78
    (line,) = result.stderr.splitlines()
    assert line.startswith("dailyjobs: STATE_DIR: ")
    assert line.endswith(" is not a directory that can be written")


@needs_mounts
def test_a_cache_that_is_full_costs_no_point(world: World, shell: _Shell) -> None:
    shell.do('mount -t tmpfs -o size=4k none "$CACHE_DIR"')
    shell.do('head -c 1m /dev/zero >"$CACHE_DIR/ballast"')
    assert shell.run("dailyjobs").code == 0
    world.assert_stored(world.expected("dailyjobs"))


@pytest.mark.parametrize("max_bytes", [10_000, 60_000])
def test_at_the_limit_of_a_file_the_run_fails_and_the_next_one_makes_up_for_it(world: World, max_bytes: int) -> None:
    result = world.run_changed(children.with_small_files, max_bytes, name="livestats")
    _assert_failed_in_one_line(result)
    world.run_well("livestats")
    world.assert_stored(world.expected("livestats"))


def test_at_the_limit_of_a_file_nothing_is_lost_that_was_kept(world: World) -> None:
    offered = world.expected("livestats")
    world.store.down()
    world.run_well("livestats")
    world.clock.now += 200
    world.store.up()
    _assert_failed_in_one_line(world.run_changed(children.with_small_files, 60_000, name="livestats"))
    world.run_well("livestats")
    world.assert_stored(offered | world.expected("livestats"))


def test_a_log_that_cannot_be_written_does_not_stop_the_import(world: World) -> None:
    (world.commands.log_dir / "dailyjobs.log").symlink_to("/dev/full")
    result = world.run("dailyjobs")
    assert result.code == 0
    assert len(result.stderr.splitlines()) == 1
    assert "dailyjobs.log" in result.stderr
    world.assert_stored(world.expected("dailyjobs"))


def _halve(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def _cut_to_a_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(4096)


def _fill_with_garbage(path: Path) -> None:
    path.write_bytes(b"\xa5" * path.stat().st_size)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_halve, _cut_to_a_page, _fill_with_garbage, _empty])
def test_a_damaged_outbox_is_set_aside_and_the_data_asked_again(world: World, damage: object) -> None:
    assert callable(damage)
    expected = world.expected("livestats")
    world.store.down()
    world.run_well("livestats")
    path = world.outbox_path("livestats")
    damage(path)
    damaged = path.read_bytes()
    world.store.up()
    result = world.run("livestats")
    _assert_failed_in_one_line(result)
    assert "damaged" in result.stderr
    world.assert_stored(expected)
    assert damaged in [aside.read_bytes() for aside in path.parent.glob("livestats.outbox.damaged-*")]
    world.clock.now += 20
    world.run_well("livestats")
    world.assert_stored(expected | world.expected("livestats"))


def test_an_outbox_that_somebody_deleted_is_made_again_and_the_data_asked_again(world: World) -> None:
    world.run_well("livestats")
    for file in world.commands.state_dir.iterdir():
        file.unlink()
    world.run_well("livestats")
    world.assert_stored(world.expected("livestats"))
