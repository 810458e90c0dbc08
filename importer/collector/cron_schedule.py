"""A schedule of cron as settings of a systemd timer.

>>> timer_settings("1-59/2 * * * *"), timer_settings("@daily")
(('OnCalendar=*-*-* *:01..59/2:00',), ('OnCalendar=*-*-* 00:00:00',))
>>> timer_settings("15,45 2 1,15 * mon-fri")
('OnCalendar=*-*-01,15 02:15,45:00', 'OnCalendar=Mon..Fri *-*-* 02:15,45:00')

As cron does (crontab(5) of Debian), a job with a day of the month and a day of the week runs on days that are either,
unless one of the two fields begins with a star: then on days that are both.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_AT_BOOT = "@reboot"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST_MONTHS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_ENTRY = re.compile(r"(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>[0-9]+))?", re.ASCII)


class ScheduleError(ValueError):
    """A schedule that cron would not take, or that a timer cannot have; the text says why."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    first: int
    last: int
    names: Sequence[str] = ()
    """In the order of their numbers, from `first` on."""

    def number(self, text: str) -> int:
        if text.lower() in self.names:
            return self.first + self.names.index(text.lower())
        if not text.isdigit() or not self.first <= int(text) <= self.last:
            raise ScheduleError(f'{self.name} "{text:.40}" is not from {self.first} to {self.last}')
        return int(text)

    def values(self, text: str) -> frozenset[int]:
        """Return the numbers that a field names; raises ScheduleError."""
        return frozenset(number for entry in text.split(",") for number in self._entry(entry))

    def _entry(self, text: str) -> range:
        match = _ENTRY.fullmatch(text)
        if match is None or (match["first"] == "*" and match["last"]):
            raise ScheduleError(f'{self.name} "{text:.40}" is not understood; write *, 5, 1-5, */2, 1-9/2 or a list')
        step = int(match["step"] or 1)
        if step == 0:
            raise ScheduleError(f'{self.name} "{text:.40}" has a step of 0; write 1 or more')
        if match["first"] == "*":
            return range(self.first, self.last + 1, step)
        first = self.number(match["first"])
        if match["last"] is None and match["step"]:
            raise ScheduleError(f'{self.name} "{text:.40}" has a step, but no range: write {first}-{self.last}/{step}')
        last = first if match["last"] is None else self.number(match["last"])
        if last < first:
            raise ScheduleError(f'{self.name} "{text:.40}" ends before it begins; write a list')
        return range(first, last + 1, step)


_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_DAY = _Field("day of the month", 1, 31)
_MONTH = _Field("month", 1, 12, _MONTHS)
_WEEKDAY = _Field("day of the week", 0, 7, _DAYS)
_FIELDS = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)


def timer_settings(schedule: str) -> tuple[str, ...]:
    """Return lines for the section [Timer] that make it elapse when cron would run a job; raises ScheduleError."""
    text = schedule.strip()
    if text == _AT_BOOT:
        return ("OnBootSec=0",)
    if text.startswith("@") and text not in _WORDS:
        raise ScheduleError(f'"{text:.40}" is not understood; write {", ".join(_WORDS)} or {_AT_BOOT}')
    fields = _WORDS.get(text, text).split()
    if len(fields) != len(_FIELDS):
        raise ScheduleError(f'"{text:.80}" has {len(fields)} fields; five are expected, or a word such as @daily')
    minutes, hours, days, months, weekdays = (field.values(given) for field, given in zip(_FIELDS, fields, strict=True))
    weekdays = frozenset(number or 7 for number in weekdays)
    time = f"{_component(hours, 0, 23)}:{_component(minutes, 0, 59)}:00"
    month, day = _component(months, 1, 12), _component(days, 1, 31)
    names = _weekday_names(weekdays)
    of_month, of_week = f"*-{month}-{day} {time}", f"{names} *-{month}-* {time}".lstrip()
    if not any(fields[index].startswith("*") for index in (2, 4)):
        return tuple(f"OnCalendar={line}" for line in ([of_month] if _comes(days, months) else []) + [of_week])
    if not _comes(days, months):
        raise ScheduleError(f'"{text:.80}" never comes: no such month has such a day')
    return (f"OnCalendar={names} {of_month}" if names else f"OnCalendar={of_month}",)


def _comes(days: Collection[int], months: Collection[int]) -> bool:
    return any(min(days) <= _LONGEST_MONTHS.get(month, 31) for month in months)


def _component(values: Collection[int], first: int, last: int) -> str:
    """Return numbers of two digits as a timer's calendar has them."""
    numbers = sorted(values)
    if len(numbers) == last - first + 1:
        return "*"
    step = numbers[1] - numbers[0] if len(numbers) > 2 else 0
    if step > 1 and numbers == list(range(numbers[0], numbers[-1] + 1, step)):
        return f"{numbers[0]:02}..{numbers[-1]:02}/{step}"
    return ",".join(_span(f"{begin:02}", f"{end:02}", end - begin) for begin, end in _runs(numbers))


def _weekday_names(weekdays: Collection[int]) -> str:
    """Return the names of days from 1, Monday, to 7; nothing where they are all."""
    if len(weekdays) == 7:
        return ""
    names = [_DAYS[number % 7].title() for number in range(8)]
    return ",".join(_span(names[begin], names[end], end - begin) for begin, end in _runs(sorted(weekdays)))


def _span(first: str, last: str, length: int) -> str:
    if length == 0:
        return first
    return f"{first},{last}" if length == 1 else f"{first}..{last}"


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of numbers that follow on each other."""
    begin = end = numbers[0]
    for number in numbers[1:]:
        if number != end + 1:
            yield begin, end
            begin = number
        end = number
    yield begin, end
