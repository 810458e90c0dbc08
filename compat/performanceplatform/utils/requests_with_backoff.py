"""Old import path of `requests` with patience: whatever is not here is that of requests."""

from importer.collector.backoff import *  # noqa: F403
from importer.collector.backoff import __dir__, __getattr__, get, post  # noqa: F401
