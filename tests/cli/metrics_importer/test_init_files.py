"""metrics-importer init: what becomes of a directory that is not empty, or not as it should be."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from importer.cli.metrics_importer.init.files import unreadable
from tests.cli.metrics_importer.in_process import MetricsImporter

CTON = ("service=queue", "api_url=http://127.0.0.1:8222/varz", "metric=queue_length", "path=$.queue.length")
PP_COLLECTOR = ("slug=shop", "data-group=shop", "data-type=monitoring", "query.name=shop")
SEARCH = """\
[Searches]
    [[Requests per minute]]
        [[[query]]]
            logs = b
            query_period = 60
            query_range = 300
            statement = calculate(count)
        [[[destination]]]
            service = dummy
            push_url = http://127.0.0.1
"""
SERVICE = '{"queue": {"port": 8020, "api_url": "http://127.0.0.1", "metrics": [{"name": "a", "path": "$.a"}]}}'
NAMED_TWICE = {
    "pingdom": ("graphite.d/a.json", '{"protocol": "dummy"}', "pingdom.json"),
    "leexportpy": ("searches.d/a.ini", SEARCH, "config.ini"),
    "cton": ("services.d/a.json", SERVICE, "config.json"),
}
"""By vendor: a drop-in that has what `init` would write a second time, and the vendor's own file."""


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """A directory for configurations, beside a file `secret`."""
    (tmp_path / "secret").write_text("open-sesame-4711\n")
    (tmp_path / "new").mkdir()
    return tmp_path / "new"


@pytest.fixture
def private_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def init(vendor: str, directory: Path, *more: str) -> list[str | Path]:
    values = {"leexportpy": ("logs=a",), "cton": CTON, "pp-collector": PP_COLLECTOR}.get(vendor, ())
    secrets = {"leexportpy": ("rw_api_key",), "pingdom": ("token",), "pp-collector": ("credentials.token",)}
    flags = [flag for value in values for flag in ("--set", value)]
    flags += [flag for key in secrets.get(vendor, ()) for flag in ("--secret-file", f"{key}=secret")]
    return ["init", vendor, "--config", directory, *flags, *more]


def names(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize("vendor", NAMED_TWICE)
def test_what_a_drop_in_has_already_is_not_written_again(
    metrics_importer: MetricsImporter, new: Path, vendor: str
) -> None:
    drop_in, content, own = NAMED_TWICE[vendor]
    (new / drop_in).parent.mkdir()
    (new / drop_in).write_text(content)
    outcome = metrics_importer.run(*init(vendor, new, "--store", "dummy"), code=2)
    assert outcome.err.startswith(f"metrics-importer init: not written: {new / drop_in}: ")
    assert ", too; " in outcome.err
    assert names(new) == {drop_in}
    (new / drop_in).unlink()
    metrics_importer.run(*init(vendor, new, "--store", "dummy"))
    assert own in names(new)


def test_drop_ins_find_their_secrets_where_they_will_be(metrics_importer: MetricsImporter, new: Path) -> None:
    (new / "graphite.d").mkdir()
    (new / "graphite.d/key").write_text("open-sesame-4712\n")
    influxdb = {"protocol": "influxdb", "url": "http://127.0.0.1", "database": "a", "username": "b"}
    (new / "graphite.d/a.json").write_text(json.dumps({**influxdb, "password_file": "key"}))
    metrics_importer.run(*init("pingdom", new, "--store", "dummy"))
    assert names(new) == {"graphite.d/a.json", "graphite.d/key", "graphite.json", "pingdom.json"}


def test_a_store_that_drop_ins_describe_need_not_be_named(metrics_importer: MetricsImporter, new: Path) -> None:
    (new / "graphite.d").mkdir()
    (new / "graphite.d/a.json").write_text('{"protocol": "dummy"}')
    metrics_importer.run(*init("pingdom", new))
    assert names(new) == {"graphite.d/a.json", "pingdom.json"}


def test_a_file_that_cannot_be_replaced_leaves_all_others_as_they_were(
    metrics_importer: MetricsImporter, new: Path
) -> None:
    (new / "pingdom.json").write_text("old")
    (new / "graphite.json").mkdir()
    outcome = metrics_importer.run(*init("pingdom", new, "--store", "dummy", "--force"), code=1)
    assert outcome.err == f"metrics-importer: {new / 'graphite.json'}: cannot be written: Is a directory\n"
    assert (new / "pingdom.json").read_text() == "old"
    assert names(new) == {"pingdom.json"}


def test_so_do_new_files_and_directories_go_again(metrics_importer: MetricsImporter, new: Path) -> None:
    (new / "tokens").touch()
    outcome = metrics_importer.run(*init("pp-collector", new, "--store", "dummy"), code=1)
    assert "tokens" in outcome.err
    assert {path.name for path in new.iterdir()} == {"tokens"}


@pytest.mark.parametrize("target", ["../elsewhere.json", "nowhere.json"])
def test_a_link_is_replaced_and_kept_as_a_link(metrics_importer: MetricsImporter, new: Path, target: str) -> None:
    (new.parent / "elsewhere.json").write_text("old")
    (new / "graphite.json").symlink_to(target)
    assert "--force" in metrics_importer.run(*init("pingdom", new, "--store", "dummy"), code=2).err
    metrics_importer.run(*init("pingdom", new, "--store", "dummy", "--force"))
    assert json.loads((new / "graphite.json").read_text()) == {"protocol": "dummy"}
    assert not (new / "graphite.json").is_symlink()
    assert (new / "graphite.json.bak").readlink() == Path(target)
    assert (new.parent / "elsewhere.json").read_text() == "old"


def test_units_are_named_only_where_they_will_read_what_was_written(
    metrics_importer: MetricsImporter, new: Path
) -> None:
    elsewhere = metrics_importer.run(*init("pingdom", new, "--store", "dummy")).out
    assert f"CONFIG_DIR={new} pingdom --once --dry-run" in elsewhere
    assert "pingdom.timer" not in elsewhere
    usual = metrics_importer.run(*init("pingdom", metrics_importer.config, "--store", "dummy")).out
    assert "pingdom.timer" in usual


def test_an_answer_that_is_no_text_is_one_line(metrics_importer: MetricsImporter, new: Path) -> None:
    flags = ("--store", "dummy", "--set", "metric_root=a\udcff")
    outcome = metrics_importer.run(*init("pingdom", new, *flags), code=2)
    assert "pingdom.json: an answer holds bytes that are not UTF-8" in outcome.err
    assert names(new) == set()


def test_a_file_in_place_of_the_directory_is_named_as_what_cannot_be_written(
    metrics_importer: MetricsImporter, new: Path
) -> None:
    (new / "file").touch()
    outcome = metrics_importer.run(*init("pingdom", new / "file", "--store", "dummy"), code=1)
    assert outcome.err == f"metrics-importer: {new / 'file'}: cannot be written: Not a directory\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads what others cannot")
def test_a_secret_that_the_user_of_the_services_cannot_read_is_found() -> None:
    places = {"open": (0o755, 0o644), "closed": (0o700, 0o644), "private": (0o755, 0o600)}
    with TemporaryDirectory() as name:  # pytest's own directories are closed to others
        Path(name).chmod(0o755)
        paths = [Path(name, place, "secret") for place in places]
        for path, (directory_mode, mode) in zip(paths, places.values(), strict=True):
            path.parent.mkdir()
            path.touch()
            path.chmod(mode)
            path.parent.chmod(directory_mode)
        assert unreadable(paths, "nobody") == paths[1:]
        assert unreadable(paths, "nobody-of-this-name") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to a group")
@pytest.mark.usefixtures("private_umask")
def test_the_group_comes_into_new_directories_whatever_the_umask(metrics_importer: MetricsImporter, new: Path) -> None:
    os.chown(new, 0, 4711)
    new.chmod(0o2755)  # what is made in it has its group
    metrics_importer.run(*init("pp-collector", new / "etc", "--store", "dummy"))
    for directory in (new / "etc", new / "etc/tokens", new / "etc/credentials", new / "etc/queries"):
        found = directory.stat()
        assert found.st_gid == 4711
        assert stat.S_IMODE(found.st_mode) & 0o050 == 0o050
