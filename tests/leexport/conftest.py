"""What the tests of leexportpy share."""

from collections.abc import Iterator

import pytest

from tests.commands import Commands
from tests.leexport.site import Site, opened_site


@pytest.fixture
def site(commands: Commands) -> Iterator[Site]:
    """An installation without searches yet, whose servers run."""
    with opened_site(commands) as site:
        yield site
