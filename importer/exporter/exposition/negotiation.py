"""What a client asks for in its headers: which format, and whether it can unpack it."""

import re
from collections.abc import Iterator
from enum import Enum

_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*")


class Format(Enum):
    """A format, and what it is called in an answer."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    TEXT_1 = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    OPENMETRICS_1 = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
    """As asked for by who knows of escaping."""

    @property
    def is_openmetrics(self) -> bool:
        """Whether it is OpenMetrics."""
        return self in {Format.OPENMETRICS, Format.OPENMETRICS_1}


def wanted_format(accept: str) -> Format:
    """Return the first format of an Accept header that we speak, as prometheus_client does: text 0.0.4 for none.

    >>> wanted_format("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5").value
    'application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores'
    """
    for media, parameters in _elements(accept):
        version = parameters.get("version", "")
        is_new = _VERSION.fullmatch(version) is not None and int(version.partition(".")[0]) >= 1
        if media == "application/openmetrics-text" and (is_new or not version):
            return Format.OPENMETRICS_1 if version else Format.OPENMETRICS
        if media == "text/plain" and is_new:
            return Format.TEXT_1
    return Format.TEXT


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether an Accept-Encoding header allows gzip.

    >>> accepts_gzip("br, gzip;q=0.5"), accepts_gzip("gzip;q=0"), accepts_gzip("*"), accepts_gzip("")
    (True, False, False, False)
    """
    return any(coding == "gzip" for coding, _ in _elements(accept_encoding))


def _elements(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what a header lists, with its parameters, but for what it excludes by q=0."""
    for element in header.split(","):
        value, *rest = element.split(";")
        pairs = (parameter.strip().partition("=") for parameter in rest)
        parameters = {name.strip().lower(): found.strip().strip('"') for name, _, found in pairs}
        if not _is_excluded(parameters.get("q", "1")):
            yield value.strip().lower(), parameters


def _is_excluded(quality: str) -> bool:
    return re.fullmatch(r"0(\.0*)?", quality) is not None
