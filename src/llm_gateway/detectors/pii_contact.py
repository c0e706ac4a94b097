# ruff: noqa: E501, SIM905  # patterns and word lists read best unbroken
"""A person's mail address, postal address, birth date; wallet seed phrases."""

import re
from collections.abc import Iterator, Sequence

from llm_gateway.detectors.linear import compile_pattern
from llm_gateway.detectors.people import names
from llm_gateway.detectors.pii_numbers import whole_word
from llm_gateway.detectors.rules import Hit, passage

Spans = Sequence[tuple[int, int, str]]

_LOCAL = re.compile(r"[A-Za-z0-9._%+\-]{1,64}\Z")
_DOMAIN = re.compile(r"@([A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){0,5}\.[A-Za-z]{2,18})\b")
_ROLES = frozenset(
    """info support help sales contact admin administrator noreply no-reply donotreply office hello team service customerservice customer-service press media jobs careers hr billing accounts webmaster postmaster abuse security privacy legal
    feedback marketing news newsletter orders order booking reservations root git user users username name email mail me you someone somebody anyone test example foo bar foobar your youremail yourname your-email your_email myemail john.doe jane.doe johndoe janedoe jdoe-example ubuntu ec2-user deploy svc
    presse prensa stampa imprensa pers ufficiostampa kundenservice kundendienst bestellung bestellungen buchhaltung rechnung verwaltung sekretariat bewerbung bewerbungen datenschutz reservierung rezeption redaktion redaccion redazione redaction comunicacion communication comercial secretaria secretariat
    segreteria direction compta comptabilite facturation commercial recrutement amministrazione commerciale prenotazioni suporte vendas atendimento financeiro biuro zamowienia poczta klantenservice verkoop administratie post posta kundtjanst ordre myynti asiakaspalvelu tuki obchod podpora iletisim destek satis
    frontdesk editor editors recruiting recruitment talent events partners partnerships community helpdesk it-support itsupport ethics compliance dpo gdpr security-team finance accounting payroll returns shipping sales-team
    kontakt servicio soporte ventas contacto accueil bonjour vertrieb atencion assistenza bot github actions dependabot ci build builds dev ops hostmaster subscribe unsubscribe list lists enquiries inquiries reception service-account""".split()
)
_EXAMPLE_DOMAIN = re.compile(
    r"(?i)(?:^|\.)e?mail\.(?:com|org|net|example)$|(?:^|\.)(?:example|test|invalid|localhost|local|internal|lan|acme|company|domain|yourdomain|yourcompany|mydomain|mycompany|sample|placeholder|foo|bar)\.[a-z]{2,10}$|(?:^|\.)(?:example|test|invalid|localhost|local|internal|lan|png|jpg|svg|py|js|ts|md|json|css|html|php|sh|txt|yml|yaml)$|noreply\.|users\.noreply|gserviceaccount\.com$|(?:^|\.)(?:github|gitlab|bitbucket)\.(?:com|org)$"
)
_CREDIT = re.compile(
    r"(?i)copyright|\(c\)|©|authors?\b|maintain|upstream|licen[cs]e|signed-off|reviewed-by|co-authored|committer|changes by|packager|@author|^\s*(?:19|20)[0-9]{2}[-, ]|^\s*-- |reported by|written by|patch(?:es)? (?:by|from)|message-id|in-reply-to|^references:"
)
_LIST = re.compile(
    r"(?:-l|-list|-lists|-dev|-devel|-users|-maint|-announce|-bugs|-public)@|@(?:lists?|groups|googlegroups|mailman)\.|@[^@]*(?:googlegroups\.com|amazonaws\.com)$|@(?:[a-z0-9\-]+\.)*(?:debian|gnu|gnome|kernel|python|apache|cpan|freedesktop)\.org$"
)
_STREET = compile_pattern(
    r"(?i)\b(?:\d{1,5}(?:/\d{1,4})?[a-z]? (?:[NSEW]\.? )?(?:[A-Z][A-Za-z.']+ ){1,4}(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Pl|Terrace|Close|Crescent|Square|Grove|Gardens|Mews|Row|Hill|Walk|Rise|Green|Parade|Parkway|Pkwy|Highway|Hwy|Circle|Trail|Loop|Villas|Quay|Wharf)\b|[A-Z][a-z\-]+(?:stra(?:ss|ß)e|str\.|weg|gasse|platz|allee|laan|straat|gatan|vej|gate|katu)\s\d{1,4}|(?:Jl\.|Jalan) (?:[A-Z][A-Za-z.]+ ){1,4}No\.? ?\d{1,4}|(?:ul\.|rue|avenue|calle|via|viale|piazza|plaza|avenida|rua|av\.) (?:[a-z']+ ){0,2}[A-Z][a-z]+[ ,]+\d{1,4}|\d{1,4},? (?:rue|avenue|boulevard|place|chemin) )"
)
_POSTCODE = compile_pattern(
    r"\b(?:\d{2}-\d{3}|\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|[A-Z]\d[A-Z] \d[A-Z]\d|\d{4} ?[A-Z]{2}|\d{3} \d{2}|\d{4} [A-ZÄÖÜ][a-zäöüß]{2,}|[A-Z][a-z]{2,} ?-? ?\d{5,6})\b"
)
_BIRTH_DATE = re.compile(
    r"[\s:.,(\"'#=-]{0,6}(?:[^\W\d_]{1,14}[\s:,]{1,3}){0,4}(?:[0-9]{1,4}[./\-年년 ]{1,2}(?:[0-9]{1,2}|[^\W\d_]{3,10})[./\-月월 ,]{1,2}[0-9]{1,4}|[^\W\d_]{3,10} [0-9]{1,2},? [0-9]{4})"
)
_YEAR = re.compile(r"(?:1[0-9]|20)[0-9]{2}(?![0-9])")
_LIVING_SINCE = 1925
_HOME = re.compile(
    r"(?i)\b(?:i live|i'm living|lives? (?:at|on|in)|my (?:new |home )?address|mein\w{0,2} (?:neue )?(?:adresse|anschrift)|mon adresse|mi direccion|(?:il mio )?indirizzo(?: di casa)?|adresse (?:privee|personnelle)|privatanschrift|direccion particular|endereco residencial|rumah|meu endereco|mijn adres|moj adres|min adress|home address|resid(?:es?|ing) at|ich wohne|wohnt|wohnhaft|privatadresse|j'habite|habite|demeurant|vivo en|vive en|domicilio|abito in|abita in|residente|moro n[ao]|mora n[ao]|residente|ik woon|woont|mieszka|zamieszka|deliver to|ship to|send (?:it )?to|moved to|home is|i'm at|meet me at|(?:address|direccion|adresse|indirizzo|endereco|adres|adresa) (?:of|de|di|da|do|von|van)? ?(?:my|mi|mia|mio|meine[rs]?|mon|ma|minha|meu|mijn|moje\w*|mojej|mamy)|my ex|my flat|my house|our house|our flat|my parents)\b"
)
_ORGANISATION = re.compile(
    r"(?i)\b(?:foundation|inc|llc|ltd|limited|corp|corporation|gmbh|ag|s\.?a|company|university|museum|museo|musee|hotel|restaurant|offices?|headquarters|store|shop|church|library|building|theat|station|clinic|hospital|school|embassy|deutsche|bahn|versicherung|verlag|bank|amt|kg|ohg|e\.v|sarl|sas|spa|srl|s\.r\.l|sp\. z|bv|b\.v|nv|ab|oy|plc|group|verein|stiftung|schule|kirche|klinik|praxis|kanzlei|shop|cafe|zoo|archiv|institut)\b"
)
_SEED_WORDS = re.compile(r"(?:\b[a-z]{3,8}\b[\s,]{1,3}){11,23}\b[a-z]{3,8}\b")
_FEWEST_SEED_WORDS = 12
_NUMBERED = re.compile(r"\b[0-9]{1,2}[.)]\s{0,2}")
_GRAMMAR = frozenset(
    """the and are was were has had have his her hers its their our your you they them for from with without into onto not but nor yet who whom what which when where why how this that these those than then there here
    will would shall should can could may might must did does done been being very just also such some any each both either neither because while after before since until though although unless upon about over under between through during against
    she him please write give make let""".split()
) - {
    "this",
    "that",
    "then",
    "there",
    "they",
    "you",
    "your",
    "very",
    "just",
    "such",
    "can",
    "will",
    "must",
    "what",
    "when",
    "over",
    "under",
    "about",
    "into",
    "upon",
    "because",
    "before",
    "after",
    "until",
    "during",
    "between",
    "through",
    "against",
    "give",
    "make",
    "any",
    "who",
    "where",
    "here",
    "each",
    "either",
    "neither",
}


def mail_addresses(text: str, ats: Sequence[int]) -> Iterator[Hit]:
    """Mail addresses at the `@`s: a person's counts, a role's or an example's does not."""
    for at in ats:
        domain = _DOMAIN.match(text, at)
        if not domain:
            continue
        begin = at
        while begin and at - begin < 64 and (text[begin - 1].isalnum() or text[begin - 1] in "._%+-") and text[begin - 1].isascii():
            begin -= 1
        local = text[begin:at]
        if not local or not _LOCAL.match(local) or text[begin - 1 : begin] in ("/", ":", "@"):
            continue
        lowered = local.lower()
        if (
            lowered in _ROLES
            or _EXAMPLE_DOMAIN.search(domain.group(1))
            or re.split(r"[.\-_+]", lowered)[0] in ("noreply", "no", "support", "info", "your")
        ):
            yield Hit("pii.email_public", 0.05, "pii.email_role", begin, domain.end())
            continue
        line = text[max(text.rfind("\n", 0, begin) + 1, begin - 120) : begin]
        if _CREDIT.search(line) or _LIST.search(lowered + "@" + domain.group(1).lower()):
            yield Hit("pii.email_public", 0.05, "pii.email_credit", begin, domain.end())
            continue
        yield Hit("pii.email", 0.76, "pii.email", begin, domain.end())


def births_and_addresses(text: str, birth_words: Spans) -> Iterator[Hit]:
    """A birth date and a postal address. Either is a hint; together, or with a name, they identify."""
    for start, end, word in birth_words:
        if whole_word(text, start, end, word) and _BIRTH_DATE.match(text, end):
            around = text[max(0, start - 120) : end + 120]
            year = _YEAR.search(text, end, end + 40)
            if year and int(year.group()) < _LIVING_SINCE:
                continue  # a figure of history
            named = bool(names(around))
            low, high = passage(text, start, end, 120)
            yield Hit(
                "pii.birth_date",
                0.72
                if named and not re.search(r"(?i)\b(?:who|president|poet|author|famous|actor|singer|novel)\b", text[low:high])
                else 0.45,
                "pii.birth_date",
                start,
                end,
            )
            break
    if not text.isascii():
        yield from _foreign_addresses(text)
        born = _BORN_BEHIND.search(text)
        if born and (born.group()[-1] not in "生れ" or names(text)):
            yield Hit("pii.birth_date", 0.72, "pii.birth_date", *born.span())
    house = _NUMBERED_HOUSE.search(text)
    if house:
        yield Hit("pii.address", max(0.72, _address_confidence(text, *house.span())), "pii.address_numbered", *house.span())
    for match in _STREET.finditer(text):
        if _POSTCODE.search(text[match.end() : match.end() + 80]) or _POSTCODE.search(text[max(0, match.start() - 40) : match.start()]):
            yield Hit(
                "pii.address",
                _address_confidence(text, match.start(), match.end()),
                "pii.address",
                match.start(),
                match.end(),
            )
            return


def _foreign_addresses(text: str) -> Iterator[Hit]:
    """Addresses that go down to a flat or a house in Cyrillic, Chinese, Japanese and Korean letters."""
    match = _CYRILLIC_ADDRESS.search(text) or _EASTERN_ADDRESS.search(text)
    if match:
        yield Hit("pii.address", 0.74, "pii.address_foreign", match.start(), match.end())


_BORN_BEHIND = compile_pattern(r"(?:19|20)\d{2}年 ?\d{1,2}月 ?\d{1,2}日 ?(?:生|出生)(?:まれの[\p{Han}]{2,5})?")
_NUMBERED_HOUSE = compile_pattern(
    r"(?i)\b(?:\p{L}+ (?:cad|sok|sk|mah|bulv|caddesi|sokak|mahallesi)\.?,? [^\n]{0,24}?\bno[:. ]{1,2}\d{1,4}[ /,]{1,2}(?:d|daire|kat)[:. ]{1,2}\d{1,4}"
    r"|(?:calle|cl|cra|carrera|kr|diagonal|transversal|avenida|av)\.? ?\d{1,3}[a-z]? ?(?:bis )?# ?\d{1,3}[a-z]? ?- ?\d{1,3}[^\n]{0,12}?\b(?:apto|apartamento|casa|piso|torre|int)\b"
    r"|(?:h\. ?no|house no|flat no|plot no|door no|d\. ?no)\.?[ :]{0,2}[\w/\-]{1,12}, [^\n]{5,70}?\b\d{6}\b|blk \d{1,4}[a-z]? [^\n]{5,40}?#\d{2}-\d{2,4})"
)
"""Houses with a flat's number, as they are written in Turkey, Colombia, India and Singapore."""
_CYRILLIC_ADDRESS = compile_pattern(
    r"[а-я]{4,24} (?:ул|пр|просп|пр-т|пер|наб|бул|б-р)\.?, ?(?:д\.|дом) ?\d{1,4}[а-я]?(?:,? ?(?:к|корп|стр)\.? ?\d{1,3})?,? ?(?:кв\.?|квартира) ?\d{1,4}|"
    r"(?:ул\.|улица|улице|просп\.|проспект|пер\.|переулок|вул\.|бульвар|шоссе)\s?[^\n\d]{3,40}?,? ?(?:д\.|дом|буд\.)?\s?\d{1,4}[а-я]?(?:\s?(?:к|корп|стр)\.? ?\d{1,3})?,? ?(?:кв\.?|квартира|оф\.) ?\d{1,4}"
)
_EASTERN_ADDRESS = compile_pattern(
    r"[\p{Han}]{2,4}(?:省|市|区|區|县|縣|都|府|県)[\p{Han}]{1,16}(?:路|街|道|巷|里|弄)[\p{Han}\d-]{0,8}\d{1,5}(?:号|號)[\p{Han}\d-]{0,10}\d{1,4}(?:室|楼|樓|号楼|单元|階|号室)|[\p{Han}]{2,4}(?:都|府|県)[\p{Han}]{1,10}(?:市|区)[\p{Han}\p{Katakana}\p{Hiragana}ー]{1,12}\d{1,3}(?:丁目|-)\d{1,3}(?:番|-)\d{1,4}|[가-힣]{1,6}(?:시|도)\s[가-힣]{1,6}(?:구|군|시)\s[가-힣\d]{1,10}(?:로|길)\s?\d{1,4}(?:-\d{1,3})?,?\s?\d{1,4}(?:동|호)"
)


def _address_confidence(text: str, start: int, end: int) -> float:
    """Sure when somebody lives there; a house alone, or an organisation's, only a hint."""
    before = text[max(0, start - 60) : start]
    if _HOME.search(before):
        return 0.74
    if _ORGANISATION.search(before):
        return 0.4
    if _DELIVERED.search(before):
        return 0.74
    after = text[end : end + 80]
    return 0.74 if names(before) or names(after[:70]) or _LIVES.search(after) else 0.6


_DELIVERED = re.compile(
    r"(?i)\b(?:lieferadresse|lieferanschrift|rechnungsadresse|wohnadresse|zustelladresse|(?:shipping|billing|delivery|mailing) address|ship to|deliver to|adresse de livraison|adresse de facturation|livrer a|indirizzo di (?:spedizione|consegna)|spedire a|direccion de (?:envio|entrega|facturacion)|enviar a|endereco de entrega|bezorgadres|afleveradres|adres dostawy|dorucovaci adresa|leveransadress|leveringsadresse|toimitusosoite)\b"
)
_LIVES = re.compile(r"(?i)\b(?:lives?|wohnt|habite|vive|abita|mora|woont|mieszka|bor|asuu|tenant|mieter|locataire|inquilin[oa])\b")
_BY_POSTCODE = compile_pattern(
    r"(\p{L}[\p{L}'.\-]*(?: \p{L}[\p{L}'.\-]*){0,3} \d{1,4}[a-zA-Z]?(?:[-/]\d{1,4})?(?:,? (?:m\.|lgh|bus|apt\.?|apto\.?|int\.|piso|bte|etg?\.?|tv|th|wohnung|top|tur|kv\.?|k\.)? ?\d{0,5}[A-Za-z]{0,2})?, ?(?:[A-Z]{1,2}-)?(?:\d{5}(?:-\d{3})?|\d{2}-\d{3}|\d{3} \d{2}|\d{4} ?[A-Z]{2}) [A-Z]\p{L}+)"
    r"|(\d{1,5}[A-Za-z]?,? [A-Z][A-Za-z'.\-]*(?: (?:[A-Z][A-Za-z'.\-]*|y|yr|the|of|on|and|le|de|in|upon)){0,5} ?, (?:[A-Z][A-Za-z'\- ]{2,30},? ){0,3}(?:[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|[A-Z]{2} \d{5}|[A-Z]\d[A-Z] \d[A-Z]\d))"
)


def addresses_by_postcode(text: str) -> Iterator[Hit]:
    """A street of any name with a house's number, then a postcode and a town, as in most of Europe."""
    for match in _BY_POSTCODE.finditer(text):
        yield Hit("pii.address", _address_confidence(text, *match.span()), "pii.address_postcode", *match.span())


def seed_phrases(text: str, words: Spans) -> Iterator[Hit]:
    """Twelve to twenty-four short plain words in a row without grammar between, as BIP-39 wallets draw them."""
    for start, end, _ in words[:64]:
        match = _SEED_WORDS.search(_NUMBERED.sub("", text[end : end + 400]))
        if match:
            row: list[str] = []
            for word in re.findall(r"[a-z]+", match.group()):
                row = [] if word in _GRAMMAR else [*row, word]  # `the words are abandon ...`: a row begins after the verb
                if len(row) >= _FEWEST_SEED_WORDS and len(set(row)) > 3:
                    yield Hit("secret.seed_phrase", 0.9, "crypto.seed_phrase", start, end + match.end())
                    return


def bare_seed_phrase(text: str) -> Iterator[Hit]:
    """The same without a word that announces it: the whole text, or a whole line, is such words."""
    for line in text.split("\n")[:2000]:
        stripped = line.strip(" \"'`.")
        if 50 <= len(stripped) <= 230 and stripped.isascii() and stripped.islower() and _SEED_WORDS.fullmatch(stripped):
            parts = stripped.replace(",", " ").split()
            if len(parts) in (12, 15, 18, 21, 24) and not _GRAMMAR.intersection(parts) and len(set(parts)) > 6:
                yield Hit("secret.seed_phrase", 0.75, "crypto.seed_phrase_line", 0, len(text))
                return
