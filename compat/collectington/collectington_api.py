"""Old import path of the class that services derive from, and of its decorators."""

from abc import ABC
from datetime import datetime

import requests
from prometheus_client import Counter, Gauge, Histogram, Summary

from importer.exporter.user_class.api import AbstractApi, CollectingtonApi
from importer.exporter.user_class.decorators import enable_delta_metric, register_metric, register_metric_class
from importer.exporter.user_class.exceptions import UnsupportedPrometheusInstance

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
