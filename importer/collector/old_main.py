"""What programs of others call of pp-collector: Stagecraft ran collections by `_run_collector`."""

import argparse
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from importer.collector import log_files
from importer.collector.arguments import NAME
from importer.collector.run import Query, run_collector
from importer.paths import DirectoryFinder, service_places

logger = logging.getLogger(__name__)


def main() -> int:
    """Run the command with the process's arguments; return its exit code."""
    from importer.cli.pp_collector.main import main as run  # on use: the command stands above this module

    return run()


def _run_collector(
    entrypoint: str, args: argparse.Namespace, logfile_path: str | None = None, logfile_name: str | None = None
) -> None:
    """Collect by the options of a command line, logging into a folder where that is named.

    Raises ImporterError unless everything was accepted.
    """
    if logfile_path is not None and not args.console_logging:
        set_up_logging(entrypoint, logging.INFO, logfile_path, logfile_name or log_files.FILE_NAME)
    if os.environ.get("DISABLE_COLLECTORS") == "true":
        logger.info("Collector %s NOT run with the following %s", entrypoint, args.query)
        return
    query = Query.from_content({**args.query, "entrypoint": entrypoint})
    run_collector(query, args, DirectoryFinder(NAME, service_places()))


def merge_performanceplatform_config(
    performanceplatform: Mapping[str, Any], data_set: Mapping[str, str], token: Mapping[str, str], dry_run: bool = False
) -> dict[str, Any]:
    """Return what entrypoints are given about a data set.

    >>> place = {"data-group": "tax-disc", "data-type": "monitoring"}
    >>> merge_performanceplatform_config({"backdrop_url": "http://b.example/data"}, place, {"token": "t"})["url"]
    'http://b.example/data/tax-disc/monitoring'
    """
    base = str(performanceplatform["backdrop_url"]).rstrip("/")
    group, data_type = data_set["data-group"], data_set["data-type"]
    return {
        "url": f"{base}/{group}/{data_type}",
        "token": token["token"],
        "data-group": group,
        "data-type": data_type,
        "dry_run": dry_run,
    }


def set_up_logging(
    name: str, log_level: int, logfile_path: str, logfile_name: str, json_fields: Mapping[str, str] | None = None
) -> None:
    """Log to two files in a folder from now on."""
    level = logging.getLevelName(log_level)
    log_files.set_up(name, directory=Path(logfile_path), level=level, fields=json_fields, file_name=logfile_name)


def close_down_logging() -> None:
    """Take back what `set_up_logging` has set up."""
    log_files.close_down()
