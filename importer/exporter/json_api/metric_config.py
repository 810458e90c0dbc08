"""The entries of `metrics`: each the rule of one metric, with every mistake told by the metric's name."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from importer.config import ObjectReader
from importer.exporter.json_api.family import sample_names
from importer.exporter.json_api.metric import AGGREGATES, TYPES, MetricRule
from importer.exporter.json_api.number import ISO_8601, NumberReader, parse_date
from importer.exporter.json_api.page_config import read_path
from importer.exporter.json_api.path import Path
from importer.exporter.json_api.template import Template

OWN_PREFIX = "collectington_"
"""Begins the names of cton's own series."""

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_RESERVED_LABELS = {"histogram": "le", "summary": "quantile"}


def read_metrics(keys: ObjectReader) -> list[MetricRule]:
    """Return the rules of a service's metrics, without those that hold mistakes."""
    entries = keys.value("metrics")
    if not isinstance(entries, list) or not entries:
        keys.problem("metrics", "is not a list of metrics, each an object with name and path")
        return []
    rules: list[MetricRule] = []
    taken: dict[str, str] = {}
    for index, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, dict) else None
        where = f"{keys.where}metrics.{name}." if isinstance(name, str) and name else f"{keys.where}metrics[{index}]."
        reader = ObjectReader(keys.file, entry, where=where, problems=keys.problems)
        if not isinstance(entry, dict):
            continue
        before = len(keys.problems)
        rule = _MetricReader(reader).read()
        _take_names(reader, taken)
        if rule is not None and len(keys.problems) == before:
            rules.append(rule)
    return rules


def _take_names(keys: ObjectReader, taken: dict[str, str]) -> None:
    """Note what the series of a metric are called; no two metrics may have one in common."""
    name, kind = keys.value("name"), keys.value("type") or TYPES[0]
    if not isinstance(name, str) or kind not in TYPES:
        return
    names = sample_names(name, str(kind))
    clash = next((each for each in names if each in taken), None)
    if clash is not None:
        other = taken[clash]
        keys.problem("name", "is given twice" if other == name else f"has series called {clash}, and so has {other}")
    taken.update(dict.fromkeys(names, name))


class _MetricReader:
    """Reads one entry."""

    def __init__(self, keys: ObjectReader) -> None:
        self._keys = keys

    def read(self) -> MetricRule | None:
        """Return the rule, or None if there is no path; mistakes are among the problems then and otherwise."""
        keys = self._keys
        name = self._name()
        kind = keys.choice("type", TYPES, TYPES[0])
        path = read_path(keys, "path")
        aggregate = keys.choice("aggregate", AGGREGATES, None)
        value = self._value()
        labels = self._labels("labels", kind, in_document=value is None or aggregate is not None)
        by = self._by(kind, labels, aggregate)
        wildcard_names = self._wildcard_names(path, labels, aggregate)
        number = self._number()
        buckets = self._buckets(kind)
        text = keys.text("help", name)
        allow = keys.boolean("allow_missing_key", False)
        keys.refuse_unknown()
        if path is None:
            return None
        return MetricRule(
            name,
            kind,
            text,
            path,
            labels,
            wildcard_names,
            value,
            aggregate,
            by,
            number,
            buckets,
            allow_missing_key=allow,
        )

    def _name(self) -> str:
        name = self._keys.text("name")
        if name and not _NAME.fullmatch(name):
            self._keys.problem("name", f"{json.dumps(name)} is not a metric's name: letters, digits and _ alone")
        elif name == "_total":
            self._keys.problem("name", "is nothing but a suffix; a name such as orders_total is expected")
        elif name.startswith(OWN_PREFIX):
            self._keys.problem("name", f"begins with {OWN_PREFIX}, as do cton's own series alone")
        return name

    def _value(self) -> Template | float | None:
        value = self._keys.value("value")
        if not isinstance(value, str) or not value:
            return self._keys.number("value", None)
        template = self._template("value", value, in_document=False)
        if template is None or template.looks_up:
            return template
        try:
            return NumberReader().read(value)
        except ValueError:
            self._keys.problem("value", f"{json.dumps(value)} is neither a number nor a template; write {{{value}}}")
        return None

    def _by(self, kind: str, labels: Mapping[str, Template], aggregate: str | None) -> Mapping[str, Template]:
        """Return the labels by which items are grouped."""
        by = self._labels("by", kind, in_document=False)
        if by and aggregate is None:
            self._keys.problem("by", f"needs aggregate: {', '.join(AGGREGATES)}")
        for name in by.keys() & labels.keys():
            self._keys.problem("by", f"{name} is given twice; each label has one value")
        return by

    def _labels(self, key: str, kind: str, *, in_document: bool) -> Mapping[str, Template]:
        labels: dict[str, Template] = {}
        for name, text in sorted(self._keys.mapping_of_text(key, {}).items()):
            self._check_label(f"{key}.{name}", name, kind)
            template = self._template(f"{key}.{name}", text, in_document=in_document)
            if template is not None:
                labels[name] = template
        return labels

    def _wildcard_names(
        self, path: Path | None, labels: Mapping[str, Template], aggregate: str | None
    ) -> Sequence[str]:
        names = self._keys.texts("keys", ())
        for name in names:
            self._check_label("keys", name, str(self._keys.value("type")))
            if name in labels or names.count(name) > 1:
                self._keys.problem("keys", f"{name} is given twice; each label has one value")
        if not names or path is None:
            return names
        if aggregate is not None:
            self._keys.problem("keys", "cannot be given with aggregate, which makes one sample of all")
        elif path.is_deep:
            self._keys.problem("keys", f"cannot be given where the path has ..: {path.text}")
        elif len(names) != len(path.wildcards):
            matching = _count(len(path.wildcards), "step that matches", "steps that match")
            held = _count(len(names), "name", "names")
            self._keys.problem("keys", f"holds {held}; {path.text} has {matching} many, such as [*]")
        return names

    def _check_label(self, key: str, name: str, kind: str) -> None:
        if not _NAME.fullmatch(name) or name.startswith("__"):
            what = f"{json.dumps(name)} is not a label's name: letters, digits and _ alone, not __ in front"
            self._keys.problem(key, what)
        elif _RESERVED_LABELS.get(kind) == name:
            self._keys.problem(key, f"{name} is a label that a {kind} has itself")

    def _template(self, key: str, text: str, *, in_document: bool) -> Template | None:
        try:
            return Template(text, in_document=in_document)
        except ValueError as error:
            self._keys.problem(key, str(error))
        return None

    def _number(self) -> NumberReader:
        time_format = self._keys.text("time_format", "")
        zone_name = self._keys.text("time_zone", None)
        if zone_name is not None and not time_format:
            self._keys.problem("time_zone", "is given without time_format, which makes dates of values")
        if time_format:
            self._check_time_format(time_format)
        return NumberReader(
            self._value_map(), time_format, self._zone(zone_name), float(self._keys.number("scale", 1.0))
        )

    def _value_map(self) -> Mapping[str, float]:
        value = self._keys.value("value_map")
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(map(_is_number, value.values())):
            self._keys.problem("value_map", 'is not an object of numbers, such as {"OK": 1, "FAIL": 0}')
            return {}
        return {word: float(number) for word, number in value.items()}

    def _check_time_format(self, time_format: str) -> None:
        if time_format != ISO_8601 and "%" not in time_format:
            self._keys.problem("time_format", f"is neither {ISO_8601} nor a pattern such as %d.%m.%Y")
            return
        try:
            parse_date("", time_format)
        except ValueError as error:
            if "directive" in str(error) or "stray" in str(error):
                self._keys.problem("time_format", f"{json.dumps(time_format)} is not a pattern, such as %d.%m.%Y")

    def _zone(self, name: str | None) -> tzinfo:
        if name is None:
            return UTC
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self._keys.problem("time_zone", f"{json.dumps(name)} is not a time zone, such as Europe/Berlin")
        return UTC

    def _buckets(self, kind: str) -> tuple[float, ...]:
        value = self._keys.value("buckets")
        if value is None:
            return ()
        if kind != "histogram":
            self._keys.problem("buckets", f"cannot be given for a {kind}, only for a histogram")
            return ()
        bounds = value if isinstance(value, list) and all(map(_is_number, value)) else []
        if not bounds or any(low >= high for low, high in pairwise(bounds)):
            self._keys.problem("buckets", "is not a list of numbers that grow, such as [0.1, 1, 10]")
            return ()
        return tuple(float(bound) for bound in bounds)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
