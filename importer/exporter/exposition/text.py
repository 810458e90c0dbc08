"""Families as Prometheus reads them: the text format, and OpenMetrics; and which of the two a client asks for.

What is printed is what prometheus_client prints of the same metrics, byte by byte: its releases differ in nothing that
is to be seen here. Text 1.0.0 differs from 0.0.4 only for names beyond ASCII, which we have none of (`collected`).
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from importer.exporter.family import Extra, Family, Sample, SampleColumns, Series, escape_label_value

EOF = b"# EOF\n"
"""What OpenMetrics ends with."""
SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "counter": ("_total", "_created"),
    "summary": ("_count", "_sum", "_created"),
    "histogram": ("_bucket", "_count", "_sum", "_created"),
    "gaugehistogram": ("_bucket", "_gcount", "_gsum"),
    "info": ("_info",),
}
"""What the samples of a kind have behind the family's name."""

_OPENMETRICS_SUFFIXES = ("_created", "_gcount", "_gsum")
"""Those that the text format has no place for: they become families of their own, in this order."""
_PLAIN_KINDS = {"info": "gauge", "stateset": "gauge", "gaugehistogram": "histogram"}
_LARGE = 1e6
"""From here on Go writes exponents where Python does not."""
_NOTHING = Extra("", "")


def text(families: Iterable[Family], names: Collection[str] | None = None) -> bytes:
    """Return families in the text format, 0.0.4 as well as 1.0.0; with `names`, the samples of these names alone."""
    return "".join(piece for family in _picked(families, names) for piece in _text_pieces(family)).encode()


def openmetrics(families: Iterable[Family], names: Collection[str] | None = None) -> bytes:
    """Return families in OpenMetrics 1.0.0, its end included; with `names`, the samples of these names alone."""
    return openmetrics_part(families, names) + EOF


def openmetrics_part(families: Iterable[Family], names: Collection[str] | None = None) -> bytes:
    """Return what `openmetrics` does, without the end."""
    return "".join(piece for family in _picked(families, names) for piece in _openmetrics_pieces(family)).encode()


def shown_name(name: str, kind: str) -> str:
    """Return what the text format calls a family.

    >>> shown_name("orders", "counter"), shown_name("stock", "gauge")
    ('orders_total', 'stock')
    """
    return name + {"counter": "_total", "info": "_info"}.get(kind, "")


def number_text(value: float) -> str:
    """Return a number as Go writes it.

    >>> number_text(410.0), number_text(1e6), number_text(12345678.5), number_text(float("inf"))
    ('410.0', '1e+06', '1.23456785e+07', '+Inf')
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    shown = repr(float(value))
    dot = shown.find(".")
    if value <= 0 or dot <= 6:
        return shown
    mantissa = f"{shown[0]}.{shown[1:dot]}{shown[dot + 1 :]}".rstrip("0.")
    return f"{mantissa}e+{dot - 1:02d}"


def _picked(families: Iterable[Family], names: Collection[str] | None) -> Iterable[Family]:
    return families if names is None else _with_names(families, names)


def _with_names(families: Iterable[Family], names: Collection[str]) -> Iterator[Family]:
    for family in families:
        samples = [sample for sample in family.samples if sample.series.name in names]
        if samples:
            yield replace(family, samples=samples)


def _text_pieces(family: Family) -> Iterator[str]:
    kind = _PLAIN_KINDS.get(family.kind, family.kind)
    yield _text_head(shown_name(family.name, family.kind), kind, family.help)
    names = {series.name for series, _ in _pairs(family.samples)}
    late = [name for suffix in _OPENMETRICS_SUFFIXES if (name := f"{family.name}{suffix}") in names]
    yield _lines(family, (sample for sample in family.samples if sample[0].name not in late) if late else None)
    for name in late:
        yield _text_head(name, "gauge", family.help)
        yield _lines(family, (sample for sample in family.samples if sample[0].name == name))


def _openmetrics_pieces(family: Family) -> Iterator[str]:
    kind = "unknown" if family.kind == "untyped" else family.kind
    yield f"# HELP {family.name} {escape_label_value(family.help)}\n# TYPE {family.name} {kind}\n"
    if family.unit:
        yield f"# UNIT {family.name} {family.unit}\n"
    yield _lines(family, is_openmetrics=True)


def _text_head(name: str, kind: str, described: str) -> str:
    escaped = described.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {escaped}\n# TYPE {name} {kind}\n"


def _lines(family: Family, samples: Iterable[Sample] | None = None, *, is_openmetrics: bool = False) -> str:
    """Return the lines of all samples, or of these."""
    samples = family.samples if samples is None else samples
    if family.extras:
        return "".join([_line(sample, family.extras, is_openmetrics=is_openmetrics) for sample in samples])
    lines = [  # value * 1.0: whole numbers, too, are shown as floats
        f"{series.text}{value * 1.0!r}\n" if -_LARGE < value < _LARGE else series.line(value, number_text)
        for series, value in _pairs(samples)
    ]
    return "".join(lines)


def _pairs(samples: Iterable[Sample]) -> Iterable[tuple[Series, float]]:
    return samples.pairs() if isinstance(samples, SampleColumns) else samples


def _line(sample: Sample, extras: Mapping[Series, Extra], *, is_openmetrics: bool) -> str:
    extra = extras.get(sample.series, _NOTHING)
    behind = extra.openmetrics if is_openmetrics else extra.plain
    return f"{sample.series.text}{number_text(sample.value)}{behind}\n"
