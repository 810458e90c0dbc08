"""Fixtures of the tests that run whole commands."""

from collections.abc import Iterator

import pytest

from tests.apteligent import Site, opened_site
from tests.commands import Commands


@pytest.fixture
def site(commands: Commands) -> Iterator[Site]:
    """A configured installation with a vendor of three apps and a carbon."""
    with opened_site(commands) as opened:
        yield opened
