"""The lanes of an outbox, and who inherits what waits in one that is configured no more."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

MAX_LANE_BYTES = 2**30
"""How much one destination may have waiting, unless its configuration says otherwise."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A destination as the outbox knows it."""

    name: str
    family: str
    """Which sinks can deliver its payloads: see `Sink.family`."""
    max_bytes: int = MAX_LANE_BYTES


@dataclass(frozen=True, slots=True)
class Orphan:
    """A lane in which something waits, and that is configured no more."""

    name: str
    family: str
    """Empty if it is not known."""
    retried: bool
    """Whether it was gone before, and made again for rejects of it."""


def find_heirs(
    orphans: Sequence[Orphan], configured: Mapping[str, Lane], *, new: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield the orphans whose payloads move to another lane, each with that lane; `new` are the lanes not known before.

    Where the address of a destination was changed, its lane has another name: the one orphan moves to the one lane
    that is new. Retried rejects move to the only lane there is. Both only within a family that is known: whatever
    else could be guessed, a payload might end up where it does not belong.
    """
    readdressed = [orphan for orphan in orphans if orphan.family and not orphan.retried]
    renamed = new if len(readdressed) == 1 else ()
    for orphan in orphans:
        candidates = configured if orphan.retried else renamed
        heirs = [name for name in candidates if orphan.family and configured[name].family == orphan.family]
        if len(candidates) == 1 and heirs:
            yield orphan.name, heirs[0]
