"""What marks every module that needs a booted container."""

import pytest

from tests.debian.container import PACKAGE, why_no_container

MARKS = [
    pytest.mark.slow,
    pytest.mark.debian,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not PACKAGE, reason="METRICS_IMPORTER_DEB names no package: make test-deb"),
    pytest.mark.skipif(bool(PACKAGE) and bool(why_no_container()), reason=why_no_container()),
]
