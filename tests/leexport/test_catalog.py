"""Users' services are found by file name and class name, and a broken one harms no other."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.leexport.catalog import CatalogReader, UnknownService

NOBODY = 65534
GOOD = "class {name}:\n    number = {number}\n"


@pytest.fixture(autouse=True)
def _package_as_it_was() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("leexportpy"):
            del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "services"
    folder.mkdir()
    return folder


def write(folder: Path, module: str, text: str) -> Path:
    path = folder / f"{module}.py"
    path.write_text(text)
    return path


def number_of(service: object) -> object:
    return getattr(service, "number")  # noqa: B009 - of a class that a test has written


@pytest.mark.parametrize(
    ("module", "service", "class_name"),
    [
        ("my_application_service", "my_application", "MyApplicationService"),
        ("my_service_desk_service", "my_service_desk", "MyServiceDeskService"),
        ("http2x_service", "http2x", "Http2xService"),
        ("geckoboard_service", "geckoboard", "GeckoboardService"),
    ],
)
def test_a_class_is_found_by_the_words_of_its_modules_name(
    folder: Path, module: str, service: str, class_name: str
) -> None:
    write(folder, module, GOOD.format(name=class_name, number=1))
    assert number_of(CatalogReader().read([folder]).find(service)) == 1


def test_a_service_that_no_user_has_is_none(folder: Path) -> None:
    assert CatalogReader().read([folder]).find("geckoboard") is None
    assert CatalogReader().read([]).find("anything") is None


def test_the_first_folder_wins(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write(folder, "a_service", GOOD.format(name="AService", number=1))
    write(other, "a_service", GOOD.format(name="AService", number=2))
    write(other, "b_service", GOOD.format(name="BService", number=3))
    catalog = CatalogReader().read([folder, other])
    assert (number_of(catalog.find("a")), number_of(catalog.find("b"))) == (1, 3)


def test_services_import_each_other_and_the_old_package(folder: Path) -> None:
    write(
        folder, "base_service", "from leexportpy.service import Service\nclass BaseService(Service):\n    number = 4\n"
    )
    write(
        folder,
        "more_service",
        "from leexportpy.services.base_service import BaseService\nclass MoreService(BaseService):\n    pass\n",
    )
    assert number_of(CatalogReader().read([folder]).find("more")) == 4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("print 'x'\n", "SyntaxError"),
        ("import no_such_module_at_all\n", "no_such_module_at_all"),
        ("raise SystemExit(3)\n", "SystemExit"),
        ("1 / 0\n", "division by zero"),
        ("class Broken:\n    pass\n", "has no class BrokenService"),
        ("BrokenService = 1\n", "has no class BrokenService"),
    ],
)
def test_a_module_that_is_of_no_use_is_told_and_harms_no_other(
    folder: Path, text: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    write(folder, "broken_service", text)
    write(folder, "good_service", GOOD.format(name="GoodService", number=1))
    catalog = CatalogReader().read([folder])
    with pytest.raises(UnknownService, match=r"unknown service broken: broken_service\.py") as caught:
        catalog.find("broken")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert number_of(catalog.find("good")) == 1
    assert [record.levelname for record in caplog.records if record.levelno > logging.INFO] == ["ERROR"]


def test_other_modules_are_warned_of_once_and_other_files_not_at_all(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(folder, "helpers", "")
    write(folder, "__init__", "")
    (folder / "README.txt").write_text("")
    reader = CatalogReader()
    reader.read([folder])
    reader.read([folder])
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        f"passed over, a service's file is named NAME_service.py: {folder / 'helpers.py'}"
    ]


def test_a_folder_that_is_not_there_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    CatalogReader().read([tmp_path / "nowhere"])
    assert "nowhere" in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a user who may not look into a folder")
def test_a_folder_within_one_that_is_closed_to_us_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with tempfile.TemporaryDirectory() as closed:
        within = Path(closed) / "services"
        within.mkdir()
        os.seteuid(NOBODY)
        try:
            assert list(CatalogReader().read([within]).services) == []
        finally:
            os.seteuid(0)
    assert f"no such folder of services: {within}" in caplog.text


def test_the_services_that_were_found_can_be_named(folder: Path) -> None:
    write(folder, "a_service", GOOD.format(name="AService", number=1))
    write(folder, "b_service", "1 / 0\n")
    assert list(CatalogReader().read([folder]).services) == ["a"]


def test_unchanged_modules_keep_their_classes_and_changed_ones_are_imported_anew(folder: Path) -> None:
    path = write(folder, "a_service", GOOD.format(name="AService", number=1))
    reader = CatalogReader()
    first = reader.read([folder]).find("a")
    assert reader.read([folder]).find("a") is first
    path.write_text(GOOD.format(name="AService", number=22))  # another size: the stamp may have the same second
    again = reader.read([folder]).find("a")
    assert (again is first, number_of(again)) == (False, 22)


def test_a_module_that_is_mended_is_of_use(folder: Path) -> None:
    path = write(folder, "a_service", "1 / 0\n")
    reader = CatalogReader()
    reader.read([folder])
    path.write_text(GOOD.format(name="AService", number=5))
    assert number_of(reader.read([folder]).find("a")) == 5
