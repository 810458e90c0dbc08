"""What a scrape of one port gets: the figures of the last poll, rendered once, and what is only known at the scrape.

A poll replaces the figures as a whole; who is being answered has those that were there when the scrape began.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from prometheus_client import REGISTRY, CollectorRegistry, Metric, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_latest

from importer.exporter.exposition.gzip_parts import Packed, joined, pack
from importer.exporter.exposition.negotiation import wanted_format
from importer.exporter.exposition.text import EOF, openmetrics_part, shown_name, text
from importer.exporter.family import Family
from importer.exporter.user_error import USER_EXCEPTIONS, told

logger = logging.getLogger(__name__)

LiveFamilies = Callable[[], Sequence[Family]]
"""Gives families as they are at the time of the scrape; called by several threads."""


class Page:
    """The figures of one service, and beside them `live` ones and those of prometheus_client's default registry.

    Where two of them have the same name the service's are shown, and then the live ones.
    """

    def __init__(self, *live: LiveFamilies, registry: CollectorRegistry = REGISTRY) -> None:
        self._live = live
        self._registry = registry
        self._edition = _Edition(())
        self._is_failing = False

    def publish(self, families: Sequence[Family]) -> None:
        """Show these from now on."""
        self._edition = _Edition(tuple(families))

    def answer(self, accept: str, names: Collection[str] | None, *, gzip: bool) -> tuple[bytes, str, str | None]:
        """Return the page as an Accept header wants it, its content type, and its content encoding if it has one.

        With `names`, the samples of these names alone. Takes a while for many series: to be called in a thread.
        """
        wanted = wanted_format(accept)
        edition = self._edition
        rest = self._rest(edition, names, is_openmetrics=wanted.is_openmetrics)
        if names is not None:
            body = _rendered(edition.families, names, is_openmetrics=wanted.is_openmetrics) + rest
            return (joined(pack(body), b""), wanted.value, "gzip") if gzip else (body, wanted.value, None)
        rendered = edition.rendered(is_openmetrics=wanted.is_openmetrics)
        if gzip:
            return joined(rendered.packed(), rest), wanted.value, "gzip"
        return rendered.text + rest, wanted.value, None

    def _rest(self, edition: "_Edition", names: Collection[str] | None, *, is_openmetrics: bool) -> bytes:
        taken = set(edition.names)
        live: list[Family] = []
        for family in (family for families in self._live for family in families()):
            name = shown_name(family.name, family.kind)
            if name not in taken:
                taken.add(name)
                live.append(family)
        beginning = _rendered(live, names, is_openmetrics=is_openmetrics)
        return beginning + self._registered(taken, names, is_openmetrics=is_openmetrics)

    def _registered(self, taken: Collection[str], names: Collection[str] | None, *, is_openmetrics: bool) -> bytes:
        """Return the default registry as prometheus_client shows it. Users register there what they like."""
        collected = _Collected(self._registry, taken, names)
        try:
            shown = _generated(collected, is_openmetrics=is_openmetrics)
        except USER_EXCEPTIONS as error:
            if not self._is_failing:
                logger.exception("the default registry of prometheus_client cannot be shown: %s", told(error))
            self._is_failing = True
            return EOF if is_openmetrics else b""
        self._is_failing = False
        return shown


class _Edition:
    """The figures of one poll, rendered when they are asked for the first time."""

    def __init__(self, families: Sequence[Family]) -> None:
        self.families = families
        self.names = frozenset(shown_name(family.name, family.kind) for family in families)
        self._lock = threading.Lock()
        self._rendered: dict[bool, _Rendered] = {}
        """By whether it is OpenMetrics."""

    def rendered(self, *, is_openmetrics: bool) -> "_Rendered":
        """Return the figures in a format."""
        with self._lock:
            if is_openmetrics not in self._rendered:
                self._rendered[is_openmetrics] = _Rendered(
                    _rendered(self.families, None, is_openmetrics=is_openmetrics)
                )
            return self._rendered[is_openmetrics]


class _Rendered:
    """A text, and itself packed once somebody asks for that."""

    def __init__(self, rendered: bytes) -> None:
        self.text = rendered
        self._lock = threading.Lock()
        self._packed: Packed | None = None

    def packed(self) -> Packed:
        """Return the text packed."""
        with self._lock:
            if self._packed is None:
                self._packed = pack(self.text)
            return self._packed


@dataclass(frozen=True, slots=True)
class _Collected:
    """A registry without the families that have a name which is taken."""

    registry: CollectorRegistry
    taken: Collection[str]
    names: Collection[str] | None

    def collect(self) -> Iterator[Metric]:
        """Yield what there is to show."""
        registry = self.registry if self.names is None else self.registry.restricted_registry(list(self.names))
        for metric in registry.collect():
            if shown_name(metric.name, metric.type) not in self.taken:
                yield metric


def _generated(collected: _Collected, *, is_openmetrics: bool) -> bytes:
    generate = cast(Callable[[_Collected], bytes], openmetrics_latest if is_openmetrics else generate_latest)
    return generate(collected)


def _rendered(families: Sequence[Family], names: Collection[str] | None, *, is_openmetrics: bool) -> bytes:
    return openmetrics_part(families, names) if is_openmetrics else text(families, names)
