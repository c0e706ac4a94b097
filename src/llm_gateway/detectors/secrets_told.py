# ruff: noqa: E501, SIM905  # patterns read best unbroken
"""Secrets told in plain sentences: the code of a safe, a door or an alarm, a phrase of everyday words, what a password was changed to.

Texts are folded, so the words here have no accents. Each function looks at one sentence around a word that the automaton found.
"""

import re
from collections.abc import Iterator, Sequence

from llm_gateway.detectors.linear import compile_pattern
from llm_gateway.detectors.rules import Hit
from llm_gateway.detectors.secrets_judge import CHANGES, trim
from llm_gateway.detectors.values import Grade, file_or_version, grade, placeholder

LOCK_WORDS: tuple[str, ...] = tuple(
    "bike lock|fahrradschloss|zámek|antivol|fietsslot|cykellås|замок|замка|schlüsselbox|schlüsselkasten|schlüsseltresor|boîte à clés|caja de llaves|cassetta delle chiavi|caixa de chaves|sleutelkast|nyckelskåp|skrzynk|interfon|interphone|interfono|під'їзд|כניסה|בניין|safe|vault|strongbox|lockbox|keybox|key box|padlock|door|doors|front door|gate|garage|entrance|alarm|burglar alarm|keypad|locker"
    "|tresor|tür|türcode|haustür|tor|garagentor|alarmanlage|schließfach|eingang|vorhängeschloss|coffre|porte|portail|digicode|cadenas"
    "|alarme|caja fuerte|puerta|portal|portón|candado|alarma|cassaforte|portone|cancello|allarme|antifurto|lucchetto|cofre|porta|portão"
    "|cadeado|kluis|deur|poort|hangslot|sejf|drzwi|bram|dør|kłódk|trezor|dveř|brán|сейф|двер|ворот|калитк|подъезд|домофон|сигнализац"
    "|кассов|kassaskåp|värdeskåp|dörr|larm|pengeskab|boks|kassakaap|ovi|ovikoodi|hälytin|hälytys|kasa|kapı|széf|ajtó|riasztó|kapu|seif"
    "|ușa|poarta|brankas|pintu|két sắt|cửa|χρηματοκιβώτιο|πόρτα|συναγερμ|金庫|玄関|ドア|保险箱|保险柜|門|门|报警|警報|금고|현관|도어락|خزنة|الخزنة|الخزينة|باب"
    "|הכספת|כספת|הדלת|ตู้เซฟ|ประตู|तिजोरी|phone|phone's|iphone|ipad|tablet|handy|telefon|téléphone|teléfono|móvil|celular|cellulare"
    "|telefono|telemóvel|телефон|puhelin|スマホ|手机|휴대폰|핸드폰".split("|")
)
"""What opens with a number, in the languages people write prompts in."""
_PHONES = re.compile(r"phone|ipad|tablet|handy|tele|movil|cel|телефон|puhelin|スマホ|手机|휴대폰|핸드폰")
_SAFE = re.compile(
    r"(?i)(?:\b(?:the|our|my|his|her|their|this|hotel|office|room|gun|wall|floor|der|den|dem|des|vom|im|am|unser\w*|mein\w*|le|la|el|il|de|het|en) |[.\n]\s?|\A)safe(?! (?:to|for|and|enough|from|or)\b)|\bsafe'?s? (?:code|combi|pin|opens|is [0-9])"
)
_CODE = compile_pattern(
    r"(?i)(?:^|[^a-z]|digi|key|pass|tur|tor|door|pin|zugangs|alarm|safe|tresor|port|dorr|larm|tur|ovi|kapu|dor|lock)(?:(?:codes?|koden?|kod\w{0,4}|koodi\w{0,2})\b|codice|codigo|codul|pin\b|combin|kombin|cifr|zahlen|ziffern|numerek|sifre|has[lł]o|heslo|lozink|parol|combo\b|contrasen|senha|mot de passe|kennwort|passwort|password|wachtwoord|losenord|mat khau)|код|парол|шифр|κωδικ|密码|密碼|暗証|番号|コード|번호|암호|비번|رمز|كود|الرقم|קוד|รหัส|कोड|ma so|mat ma"
)
_OPENS = compile_pattern(
    r"(?i)\b(?:open(?:s|ed)?|unlock\w*|disarm\w*|deactivat\w*|turn(?:s|ed)? (?:it )?off|(?:ge)?offnet|offnen|entsperr\w*|(?:un)?scharf\w*|aufgeh\w*|geht [^.\n]{0,24}\bauf|geht auf|s'?ouvre\w*|ouvr\w+|entre[rz]? par|desarm\w*|desactiv\w*|deverrouill\w*|abre\w*|abrir|desbloque\w*|apre|aprir\w*|disinser\w*|disattiv\w*|sblocc\w*|deslig\w*|desativ\w*|gaat (?:open|uit)|opent|uitschakel\w*|ontgrendel\w*|otwier\w*|otworz\w*|rozbraj\w*|wy[lł]acz\w*|otevir\w*|odemyk\w*|vypn\w*|oppna\w*|larmas|apne\w*|abne\w*|avaa\w*|ac[iı]l\w*|kapat\w*|nyil\w*|deschide\w*|dibuka|mo bang)\b|открыва|снима|отключа|разблок|lock is|locks with|(?:star|hash|pound) key|then (?:the )?(?:star|hash|pound)|sterntaste|raute|touche etoile|asterisco|cancelletto|almohadilla|开|解锁|開|열|מתח|يفتح|تفتح"
)
_UNLOCKS = compile_pattern(
    r"(?i)\bpin\b|passcode|unlock|lock (?:code|is|screen)|entsperr|sperrcode|bildschirm|deverrouill|desbloque|bloqueo|sblocc|ontgrendel|odblok|odemyk|разблок|las upp|ekran kilid|解锁|ロック|잠금"
)
_WITH = re.compile(
    r"(?i)(?:\b(?:with|using|by|takes?|wants|needs|requires|braucht(?: man)?|press(?:ing)?|dial(?:ling|ing)?|enter(?:ing)?|typ(?:e|ing)|is|mit|avec|en tapant|con|com|met|med|cu|ile|dengan|bang|kodem|z kodem|na|lock is)(?: the| code| le| den| el| il| o)?|[=:]|кодом|с кодом|на|用|は|は、|με) ?[\"'`]?\Z"
)
_TYPE = re.compile(
    r"(?i)(?:\b(?:punch(?: in)?|press|dial|enter|type|key in|tap|tippe?n?|eingeben|gib|wahle|tape[rz]?|compose[rz]?|marca\w*|marque|pulsa\w*|pulse|teclea\w*|digit[aeio]\w*|toets(?: je| u)?|druk|wpis\w*|wybi\w*|zade\w*|slar(?: man| du)?|tryck|tast\w*|nappail\w*|tusla\w*|ketik|tekan|nhap|bam)|набер\w*|набира\w*|введ\w*|ввест\w*|нажм\w*|输入|按|入力して|입력) ?[\"'`]?\Z"
)
_OTHER_CODES = compile_pattern(
    r"(?i)\b(?:errors?|faults?|fehler\w*|erreur|errore|erro|blad|chyb\w*|fout\w*|postal\w*|post ?code|postleitzahl|zip|area code|kodi? pocztow\w*|pocztow\w*|product|produkt\w*|produit|producto|produto|prodotto|article|artikel\w*|articulo|articolo|artigo|model\w*|part|item|serial|order|bestell\w*|sku|qr|bar|source|promo\w*|discount|rabatt\w*|coupon|country|dress|fire|building|penal|version|zone|event|isbn|en|din|iso|iec|section|exit|return|status|http|line|cours\w*|cursus|kurs|price|prix|preis|precio|costs?|kostet|fiyat\w*|hata\w*)\b|ошибк|почтов|индекс|артикул|модел|цен[аыуе]|кодекс"
)
_NUMBER = re.compile(
    r"(?<![\d+.,:/#A-Za-z\-])(?<![\d$€£] )((?:[0-9]{0,2}[*#])?[0-9]{4,8}[*#]?|[0-9]{1,4}[A-Za-zкК][0-9]{3,5}|[A-F][0-9]{3,5}|[0-9]{3,5}[A-F]|[0-9]{1,2}(?:,? (?i:left|right|links|rechts) [0-9]{1,2}){2,4}|[0-9]{3}[ -][0-9]{3}|[0-9]{1,2}(?:(?: ?[-–/] ?| )[0-9]{1,2}){2,4})(?![\d:/%€$£a-zA-Z\-]|[.,]\d| ?\d| ?(?i:lines?|rows?|times|people|users?|files?|eur|usd|euros?|tl|rub|km|cm|mm|kg|am|pm|uhr|h|hours?|years?|zeilen|lignes|nits|hz|mah|w)\b)"
)
_TWO_DIGITS = re.compile(r"[0-9][^0-9\n]{0,8}[0-9]")
"""What every number has that can be a code: most places need no closer look."""
_SENTENCE_END = re.compile(r"[.!]\s|[\n?。！？]")
_SET_TO = re.compile(r"(?i)\b(?:re-?set|set|changed|programmed|re-?programmed)\b[^\n.?!]{0,30}\bto [\"'`]?\Z|\bauf [\"'`]?\Z")
_LONG_CODE = 5
"""Fewer digits may be a time of day that something is set to."""
_PARTS = re.compile(r"[ \-–/]+")
_DIALLED_PARTS = 4
_COUNTING = "01234567890 09876543210"
_BEFORE_CHARS, _REACH_CHARS, _TAIL_CHARS, _GAP_CHARS = 60, 100, 44, 34
_FEWEST_DIGITS = 3


def lock_codes(text: str, nouns: Sequence[tuple[int, int, str]]) -> Iterator[Hit]:
    """The number that opens a safe, a door, an alarm's panel or a telephone, where a sentence says so."""
    for start, end, noun in nouns:
        if not _TWO_DIGITS.search(text, max(0, start - _BEFORE_CHARS), end + _REACH_CHARS):
            continue
        low = _sentence_start(text, start)
        stop = _SENTENCE_END.search(text, end, end + _REACH_CHARS)
        for match in _NUMBER.finditer(text, low, stop.start() if stop else end + _REACH_CHARS):
            if _tells_code(text, low, start, match, noun):
                yield Hit("secret.password", 0.8, "told.lock_code", *match.span(1))
                return


def _sentence_start(text: str, at: int) -> int:
    low = max(0, at - _BEFORE_CHARS)
    for match in _SENTENCE_END.finditer(text, low, at):
        low = match.end()
    return low


def _tells_code(text: str, low: int, noun_at: int, number: re.Match[str], noun: str) -> bool:
    """Whether the sentence from `low` on says that the number opens what stands at `noun_at`."""
    digits = [character for character in number.group(1) if character.isdigit()]
    if len(set(digits)) < _FEWEST_DIGITS or "".join(digits) in _COUNTING:
        return False
    head = text[low : number.start(1)]
    around = text[low : max(number.end(), noun_at + len(noun)) + _TAIL_CHARS]
    if _OTHER_CODES.search(head) or (noun == "safe" and not _SAFE.search(text, max(0, noun_at - 9), number.end())):
        return False
    if _PHONES.match(noun) and not _UNLOCKS.search(around):
        return False
    codes = [match.end() for match in _CODE.finditer(head)]
    gap = number.start(1) - noun_at - len(noun)
    parts = _PARTS.split(number.group(1).strip("*#"))
    dialled = len(parts) >= _DIALLED_PARTS and max(map(len, parts)) == 1
    if _TYPE.search(head) or (dialled and 0 <= gap <= _GAP_CHARS) or (0 <= gap <= 2 and number.group(1)[-1] in "*#"):
        return True
    if codes and number.start(1) > noun_at and len(head) - max(codes[-1], noun_at + len(noun) - low) <= _GAP_CHARS:
        return True
    if len(digits) >= _LONG_CODE and _SET_TO.search(head):
        return True
    return bool(_WITH.search(head) and _OPENS.search(around))


_PHRASE_WORD = r"[^\W\d_]{3,14}"
_PHRASE = re.compile(rf"({_PHRASE_WORD}(?:(?: |, ?|-){_PHRASE_WORD}){{2,7}})(?=[\s.,;:!?'\"”»)\]]|\Z)")
_PHRASE_AHEAD = re.compile(
    r"(?i)[^\n.?!:]{0,60}?(?:(?:\b(?:is|was|are|ist|hei(?:ss|ß)t|lautet|war|est|es|era|e|jest|je|ar|er|is:|to|on|zni|este)|это|[:=])(?: now| jetzt| the words?)?|是|は|：)\s{0,2}[\"'`“«(]{0,2}|[^\n.?!:\"'`“«]{0,24}[ :][\"'`“«]"
)
_COUNTED_WORDS = re.compile(
    r"(?i)[^\n?!]{0,50}?\b(?:two|three|four|five|six|seven|eight|[2-8]|drei|vier|funf|sechs|trois|quatre|cinq|tres|cuatro|cinco|tre|quattro|cinque|quatro|drie|vijf|trzy|cztery|fyra|три|четыре|пять) (?:\w{1,12} )?(?:words|worter|mots|palabras|parole|palavras|woorden|s[lł]owa|slova|ord|слова|слов)\b[,:]?(?: [^\W\d_]{1,8}:)? ?[-–—]? ?[\"'`“«(]{0,2}"
)
_FUNCTION_WORDS = frozenset(
    "the and for not too are was you our your per with from that this than then have has must should will can may when where which who"
    " how why what only also just very more most some any all each both into over about after before being been same still never always"
    " required needed asked words word letters characters long short strong weak easy secure safe stored saved kept wrong right correct"
    " incorrect unknown missing used set sent new old empty case lower upper please note und der die das den dem des ist mit von vom fur"
    " auf aus bei ein eine einer einen nicht auch noch immer sehr oder aber wird wurde sind war man sie wir soll muss kann nur zum zur"
    " als wie was lang sicher worter zeichen les des une pas que qui pour par sur dans avec est sont mais trop tres plus deux fois etre"
    " doit toujours longue mots los las una del con por para que muy mas debe son pero como palabras larga facil siempre ser gli una del"
    " della non per che con sono deve piu sequenza parole lunga sempre uma dos das nao com por para que deve mais palavras longa sempre"
    " het een van voor niet met zijn moet maar ook wel lang woorden och som inte med for att ska eller det den ikke til skal oraz nie"
    " jest dla przez musi nebo pro для это как что при надо нужно была было быть очень тоже или над под она они более чем слов".split()
)
_FAMOUS = ("correct horse", "battery staple", "correcthorse", "foo bar", "lorem ipsum")
_WRITTEN = compile_pattern(
    r"(?i)\b(?:(?:all )?lower ?case|no spaces?|without spaces?|(?:with )?hyphens|klein ?geschrieben|zusammengeschrieben|ohne leerzeichen|minuscul\w*|sans espaces?|sin espacios|senza spazi|sem espacos|zonder spaties|bez spacji)\b|без пробелов|маленькими|小写"
)
_PHRASE_NAMES = re.compile(r"phrase|frase|fras\b|фраз|fraz|wachtwoordzin|salalause|フレーズ")


def told_phrase(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Where the words of a passphrase stand that a sentence tells after the password word at [start, end)."""
    named = bool(_PHRASE_NAMES.search(text[max(0, start - 12) : end + 10].lower()))
    counted = _COUNTED_WORDS.match(text, end)
    ahead = counted
    if not ahead and (named or _WRITTEN.search(text[end : end + _REACH_CHARS])):
        ahead = _PHRASE_AHEAD.match(text, end)
    match = _PHRASE.match(text, ahead.end()) if ahead else None
    if not match or not ahead:
        return None
    phrase = match.group(1)
    words = phrase.replace(",", " ").replace("-", " ").split()
    quoted = text[ahead.end() - 1] in "\"'`“«("
    least = 3 if quoted or counted else 4
    if not quoted and "," in phrase:  # the sentence goes on behind a comma
        words = phrase.split(",")[0].split()
    drawn = not any(word.lower() in _FUNCTION_WORDS for word in words) and len(set(words)) == len(words)
    if len(words) < least or not drawn or famous_phrase(phrase):
        return None
    return match.start(1), match.start(1) + (len(phrase) if quoted else len(phrase.split(",")[0]))


def famous_phrase(phrase: str) -> bool:
    """Whether everybody quotes it as an example."""
    return any(known in phrase.lower() for known in _FAMOUS)


_CHANGED = compile_pattern(
    r"(?i)\b(?:chang\w+|reset|rotat\w+|passed|pass[eo]u?|passat[oa]|paso|sostitui\w+|substitu\w+|remplaz\w+|ersetzt|now|since|as of|became|becomes|hei(?:ss|ß)t|devient|diventa|oldu|olarak|jetzt|seit|ab heute|maintenant|depuis|ahora|desde|adesso|dal|agora|nu|sinds|vanaf|teraz|od|nyni|fran|siden|simdi|artik|beri|updated|replaced|switched|set to|mud(?:ou|ada|ado|amos)|troc\w+|alterad\w|modif\w+|remplac\w+|cambi\w+|actualiz\w+|geandert|geaendert|andert|gewechselt|umgestellt|gesetzt|gewijzigd|veranderd|aangepast|andra\w+|endre\w+|aendre\w+|bytt\w*|skift\w*|zmien\w+|zmen\w+|promijen\w+|spremen\w+|vaihd\w+|muute\w+|modosit\w+|megvaltoz\w+|schimbat\w*|degis\w+|diubah|diganti|doi thanh|duoc doi|badal\w*)|αλλα[ξχζ]|поменя|смени|измен|замен|обнов|змін|помiн|промен|теперь|уже|変更|変わ|改|变更|更换|換|변경|바뀌|바꿨|바꾸|تغي|שונ|שינ|बदल|เปลี่ยน|\b(?:new|neue?s?|nouveau|nuev[ao]|nuov[ao]|nov[ao]|nieuwe?|nytt|uusi|nowe|yeni)\b|нов[аоыу]|đoi"
)
_NEITHER = compile_pattern(
    r"(?i)\b(?:polic\w+|rule\w*|hash\w*|algorithm\w*|format\w*|length|richtlinie\w*|politi\w+|regel\w*|manager|field|feld|champ|campo|page|column|version|release|ticket|jira|issue|rfc|nist|iso|soc|comply|norm\w*|standard\w*)\b|политик|полит"
)
_TO = re.compile(
    r"(?i)(?:\b(?:to|para|pour|par|por|en|auf|in|a|na|naar|till|til|ke|la|thanh|is|now|jetzt|con|mit|avec|with|on|es|est|ist|e)|[:=>]|на|це|成了?|为|為|은|는|から) ?[\"'`「『]?\Z"
)
_OF_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$%&*?^~@_.+\-]{6,40}")
_JOINED = re.compile(r"[a-z]{2,}-[0-9]{3,4}-[a-z]{2,}\Z")
_CHANGE_CHARS, _MOST_VALUES = 110, 8


def changed_value(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Where the new password stands in a sentence that says what the password at [start, end) was changed to."""
    finish = text.find("\n", end, end + _CHANGE_CHARS)
    finish = min(len(text), end + _CHANGE_CHARS) if finish < 0 else finish
    low = max(text.rfind("\n", 0, start) + 1, start - _BEFORE_CHARS)
    if not _CHANGED.search(text[low:finish]):
        return None
    for count, match in enumerate(_OF_VALUE.finditer(text, end, finish)):
        value = trim(match.group())
        if count >= _MOST_VALUES or _NEITHER.search(text[end : match.start()]):
            return None
        if _new_one(value, bool(_TO.search(text[max(end, match.start() - 10) : match.start()]))):
            return match.start(), match.start() + len(value)
    return None


def _new_one(value: str, told: bool) -> bool:
    """Whether it looks like a password somebody set: parts of words and figures; fewer signs when the sentence points at it."""
    digits, letters = sum(map(str.isdigit, value)), sum(map(str.isalpha, value))
    if len(value) < 8 or digits < 2 or letters < 3 or grade(value) < Grade.PASSWORD or file_or_version(value) or placeholder(value):
        return False
    cases = not value.islower() and not value.isupper()
    return told or bool(_JOINED.match(value)) or (cases and len(CHANGES.findall(value)) >= 3)
