"""What a source promises, whatever its vendor."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from importer.errors import SourceError
from importer.points import Batch


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that was asked for and not obtained, while the rest goes on."""

    what: str
    """The app, metric and so on, in words for the log."""
    error: SourceError


class Source(ABC):
    """A vendor's API that we pull from."""

    name: str
    """For logs and reports."""

    @abstractmethod
    def collect(self, cursors: Mapping[str, int]) -> Iterator[Batch | Missing]:
        """Yield what the vendor gives, batch by batch, as the answers come.

        `cursors` says how far earlier runs came, by cursor name. What fails alone is yielded as Missing;
        raises SourceError when nothing more can be had (refused login, unreachable host), after it has
        yielded all that was obtained until then. Returns early when the process is asked to stop.
        """
