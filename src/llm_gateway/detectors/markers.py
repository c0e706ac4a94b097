# ruff: noqa: E501, SIM905  # patterns and word lists read best unbroken
"""Classification markers, used rather than mentioned.

`CONFIDENTIAL - Q3 figures follow` marks its text; `what does TLP:RED mean?` asks about a word. A marker counts when it
stands as a label (capitals, start of a line, before a colon or dash) or in a sentence that applies it to something, and
not when its sentence asks about it, quotes it or wants a template.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from llm_gateway.detectors.linear import Pattern, compile_pattern
from llm_gateway.detectors.marker_words import (
    DIRECTIVE,
    DIRECTIVE_PHRASES,
    SET_PHRASES,
    SINGLE,
    SINGLE_STEMS,
    SINGLE_WORDS,
    STANDING,
    STANDING_PHRASES,
    TOPICAL,
    TOPICAL_PHRASES,
    grammar,
)
from llm_gateway.detectors.normalise import fold
from llm_gateway.detectors.rules import Hit

_WHOLE_PHRASES = frozenset({"en", "fr", "nl"})
"""Languages whose phrases end where a word ends; in the others the last part may be a stem."""


def literals() -> dict[str, int]:
    """Every phrase that is looked for as it stands, folded and lower-case, and how it marks."""
    found: dict[str, int] = {}
    for phrases, form in (
        (SINGLE_WORDS, SINGLE), (SINGLE_STEMS, SINGLE), (SET_PHRASES, STANDING), (DIRECTIVE_PHRASES, DIRECTIVE), (TOPICAL_PHRASES, TOPICAL),
    ):  # fmt: skip
        for phrase in phrases:
            plain = fold(phrase.strip()).lower()
            if plain and (len(plain) >= 2 or not plain.isascii()):
                found[plain] = form
    return found


@lru_cache(maxsize=1)
def grammars() -> tuple[tuple[str, frozenset[str]], ...]:
    """(pattern, anchors) of each language's composed phrases."""
    return tuple(grammar(text, stems=name not in _WHOLE_PHRASES) for name, text in STANDING_PHRASES.items())


@lru_cache(maxsize=32)
def _compiled(language: int) -> Pattern:
    return compile_pattern("(?i)" + grammars()[language][0])


_STRICT_END = frozenset(index for index, name in enumerate(STANDING_PHRASES) if name in _WHOLE_PHRASES)
_PHRASE_CHARS = 120
_SURE, _ENOUGH = 0.8, 16
"""A text with so many sure markers is marked: the rest need not be read."""

_KEY_LIKE = frozenset(
    "internal intern interne interno interna secret secreto secreta segreto sensitive restricted privileged proprietary reservado classified geheim private public".split()
)
"""Words that configuration files use as names: in lower case before a colon they mark nothing."""
_ENGLISH = _KEY_LIKE | {"confidential", "embargoed"}

_QUESTION_START = re.compile(
    r"(?i)[\s\"'(¿>*#-]*(?:please |can you |could you |hi,? |hello,? |explain: ?|q: ?|question: ?)*(?:what(?:'s|s)?\b|how\b|why\b|when\b|who\b|which\b|where\b|explain\b|define\b|describe\b|does\b|do\b(?! not)|did\b|is\b|are\b|was\b|can (?:a|an|i|you|we|the)\b|should\b|could\b|would\b|difference\b|compare\b|meaning\b|list\b|tell me\b|give (?:me )?(?:a|an|some|five|ten|three)\b|name\b|discuss\b|suggest\b|design (?:a|an|me)\b|create a\b|make a\b|generate a\b"
    r"|was (?:ist|sind|bedeutet|heißt|heisst|versteht)|wie\b|warum\b|wann\b|wof[uü]r\b|welche[rsn]?\b|erkl[aä]re?\b|wer\b|wo\b|que (?:signifie|veut|es|significa|e\b|son)|qu'est|quelle?s?\b|quels\b|pourquoi\b|comment\b|quand\b|explique[rz]?\b|como\b|por ?que\b|cual(?:es)?\b|cuando\b|quando\b|o que\b|qual\b|quais\b|cosa\b|che cosa|che (?:significa|vuol)|come\b|spiega\b|perche\b|wat\b|hoe\b|waarom\b|wanneer\b|leg uit|co (?:to|znaczy|oznacza)|jak\b|dlaczego\b|czym\b|wyjasnij|что\b|чем\b|как\b|когда\b|почему\b|зачем\b|объясни|что такое|ne demek|nedir|nasil\b|neden\b|ما\b|كيف\b|لماذا\b|اشرح|מה\b|איך\b|vad\b|hur\b|hvad\b|hva\b|hvordan\b|mita\b|miten\b|什么|什么是|为什么|如何|怎么|怎样|解释|请解释|請解釋)"
)
_ABOUT_WORD = compile_pattern(
    r"(?i)\b(?:mean(?:s|ing)?|stand(?:s)? for|definition|concept of|(?:the|word|a) (?:word|phrase|term)|marking scheme|markings|classification levels?|translate the (?:word|phrase|term)|synonyms?|watermarks?|wasserzeichen|filigrane|marca de agua|stamp|stempel|bedeutet|bedeutung|signifie|significa|betekent|oznacza|anlamina)\b|означает|значит|表示什么|是什么|の意味|とは|뜻|とは|是什么意思|什么意思|의 뜻|معنى|क्या है|क्या होता"
)
_ABOUT_KIND = compile_pattern(
    r"(?i)\b(?:term|word|phrase|templates?|generic|boilerplate|sample|example of|fiction(?:al)?|novels?|film|movie|trope|poem|story|lyrics|joke|song|album|series|episode|article about|essay on|history of|declassified|privacy (?:policy|notice|statement)|datenschutzerklarung|enforceable|regulations?|doctrine|law review|muster|vorlage|modele|modelo|modello|plantilla (?:de|para)|minuta padrao|(?:two|three|four|five|six|[2-6]) (?:levels|classes|tiers|stufen|niveaux|niveles|livelli)|wzor|sablon|sjabloon|mall|skabelon)\b|образец|шаблон|模板|范本|範本|样本|テンプレ|ひな形|雛形|書式|서식|양식|템플릿|构成要件|有哪些|区别|區別|違い|차이"
)
_CODE_BEFORE = re.compile(
    r"(?i)\b(?:this|the|these) (?:\w+ )?(?:methods?|functions?|class(?:es)?|modules?|apis?|endpoints?|packages?|constructors?|fields?|flags?|macros?|constants?|symbols?|interfaces?|namespaces?|hooks?|components?|parameters?|structs?|traits?|types?) (?:is|are) "
)
"""Documentation of code: what is for internal use there is a part of a program."""
_THIS = compile_pattern(
    r"(?i)\b(?:this|these|attached|enclosed|following|below|above|our|my|diese[rsnm]?|folgende[rsn]?|beiliegende[rsn]?|unsere?|ce|cet|cette|ci-joint|notre|est[ea]|adjunto|nuestr[oa]|quest[oa]|allegat[oa]|nostr[oa]|anexo|noss[oa]|dit|deze|bijgevoegde|onze|ten|to|nasz|bu|ekteki)\b|это|этот|наш|данн|прилага|本|以下|この|当社|附件|我们|我司|이 |다음|हमार|هذا|هذه|مرفق"
)
_APPLIES = re.compile(
    r"(?i)(?<![a-z])(?:this|these|the following|attached|enclosed|our|below|everything|diese[srnm]?|folgende|unsere?|ce(?:tte|t)? (?:document|message|note|rapport|dossier)|le present|la presente|ci-joint|este|esta|el presente|quest[oa]|il presente|a presente|o presente|dit|deze|onderstaande|ten|niniejsz\w+|bu|denna|detta|denne|dette|tama|tento)(?![a-z])(?:)[^.!?\n]{0,60}$|(?:это|эт[оаи]т?|данный|настоящ|本|以下|この|이 )[^.!?\n]{0,60}$"
)
_KEEP = re.compile(
    r"(?i)(?<![a-z])(?:keep|treat|mark(?:ed)?|consider(?:ed)?|remain(?:s)?|is|are|stays?|strictly|highly|very|extremely|most|still|bleibt|ist|sind|est|sont|es|son|e|è|sono|sao|é|jest|sa|ar|är|er|on|je|является|являются|zijn)\s+(?:(?:this|it|that|all|as|the following|strictly|highly|very|absolutely|to be|company|streng|strikt|strictement|estrictamente|estritamente|strettamente|scisle|строго|strangt|strengt|ehdottoman|prisne|tamamen)\s+){0,4}[\"']?$"
)
_TREAT = re.compile(
    r"(?i)(?:^|[.!?:;\n]\s*|\bplease |\band )(?:treat|handle|keep|mark|consider|classify|hold|store)(?: (?:this|that|it|all|everything|the following|the below|what follows|these|strictly|highly|as|in|information|memo|document|details?|numbers|figures|text|email|message|content|file|report|list)){1,6} [\"']?$"
)
_SENTENCE_END = re.compile(r"[.!?。？！\n]")
_LABEL_AFTER = re.compile(r"[ \t]*(?:[\])}*_】〕》』]{1,3}|[:：\-–—|/!★☆※■◆]|\.(?:\s|$)|\n|$)")
_OPENING_AFTER = re.compile(r"[ \t]*[\])}*_】〕》』\"']{0,3}[ \t]*(?:[:：\-–—|/!★☆※■◆\])}】〕》』*]|\n|$)")
_LABEL_BEFORE = re.compile(r"(?:^|[.!?][ \t]{1,2}|[\n:>\[(*#|\-•/【〔《『★☆※■◆])[ \t*_#\[(\-【〔《『★☆※■◆]*$")
_SYMBOLS = re.compile(r"[\W_]*\Z")
_DOCUMENT_BEFORE = re.compile(
    r"(?i)(?:document|documento|dokument|report|rapport|bericht|informe|relatorio|relazione|memo|e-?mail|file|note|letter|information|material|content|data|文件|資料|资料|문서|자료|документ|отчет|belge|rapor|raport|zprava|asiakirja|dokumentum|document[ul]+|وثيقة|دستاویز|दस्तावेज़?)\w{0,3}[\s:]{1,2}(?:is |ist |est |es |e |sono |jest |ar |er |on |je |este |- )?$"
)
_HEADER = re.compile(r"[^\W\d_][^\n:：?？.,]{2,48}(?:[:：]|\.\s|\n)")
"""A short first part of a line: `Dokument poufny. Warunki ...`. English words need a surer sign, they have other uses."""
_LEVEL_BEFORE = re.compile(
    r"(?i)(?:classification|distribution|circulation|sensitivity|confidentiality|security|security (?:level|label|class|marking)|protective marking|handling|data class|information class|einstufung|klassifizierung|vertraulichkeit|vertraulichkeitsstufe|geheimhaltungsstufe|schutzklasse|schutzstufe|niveau|confidentialite|clasificacion|nivel|confidencialidad|classificacao|confidencialidade|classificazione|livello|riservatezza|classificatie|rubricering|klauzula|poufnosc|sekretessklass|klassning|klassificering|luokitus|stupen|гриф(?: секретности)?|степень секретности|категория|gizlilik|gizlilik derecesi|密级|密級|保密等级|机密等级|機密区分|機密レベル|取扱区分|보안등급|보안 등급|비밀등급|درجة السرية|مستوى السرية|التصنيف|वर्गीकरण|गोपनीयता स्तर)(?: level| grade)?[\"'* ]{0,3}[:=：\-–][ \t]{0,3}[\"'*\[]{0,3}(?:(?:highly|strictly|very|most|company|business|commercial|client)[ \-])?\Z"
)
_STRENGTHENED = re.compile(r"(?i)(?<![a-z_\-./])(?:highly|strictly|very|most|company|business)-\Z")
_CLASSED_BEFORE = re.compile(
    r"(?i)\b(?:classified|marked|rated|labell?ed|designated|stamped|eingestuft|gekennzeichnet|classe|clasificado|marcado|classificado|classificato|oznaczon\w|märkt|merket) (?:as |als |comme |como |come |jako |som )\"?\Z"
)
_CLASSED_THINGS = re.compile(
    r"(?i)\b(?:this|these|document|report|file|memo|information|data|material|content|is|ist|dokument|unterlage|est|es|è|jest)\b"
)
_NOT_MARK_AFTER = re.compile(
    r"(?i)\s+(?:as|by|into|using|with|according|based|ads?|santa|sauce|ingredient|garden|agent|life|recipe|weapon|admirer|service|to light|skin|teeth|computing|transaction|settings?|software|format|stock|area|mode|class|method|api|server|rate of return|combustion|link|clock|state|variable|medicine|organs?|affairs|audit(?:or)?s?|stakeholders?)\b"
)
_DIRECTED = re.compile(
    r"(?i)(?:^|[\n.!?:;,(\[{*#>|/\-–—\"'•]|\b(?:please|bitte|kindly|por favor|merci de|s'il vous plait|si prega di|favor|but|and please|internal|confidential|draft|secret|vertraulich|confidentiel|confidencial|riservato))\s*\Z"
)
_OUTWARD = re.compile(
    r"(?i)(?:[ ,]{1,2}(?:or|and|oder|und|ou|et|o|y|e|of|en|lub|и|или) (?:\w+ ){0,2}\w+)?\s*(?:(?:this|these|any of this|diese[sn]?|ceci|esto|questo|isto|dit)(?: (?:document|memo|email|e-mail|message|information|report|file|deck|list|note|mail|text|draft|data|dokument|information|nachricht|bericht))?)?\s*(?:$|[\n.!;:)\]}*|\-–—\"]|(?:outside|externally|beyond|anyone|anybody|others|further|publicly|elsewhere|until|till|before|without (?:prior|permission|consent|written|approval|my|our)|with (?:anyone|others|third|people|persons|the press|competitors|external|colleagues|customers|clients)|to (?:anyone|others|third|the press|external|the public|competitors|customers|clients|persons|any)"
    r"|außerhalb|ausserhalb|extern|an (?:dritte|externe|andere|unbefugte|die presse)|ohne|vor (?:der|dem|freigabe)|hors|en dehors|a (?:des tiers|l'exterieur|l'externe|terceros|terzi|personne|quiconque)|sans|avant|fuera|sin (?:autorizacion|permiso)|antes|al di fuori|all'esterno|senza|fora|para fora|sem autorizacao|buiten|aan derden|met derden|zonder|za|вне|за пределы|третьим|без|никому|посторонним)\b)"
)
_APPLIED_BEFORE = re.compile(
    r"(?i)(?:(?:\b(?:contains?|containing|includes?|including|discloses?|constitutes?|considered|qualif(?:y|ies) as|treat(?:ed)? (?:this |it |these )?as|marked(?: as)?|this is|these are|it is|that is|is still|are still|is|still|remains|our|my|their|attached|enclosed|following|below|of our|under|per|per our|subject to(?: the| an?| our)?|covered by(?: the| an?| our)?|bound by(?: the| an?| our)?|protected by|protects|governed by(?: the| an?| our)?|signed an?|have an?|has an?|breach(?:es)? (?:of )?(?:the |our |an? )?"
    r"|enthalt|enthalten|unterliegt(?: dem| der| einem| einer)?|unterliegen|unser(?:e[mn]?)?|unter(?: der| einer)?|ist ein|sind|als|contient|contiennent|notre|nos|sous|couvert par(?: le| un)?|soumis a(?: un)?|protege par le|est un|contiene|contienen|nuestro|nuestra|bajo|sujeto a(?: un)?|amparado por(?: el)?|es un|constituye(?: un)?|nostro|nostra|soggetto a(?: un)?|coperto da|e un|contem|nosso|nossa|sob|sujeito a(?: um)?|protegido por|e um|bevat|ons|onze|onder|valt onder(?: de| een)?|is een|zawiera|stanowi|nasza|nasz|objete|innehaller|var|omfattas av|indeholder|vores|var)|содерж\w+|составля\w+|является|являются|наша?|охраняем\w+|под|içerir|niteliginde\w*)\s+(?:\w+ ){0,2}|含有|包含|属于|涉及|是我们的|我们的|我司|本公司|公司的|当社の|弊社の|含む|に該当|회사의|당사의|우리 |هذه |تتضمن |تحتوي على |हमारे |हमारा )[\"'*]{0,2}\Z"
)
_OF_SOMEBODY = re.compile(
    r"\s+(?:of|der|des|von|de|du|del|della|da|do|van|firmy|spółki|ооо|оао|ао|пао|зао)\s+(?:the |la |le )?(?:company|firma|empresa|entreprise|azienda|[A-ZÀ-ÞŁŚŻ\"«„]|\"|[а-я]{4,})"
)
_JAPANESE_ABOUT = compile_pattern(
    r"違い|意味|とは|教えて|書き方|作り方|方法|区别|區別|是什么|什么是|什麼|怎么|如何|哪些|차이|무엇|뜻|의미|방법|작성법|क्या|कैसे|ما معنى|ما هو|ما هي|كيف"
)
_CLOSING_BEFORE = re.compile(r"(?:[,;:–—-]\s|\()\s?(?:strictly |highly |streng |strictement |estrictamente |strettamente )?\Z")
_CLOSING_AFTER = re.compile(r"\)?[.!]?\s*(?:$|\n)")
_KIND_BEFORE = re.compile(r"\bkind[\"']?: ?[\"']?\Z")
"""`kind: Secret` names a sort of object in Kubernetes."""
_SENTENCE_REACH = 240


def _sentence(text: str, start: int, end: int) -> tuple[int, int]:
    left = max(0, start - _SENTENCE_REACH)
    begin = left
    for match in _SENTENCE_END.finditer(text, left, start):
        begin = match.end()
    stop = _SENTENCE_END.search(text, end, min(len(text), end + _SENTENCE_REACH))
    return begin, stop.end() if stop else min(len(text), end + _SENTENCE_REACH)


def _mention(text: str, start: int, end: int) -> bool:
    """Whether the sentence speaks of the marker rather than marking something."""
    begin, stop = _sentence(text, start, end)
    sentence, before = text[begin:stop], text[begin:start]
    if _ABOUT_WORD.search(sentence):
        return True
    opening = bool(_SYMBOLS.match(before)) or before.rstrip().endswith(":")
    if opening and _OPENING_AFTER.match(text, end) and not (sentence[-1:] in "?？" and text[start:end].islower()):
        return False
    if not text.isascii() and _JAPANESE_ABOUT.search(sentence):
        return True
    if _ABOUT_KIND.search(sentence) or (text[start:end].islower() and _CODE_BEFORE.search(before)):
        return True
    if _QUESTION_START.match(sentence) and not (text[start:end].isupper() and (opening or _THIS.search(before))):
        return True
    if sentence.rstrip().endswith(("?", "？")) and not (text[start:end].isupper() and _THIS.search(before)):
        return True
    return start > 0 and text[start - 1] in "\"'`“‘«「" and end < len(text) and text[end] in "\"'`”’»」,."


def _whole_word(text: str, start: int, end: int, *, stem: bool = False) -> bool:
    """Whether words begin and, unless it is a `stem`, end there. Scripts without spaces have no such borders."""
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    if (
        before in "-_./"
        and start > 1
        and not text[start - 2].isspace()
        and text[start - 2] not in "-/"
        and not _STRENGTHENED.search(text[max(0, start - 12) : start])
    ) or (after in "-_" and text[end + 1 : end + 2].isalnum()):
        return False
    if before in "$%{@=" or after == "=":
        return False
    if before == "-" and after != " " and not after.isspace() and after not in "-:.":
        return False
    ascii_start, ascii_end = text[start].isascii(), text[end - 1].isascii()
    return not (
        (ascii_start and (before.isalnum() or before == "_") and before.isascii())
        or (not stem and ascii_end and text[end - 1].isalnum() and (after.isalnum() or after == "_") and after.isascii())
    )


def composed_markers(text: str, anchors: Sequence[tuple[int, int, int]]) -> Iterator[Hit]:
    """Composed phrases near `anchors` (start, end, language)."""
    windows: dict[int, list[tuple[int, int]]] = {}
    for start, end, language in anchors:
        if start and text[start].isascii() and text[start - 1].isalpha() and text[start - 1].isascii() and text[start].isalpha():
            continue
        spans = windows.setdefault(language, [])
        low, high = max(0, start - _PHRASE_CHARS), min(len(text), end + _PHRASE_CHARS)
        if spans and low <= spans[-1][1]:
            spans[-1] = (spans[-1][0], high)
        else:
            spans.append((low, high))
    sure = 0
    for language, spans in windows.items():
        pattern = _compiled(language)
        for low, high in spans:
            for match in pattern.finditer(text[low:high]):
                start, end = low + match.start(), low + match.end()
                if end > start and _whole_word(text, start, end, stem=language not in _STRICT_END):
                    hit = _standing(text, start, end)
                    yield hit
                    sure += hit.confidence >= _SURE
                    if sure >= _ENOUGH:
                        return


def _standing(text: str, start: int, end: int) -> Hit:
    if _mention(text, start, end):
        return Hit("marker.mention", 0.05, "marker.mention", start, end)
    sure = text[start:end].isupper() or _label(text, start, end)
    return Hit("marker.classification", 0.9 if sure else 0.8, "marker.compound", start, end)


def _label(text: str, start: int, end: int) -> bool:
    """Whether it stands by itself: at the start of a line or part, and followed by a colon, a dash, an end."""
    if not _LABEL_AFTER.match(text, end):
        return False
    before = text[max(0, start - 40) : start]
    return bool(_LABEL_BEFORE.search(before)) or (text[end : end + 1] != "" and bool(_DOCUMENT_BEFORE.search(before)))


def classification(text: str, entries: Sequence[tuple[int, int, int]]) -> Iterator[Hit]:
    """Markers at `entries` (start, end, form). A used one is worth 0.75 and more, a mentioned one little."""
    sure = 0
    for start, end, form in entries:
        if _whole_word(text, start, end):
            hit = _marker(text, start, end, form)
            yield hit
            sure += hit.confidence >= _SURE
            if sure >= _ENOUGH:
                return


def _marker(text: str, start: int, end: int, form: int) -> Hit:
    if _LEVEL_BEFORE.search(text[max(0, start - 48) : start]):
        return Hit("marker.classification", 0.85, "marker.level", start, end)
    if form == STANDING:
        return _standing(text, start, end)
    if _mention(text, start, end):
        return Hit("marker.mention", 0.05, "marker.mention", start, end)
    if form == DIRECTIVE:
        return _directive(text, start, end)
    if form == TOPICAL:
        applied = _label(text, start, end) or _APPLIED_BEFORE.search(text[max(0, start - 60) : start]) or _OF_SOMEBODY.match(text, end)
        return Hit("marker.classification" if applied else "marker.mention", 0.8 if applied else 0.1, "marker.topical", start, end)
    return _single(text, start, end)


def _directive(text: str, start: int, end: int) -> Hit:
    outward = _OUTWARD.match(text, end)
    bare = outward is not None and (outward.end() <= end + 1 or not text[end : outward.end()].strip())
    if outward and (not bare or _DIRECTED.search(text[max(0, start - 24) : start])):
        return Hit("marker.classification", 0.8, "marker.directive", start, end)
    return Hit("marker.mention", 0.1, "marker.directive_other", start, end)


def _single(text: str, start: int, end: int) -> Hit:
    """A single word: as a label, closing a title, in capitals, or said of what is at hand."""
    word = text[start:end]
    before = text[max(0, start - 90) : start]
    capitals = word.isupper() and end - start >= 3
    wide = not word[0].isascii()
    rule, confidence = "marker.word", 0.08
    if _KIND_BEFORE.search(before[-12:]):
        return Hit("keyword.everyday", confidence, rule, start, end)
    if _CLASSED_BEFORE.search(before[-32:]) and _CLASSED_THINGS.search(before):
        rule, confidence = "marker.classed", 0.8
    elif end - start >= 9 and _CLOSING_BEFORE.search(before[-24:]) and _CLOSING_AFTER.match(text, end):
        rule, confidence = "marker.closing", 0.75
    elif _label(text, start, end) and (
        capitals or wide or word[0].isupper() or (text[end : end + 1] in ":-" and word.lower() not in _KEY_LIKE)
    ):
        rule, confidence = "marker.label", 0.85
    elif capitals and end - start >= 6 and not _shouting(text, start, end):
        rule, confidence = "marker.capitals", 0.78
    elif _NOT_MARK_AFTER.match(text, end):
        pass
    elif end - start >= 5 and _KEEP.search(before[-60:]) and _APPLIES.search(before):
        rule, confidence = "marker.applied", 0.76
    elif end - start >= 6 and _TREAT.search(before):
        rule, confidence = "marker.treat", 0.76
    elif (
        word.lower() not in _ENGLISH
        and _at_edge(text, start, end)
        and _HEADER.match(text, text.rfind("\n", 0, start) + 1, min(len(text), end + 40))
    ):
        rule, confidence = "marker.header", 0.76
    return Hit("marker.classification" if confidence > 0.5 else "keyword.everyday", confidence, rule, start, end)


_HEADER_END = re.compile(r"[\"'”»)\]*_]{0,3}[ \t]*(?:[:：.。\n!！,;(/–—-]|$)")


def _at_edge(text: str, start: int, end: int) -> bool:
    """Whether a word begins or ends a line or its first part: `Dokument poufny.`, but not `the oil embargo of 1973`.

    In scripts without spaces it must not be a part of a longer word.
    """
    if text[start] > _JOINED_SCRIPTS and (text[start - 1 : start].isalpha() or text[end : end + 1].isalpha()):
        return False
    begin = text.rfind("\n", 0, start) + 1
    return not text[begin:start].strip(" \t*_#>\"'«„“(-") or bool(_HEADER_END.match(text, end))


_JOINED_SCRIPTS = "\u0e00"


def _shouting(text: str, start: int, end: int) -> bool:
    begin, stop = _sentence(text, start, end)
    sentence = text[begin:stop]
    return len(sentence) > 60 and sentence.isupper() and sentence.rstrip().endswith("?")
