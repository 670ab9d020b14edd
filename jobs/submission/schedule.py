"""Schedules in the five fields of cron, in UTC: which slot a moment belongs to, and the same for systemd."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from tilepress.pipeline.errors import UsageError

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMES = {name: at + 1 for at, name in enumerate(_MONTHS)}, {name: at for at, name in enumerate(_DAYS)}
_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_RANGE = re.compile(r"(?:(\*)|(\w{1,9})(?:-(\w{1,9}))?)(?:/0*([1-9]\d{0,8}))?", re.A)
_LONGEST_DAYS = 8 * 366 + 1  # between two 29ths of February, where a century has none


@dataclass(frozen=True)
class Schedule:
    """When something is due. Days of month and of week that are both restricted are alternatives, as in cron."""

    text: str  # five fields
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]  # 0: Sunday
    any_day: bool
    any_weekday: bool

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Return the schedule of "0 2 * * *" or "@daily". UsageError for anything else, and for one of no moment."""
        fields = _NICKNAMES.get(text.strip().lower(), text).split()
        if len(fields) != len(_FIELDS):
            raise UsageError(f"`schedule` {text!r} is neither five fields of cron, such as '0 2 * * *', nor @daily")
        minutes, hours, days, months, weekdays = (
            _numbers(field, *limits) for field, limits in zip(fields, _FIELDS, strict=True)
        )
        weekdays = tuple(sorted({day % 7 for day in weekdays}))
        # Cron takes a field that begins with a star, such as */2, for an unrestricted one here.
        anys = fields[2].startswith("*"), fields[4].startswith("*")
        schedule = cls(" ".join(fields), minutes, hours, days, months, weekdays, *anys)
        schedule.slot(datetime(2096, 3, 1))
        return schedule

    def slot(self, moment: datetime) -> datetime:
        """Return the last moment at which something was due, not after this one."""
        for back in range(_LONGEST_DAYS):
            day = moment.date() - timedelta(days=back)
            if not self._is_on(day.month, day.day, day.isoweekday() % 7):
                continue
            for hour in reversed(self.hours):
                for minute in reversed(self.minutes):
                    due = moment.replace(
                        year=day.year, month=day.month, day=day.day, hour=hour, minute=minute, second=0, microsecond=0
                    )
                    if due <= moment:
                        return due
        raise UsageError(f"`schedule` {self.text!r} is never due")

    def calendars(self) -> list[str]:
        """Return the same as expressions of systemd's OnCalendar, one or two."""
        clock = f"{_list(self.hours, 24)}:{_list(self.minutes, 60)}:00 UTC"
        months = _list(self.months, 12)
        days = f"*-{months}-{_list(self.days, 31)} {clock}"
        weekdays = f"{','.join(_DAYS[day].capitalize() for day in self.weekdays)} *-{months}-* {clock}"
        if self.any_weekday:
            return [days]
        return [weekdays] if self.any_day else [days, weekdays]

    def _is_on(self, month: int, day: int, weekday: int) -> bool:
        if month not in self.months:
            return False
        on_day, on_weekday = day in self.days, weekday in self.weekdays
        return (on_day and on_weekday) if self.any_day or self.any_weekday else (on_day or on_weekday)


def _numbers(field: str, name: str, low: int, high: int) -> tuple[int, ...]:
    """The numbers of one field: "*", "5", "1-5", "*/15", "mon-fri", and lists of these."""
    found: set[int] = set()
    for part in field.split(","):
        match = _RANGE.fullmatch(part)
        if not match:
            raise UsageError(f"`schedule`: {field!r} is no {name} of cron")
        first = low if match[1] else _number(match[2], name, low, high)
        open_end = match[1] or (match[4] and not match[3])
        last = high if open_end else _number(match[3] or match[2], name, low, high)
        if first > last:
            raise UsageError(f"`schedule`: {field!r} runs backwards")
        found.update(range(first, last + 1, int(match[4] or 1)))
    return tuple(sorted(found))


def _number(text: str, name: str, low: int, high: int) -> int:
    names = {"month": _NAMES[0], "day of week": _NAMES[1]}.get(name, {})
    number = names.get(text.lower(), int(text) if text.isdigit() else -1)
    if not low <= number <= high:
        raise UsageError(f"`schedule`: {text!r} is no {name} from {low} to {high}")
    return number


def _list(numbers: tuple[int, ...], all_of: int) -> str:
    return "*" if len(numbers) == all_of else ",".join(f"{number:02d}" for number in numbers)
