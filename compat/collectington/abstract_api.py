"""Old import path of the class that services derive from, as the first releases called it."""

from importer.exporter.user_class.api import AbstractApi
from importer.exporter.user_class.decorators import enable_delta_metric, register_metric, register_metric_class

__all__ = ["AbstractApi", "enable_delta_metric", "register_metric", "register_metric_class"]
