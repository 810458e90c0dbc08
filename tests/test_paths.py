"""Directories are found in the promised order, and nothing unsafe is used."""

import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from importer.errors import ConfigError, UsageError
from importer.paths import (
    Directories,
    DirectoryFinder,
    Kind,
    Places,
    Surroundings,
    apteligent_places,
    find_directories,
)

PROJECT = "apteligent-importer"
NOBODY = 65534

FinderFactory = Callable[..., DirectoryFinder]


def surroundings(root: Path, **environ: object) -> Surroundings:
    """Return a small world below root: its /, /home/ali and /here, which are there, and /tmp."""
    for name in ("home/ali", "here", "tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
    return Surroundings(
        environ={name: str(value) for name, value in environ.items()},
        home=root / "home/ali",
        working_directory=root / "here",
        user_id=os.geteuid(),
        root=root,
    )


@pytest.fixture
def finder(tmp_path: Path) -> FinderFactory:
    def build(places: Places | None = None, **environ: object) -> DirectoryFinder:
        return DirectoryFinder(
            PROJECT, places or apteligent_places("linux"), surroundings=surroundings(tmp_path, **environ)
        )

    return build


def make(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """Give up root, which may write anywhere, for one test; give back a directory that is ours then."""
    if os.geteuid() != 0:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
        return
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        os.seteuid(NOBODY)
        try:
            yield Path(name)
        finally:
            os.seteuid(0)


LINUX_ORDER = {
    Kind.CONFIG: ["env", "systemd", "home/ali/.apteligent-importer", "here/config", "etc/apteligent-importer"],
    Kind.CACHE: ["env", "systemd", "here/cache", "var/cache/apteligent-importer"],
    Kind.LOG: ["env", "systemd", "here/log", "var/log/apteligent-importer"],
    Kind.STATE: ["env", "systemd", "var/lib/apteligent-importer"],
    Kind.RUN: ["env", "systemd"],
}
MAC_ORDER = {
    Kind.CONFIG: [
        "env",
        "systemd",
        "home/ali/Library/apteligent-importer",
        "home/ali/.apteligent-importer",
        "here/config",
        "etc/apteligent-importer",
    ],
    Kind.CACHE: ["env", "systemd", "here/cache", "home/ali/Library/Caches/apteligent-importer"],
    Kind.LOG: ["env", "systemd", "here/log", "home/ali/Library/Logs/apteligent-importer"],
    Kind.STATE: ["env", "systemd", "var/lib/apteligent-importer"],
    Kind.RUN: ["env", "systemd"],
}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(("platform", "orders"), [("linux", LINUX_ORDER), ("darwin", MAC_ORDER)])
def test_the_first_place_that_exists_wins(
    tmp_path: Path, platform: str, orders: dict[Kind, list[str]], kind: Kind
) -> None:
    for number, expected in reversed(list(enumerate(orders[kind]))):
        make(tmp_path / expected)
        environ = {kind.systemd_variable: tmp_path / "systemd"} if number < 2 else {}
        environ |= {kind.variable: tmp_path / "env"} if number < 1 else {}
        world = surroundings(tmp_path, **environ)
        looking = DirectoryFinder(PROJECT, apteligent_places(platform), surroundings=world)
        assert looking.existing(kind) == tmp_path / expected
        assert looking.warnings == []


def test_the_variables_are_the_documented_ones() -> None:
    assert {kind.name: (kind.variable, kind.systemd_variable) for kind in Kind} == {
        "CONFIG": ("CONFIG_DIR", "CONFIGURATION_DIRECTORY"),
        "CACHE": ("CACHE_DIR", "CACHE_DIRECTORY"),
        "LOG": ("LOG_DIR", "LOGS_DIRECTORY"),
        "STATE": ("STATE_DIR", "STATE_DIRECTORY"),
        "RUN": ("PID_DIR", "RUNTIME_DIRECTORY"),
    }


def test_the_first_of_the_directories_that_systemd_names_is_ours(finder: FinderFactory, tmp_path: Path) -> None:
    first, second = make(tmp_path / "first"), make(tmp_path / "second")
    assert finder(LOGS_DIRECTORY=f"{first}:{second}").log() == first


def test_a_relative_variable_starts_from_the_working_directory(finder: FinderFactory, tmp_path: Path) -> None:
    there = make(tmp_path / "here/logs")
    assert finder(LOG_DIR="logs").log() == there


@pytest.mark.parametrize("kind", Kind)
def test_a_variable_that_names_no_directory_is_passed_over_with_a_warning(
    finder: FinderFactory, tmp_path: Path, kind: Kind
) -> None:
    file = tmp_path / "file"
    file.touch()
    there = make(tmp_path / "systemd")
    for missing in (tmp_path / "missing", file):
        looking = finder(**{kind.variable: missing, kind.systemd_variable: there})
        assert looking.existing(kind) == there
        assert looking.warnings == [f"passed over {kind.variable}={missing}: no such directory"]
        assert looking.existing(kind) == there
        assert len(looking.warnings) == 1


def test_an_empty_variable_counts_as_not_set(finder: FinderFactory, tmp_path: Path) -> None:
    there = make(tmp_path / "var/log" / PROJECT)
    looking = finder(LOG_DIR="", LOGS_DIRECTORY="", TMPDIR="")
    assert looking.log() == there
    assert looking.warnings == []


def test_a_place_that_is_a_file_is_passed_over(finder: FinderFactory, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here/config").touch()
    there = make(tmp_path / "etc" / PROJECT)
    assert finder().config() == there


def test_places_of_another_command_can_be_given(finder: FinderFactory, tmp_path: Path) -> None:
    there = make(tmp_path / "var/run")
    assert finder({Kind.RUN: ("/var/run",)}).run() == there


def test_without_a_configuration_directory_the_error_names_what_was_tried(
    finder: FinderFactory, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        finder(CONFIG_DIR="/nowhere").config()
    text = str(caught.value)
    assert text.startswith("configuration directory: ")
    for tried in (
        "CONFIG_DIR=/nowhere",
        f"{tmp_path}/home/ali/.{PROJECT}",
        f"{tmp_path}/here/config",
        f"{tmp_path}/etc/{PROJECT}",
    ):
        assert tried in text


def test_no_configuration_directory_is_needed_to_look_for_another_kind(finder: FinderFactory, tmp_path: Path) -> None:
    there = make(tmp_path / "var/lib" / PROJECT)
    assert finder().state() == there


@pytest.mark.parametrize("project", ["", ".", "..", "../etc", "a/b", "/etc", "a\nb", "a\0b"])
def test_a_project_is_the_name_of_a_directory(project: str) -> None:
    with pytest.raises(UsageError, match="project"):
        DirectoryFinder(project)


def test_a_home_or_working_directory_that_is_not_there_is_passed_over(tmp_path: Path) -> None:
    there = make(tmp_path / "etc" / PROJECT)
    world = Surroundings(environ={}, home=None, working_directory=None, root=tmp_path)
    assert DirectoryFinder(PROJECT, surroundings=world).config() == there


def test_a_directory_that_cannot_be_written_is_passed_over_with_a_warning(ordinary_user: Path) -> None:
    closed = make(ordinary_user / "closed")
    closed.chmod(0o500)
    places = make(ordinary_user / "here/cache"), make(ordinary_user / "var/lib" / PROJECT)
    places[1].chmod(0o500)
    looking = DirectoryFinder(PROJECT, surroundings=surroundings(ordinary_user, CACHE_DIR=closed))
    assert (looking.cache(), looking.state()) == (places[0], places[0])
    assert looking.warnings == [
        f"passed over CACHE_DIR={closed} as cache directory: not writable",
        f"passed over {places[1]} as state directory: not writable",
    ]


@pytest.mark.parametrize("variable", ["STATE_DIR", "STATE_DIRECTORY"])
def test_a_named_state_directory_that_cannot_be_written_is_a_configuration_error(
    ordinary_user: Path, variable: str
) -> None:
    closed = make(ordinary_user / "closed")
    closed.chmod(0o500)
    make(ordinary_user / "var/lib" / PROJECT)
    looking = DirectoryFinder(PROJECT, surroundings=surroundings(ordinary_user, **{variable: closed}))
    for look in (looking.state, looking.existing_state):
        with pytest.raises(ConfigError, match=f"^{variable}: {closed} is not a directory that can be written$"):
            look()


def test_a_configuration_directory_need_not_be_writable(ordinary_user: Path) -> None:
    closed = make(ordinary_user / "closed")
    closed.chmod(0o500)
    looking = DirectoryFinder(PROJECT, surroundings=surroundings(ordinary_user, CONFIG_DIR=closed))
    assert looking.config() == closed
    assert looking.warnings == []


def test_a_home_that_is_closed_to_us_is_passed_over(ordinary_user: Path) -> None:
    world = surroundings(ordinary_user)
    there = make(ordinary_user / "etc" / PROJECT)
    (ordinary_user / "home/ali").chmod(0)
    try:
        assert DirectoryFinder(PROJECT, surroundings=world).config() == there
    finally:
        (ordinary_user / "home/ali").chmod(0o700)


def test_without_any_directory_all_goes_below_tmp_with_one_warning(finder: FinderFactory, tmp_path: Path) -> None:
    looking = finder()
    expected = tmp_path / "tmp" / f"{PROJECT}-{os.geteuid()}"
    assert [looking.cache(), looking.log(), looking.state(), looking.run()] == [expected] * 4
    assert stat.S_IMODE(expected.stat().st_mode) == 0o700
    assert len(looking.warnings) == 1
    assert str(expected) in looking.warnings[0]


def test_a_directory_below_tmp_is_used_again_and_warned_of_again(finder: FinderFactory) -> None:
    first, second = finder(), finder()
    assert first.log() == second.log()
    assert first.warnings == second.warnings != []


def test_the_temporary_directory_may_be_another(finder: FinderFactory, tmp_path: Path) -> None:
    other = make(tmp_path / "other")
    assert finder(TMPDIR=other).cache().parent == other


def test_a_temporary_directory_that_is_not_there_is_passed_over(finder: FinderFactory, tmp_path: Path) -> None:
    looking = finder(TMPDIR="/nowhere")
    assert looking.cache().parent == tmp_path / "tmp"
    assert looking.warnings[0] == "passed over TMPDIR=/nowhere: no such directory"
    assert len(looking.warnings) == 2


def test_what_is_passed_over_again_and_again_is_warned_of_once(finder: FinderFactory) -> None:
    looking = finder(TMPDIR="/nowhere")
    looking.existing_state()
    looking.existing_state()
    assert looking.warnings == ["passed over TMPDIR=/nowhere: no such directory"]


def test_a_link_below_tmp_is_refused(finder: FinderFactory, tmp_path: Path) -> None:
    looking = finder()
    target = make(tmp_path / "target")
    (tmp_path / "tmp" / f"{PROJECT}-{os.geteuid()}").symlink_to(target)
    with pytest.raises(ConfigError, match="not a directory"):
        looking.log()


def test_a_file_below_tmp_is_refused(finder: FinderFactory, tmp_path: Path) -> None:
    looking = finder()
    (tmp_path / "tmp" / f"{PROJECT}-{os.geteuid()}").touch()
    with pytest.raises(ConfigError, match="not a directory"):
        looking.log()


def test_a_directory_of_somebody_else_below_tmp_is_refused(tmp_path: Path) -> None:
    ours = surroundings(tmp_path)
    somebody = Surroundings(
        environ={}, home=ours.home, working_directory=ours.working_directory, user_id=os.geteuid() + 1, root=tmp_path
    )
    make(tmp_path / "tmp" / f"{PROJECT}-{os.geteuid() + 1}")
    with pytest.raises(ConfigError, match=f"belongs to user {os.geteuid()}, not to {os.geteuid() + 1}"):
        DirectoryFinder(PROJECT, surroundings=somebody).cache()


@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_a_directory_below_tmp_that_others_can_write_is_refused(
    finder: FinderFactory, tmp_path: Path, mode: int
) -> None:
    looking = finder()
    make(tmp_path / "tmp" / f"{PROJECT}-{os.geteuid()}").chmod(mode)
    with pytest.raises(ConfigError, match="chmod 700"):
        looking.cache()


def test_nothing_that_can_be_made_below_tmp_is_a_configuration_error(finder: FinderFactory, tmp_path: Path) -> None:
    looking = finder()
    (tmp_path / "tmp").rmdir()
    with pytest.raises(ConfigError, match="cannot be made: No such file"):
        looking.cache()


def test_looking_for_existing_directories_makes_none(finder: FinderFactory, tmp_path: Path) -> None:
    looking = finder()
    before = sorted(tmp_path.rglob("*"))
    assert [looking.existing(kind) for kind in Kind] == [None] * len(Kind)
    assert looking.existing_state() is None
    assert sorted(tmp_path.rglob("*")) == before
    assert looking.warnings == []


def test_an_outbox_below_tmp_or_in_the_cache_is_found_without_making_anything(
    finder: FinderFactory, tmp_path: Path
) -> None:
    makeshift = finder().state()
    assert finder().existing_state() == makeshift
    cache = make(tmp_path / "var/cache" / PROJECT)
    assert finder().existing_state() == cache
    state = make(tmp_path / "var/lib" / PROJECT)
    assert finder().existing_state() == state


def test_state_is_never_made_below_var_lib(finder: FinderFactory, tmp_path: Path) -> None:
    make(tmp_path / "var/lib")
    cache = make(tmp_path / "here/cache")
    assert finder().state() == cache
    assert list((tmp_path / "var/lib").iterdir()) == []


def test_all_directories_of_a_command_are_found_at_once(tmp_path: Path) -> None:
    config, log = make(tmp_path / "etc/shop"), make(tmp_path / "var/log/shop")
    world = surroundings(tmp_path, CACHE_DIR="/nowhere")
    found = find_directories("shop", apteligent_places("linux"), surroundings=world)
    makeshift = tmp_path / "tmp" / f"shop-{os.geteuid()}"
    assert found == Directories(config, makeshift, log, makeshift, warnings=found.warnings)
    assert len(found.warnings) == 2
    assert "CACHE_DIR=/nowhere" in found.warnings[0]
    assert str(makeshift) in found.warnings[1]


def test_the_surroundings_are_those_of_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOG_DIR", str(tmp_path))
    current = Surroundings()
    assert (current.home, current.working_directory, current.user_id) == (tmp_path, tmp_path, os.geteuid())
    assert current.environ["LOG_DIR"] == str(tmp_path)
    assert current.root == Path("/")
    assert DirectoryFinder(PROJECT).log() == tmp_path


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS keeps a working directory alive")
def test_a_working_directory_that_was_removed_is_no_trouble(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = make(tmp_path / "gone")
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert Surroundings().working_directory is None


def test_a_user_without_home_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(text: str) -> str:
        return text

    monkeypatch.setattr("os.path.expanduser", no_home)
    assert Surroundings().home is None
