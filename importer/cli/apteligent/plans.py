"""When each Apteligent command asks for what. All times are UTC."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from importer.group_map import Groups
from importer.schedule import ClockSchedule, Entry, daily_minute
from importer.sources.apteligent.asking import Account
from importer.sources.apteligent.config import AppZone
from importer.sources.apteligent.daily import DailySource, Days, behind
from importer.sources.apteligent.grouped import CarrierSource, VersionSource
from importer.sources.apteligent.live import LiveSource
from importer.sources.apteligent.services import ServiceRetry, ServiceSource
from importer.sources.base import Source
from importer.stores import Whitelist

SERVICE_MINUTES = 15
RETRY_SECONDS = 120.0
"""How long servicestats waits before it asks once more for what failed; the old command waited as long."""
ONCE_RETRY_SECONDS = 10.0
"""The same with --once, where somebody waits for the end."""


class _CyclePlan(ABC):
    """What the four plans share: each cycle gives the account and the host another chance."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def once(self) -> Sequence[Source]:
        """Return the sources of one whole cycle."""
        self._account.api.begin_cycle()
        return self._once()

    def due(self, names: Sequence[str]) -> Sequence[Source]:
        """Return the sources to ask when these names of the schedule are due."""
        self._account.api.begin_cycle()
        return self._due(names)

    @abstractmethod
    def _once(self) -> Sequence[Source]: ...

    @abstractmethod
    def _due(self, names: Sequence[str]) -> Sequence[Source]: ...


class LivePlan(_CyclePlan):
    """livestats: every app, every few minutes of the clock hour."""

    def __init__(self, account: Account, *, interval_minutes: int) -> None:
        super().__init__(account)
        self._source = LiveSource(account)
        self.schedule = ClockSchedule((Entry("live", range(0, 60, interval_minutes)),))

    def _once(self) -> Sequence[Source]:
        return [self._source]

    def _due(self, names: Sequence[str]) -> Sequence[Source]:
        return [self._source]


class ServicePlan(_CyclePlan):
    """servicestats: every app at each quarter of an hour, and once more what failed."""

    def __init__(self, account: Account, whitelist: Whitelist) -> None:
        super().__init__(account)
        self._source = ServiceSource(account, whitelist)
        self.schedule = ClockSchedule((Entry("services", range(0, 60, SERVICE_MINUTES)),))

    def _once(self) -> Sequence[Source]:
        return [self._source, ServiceRetry(self._source, self._account, pause_seconds=ONCE_RETRY_SECONDS)]

    def _due(self, names: Sequence[str]) -> Sequence[Source]:
        return [self._source, ServiceRetry(self._source, self._account, pause_seconds=RETRY_SECONDS)]


class GroupedPlan(_CyclePlan):
    """groupedby: versions at minute 0, 10, 20 ..., carriers two minutes later."""

    def __init__(self, account: Account, countries: Mapping[str, str | None], group_map: Mapping[str, Groups]) -> None:
        super().__init__(account)
        self._sources: dict[str, Source] = {
            "versions": VersionSource(account),
            "carriers": CarrierSource(account, countries, group_map),
        }
        self.schedule = ClockSchedule((Entry("versions", range(0, 60, 10)), Entry("carriers", range(2, 60, 10))))

    def _once(self) -> Sequence[Source]:
        return list(self._sources.values())

    def _due(self, names: Sequence[str]) -> Sequence[Source]:
        return [source for name, source in self._sources.items() if name in names]


class DailyPlan(_CyclePlan):
    """dailyjobs: each app five minutes after its own midnight, together with the apps that are behind."""

    def __init__(
        self,
        account: Account,
        zones: Mapping[str, AppZone],
        *,
        cursors: Callable[[], Mapping[str, int]],
        days: Days | None = None,
    ) -> None:
        super().__init__(account)
        self._zones = zones
        self._cursors = cursors
        self._days = days
        self._apps_by_event: dict[str, list[str]] = defaultdict(list)
        times: dict[str, tuple[int, int]] = {}
        for app_id, zone in zones.items():
            hour, minute = daily_minute(zone.offset.total_seconds() / 3600)
            name = f"daily {hour:02}:{minute:02}"
            times[name] = (hour, minute)
            self._apps_by_event[name].append(app_id)
        entries = (Entry(name, [minute], hour=hour) for name, (hour, minute) in times.items())
        self.schedule = ClockSchedule(tuple(entries))

    def _once(self) -> Sequence[Source]:
        return [DailySource(self._account, self._zones, days=self._days)]

    def _due(self, names: Sequence[str]) -> Sequence[Source]:
        apps = {app_id for name in names for app_id in self._apps_by_event[name]}
        apps |= behind(self._cursors(), self._zones, self._account.clock())
        return [DailySource(self._account, self._zones, only=apps)]
