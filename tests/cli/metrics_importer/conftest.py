"""The fixture of the tests of metrics-importer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.metrics_importer.in_process import MetricsImporter, metrics_importer_in


@pytest.fixture
def metrics_importer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[MetricsImporter]:
    """metrics-importer in this process, with empty CONFIG_DIR and STATE_DIR."""
    with metrics_importer_in(tmp_path, capsys) as command:
        yield command
