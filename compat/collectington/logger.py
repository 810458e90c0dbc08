"""Old import path of the logger."""

from importer.exporter.log_format import (
    DATA_COLLECTION_LOGGER,
    LOG_DATE_FORMAT,
    LOG_MSG_FORMAT,
    LOGGING_LEVEL,
    setup_logging,
)

__all__ = ["DATA_COLLECTION_LOGGER", "LOGGING_LEVEL", "LOG_DATE_FORMAT", "LOG_MSG_FORMAT", "setup_logging"]
