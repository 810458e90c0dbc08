"""Old import path of the configuration as a plain dict.

Users' classes import all of it by a star, after their own modules: any further name would take the place of theirs.
"""

import importlib
import sys
from json.decoder import JSONDecodeError, JSONDecoder

from importer.exporter.log_format import setup_logging
from importer.exporter.plain_config import (
    DECODER,
    LOGGER,
    get_config,
    get_list_of_available_metrics,
    get_service,
    parse,
    validate,
    validate_metrics_mapping,
    validate_service,
    validate_services,
)

__all__ = [
    "DECODER",
    "LOGGER",
    "JSONDecodeError",
    "JSONDecoder",
    "get_config",
    "get_list_of_available_metrics",
    "get_service",
    "importlib",
    "parse",
    "setup_logging",
    "sys",
    "validate",
    "validate_metrics_mapping",
    "validate_service",
    "validate_services",
]
