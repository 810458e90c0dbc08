"""One sink for each lane: searches that push to the same destination deliver through the same object.

It stays the same over reloads as long as its settings do, so that no port is closed and no connection cut because
somebody has edited one of its searches.
"""

from dataclasses import dataclass, replace

from importer.leexport.outlet import Outlet, QueuedOutlet
from importer.leexport.sink_settings import Settings, difference
from importer.sinks.base import Sink


@dataclass(frozen=True, slots=True)
class _Shared:
    """The sink of a lane, and the search that it is from."""

    sink: Sink
    settings: Settings
    search: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """What two searches say differently about delivering to the same destination."""

    key: str
    search: str
    """The other one."""


class LaneSharing:
    """The sinks of one configuration, taken over from the one before where they are the same."""

    def __init__(self, former: "LaneSharing | None" = None) -> None:
        self._former = {} if former is None else former._lanes
        self._lanes: dict[str, _Shared] = {}

    def conflict(self, outlet: Outlet) -> Conflict | None:
        """Return what an outlet and those that have joined before do not agree on."""
        if not isinstance(outlet, QueuedOutlet) or outlet.settings is None:
            return None
        shared = self._lanes.get(outlet.sink.lane)
        key = difference(shared.settings, outlet.settings) if shared is not None else ""
        return Conflict(key, shared.search) if shared is not None and key else None

    def join(self, search: str, outlet: Outlet) -> Outlet:
        """Return the outlet of a search with the sink of its lane; it conflicts with none that has joined before."""
        if not isinstance(outlet, QueuedOutlet) or outlet.settings is None:
            return outlet
        lane = outlet.sink.lane
        if lane not in self._lanes:
            former = self._former.get(lane)
            is_same = former is not None and not difference(former.settings, outlet.settings)
            sink = former.sink if former is not None and is_same else outlet.sink
            self._lanes[lane] = _Shared(sink, outlet.settings, search)
        sink = self._lanes[lane].sink
        return outlet if sink is outlet.sink else replace(outlet, sink=sink)
