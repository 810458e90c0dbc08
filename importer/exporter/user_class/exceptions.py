"""The exceptions of Collectington's interface, and ours for values that a metric cannot take."""


class InvalidServiceTypeException(Exception):
    """A service is of a type that there is not."""


class InvalidMetricTypeException(Exception):
    """A metric is of a type that there is not."""


class UndefinedMetricException(Exception):
    """A metric of the configuration has no method."""


class UnsupportedPrometheusInstance(Exception):
    """A metric is none of prometheus_client's counters, gauges, summaries and histograms."""


class BadValue(ValueError):
    """A value is not a number, or not one that its metric can take."""
