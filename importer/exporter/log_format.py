"""The form in which Collectington has always logged: one handler to standard error, under one logger's name."""

import logging
import sys
from typing import TextIO

from importer.logs import RedactingFormatter

LOG_MSG_FORMAT = "%(asctime)s|%(name)-12s|%(levelname)-8s|%(message)s"
LOG_DATE_FORMAT = "%Y/%m/%d|%H:%M:%S"
LOGGING_LEVEL = "INFO"
DATA_COLLECTION_LOGGER = "DATA-COLLECTION"

_OURS = "importer"
_DELIVERY = "importer.delivery"
"""Tells of each delivery, and here there is one a poll: that is for those who look closer."""


class _Formatter(RedactingFormatter):
    """Names every record after Collectington's logger."""

    def __init__(self) -> None:
        super().__init__(LOG_MSG_FORMAT)
        self.datefmt = LOG_DATE_FORMAT

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record, which is left as it is."""
        renamed = logging.makeLogRecord(vars(record))
        renamed.name = DATA_COLLECTION_LOGGER
        return super().format(renamed)


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what standard error is at the time of the record: a test or a command may have replaced it."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(_Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        self.stream = sys.stderr
        super().emit(record)


_handler = _StandardError()


def setup_logging() -> logging.Logger:
    """Return the logger of users' classes; however often this is called, it has one handler."""
    logger = logging.getLogger(DATA_COLLECTION_LOGGER)
    if _handler not in logger.handlers:
        logger.addHandler(_handler)
        if logger.level == logging.NOTSET:
            logger.setLevel(LOGGING_LEVEL)
    return logger


def attach(level: str = LOGGING_LEVEL) -> None:
    """Let the records of this package come out in the same form, and set the level of both loggers."""
    setup_logging()
    ours = logging.getLogger(_OURS)
    if _handler not in ours.handlers:
        ours.addHandler(_handler)
    set_level(level)


def set_level(level: str) -> None:
    """Let nothing below this level come out: one of CRITICAL, ERROR, WARNING, INFO, DEBUG and NOTSET, which is all."""
    number = logging.getLevelNamesMapping()[level] or logging.DEBUG
    for name in (DATA_COLLECTION_LOGGER, _OURS):
        logging.getLogger(name).setLevel(number)
    logging.getLogger(_DELIVERY).setLevel(number if number <= logging.DEBUG else max(number, logging.WARNING))


def detach() -> None:
    """Undo `attach` and `setup_logging`."""
    for name in (DATA_COLLECTION_LOGGER, _OURS):
        logger = logging.getLogger(name)
        logger.removeHandler(_handler)
        logger.setLevel(logging.NOTSET)
    logging.getLogger(_DELIVERY).setLevel(logging.NOTSET)
