"""What tests in a container get: a machine with the package installed, one a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.debian.container import PACKAGE, Container, booted


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A machine without the package, with all that it depends on."""
    with booted(tmp_path_factory.mktemp("debian")) as container:
        container.prepare()
        yield container


@pytest.fixture(scope="module")
def machine(bare: Container) -> Container:
    """A machine with the package installed, and nothing of it configured."""
    bare.install(Path(PACKAGE).resolve())
    return bare
