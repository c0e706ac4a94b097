"""Numbers with units, dates, versions and names in a text, in a form in which they can be compared."""

# ruff: noqa: E501 - tables and patterns read best unbroken

import re
from datetime import date
from typing import Final, NamedTuple

_NUMBER = r"[+-]?\d{1,3}(?:[,.'\u00a0\u202f]\d{3})+(?:[.,]\d+)?|[+-]?\d+(?:[.,]\d+)?"
_CURRENCIES: Final = {"$": "usd", "€": "eur", "£": "gbp", "¥": "jpy", "usd": "usd", "eur": "eur", "gbp": "gbp", "chf": "chf", "jpy": "jpy",
    "dollars": "usd", "dollar": "usd", "euros": "eur", "euro": "eur"}  # fmt: skip
_UNITS: Final[dict[str, tuple[str, float]]] = {
    **dict.fromkeys(("us", "µs", "microseconds"), ("time", 1e-06)),
    **dict.fromkeys(("ms", "millisecond", "milliseconds", "millisekunden", "millisecondes", "milisegundos"), ("time", 0.001)),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "sekunde", "sekunden", "secondes", "segundos", "secondi"), ("time", 1.0)),
    **dict.fromkeys(("min", "mins", "minute", "minutes", "minuten", "minutos", "minuti"), ("time", 60.0)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "stunde", "stunden", "heures", "heure", "horas", "hora", "ore"), ("time", 3600.0)),
    **dict.fromkeys(("d", "day", "days", "tag", "tage", "tagen", "jours", "jour", "días", "día", "giorni", "dias", "dagen"), ("time", 86400.0)),
    **dict.fromkeys(("week", "weeks", "woche", "wochen", "semaines", "semanas", "settimane", "weken"), ("time", 604800.0)),
    **dict.fromkeys(("month", "months", "monat", "monate", "monaten", "mois", "meses", "mesi", "maanden"), ("months", 1.0)),
    **dict.fromkeys(("year", "years", "jahr", "jahre", "jahren", "ans", "années", "años", "anni", "anos", "jaar"), ("months", 12.0)),
    **dict.fromkeys(("b", "byte", "bytes"), ("bytes", 1.0)),
    **dict.fromkeys(("kb", "kilobytes"), ("bytes", 1000.0)), "kib": ("bytes", 1024.0),
    **dict.fromkeys(("mb", "megabytes"), ("bytes", 1000000.0)), "mib": ("bytes", 2.0**20),
    **dict.fromkeys(("gb", "gigabytes", "gigabyte"), ("bytes", 1000000000.0)), "gib": ("bytes", 2.0**30),
    **dict.fromkeys(("tb", "terabytes", "terabyte"), ("bytes", 1000000000000.0)), "tib": ("bytes", 2.0**40),
    **dict.fromkeys(("%", "percent", "prozent", "pourcent", "procent"), ("percent", 1.0)),
    "mm": ("length", 1e-3), "cm": ("length", 1e-2), "m": ("length", 1.0), "km": ("length", 1e3), "miles": ("length", 1609.344),
    "g": ("mass", 1e-3), "kg": ("mass", 1.0), "hz": ("frequency", 1.0), "khz": ("frequency", 1e3), "mhz": ("frequency", 1e6),
    "ghz": ("frequency", 1e9), "w": ("power", 1.0), "kw": ("power", 1e3), "mbps": ("rate", 1e6), "gbps": ("rate", 1e9), "kbps": ("rate", 1e3),
    "rps": ("requests_rate", 1.0), "qps": ("requests_rate", 1.0), "rpm": ("requests_rate", 1 / 60),
    **{f"{noun}s": (noun, 1.0) for noun in (
        "request", "user", "retry", "attempt", "replica", "node", "core", "cpu", "token", "character", "line", "connection", "worker",
        "instance", "thread", "item", "entry", "key", "session", "file", "service", "provider", "column", "row", "record", "page")},
    "retries": ("retry", 1.0), "entries": ("entry", 1.0), "replicas": ("replica", 1.0),
}  # fmt: skip
"""Unit -> (what it measures, factor to the base unit)."""
_NAMES = "|".join(sorted(map(re.escape, [*_UNITS, *_CURRENCIES]), key=len, reverse=True))
_SCALES: Final = {
    "k": 1e3,
    "thousand": 1e3,
    "million": 1e6,
    "millionen": 1e6,
    "millions": 1e6,
    "mio": 1e6,
    "billion": 1e9,
    "milliarden": 1e9,
}
_QUANTITY = re.compile(
    rf"(?<![\w.])(?P<sign>[$€£¥])?\s?(?P<number>{_NUMBER})(?:\s?(?P<scale>{'|'.join(_SCALES)})(?![\w]))?(?:[\s\u00a0-]?(?P<unit>{_NAMES})(?![\w]))?(?![\w]|\.\d)",
    re.IGNORECASE,
)
_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janvier enero gennaio janeiro januari", "february feb februar février febrero febbraio fevereiro februari",
            "march mar märz mars marzo março maart", "april apr avril abril aprile", "may mai mayo maggio maio mei", "june jun juni juin junio giugno junho",
            "july jul juli juillet julio luglio julho", "august aug août agosto augustus", "september sep sept septembre septiembre settembre setembro",
            "october oct oktober octobre octubre ottobre outubro", "november nov novembre noviembre novembro", "december dec dezember décembre diciembre dicembre dezembro",
        ), 1)
    for name in names.split()
}  # fmt: skip
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATES: Final = (
    re.compile(r"(?<!\d)(?P<y>(?:19|20)\d\d)-(?P<m>\d\d)-(?P<d>\d\d)(?!\d)"),
    re.compile(
        rf"(?<!\d)(?P<d>\d{{1,2}})(?:\.|st|nd|rd|th)?\s+(?:de\s+|of\s+)?(?P<name>{_MONTH})\.?,?\s+(?:de\s+)?(?P<y>(?:19|20)\d\d)(?!\d)",
        re.IGNORECASE,
    ),
    re.compile(rf"\b(?P<name>{_MONTH})\.?\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>(?:19|20)\d\d)(?!\d)", re.IGNORECASE),
    re.compile(r"(?<!\d)(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>(?:19|20)\d\d)(?!\d)"),
)
_VERSION = re.compile(
    r"\b(?:(?P<name>[A-Za-z][\w+#.]{0,30}(?:\s[A-Z][\w+#]{1,30})?)\s+)?(?:[vV](?:ersion)?\.?\s?)?(?P<version>\d+(?:\.\d+){1,3}(?:-?(?:alpha|beta|rc)\.?\d*)?)\b(?!\s?%|[.,]?\d)"
)
_NAME = re.compile(r"(?<![.!?:]\s)(?<!^)(?<![\w])(?:[A-Z][\w'’&-]+)(?:\s+(?:of|de|van|von|der)?\s?[A-Z][\w'’&-]+){0,3}")
_ACRONYM = re.compile(r"\b[A-Z][A-Z0-9]{1,7}s?\b")


class Quantity(NamedTuple):
    """A number. `value` in the base unit of what it `measures` ("" for a bare number); offsets into the text."""

    value: float
    measures: str
    text: str
    start: int
    end: int


class Version(NamedTuple):
    """A version of a named thing, as numbers to compare."""

    name: str
    parts: tuple[int, ...]
    text: str
    start: int
    end: int


class Day(NamedTuple):
    """A calendar date."""

    day: date
    text: str
    start: int
    end: int


def number_of(text: str) -> float:
    """A number as people write it: 1,234.5 and 1.234,5 and 1 234,5; a lone comma or stop before three digits parts thousands."""
    text = re.sub(r"['\u00a0\u202f]", "", text)
    last = max(text.rfind(","), text.rfind("."))
    if last < 0:
        return float(text)
    mark, digits = text[last], len(text) - last - 1
    others = text[:last].replace("," if mark == "." else ".", "")
    if mark in others or (digits == 3 and mark == "," and others.lstrip("+-") not in {"", "0"}):
        return float(text.replace(",", "").replace(".", "")) if mark in others or digits == 3 else float(others + "." + text[last + 1 :])
    return float(others + "." + text[last + 1 :])


def quantities(text: str) -> list[Quantity]:
    """The numbers of a text, with units where they have one. Dates and versions are none."""
    taken = [(day.start, day.end) for day in dates(text)]
    taken += [(each.start, each.end) for each in versions(text) if each.text.count(".") > 1 or each.name]
    found: list[Quantity] = []
    for match in _QUANTITY.finditer(text):
        if any(start < match.end() and match.start() < end for start, end in taken):
            continue
        value = number_of(match["number"]) * _SCALES.get((match["scale"] or "").lower(), 1.0)
        unit, sign = (match["unit"] or "").lower(), match["sign"]
        measures, factor = ("", 1.0)
        if sign or unit in _CURRENCIES:
            measures = _CURRENCIES[sign or unit]
        elif unit:
            measures, factor = _UNITS[unit]
        found.append(Quantity(value * factor, measures, match.group().strip(), match.start(), match.end()))
    return found


def dates(text: str) -> list[Day]:
    """The calendar dates of a text. 03/04/2025 is none: it has two meanings."""
    found: list[Day] = []
    for form in _DATES:
        for match in form.finditer(text):
            parts = match.groupdict()
            month = _MONTHS[parts["name"].lower()] if parts.get("name") else int(parts["m"])
            try:
                day = date(int(parts["y"]), month, int(parts["d"]))
            except ValueError:  # the 31st of February is no date
                continue
            found.append(Day(day, match.group(), match.start(), match.end()))
    return sorted(found, key=lambda each: each.start)


_NO_PRODUCT: Final = frozenset(
    ["version", "v", "release", "the", "a", "an", "to", "from", "is", "are", "was", "of", "in", "at", "by", "for", "with", "than", "and", "or", "about", "approximately", "least", "most", "over", "under", "until", "since", "section", "chapter", "step", "figure", "table", "costs", "cost", "takes", "around", "only", "up", "down", "between"]
)  # fmt: skip


def versions(text: str) -> list[Version]:
    """Versions with the name that stands before them ("" for none)."""
    found: list[Version] = []
    for match in _VERSION.finditer(text):
        name = match["name"] or ""
        words = [word for word in name.split() if word.lower() not in _NO_PRODUCT]
        marked = match.group()[len(name) :].strip()[:1].lower() == "v" or name.lower().split()[-1:] in (["version"], ["release"])
        if (not words or not words[-1][0].isupper()) and not marked and match["version"].count(".") < 2:
            continue
        numbers = tuple(map(int, re.findall(r"\d+", match["version"])))
        if max(numbers) > 10**9:
            continue
        found.append(Version(" ".join(words), numbers, match["version"], match.start("version"), match.end("version")))
    return found


def names(text: str) -> set[str]:
    """Proper names and acronyms: capitalised words inside sentences, and words in capitals."""
    found = {re.sub(r"\s+", " ", match.group()).rstrip("'’s") for match in _NAME.finditer(text)}
    return found | {match.group() for match in _ACRONYM.finditer(text)}
