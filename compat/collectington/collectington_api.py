"""Old import path of the class that services derive from, and of its decorators."""

from abc import ABC
from datetime import datetime

import requests
from prometheus_client import Counter, Gauge, Histogram, Summary

from importer.exporter.api import AbstractApi, CollectingtonApi
from importer.exporter.api_exceptions import UnsupportedPrometheusInstance
from importer.exporter.decorators import enable_delta_metric, register_metric, register_metric_class

__all__ = [
    "ABC",
    "AbstractApi",
    "CollectingtonApi",
    "Counter",
    "Gauge",
    "Histogram",
    "Summary",
    "UnsupportedPrometheusInstance",
    "datetime",
    "enable_delta_metric",
    "register_metric",
    "register_metric_class",
    "requests",
]
