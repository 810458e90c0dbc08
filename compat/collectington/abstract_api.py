"""Old import path of the class that services derive from, as the first releases called it."""

from importer.exporter.api import AbstractApi
from importer.exporter.decorators import enable_delta_metric, register_metric, register_metric_class

__all__ = ["AbstractApi", "enable_delta_metric", "register_metric", "register_metric_class"]
