"""Numbers and times as people read them: the filters of the templates. Pure."""

from datetime import UTC, datetime
from typing import Final

_UNITS: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_AGES: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def number(value: float | None) -> str:
    """A count with its thousands apart; an em dash for none."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:,.2f}"


def compact(value: float | None) -> str:
    """A count in few characters: 12.3k."""
    if value is None:
        return "–"
    for size, unit in _UNITS:
        if abs(value) >= size * 10:
            return f"{value / size:.1f}{unit}"
    return number(value)


def usd(value: "float | str | None") -> str:
    """An amount in USD, with as many decimals as it takes to say something."""
    if value is None:
        return "unknown"
    amount = float(value)
    if amount == 0:
        return "$0"
    if abs(amount) >= 1000:
        return f"${amount:,.0f}"
    if abs(amount) >= 0.1:
        return f"${amount:,.2f}"
    return f"${amount:.4f}" if abs(amount) >= 0.001 else f"${amount:.6f}"


def percent(value: float | None) -> str:
    """A share that is given in percent."""
    if value is None:
        return "–"
    return f"{value:.0f} %" if value == 0 or value >= 99.995 else f"{value:.2f} %" if value >= 99 or value < 1 else f"{value:.1f} %"


def share(value: float | None) -> str:
    """A share that is given as a fraction."""
    return "–" if value is None else percent(100 * value)


def seconds(value: float | None) -> str:
    """A duration."""
    if value is None:
        return "–"
    if value < 0.0995:
        return f"{value * 1000:.1f} ms"
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    return f"{value:.2f} s" if value < 60 else age(value)


def age(value: float) -> str:
    """A long duration in its largest unit and the next: 3 h 12 min."""
    for index, (size, unit) in enumerate(_AGES):
        if value >= size:
            rest = int(value % size // _AGES[index + 1][0]) if index + 1 < len(_AGES) and value < 100 * size else 0
            return f"{int(value // size)} {unit}" + (f" {rest} {_AGES[index + 1][1]}" if rest else "")
    return "0 s"


def size(value: float | None) -> str:
    """Bytes."""
    if value is None:
        return "–"
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "KB")):
        if value >= unit:
            return f"{value / unit:.1f} {name}"
    return f"{value:.0f} B"


def iso(unix_s: float) -> str:
    """A time as ISO 8601, UTC, to the second."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def clock(unix_s: float) -> str:
    """A time of day with milliseconds, UTC."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%H:%M:%S.%f")[:-3]


def ago(unix_s: float, now_s: float) -> str:
    """How long ago, or how far ahead, a time is."""
    gone_s = now_s - unix_s
    if abs(gone_s) < 1:
        return "now"
    return f"{age(gone_s)} ago" if gone_s > 0 else f"in {age(-gone_s)}"


def short(name: str) -> str:
    """An id by its ends; all of it where it is not long."""
    return name if len(name) <= 16 else f"{name[:3]}…{name[-8:]}"
