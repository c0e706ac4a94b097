# ruff: noqa: E501  # patterns read best unbroken
"""Personal numbers and addresses in the forms that whole countries write them in: elements of XML, bank lines, streets with a recipient."""

import re

from llm_gateway.detectors.people import names
from llm_gateway.detectors.rules import Rule
from llm_gateway.detectors.secrets_chosen import anchored_rule

_FEWEST_DIFFERENT = 3
_COUNTED = ("123456", "234567", "987654")
_XML_NUMBERS = "ssn|socialsecuritynumber|taxid|taxpayerid|tin|itin|nationalid|nationalidentifier|nationalnumber|passportnumber|passportno|personalid|personalnumber|pesel|bsn|nino|nhsnumber|iban|accountnumber|accountno|cardnumber|pan|licensenumber|licencenumber|driverslicense"
_OFFICE = re.compile(
    r"(?i)\b(?:hotel|restaurante|bar|museo|oficina|sede|empresa|tienda|colegio|escuela|universidad|hospital|clinica|iglesia|ayuntamiento|teatro|estacion|banco|farmacia|biblioteca|s\.?l\.?u?|s\.?a)\b"
)
_AT_HOME = re.compile(
    r"(?i)\b(?:vivo en|vive en|viven en|mi (?:direccion|casa|domicilio)|en su casa|su domicilio|domicilio particular|con domicilio en|me mudo a)\b"
)


_STREET = re.compile(r"(?i)\b(?:c/|calle|avda|avenida|av\.|plaza|pza|paseo|ronda|camino|carretera|ctra|travesia|urbanizacion)")
_DATE = re.compile(r"(?:19|20)[0-9]{2}-[0-9]{1,2}-[0-9]{1,2}\Z")


def _numbered(value: str) -> bool:
    """Whether the digits of a number were given to somebody: neither of one kind nor counted."""
    digits = "".join(filter(str.isdigit, value))
    return len(digits) >= 6 and len(set(digits)) > _FEWEST_DIFFERENT - 1 and not digits.startswith(_COUNTED)


def _account(value: str) -> bool:
    """The same of an account in Korean groups, which telephones resemble."""
    return _numbered(value) and not value.startswith(("0", "15", "16", "18")) and not _DATE.match(value)


def _lived_at(value: str) -> bool:
    """Whether somebody by name, and no firm, is at the address that ends `value`."""
    street = _STREET.search(value)
    before = value[: street.start()] if street else ""
    return not _OFFICE.search(value) and (bool(_AT_HOME.search(value)) or bool(names(before)))


_NO_OWNER = re.compile(r"(?i)(?:hau|kur|bu|ordre|order|faktura|kund|serie|model|version)s")


def _reached(value: str) -> bool:
    """Whether a number behind `Name's number` is a telephone's, of somebody."""
    return not _NO_OWNER.match(value) and _numbered(value)


PII_FORM_RULES: tuple[Rule, ...] = (
    anchored_rule(
        "xml_number",
        "pii.national_id",
        0.84,
        "|".join(f":{name}" for name in _XML_NUMBERS.split("|")),
        rf"(?i)<[\w.\-]{{1,24}}:(?:{_XML_NUMBERS})(?:\s[^<>\n]{{0,80}})?>\s{{0,8}}([A-Z0-9][A-Z0-9 \-]{{5,34}})\s{{0,8}}</",
        "w3.org/TR/xml-names: elements with a prefix",
        "<tax:SSN>" + "096758831" + "</tax:SSN>",
        "<tax:SSN>000000000</tax:SSN>",
        _numbered,
    ),
    anchored_rule(
        "japanese_account",
        "pii.bank_account",
        0.8,
        "支店|本店|営業部",
        r"(?:銀行|信用金庫|信金|農協|ゆうちょ|労働金庫)[^\n0-9]{0,20}(?:支店|本店|営業部)[^\n0-9]{0,12}(?:[(（]?[0-9]{3}[)）]?)?[^\n0-9]{0,8}(?:普通|当座|貯蓄)[^\n0-9]{0,10}([0-9]{6,8})(?:[^0-9]|$)",
        "zenginkyo.or.jp: bank, branch, kind of account, seven digits",
        "みずほ銀行 渋谷支店 普通 " + "5604646",
        "みずほ銀行 渋谷支店 普通 1111111",
        _numbered,
    ),
    anchored_rule(
        "chinese_account",
        "pii.bank_account",
        0.8,
        "户名|戶名|开户|開戶|收款|汇款|匯款|转账|轉帳|汇到|打到|转到",
        r"(?:银行|銀行|建行|工行|农行|招行|中行|信用社)[^\n0-9]{0,40}([0-9](?:[ \-]?[0-9]){11,20})(?:[^0-9]|$)",
        "pbc.gov.cn: bank, branch and an account of 12 to 21 digits",
        "收款 招商银行深圳分行 " + "6214850176553309",
        "收款 招商银行 000000000000",
        _numbered,
    ),
    anchored_rule(
        "korean_account",
        "pii.bank_account",
        0.8,
        "은행|뱅크|농협|수협|우체국|신협",
        r"(?:은행|뱅크|농협|수협|우체국|신협)[ :(]{0,3}([0-9]{2,6}-[0-9]{2,6}-[0-9]{2,8}(?:-[0-9]{1,4})?)(?:[^0-9\-]|$)",
        "kftc.or.kr: bank and an account in groups",
        "하나은행 " + "620-183456-70507",
        "하나은행 02-1234-5678",
        _account,
    ),
    anchored_rule(
        "spanish_street",
        "pii.address",
        0.76,
        "c/ |c/. |calle |avda|avenida |av. |plaza |pza|paseo |ronda |camino |carretera |ctra|travesia |urbanizacion ",
        r"(?i)([^\n]{0,80}(?:\bc/\.? ?|\bcalle |\bavda\.? ?|\bavenida |\bav\. ?|\bplaza |\bpza\.? ?|\bpaseo |\bronda |\bcamino |\bcarretera |\bctra\.? ?|\btravesia |\burbanizacion )[\p{L}'.\- ]{2,40},? ?(?:n[.uo°º]{0,3}m?\.? ?)?[0-9]{1,3}(?:[ ,]{1,2}[^\n,;:]{1,16}){0,3}[ ,]{1,3}(?:CP ?)?[0-9]{5},? \p{L}{3,})",
        "correos.es: street, number, floor and door, postcode and town",
        "Recoger a la señora Pilar Otxoa, C/ Iturribide " + "61, 4º dcha, 48006 Bilbao",
        "Hotel Carlton, Plaza Moyua 2, 48009 Bilbao",
        _lived_at,
    ),
    anchored_rule(
        "owner_telephone",
        "pii.phone",
        0.78,
        "s nummer|s mobilnummer|s telefonnummer|s mobil|s tlf|s nr|n numero|n puhelinnumero|n numeron",
        r"\b([A-Z][\p{L}\-]{2,20}(?:s|n|'s)(?i: (?:mobil|telefon|tlf|puhelin|nya |nye |private )?(?:nummer|nr\.?|numeron?|mobil|tlf\.?))[ ,:–\-]{1,3}(?:(?:ar|er|on|is) )?(?:\+[0-9]{2,3}[ \-]?[0-9](?:[ \-]?[0-9]){6,9}|0[1-9][0-9]{0,2}[ \-/]{0,3}[0-9](?:[ \-]?[0-9]){5,8}|[2-9][0-9](?: [0-9]{2}){3}|[49][0-9]{2} [0-9]{2} [0-9]{3}))(?:[^0-9\-]|$)",
        "numbering plans of Sweden, Norway, Denmark and Finland",
        "Jag fick Torbjörns nummer, " + "072-794 84 74",
        "Kurs nummer 12 34 56 78",
        _reached,
    ),
)
