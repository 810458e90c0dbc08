"""The naming options of graphitesend, for users who have them in their other tools."""

import platform
from collections.abc import Callable
from dataclasses import dataclass

from importer.config import ObjectReader
from importer.sinks.plain_text import clean_path_text


@dataclass(frozen=True, slots=True)
class Naming:
    """How graphitesend's formatter renames metrics; a destination without any of these keys has no Naming at all.

    The formatter's own defaults hold as soon as one key is given, and they may surprise: without `prefix` a name
    starts with `systems.`, and the host name always follows. For the metric `shop.dau`, imported on `web.example`:

    ======================================================  ============================
    keys                                                    name
    ======================================================  ============================
    none (no Naming)                                        shop.dau
    prefix "acme"                                           acme.web.example.shop.dau
    prefix "" (no prefix at all)                            web.example.shop.dau
    prefix "acme", fqdn_squash                              acme.web_example.shop.dau
    prefix "acme", group "mobile"                           acme.web.example.mobile.shop.dau
    prefix "acme", system_name ""                           acme.shop.dau
    suffix "_raw"                                           systems.web.example.shop.dau_raw
    suffix ".raw"                                           systems.web.example.shop.dau.raw
    lowercase_metric_names                                  systems.web.example.shop.dau
    ======================================================  ============================

    Lower case covers the whole name, prefix and host too. Unlike graphitesend we leave `-` in metric names: they are
    clean already, and turning it into `_` could make one series of two. The dots at the ends of prefix and group
    and at the end of suffix are dropped, for they would make empty path elements.
    """

    prefix: str | None = None
    """Stands in front of everything, may hold dots; None gives `systems`, an empty text nothing."""
    suffix: str | None = None
    """Put right behind the metric name, without a dot between."""
    group: str | None = None
    """Stands between host and metric, may hold dots."""
    lowercase_metric_names: bool = False
    """Make the whole name lower case."""
    fqdn_squash: bool = False
    """Write the dots of the host name as `_`, so that it is one path element."""
    system_name: str | None = None
    """The host name; None gives this machine's, an empty text leaves it out."""

    @classmethod
    def from_keys(cls, keys: ObjectReader) -> "Naming | None":
        """Return the naming that a destination's keys ask for, None if they have none of these keys."""
        naming = cls(
            prefix=keys.text("prefix", None, allow_empty=True),
            suffix=keys.text("suffix", None),
            group=keys.text("group", None),
            lowercase_metric_names=keys.boolean("lowercase_metric_names", False),
            fqdn_squash=keys.boolean("fqdn_squash", False),
            system_name=keys.text("system_name", None, allow_empty=True),
        )
        return None if naming == cls() else naming

    def renamer(self) -> Callable[[str], str]:
        """Return a function from a clean metric name to the name by these options, also clean."""
        # Imported on use: few configurations have these keys, and the import takes as long as all of ours.
        from graphitesend.formatter import GraphiteStructuredFormatter

        host = platform.uname().node if self.system_name is None else self.system_name
        formatter = GraphiteStructuredFormatter(
            prefix=None if self.prefix is None else _part(self.prefix),
            group=_part(self.group or "") or None,
            system_name=_part(host),
            suffix=_text(self.suffix or "").rstrip("."),
            lowercase_metric_names=self.lowercase_metric_names,
            fqdn_squash=self.fqdn_squash,
            clean_metric_name=False,
        )

        def rename(name: str) -> str:
            # Only the name is taken: graphitesend writes values as %f, which loses digits.
            return str(formatter(name, 0, 0)).rsplit(" ", 2)[0]

        return rename


def _part(text: str) -> str:
    return _text(text).strip(".")


def _text(text: str) -> str:
    """Clean a user's text for the middle of a name, where `;` would start a Graphite tag."""
    return clean_path_text(text).replace(";", "_")
