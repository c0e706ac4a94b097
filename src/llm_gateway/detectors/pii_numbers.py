# ruff: noqa: E501  # patterns and word lists read best unbroken
"""Numbers that belong to a person: cards, bank accounts, identity numbers, telephones.

Checksums come from python-stdnum. A number without a checksum needs a word beside it that says what it is.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from stdnum import iban as iban_number
from stdnum.br import cpf
from stdnum.cl import rut
from stdnum.cn import ric
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.it import codicefiscale
from stdnum.kr import rrn
from stdnum.mx import curp
from stdnum.se import personnummer

from llm_gateway.detectors import shapes
from llm_gateway.detectors.linear import compile_pattern
from llm_gateway.detectors.pii_words import RECORD_WORDS
from llm_gateway.detectors.rules import Hit, passage

Spans = Sequence[tuple[int, int, str]]

DIGIT_RUN = compile_pattern(r"\d(?:[ .\-/()]{0,2}\d){6,}")
_GROUP = re.compile(r"[0-9]+")
_MAX_RUN_GROUPS = 4096
_IBAN = compile_pattern(r"\b([A-Z]{2}\d{2}[ \-]?(?:[A-Z0-9]{4}[ \-]?){2,7}[A-Z0-9]{1,4})\b")
_IBAN_LOWER = compile_pattern(r"\b([a-z]{2}\d{2}[ \-]?(?:[a-z0-9]{4}[ \-]?){2,7}[a-z0-9]{1,4})\b")
_CHECKSUM_TOLD = re.compile(
    r"(?i)\A[\"'`)]{0,2}[\s,:–-]{0,3}(?:[a-z]+ ){0,3}?(?:checksum|check digits?|mod ?-?97|invalid|not valid|fails?|wrong|prufsumme|prufziffer|ungultig|invalide|non valide|invalido|no valido|non valido|ongeldig|nieprawidlow|неверн|недейств)"
)
_SSN = compile_pattern(r"(?:^|[^\d\-.])(\d{3})[- ](\d{2})[- ](\d{4})(?:[^\d\-]|$)")
_NANP = compile_pattern(r"(?:^|[^\d.\-/])((?:\+?1[ .\-]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .\-])[2-9]\d{2}[ .\-]\d{4})(?:[^\d]|$)")
_PLUS = compile_pattern(
    r"(?:(?:^|[^\w+\-])\+|(?:^|[\s(])00)([1-9]\d{0,2}[ .\-/]{0,2}(?:\(0\)|\(\d{1,5}\))?(?:[ .\-/]{0,2}\d){6,12})(?:[^\d]|$)"
)
_NATIONAL = compile_pattern(
    r"(?:^|[^\d.\-/:+,])(0[1-9](?:[ .]\d{2}){4}|0[1-9]\d{0,3}[ \-/]\d{2,4}[ \-]?\d{2,4}(?:[ \-]?\d{2,4}){0,3}|0[1-9]\d{1,4} ?/ ?\d{4,8}(?:-\d{1,4})?|\(\d{2,4}\)[ \-]?\d{3,5}[ \-]?\d{3,5})(?:[^\d\-.:/]|[.:](?:\s|$)|$)"
)
_PHONE_FORMS = (
    (_PLUS, 0.8, "pii.phone_international", shapes.PLUS),
    (_NANP, 0.76, "pii.phone_nanp", shapes.NANP),
    (_NATIONAL, 0.72, "pii.phone_national", shapes.NATIONAL),
)
_INNER_GROUP = re.compile(r"[0-9]{4} 00\Z")
_TOLL_FREE = re.compile(r"0?0?(?:800|808|900|180 ?\d|0180 ?\d)(?=[ \-/.])|(?:\+?1[ .\-]?)?\(?8(?:00|33|44|55|66|77|88)\)?")
_ID_VALUE = re.compile(
    r"[\s:#=\"'*.()\-–/°º№はがをのも是为為은는이가인]{0,8}+(?:[^\W\d_]{1,14}+[\s:#=\"'.,()*/°º№-]{1,4}+){0,6}([A-Zα-ω]{0,5}[ \-]?[0-9][0-9A-Z .\-/*]{3,24})(?![0-9])",
    re.IGNORECASE,
)
_NAME_ID_VALUE = re.compile(r"[\s:#=\"'*.()\-/°º№]{0,8}+(?:[^\W\d_]{1,14}+[\s:#=\"'.,()*°º№-]{1,4}+){0,5}([A-Z0-9]{6,20})\b")
_PHONE_VALUE = re.compile(
    r"[\s:#=\"'*.–はがをのも是为為은는이가인-]{0,6}+[(]?(?:[^\W\d_]{1,16}+[\s:#=\"'’&.,()*–-]{1,4}+){0,7}(\+?\(?[0-9](?:[ .\-/()]{0,2}[0-9]){5,14})"
)
_BANK_VALUE = re.compile(
    r"[\s:#=\"'*.()–はがをのも是为為은는이가인-]{0,6}+(?:[^\W\d_]{1,14}+\.?[\s:#=\"'.,()*–-]{1,4}+){0,4}([A-Z]{0,4}[0-9](?:[ .\-/]?[0-9]){5,21})",
    re.IGNORECASE,
)
_WORD_INSIDE = re.compile(r"[ .\-/][a-z]{3}")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_CN_MOBILE = compile_pattern(r"(?:^|[^0-9A-Za-z_.\-])(1[3-9]\d[ \-]?\d{4}[ \-]?\d{4})(?:[^0-9A-Za-z_\-]|$)")
_COUNTING = "12345678901234567890123456789012345678"
_FICTITIOUS = re.compile(r"555[ -]?01[0-9]{2}\Z")
_OTHER_BANK_WORDS = (
    "transit",
    "routing",
    "sort code",
    "bsb",
    "blz",
    "branch",
    "institution",
    "bank",
    "agenc",
    "aba",
    "clabe",
    "swift",
    "bic",
)
_SEPARATORS = frozenset(" .-/()+")
_SERVICE_LINE = re.compile(r"1[5-8][0-9]{2}-[0-9]{4}\Z")
"""Telephones of firms in Korea."""
_THING = re.compile(
    r"(?i)\b(?:order|tracking|parcel|shipment|invoice|ticket|case|part|serial|build|version|batch|lot|model|reference|article|item|confirmation|receipt|booking|po|rma|isbn|issn|error|job) \Z"
)
"""Things that are numbered too, said right before `number is`."""
_ZIP = re.compile(r"[0-9]{5}-[0-9]{4}\Z")
_DATE_LIKE = re.compile(r"(?:(?:19|20)[0-9]{2}[-/. ][0-9]{1,2}[-/. ][0-9]{1,2}|[0-9]{1,2}[-/. ][0-9]{1,2}[-/. ](?:19|20)[0-9]{2})")
_VERSION_LIKE = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){2,3}\Z")
_NO_PAYMENT = re.compile(
    r"(?i)\b(?:loyalty|frequent[ -]fly\w+|flyer|miles|rewards?|bonus|payback|treue\w*|kundenclub|fidelite|fidelidad|fedelta|tracking|parcel|imei|iccid) (?:programme |program |club |member\w* |account )?(?:number|num|no|nr|nummer|numero|id|code)?\.?(?: is| ist|:)? ?\Z"
)
"""What such a number is, said right before it: none that pays."""
_EXPIRY = re.compile(r"\s{1,3}(?:exp\w*\W{0,3})?(?:0[1-9]|1[0-2])\s?/\s?[0-9]{2}")
_FIXED_IDS = compile_pattern(
    r"(?i)(?:^|[^A-Za-z0-9])(\d{3}\.\d{3}\.\d{3}-\d{2}|[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]|\d{17}[\dX]|\d{6}-[1-8]\d{6}|[12] ?\d{2} ?\d{2} ?\d{2} ?\d{3} ?\d{3} ?\d{2}|\d{6}-\d{2}-\d{4}|\d{6}[-+]\d{4}|\d{6}[-+A]\d{3}[0-9A-FHJ-NPR-Y]|[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z\d]\d|\d{1,2}\.\d{3}\.\d{3}-[\dK]|[STFGXYZ]\d{7}[A-Z]|\d{8}-?[A-Z]|[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] \d{2} \d{2} \d{2} [A-D])(?:[^A-Za-z0-9]|$)"
)


def _singapore(value: str) -> bool:
    """The check letter of Singapore's identity numbers (ICA)."""
    total = sum(weight * int(digit) for weight, digit in zip((2, 7, 6, 5, 4, 3, 2), value[1:8], strict=True))
    letters = "JZIHGFEDCBA" if value[0] in "ST" else "XWUTRQPNMLK"
    return letters[(total + (4 if value[0] in "TG" else 0)) % 11] == value[8]


def _malaysian(value: str) -> bool:
    """A date and a state's code in numbers of the MyKad (Jabatan Pendaftaran Negara)."""
    return _plausible_birth(value) and (1 <= int(value[7:9]) <= 16 or 21 <= int(value[7:9]) <= 59)


_FEWEST_DIGITS = 2
"""Nobody is given a number of one digit only."""


class _FixedId(NamedTuple):
    name: str
    shape: re.Pattern[str]
    valid: Callable[[str], bool]
    confidence: float


_FIXED: tuple[_FixedId, ...] = (
    _FixedId("br_cpf", re.compile(r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}\Z"), cpf.is_valid, 0.9),
    _FixedId(
        "it_codice_fiscale", re.compile(r"[A-Za-z]{6}[0-9]{2}[A-Za-z][0-9]{2}[A-Za-z][0-9]{3}[A-Za-z]\Z"), codicefiscale.is_valid, 0.92
    ),
    _FixedId("cn_resident", re.compile(r"[0-9]{17}[0-9Xx]\Z"), ric.is_valid, 0.9),
    _FixedId("kr_resident", re.compile(r"[0-9]{6}-[1-8][0-9]{6}\Z"), lambda value: rrn.is_valid(value) or _plausible_birth(value), 0.8),
    _FixedId("fr_nir", re.compile(r"[12] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}\Z"), nir.is_valid, 0.85),
    _FixedId("my_kad", re.compile(r"[0-9]{6}-[0-9]{2}-[0-9]{4}\Z"), _malaysian, 0.76),
    _FixedId("se_personal", re.compile(r"[0-9]{6}[-+][0-9]{4}\Z"), personnummer.is_valid, 0.75),
    _FixedId("fi_personal", re.compile(r"[0-9]{6}[-+Aa][0-9]{3}[0-9A-Za-z]\Z"), hetu.is_valid, 0.85),
    _FixedId("mx_curp", re.compile(r"[A-Za-z]{4}[0-9]{6}[HMhm][A-Za-z]{5}[A-Za-z0-9][0-9]\Z"), curp.is_valid, 0.92),
    _FixedId("cl_rut", re.compile(r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9Kk]\Z"), rut.is_valid, 0.85),
    _FixedId("es_nie", re.compile(r"[XYZxyz][0-9]{7}[A-Za-z]\Z"), nie.is_valid, 0.75),
    _FixedId("es_dni", re.compile(r"[0-9]{8}-?[A-Za-z]\Z"), dni.is_valid, 0.72),
    _FixedId("sg_nric", re.compile(r"[STFG][0-9]{7}[A-Z]\Z"), _singapore, 0.8),
    _FixedId("gb_nino", re.compile(r"[A-Z]{2} [0-9]{2} [0-9]{2} [0-9]{2} [A-D]\Z"), lambda value: True, 0.85),
)


def luhn(digits: str) -> bool:
    """The checksum of ISO/IEC 7812 card numbers."""
    total = 0
    for index, character in enumerate(reversed(digits)):
        value = ord(character) - 48
        if index & 1:
            value *= 2
            if value > 9:
                value -= 9
        total += value
    return total % 10 == 0


def _brand(digits: str) -> bool:
    """Whether a card network issues numbers that begin and are as long as this (ISO/IEC 7812, networks' BIN tables)."""
    size = len(digits)
    two, three, four = int(digits[:2]), int(digits[:3]), int(digits[:4])
    if digits[0] == "4":
        return size in (13, 16, 19)
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return size == 16
    if two in (34, 37):
        return size == 15
    if two in (36, 38, 39) or 300 <= three <= 305:
        return size in (14, 16)
    if four == 6011 or 644 <= three <= 659 or 3528 <= four <= 3589 or two in (62, 81) or 2200 <= four <= 2204 or two == 60:
        return size in (16, 19)
    if four in (1800, 2131):
        return size == 15
    return (two == 50 or 56 <= two <= 69) and size in (16, 18, 19, 13, 12)


def _near(words: Spans, start: int, end: int) -> bool:
    index = bisect_left(words, (start, 0, ""))
    return index < len(words) and words[index][0] < end


def _candidates(groups: list[tuple[int, int]], text: str) -> Iterator[tuple[str, int, int]]:
    """Runs of neighbouring groups of 12 to 19 digits in all."""
    if len(groups) > 8 and all(right - left == 1 for left, right in groups[:8]):
        digits = "".join(text[left:right] for left, right in groups)
        if 12 <= len(digits) <= 19:
            yield digits, groups[0][0], groups[-1][1]
    for first, (start, _) in enumerate(groups):
        digits, previous = "", start
        for left, right in groups[first : first + 6]:
            if digits and (left - previous > 1 or text[previous] not in " -" or right - left > 6 or groups[first][1] - start > 6):
                break
            digits += text[left:right]
            previous = right
            if len(digits) > 19:
                break
            if len(digits) >= 12:
                yield digits, start, right


def cards(text: str, runs: list[tuple[int, int]], card_words: Spans) -> Iterator[Hit]:
    """Card numbers among the digit runs: checksum and a network's prefix, or checksum and a word."""
    for begin, finish in runs:
        if finish - begin < 12:
            continue
        groups = [(match.start() + begin, match.end() + begin) for match in _GROUP.finditer(text[begin:finish])][:_MAX_RUN_GROUPS]
        if begin and text[begin - 1] in "._+#=/-$€" and text[begin - 1] not in "=-#/":
            continue
        taken = -1
        for digits, start, end in _candidates(groups, text):
            if start < taken:
                continue
            if len(set(digits)) < 3 or digits in _COUNTING or not luhn(digits):
                continue
            if (start and (text[start - 1].isalnum() and text[start - 1].isascii())) or (
                text[end : end + 1].isalpha() and text[end].isascii()
            ):
                continue
            if _NO_PAYMENT.search(text[max(0, start - 48) : start]):
                continue
            context = _near(card_words, start - 90, start) or _near(card_words, end, end + 50) or bool(_EXPIRY.match(text, end))
            branded = _brand(digits)
            if branded and (len(digits) >= 14 or context):
                yield Hit("pii.card", 0.95 if context else 0.85, "pii.card", start, end)
                taken = end
            if context and (len(digits) >= 13 or _near(card_words, start - 32, start)):
                yield Hit("pii.card", 0.82, "pii.card_context", start, end)
                taken = end


def ibans(text: str, bank_words: Spans) -> Iterator[Hit]:
    """International bank account numbers, by their modulo-97 checksum (ISO 13616)."""
    for pattern in (_IBAN, _IBAN_LOWER):
        for match in pattern.finditer(text):
            value = match.group(1)
            while len(value) > 14:
                if iban_number.is_valid(value, check_country=False):
                    yield Hit("pii.iban", 0.93, "pii.iban", match.start(1), match.start(1) + len(value))
                    break
                value, _, rest = value.rpartition(" ")
                if not value or not rest:
                    break
            figures = "".join(filter(str.isdigit, match.group(1)))
            if _CHECKSUM_TOLD.search(text[match.end() : match.end() + 60]):
                continue  # what fails its checksum is nobody's account
            if _near(bank_words, match.start() - 24, match.start()) and len(figures) >= 12 and len(set(figures)) > 3:
                yield Hit("pii.iban", 0.75, "pii.iban_context", match.start(1), match.end(1))


def fixed_ids(text: str, id_words: Spans) -> Iterator[Hit]:
    """Identity numbers that can be told by form and checksum, or by form and a word beside them."""
    for match in _FIXED_IDS.finditer(text):
        value = match.group(1)
        if len(set(filter(str.isdigit, value))) < _FEWEST_DIGITS:
            continue
        for known in _FIXED:
            start, end = match.span(1)
            if known.shape.match(value) and (known.valid(value) or _near(id_words, start - 28, start) or _near(id_words, end, end + 24)):
                yield Hit("pii.national_id", known.confidence, f"pii.{known.name}", match.start(1), match.end(1))
                break


def _plausible_birth(value: str) -> bool:
    return 1 <= int(value[2:4]) <= 12 and 1 <= int(value[4:6]) <= 31


def social_security(text: str, id_words: Spans) -> Iterator[Hit]:
    """US social security numbers in their 3-2-4 form (SSA: no area 000, 666, 900 and up)."""
    for match in _SSN.finditer(text):
        area, group, serial = match.group(1), match.group(2), match.group(3)
        start, end = match.start(1), match.end(3)
        context = _near(id_words, start - 60, start) or _near(id_words, end, end + 30)
        if (area + group + serial) in ("123456789", "000000000", "111111111") or area == "000" or group == "00" or serial == "0000":
            continue
        if context:
            yield Hit("pii.national_id", 0.92, "pii.us_ssn", start, end)
        elif area != "666" and area < "900" and text[start + 3] == "-":
            yield Hit("pii.national_id", 0.75, "pii.us_ssn_form", start, end)


_SURE_WORDS = frozenset(
    {
        "cni",
        "perso",
        "perso-nr",
        "ausweisnr",
        "personalausweis",
        "passport",
        "reisepass",
        "passport no",
        "passport number",
        "passeport",
        "carte d'identite",
        "pasaporte",
        "passaporto",
        "paspoort",
        "vin ",
        "targa",
        "kenteken",
    }
)
"""Words before numbers that may be letters for the most part."""
_RIGHT_BEHIND = re.compile(
    r"(?i)[\s:#=\"'.()]{0,4}(?:(?:is|was|no|nr|number|num|id|license|licence|lic|nummer|n°|№)[\s:#=\"'.()]{1,4}){0,3}"
)
_EVERYDAY_WORDS = frozenset({"run", "epic"})
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-")


def ids_by_word(text: str, id_words: Spans) -> Iterator[Hit]:
    """A number right after a word that names an identity document."""
    for start, end, word in id_words:
        if not whole_word(text, start, end, word):
            continue
        if word in _EVERYDAY_WORDS and text[start:end].islower():
            continue  # short names of numbers that are everyday words: only in capitals
        match = _ID_VALUE.match(text, end)
        if match and (_UUID.match(text, match.start(1)) or "://" in text[end : match.start(1)]):
            continue
        if match and word in RECORD_WORDS and not _RIGHT_BEHIND.fullmatch(text, end, match.start(1)):
            continue
        if match:
            value = _WORD_INSIDE.split(match.group(1), maxsplit=1)[0].rstrip(" .-/")
            digits = sum(map(str.isdigit, value))
            strict = len(word) <= 3 and word.isascii()
            if (
                digits >= ((7 if text[start:end].isupper() else 8) if strict else 5)
                and not _DATE_LIKE.match(value)
                and match.start(1) - end < 60
                and len(set(filter(str.isalnum, value))) > _FEWEST_DIGITS
                and not (strict and match.start(1) - end > 24)
            ):
                yield Hit("pii.national_id", 0.82, "pii.id_word", match.start(1), match.end(1))
                continue
        match = _NAME_ID_VALUE.match(text, end)
        if match:
            value = match.group(1)
            digits = sum(map(str.isdigit, value))
            if (
                digits >= (2 if word in _SURE_WORDS and len(value) >= 8 else 4)
                and digits < len(value)
                and value.isupper()
                and len(set(value)) > 3
                and match.start(1) - end < 60
            ):
                yield Hit("pii.national_id", 0.78, "pii.id_word", match.start(1), match.end(1))
                continue


def bank_accounts(text: str, bank_words: Spans) -> Iterator[Hit]:
    """An account number right after a word that says so."""
    for start, end, word in bank_words:
        if not whole_word(text, start, end, word):
            continue
        match = _BANK_VALUE.match(text, end)
        if not match or match.start(1) - end > 40:
            continue
        value = match.group(1)
        digits = sum(map(str.isdigit, value))
        if _DATE_LIKE.match(value) or len(set(filter(str.isdigit, value))) < 3 or digits < 6 or text[match.start(1) - 1] in "$€£":
            continue
        if _SERVICE_LINE.match(value):
            continue
        generic = word in (
            "account",
            "accounts",
            "konto",
            "compte",
            "cuenta",
            "conto",
            "conta",
            "hesap",
            "acct",
            "aba",
            "swift",
            "bic",
            "rib",
        )
        between = text[end : match.start(1)]
        if between.lower().startswith((" for ", " of ", " with ", " in ")) and generic:
            continue
        least = 6 if any(other in text[max(0, start - 60) : start].lower() for other in _OTHER_BANK_WORDS) else 8
        if generic and (digits < least or len(between) > 14 or "id" in between.lower()):
            continue
        low, high = passage(text, start, end, 400)
        if digits == 12 and "aws" in text[low:high].lower():
            continue  # an AWS account's number is no bank account
        yield Hit("pii.bank_account", 0.85, "pii.bank_word", match.start(1), match.end(1))


def _office(text: str, start: int) -> bool:
    """Whether the line says before the number that it is one for everybody."""
    line = max(text.rfind("\n", 0, start) + 1, start - 80)
    return bool(_OFFICE.search(text[line:start]))


_OFFICE = re.compile(
    r"(?i)\b(?:reception|rezeption|front desk|box office|town hall|city hall|rathaus|mairie|ayuntamiento|embassy|consulate|botschaft|museum|library|helpline|hotline|switchboard|call cent(?:er|re)|customer (?:service|care|support)|kundendienst|kundenservice|servicio al cliente|service client|assistenza clienti|opening hours)\b"
)


def phones(text: str, seen: frozenset[int]) -> Iterator[Hit]:
    """Telephone numbers by form: international, North American, national with a leading zero."""
    for pattern, confidence, rule, shape in _PHONE_FORMS:
        if shape in seen:
            for match in pattern.finditer(text):
                value = match.group(1)
                if _TOLL_FREE.match(value) or _DATE_LIKE.match(value) or _ZIP.match(value) or len(set(value) - _SEPARATORS) < 3:
                    continue
                count = sum(map(str.isdigit, value))
                if pattern is _NATIONAL and not 9 <= count <= 12:
                    continue
                if pattern is _PLUS and count < 9 and text[match.start(1) - 1] == "0":
                    continue  # zeros before a number are not yet a country
                if pattern is _PLUS and _INNER_GROUP.search(text, max(0, match.start(1) - 8), match.start(1)):
                    continue  # zeros within a longer number in groups
                if _office(text, match.start(1)):
                    continue
                yield Hit("pii.phone", confidence, rule, match.start(1), match.end(1))


def chinese_mobiles(text: str) -> Iterator[Hit]:
    """Eleven digits from 13 to 19 in a text with Chinese characters."""
    if text.isascii() or not _HAN.search(text):
        return
    for match in _CN_MOBILE.finditer(text):
        yield Hit("pii.phone", 0.74, "pii.phone_cn", match.start(1), match.end(1))


_SHORT_PHONE_WORDS = frozenset(
    {
        "cel",
        "cel.",
        "mob",
        "mob.",
        "direct line",
        "joignable",
        "mobilepay",
        "bizum",
        "swish",
        "vipps",
        "paynow",
        "promptpay",
        "duitnow",
        "m-pesa",
        "mpesa",
        "gcash",
        "paymaya",
        "zelle",
        "twint",
        "paylah",
    }
)
"""Words that are said of much else: their number follows at once."""


def phones_by_word(text: str, phone_words: Spans) -> Iterator[Hit]:
    """Telephone numbers right after a word that says so."""
    for start, end, word in phone_words:
        if not whole_word(text, start, end, word):
            continue
        match = _PHONE_VALUE.match(text, end)
        if not match or match.start(1) - end > (4 if word in _SHORT_PHONE_WORDS else 50):
            continue
        value = match.group(1)
        count = sum(map(str.isdigit, value))
        loose = word in ("call", "calls", "ring", "office", "signal", "text me", "bel", "cep", "ruf", "number is", "telegram", "portable")
        if (
            _TOLL_FREE.match(value)
            or _DATE_LIKE.match(value)
            or _VERSION_LIKE.match(value)
            or _FICTITIOUS.match(value)
            or not (8 if loose else 7) <= count <= 15
            or _office(text, match.start(1))
            or len(set(value)) < 3
            or (word == "number is" and _THING.search(text, max(0, start - 24), start))
        ):
            continue
        yield Hit("pii.phone", 0.78, "pii.phone_word", match.start(1), match.end(1))


def whole_word(text: str, start: int, end: int, word: str) -> bool:
    if word[0].isascii() and start and text[start - 1].isalnum() and text[start - 1].isascii():
        return False
    return not (word[-1].isascii() and word[-1].isalpha() and end < len(text) and text[end].isalpha() and text[end].isascii())
