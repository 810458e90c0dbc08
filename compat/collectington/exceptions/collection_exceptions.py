"""Old import path of the exceptions."""

from importer.exporter.user_class.exceptions import (
    InvalidMetricTypeException,
    InvalidServiceTypeException,
    UndefinedMetricException,
    UnsupportedPrometheusInstance,
)

__all__ = [
    "InvalidMetricTypeException",
    "InvalidServiceTypeException",
    "UndefinedMetricException",
    "UnsupportedPrometheusInstance",
]
