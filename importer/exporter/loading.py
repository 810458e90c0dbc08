"""From a service's settings to the service: a user's class, or one made of configuration alone."""

import threading

from importer.config import ObjectReader
from importer.errors import ConfigError
from importer.exporter.base import Service
from importer.exporter.json_api.config import read_json_service
from importer.exporter.service_settings import ServiceSettings
from importer.exporter.user_class.service import load_class_service


def load_service(settings: ServiceSettings, *, stop: threading.Event) -> Service:
    """Return a new service; `stop` ends what it waits for.

    Raises ConfigError for a module, a class or a secret that is not there, and ImporterError where a class fails.
    """
    if settings.is_class:
        return load_class_service(
            settings.name,
            settings.entry,
            timeout_seconds=settings.timeout_seconds,
            interval_seconds=settings.interval_seconds,
            stop=stop,
        )
    keys = ObjectReader(settings.file, settings.entry, where=settings.where)
    service = read_json_service(keys, name=settings.name, stop=stop)
    if service is None:
        raise ConfigError(keys.problems)
    return service
