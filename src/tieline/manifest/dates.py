"""Moments and durations in templates: reading them, writing them, adding to them. Everything is UTC."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from tieline.manifest.values import Unrenderable, is_number, text_of

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_FROM = 100_000_000_000  # as seconds this is the year 5138

# The process's locale has no say here, so strftime itself is not used.
_DIRECTIVES: dict[str, Callable[[datetime], str]] = {
    "Y": lambda at: f"{at.year:04}",
    "y": lambda at: f"{at.year % 100:02}",
    "m": lambda at: f"{at.month:02}",
    "d": lambda at: f"{at.day:02}",
    "H": lambda at: f"{at.hour:02}",
    "I": lambda at: f"{at.hour % 12 or 12:02}",
    "M": lambda at: f"{at.minute:02}",
    "S": lambda at: f"{at.second:02}",
    "f": lambda at: f"{at.microsecond:06}",
    "j": lambda at: f"{at.timetuple().tm_yday:03}",
    "p": lambda at: "AM" if at.hour < 12 else "PM",
    "a": lambda at: _DAYS[at.weekday()][:3],
    "A": lambda at: _DAYS[at.weekday()],
    "b": lambda at: _MONTHS[at.month - 1][:3],
    "B": lambda at: _MONTHS[at.month - 1],
    "Z": lambda at: "UTC",
    "z": lambda at: "+0000",
    "s": lambda at: str(int(at.timestamp())),
    "%": lambda at: "%",
}
_NAMED = {"iso8601": "%Y-%m-%dT%H:%M:%SZ", "rfc1123": "%a, %d %b %Y %H:%M:%S GMT"}
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)

_UNITS = {
    "ms": 0.001, "millisecond": 0.001, "milliseconds": 0.001,
    "s": 1, "second": 1, "seconds": 1,
    "m": 60, "minute": 60, "minutes": 60,
    "h": 3600, "hour": 3600, "hours": 3600,
    "d": 86400, "day": 86400, "days": 86400,
    "w": 604800, "week": 604800, "weeks": 604800,
}  # fmt: skip
_DURATION = re.compile(r"([+-]?\d{1,15})\s*([a-z]*)", re.ASCII)
_ISO_DURATION = re.compile(
    r"([+-]?)P(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,12})S)?)?", re.ASCII
)


def moment_of(value: object) -> datetime:
    """A moment, epoch seconds or milliseconds, ISO 8601 or an HTTP date. Without a zone it is UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        if is_number(value):
            return _EPOCH + timedelta(seconds=value / 1000 if abs(value) >= _MILLISECONDS_FROM else value)
        text = text_of(value).strip()[:100]
        if re.fullmatch(r"-?\d{1,15}(\.\d{1,9})?", text, re.ASCII):
            return moment_of(float(text))
        return moment_of(_read(text))
    except (ValueError, OverflowError, TypeError):
        raise Unrenderable("This is no moment that a date can be made of.") from None


def format_date(value: object, pattern: object) -> object:
    """`iso8601` and `rfc1123` give text, `epoch` and `epochMs` numbers; else %-directives as in strftime."""
    at = moment_of(value)
    if pattern == "epoch":
        return (at - _EPOCH) // timedelta(seconds=1)
    if pattern == "epochMs":
        return (at - _EPOCH) // timedelta(milliseconds=1)
    text = date_format(pattern)
    return _DIRECTIVE.sub(lambda found: _DIRECTIVES[found[1]](at), text)


def date_format(pattern: object) -> str:
    """The pattern behind a name, checked. Raises Unrenderable."""
    text = text_of(pattern)
    text = _NAMED.get(text, text)
    if text in ("epoch", "epochMs"):
        return text
    unknown = [each for each in _DIRECTIVE.findall(text) if each not in _DIRECTIVES]
    if "%" not in text or unknown or len(text) > 100:
        raise Unrenderable("A date format is iso8601, rfc1123, epoch, epochMs or a pattern such as %Y-%m-%d.")
    return text


def plus(value: object, duration: object) -> object:
    """A number of seconds stays a number; anything else is a moment."""
    seconds = duration_of(duration)
    if is_number(value):
        return value + seconds
    try:
        return moment_of(value) + timedelta(seconds=seconds)
    except OverflowError:
        raise Unrenderable("The moment is out of range.") from None


def duration_of(value: object) -> int | float:
    """Seconds: a number, `90`, `15m`, `2 hours`, `-1d` or ISO 8601 (`PT15M`)."""
    if is_number(value):
        return value
    text = text_of(value).strip()
    if (found := _DURATION.fullmatch(text)) and (unit := _UNITS.get(found[2] or "s")):
        return _whole(int(found[1]) * unit)
    if (found := _ISO_DURATION.fullmatch(text)) and any(found.groups()[1:]):
        weeks, days, hours, minutes, seconds = (int(each or 0) for each in found.groups()[1:])
        total = weeks * 604800 + days * 86400 + hours * 3600 + minutes * 60 + seconds
        return -total if found[1] == "-" else total
    raise Unrenderable("A duration is a number of seconds, or such as 15m, 2h, 7d or PT15M.")


def seconds(value: object, unit: object) -> int:
    """So many units in whole seconds, rounded down."""
    factor = unit_of(unit)
    try:
        number = value if is_number(value) else float(text_of(value))
        return int(number * factor // 1)
    except (ValueError, OverflowError):
        raise Unrenderable("This is not a number.") from None


def unit_of(unit: object) -> int | float:
    factor = _UNITS.get(text_of(unit))
    if factor is None:
        raise Unrenderable("A unit is milliseconds, seconds, minutes, hours, days or weeks.")
    return factor


def _read(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parsedate_to_datetime(text)


def _whole(number: int | float) -> int | float:
    return int(number) if number == int(number) else number
