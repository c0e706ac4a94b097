# ruff: noqa: E501  # patterns and word lists read best unbroken
"""Classification markers, used rather than mentioned.

`CONFIDENTIAL - Q3 figures follow` marks its text; `what does TLP:RED mean?` asks about a word. A marker counts when it
stands as a label (capitals, start of a line, before a colon or dash) or in a sentence that applies it to something, and
not when its sentence asks about it, quotes it or wants a template.
"""

import re
from collections.abc import Iterator

from llm_gateway.detectors.rules import Hit

COMPOUND: tuple[str, ...] = tuple(
    """riservato e confidenziale|confidencial y reservado|سري وخاص|gizli ve özel|poufne i tajne|秘密★|机密★|绝密★|confidentiel et privé|embargo bis|embargo jusqu|embargo hasta|embargo fino|embargo até|sperrfrist|información reservada|informação reservada|informazione riservata|information réservée|zastrzeżone|tylko do użytku|人事秘|部内限|보안자료|外部公開禁止|handle accordingly|must not be disclosed|not be disclosed|nicht öffentlich|nicht für die öffentlichkeit|no distribuir|no compartir|no reenviar|não distribuir|não compartilhar|não encaminhar|ne pas distribuer|ne pas transmettre|non distribuire|non inoltrare|nicht verteilen|nicht weiterleiten|niet doorsturen|nie rozpowszechniać|не распространять|не пересылать|yayınlanamaz|dağıtılamaz|关系者限り|関係者外秘|転送禁止|复印禁止|禁止外传|内部传阅|外传|사외비|대외주의|不可外傳|do not redistribute|not to be circulated|for the addressee only|addressee only|recipient only|close hold|business confidential|client confidential|customer confidential|medical in confidence|staff in confidence|management only|board eyes only|executive eyes only|nur für die geschäftsleitung|nur für die geschäftsführung|persönlich und vertraulich|personnel et confidentiel|personal y confidencial|personale e riservato|pessoal e confidencial|restricted circulation|board confidential|do not copy|do not disclose|do not publish|off the record|privileged communication|in confidence|for your eyes only|company secret|company restricted|contains phi|contains pii|keep this between us|between you and me|don't share this|do not share this|please don't share|please do not share|do not share|don't forward|not for external|no external distribution|internal document|internal distribution|for internal distribution|limited to internal|sensitive and confidential|confidential information|confidential memo|confidential report|confidential draft|confidential settlement|confidentiality notice|sealed indictment|sealed record|internal-only|internal use|internal eyes only|highly restricted|highly sensitive|trade secrets|internal memo|internal use only|for internal use|company internal|company confidential|strictly confidential|highly confidential|private and confidential|private & confidential|confidential and proprietary
    proprietary and confidential|proprietary & confidential|confidential & proprietary|commercial in confidence|commercial-in-confidence|in strict confidence|not for distribution|not for further distribution|not for public release|do not distribute|do not forward|do not share outside|do not circulate|not to be disclosed|not for release
    eyes only|need-to-know|need to know basis|for official use only|official-sensitive|official sensitive|law enforcement sensitive|controlled unclassified|cui//|tlp:red|tlp: red|tlp:amber|tlp: amber|tlp red|tlp amber|secret//|top secret|ts//sci|//noforn|noforn|cosmic top secret|nato secret|nato confidential|nato restricted|eu restricted|restreint ue|secret ue
    attorney-client privileged|attorney client privileged|attorney-client privilege|attorney work product|attorney-work product|work product doctrine|privileged & confidential|privileged and confidential|legally privileged|legal privilege|without prejudice|under seal|filed under seal|subject to a protective order|protective order|attorneys' eyes only|attorneys eyes only
    non-disclosure agreement|nondisclosure agreement|under nda|covered by nda|subject to nda|subject to an nda|nda-protected|our nda|trade secret|embargoed until|under embargo|embargo until|restricted distribution|limited distribution|internal memo|board only|material non-public|material nonpublic|mnpi|inside information|pre-release|not yet public|not public|not yet announced|unannounced|confidential treatment requested|classified information|sensitive but unclassified|unreleased
    streng vertraulich|streng geheim|nur für den internen gebrauch|nur zur internen verwendung|nur für internen gebrauch|nur intern|nicht zur weitergabe|nur für den dienstgebrauch|vs-nfd|vs - nur|vs-vertraulich|betriebsgeheimnis|geschäftsgeheimnis|firmenintern|vertraulich behandeln|geheimhaltungsvereinbarung|unter nda
    ne pas diffuser|diffusion restreinte|strictement confidentiel|usage interne|confidentiel défense|secret défense|très secret|secret professionnel|accord de confidentialité|non divulgation|à usage interne|diffusion interne
    estrictamente confidencial|uso interno|no divulgar|no difundir|alto secreto|difusión limitada|acuerdo de confidencialidad|secreto comercial|sólo para uso interno|solo para uso interno
    estritamente confidencial|não divulgar|uso exclusivo interno|ultrassecreto|acordo de confidencialidade|segredo comercial|sigiloso
    strettamente confidenziale|strettamente riservato|uso interno|non divulgare|segretissimo|riservatissimo|accordo di riservatezza|segreto industriale
    strikt vertrouwelijk|alleen voor intern gebruik|zeer geheim|staatsgeheim|niet verspreiden|alleen intern
    ściśle tajne|do użytku wewnętrznego|ściśle poufne|tajemnica przedsiębiorstwa|přísně tajné|přísně důvěrné|pouze pro vnitřní potřebu|strängt konfidentiellt|endast internt bruk|endast för internt bruk|strengt fortrolig|kun til internt brug|kun til intern bruk|erittäin salainen|vain sisäiseen käyttöön|szigorúan bizalmas|szigorúan titkos|strict confidențial|strict secret|de uz intern|άκρως απόρρητο|αυστηρά εμπιστευτικό
    совершенно секретно|для служебного пользования|строго конфиденциально|не для распространения|коммерческая тайна|для внутреннего пользования|не разглашать|адвокатская тайна|цілком таємно|для службового користування|строго поверително
    çok gizli|gizlidir|hizmete özel|şirket içi|kesinlikle gizli|kurum içi|ticari sır|سري للغاية|سري جدا|للاستخدام الداخلي|غير قابل للنشر|סודי ביותר|לשימוש פנימי|אתם גורמים|अति गोपनीय|केवल आंतरिक|bí mật công ty|tuyệt mật|lưu hành nội bộ|tối mật|ลับมาก|ลับที่สุด|ใช้ภายใน|sangat rahasia|rahasia perusahaan|hanya untuk internal|untuk kalangan sendiri
    绝密|机密|機密|内部资料|內部資料|仅限内部|僅限內部|内部文件|内部使用|商业秘密|商業秘密|请勿外传|切勿外传|不得外传|保密协议|秘密文件|社外秘|極秘|部外秘|関係者限り|取扱注意|マル秘|厳秘|親展|持ち出し禁止|秘密保持契約|대외비|극비|기밀|사내 한정|외부 유출 금지|내부용|비공개|영업비밀""".replace("\n", "|").split("|")
)  # fmt: skip

SINGLE: tuple[str, ...] = tuple(
    """poufna|poufnych|tajny|tajna|zastrzeżony|секретный|секретная|конфиденциальный|конфиденциальная|конфиденциальное|для внутреннего|riservata|riservati|riservate|confidenziali|vertrauliche|vertrauliches|vertraulicher|vertrauliche unterlage|confidentielles|confidenciales|confidenciais|vertrouwelijke|gizli belge|gizlilik|محضر سري|केवल आंतरिक|tajemství|konfidentiell|sekretess|поверљиво|povjerljivo|zaupno|konfidencialu|salaja|internal|intern|interne|interno|interna|wewnętrzne|внутренний|внутренняя|dahili|极密|極秘|密|絶密|관계자외|internt|confidential|privileged|classified|restricted|secret|proprietary|embargoed|sensitive|vertraulich|geheim|confidentiel|confidentielle|confidencial|reservado|sigilo|riservato|confidenziale|segreto|vertrouwelijk|geheim|poufne|poufny|tajne|tajné|důvěrné|konfidentiellt|hemlig|fortrolig|fortroligt|konfidensielt|luottamuksellinen|salainen|bizalmas|titkos|confidențial|secreto|secreta
    εμπιστευτικό|απόρρητο|секретно|конфиденциально|поверително|таємно|конфіденційно|дсп|gizli|سري|سرية|خاص وسري|סודי|חסוי|गोपनीय|गुप्त|bí mật|mật:|ลับ|rahasia|sulit|保密|秘密|秘|㊙|nfd|fouo|cui|noforn""".replace(
        "\n", "|"
    ).split("|")
)

_KEY_LIKE = frozenset(
    {
        "internal",
        "intern",
        "interne",
        "interno",
        "interna",
        "secret",
        "secreto",
        "secreta",
        "segreto",
        "sensitive",
        "restricted",
        "privileged",
        "proprietary",
        "reservado",
        "classified",
        "geheim",
    }
)
"""Words that configuration files use as names: in lower case before a colon they mark nothing."""

_QUESTION_START = re.compile(
    r"(?i)[\s\"'(¿>*#-]*(?:please |can you |could you |hi,? |hello,? |explain: ?|q: ?|question: ?)*(?:what(?:'s|s)?\b|how\b|why\b|when\b|who\b|which\b|where\b|explain\b|define\b|describe\b|does\b|do\b(?! not)|did\b|is\b|are\b|was\b|can (?:a|an|i|you|we|the)\b|should\b|could\b|would\b|difference\b|compare\b|meaning\b|list\b|tell me\b|give (?:me )?(?:a|an|some|five|ten|three)\b|name\b|discuss\b|suggest\b"
    r"|was (?:ist|bedeutet|heißt|heisst)|wie\b|warum\b|erkl[aä]re?\b|wer\b|que (?:signifie|veut|es|significa|e\b)|qu'est|quelle?\b|pourquoi\b|comment\b|explique[rz]?\b|como\b|por ?que\b|cosa\b|che cosa|come\b|spiega\b|perche\b|wat\b|hoe\b|leg uit|co (?:to|znaczy)|jak\b|wyjasnij|что\b|как\b|почему\b|объясни|ne demek|nedir|ما\b|كيف\b|اشرح|מה\b|kak\b|vad\b|hvad\b|hva\b|mita\b|什么|什么是|为什么|如何|解释|请解释)"
)
_ABOUT = re.compile(
    r"(?i)\b(?:mean(?:s|ing)?|stand(?:s)? for|definition|concept of|term|word|phrase|marking scheme|markings|classification levels?|template|generic|boilerplate|sample|example of|fiction(?:al)?|novel|film|movie|trope|poem|story|lyrics|joke|article about|essay on|history of|translate the (?:word|phrase|term)|synonyms?|bedeutet|signifie|significa|oznacza|означает|表示什么|是什么|の意味|とは|뜻|enforceable|regulations?|doctrine|law review)\b|とは|是什么意思|什么意思|의 뜻"
)
_APPLIES = re.compile(
    r"(?i)(?:this|the following|attached|enclosed|our|below|these|diese[srn]?|folgende|ce (?:document|message)|este|esta|questo|questa|это|данный|本|以下|この|이 )[^.!?\n]{0,60}$"
)
_KEEP = re.compile(
    r"(?i)(?:keep|treat|mark(?:ed)?|consider(?:ed)?|remain(?:s)?|is|are|stays?|strictly|highly|very|extremely|most|still|bleibt|ist|est|es|è|sono|является)\s+(?:(?:this|it|that|all|as|the following|strictly|highly|very|absolutely|to be|company|streng|strictement|estrictamente|strettamente)\s+){0,4}[\"']?$"
)
_SENTENCE_END = re.compile(r"[.!?。？！\n]")
_LABEL_AFTER = re.compile(r"[ \t]*(?:[\])}*_]{1,3}|[:：\-–—|/!★☆※]|\.(?:\s|$)|\n|$)")
_LABEL_BEFORE = re.compile(r"(?:^|[\n:>\[(*#|\-•/])[ \t*_#\[(\-]*$")
_DOCUMENT_BEFORE = re.compile(
    r"(?i)(?:document|documento|dokument|report|rapport|bericht|informe|relatorio|relazione|memo|e-?mail|file|note|letter|information|material|content|data|文件|資料|문서|документ|отчет|belge|rapor)\w{0,3}[\s:]{1,2}(?:is |ist |est |es |e |sono |- )?$"
)
_ENGLISH = _KEY_LIKE | {"confidential", "embargoed"}
_HEADER = re.compile(r"[^\W\d_][^\n:：?？.,]{2,48}(?:[:：]|\.\s|\n)")
"""A short first part of a line: `Dokument poufny. Warunki ...`. English words need a surer sign, they have other uses."""
_LEVEL_BEFORE = re.compile(
    r"(?i)(?:classification|distribution|circulation|sensitivity|confidentiality|security (?:level|label|class)|data class|einstufung|vertraulichkeitsstufe|geheimhaltungsstufe|clasificacion|classificacao|classificazione|classificatie|klauzula|гриф(?: секретности)?|gizlilik derecesi|密级|機密区分|보안등급|보안 등급)(?: level| grade)?[\"'* ]{0,3}[:=：]\s{0,3}[\"'*]{0,3}\Z"
)
_CLASSED_BEFORE = re.compile(
    r"(?i)(?:classified|marked|rated|eingestuft|classe|clasificado|classificado|classificato) (?:as |als |comme |como |come )\"?\Z"
)
_JAPANESE_ABOUT = re.compile(r"違い|意味|とは|教えて|区别|區別|是什么|什么是|什麼|차이|무엇|뜻|의미|क्या|ما معنى|ما هو")
_CLOSING_BEFORE = re.compile(r"(?:[,;:–—-]\s|\()\s?(?:strictly |highly |streng |strictement )?\Z")
_CLOSING_AFTER = re.compile(r"\)?[.!]?\s*(?:$|\n)")
_SENTENCE_REACH = 240


def _sentence(text: str, start: int, end: int) -> tuple[int, int]:
    left = max(0, start - _SENTENCE_REACH)
    begin = left
    for match in _SENTENCE_END.finditer(text, left, start):
        begin = match.end()
    stop = _SENTENCE_END.search(text, end, min(len(text), end + _SENTENCE_REACH))
    return begin, stop.end() if stop else min(len(text), end + _SENTENCE_REACH)


def _mention(text: str, start: int, end: int, begin: int, stop: int) -> bool:
    sentence = text[begin:stop]
    if _QUESTION_START.match(sentence) and not text[start:end].isupper():
        return True
    quoted = start > 0 and text[start - 1] in "\"'`“‘«「" and end < len(text) and text[end : end + 1] in "\"'`”’»」,."
    if sentence.rstrip().endswith(("?", "？")) and not (text[start:end].isupper() and start - begin < 4 and ":" in sentence):
        return True
    return quoted or bool(_ABOUT.search(sentence))


def _whole_word(text: str, start: int, end: int) -> bool:
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    if (before in "-_./" and start > 1 and not text[start - 2].isspace() and text[start - 2] not in "-/") or (
        after in "-_" and text[end + 1 : end + 2].isalnum()
    ):
        return False
    if before == "-" and after != " " and not after.isspace() and after not in "-:.":
        return False
    ascii_start, ascii_end = text[start].isascii(), text[end - 1].isascii()
    return not (
        (ascii_start and (before.isalnum() or before == "_") and before.isascii())
        or (ascii_end and text[end - 1].isalnum() and (after.isalnum() or after == "_") and after.isascii())
    )


def classification(text: str, entries: list[tuple[int, int, bool]]) -> Iterator[Hit]:
    """Markers at `entries` (start, end, whether the phrase is a compound). A used one is worth 0.8 and more, a mentioned one little."""
    for start, end, compound in entries:
        if not _whole_word(text, start, end):
            continue
        if _LEVEL_BEFORE.search(text[max(0, start - 48) : start]):
            yield Hit("marker.classification", 0.85, "marker.level", start, end)
            continue
        begin, stop = _sentence(text, start, end)
        if _mention(text, start, end, begin, stop) or (not text.isascii() and _JAPANESE_ABOUT.search(text[begin:stop])):
            yield Hit("marker.mention", 0.05, "marker.mention", start, end)
            continue
        if _CLASSED_BEFORE.search(text[max(0, start - 24) : start]):
            yield Hit("marker.classification", 0.8, "marker.classed", start, end)
            continue
        capitals = text[start:end].isupper() and end - start >= 3
        label = bool(_LABEL_BEFORE.search(text[max(0, start - 40) : start])) and bool(_LABEL_AFTER.match(text, end))
        label = label or (
            bool(_LABEL_AFTER.match(text, end))
            and text[end : end + 1] != ""
            and bool(_DOCUMENT_BEFORE.search(text[max(0, start - 40) : start]))
        )
        wide = not text[start].isascii()
        closing = bool(_CLOSING_BEFORE.search(text[max(0, start - 12) : start])) and bool(_CLOSING_AFTER.match(text, end))
        if closing and not compound and end - start >= 9:
            yield Hit("marker.classification", 0.75, "marker.closing", start, end)
        elif compound:
            yield Hit("marker.classification", 0.9 if capitals or label else 0.8, "marker.compound", start, end)
        elif label and (
            capitals or wide or text[start].isupper() or (text[end : end + 1] in ":-" and text[start:end].lower() not in _KEY_LIKE)
        ):
            yield Hit("marker.classification", 0.85, "marker.label", start, end)
        elif capitals and end - start >= 6 and not _shouting(text, begin, stop):
            yield Hit("marker.classification", 0.78, "marker.capitals", start, end)
        elif end - start >= 8 and _KEEP.search(text[max(0, start - 60) : start]) and _APPLIES.search(text[max(0, start - 90) : start]):
            yield Hit("marker.classification", 0.76, "marker.applied", start, end)
        elif text[start:end].lower() not in _ENGLISH and _HEADER.match(text, text.rfind("\n", 0, start) + 1, min(len(text), end + 40)):
            yield Hit("marker.classification", 0.76, "marker.header", start, end)
        else:
            yield Hit("keyword.everyday", 0.08, "marker.word", start, end)


def _shouting(text: str, begin: int, stop: int) -> bool:
    sentence = text[begin:stop]
    return len(sentence) > 60 and sentence.isupper() and sentence.rstrip().endswith("?")
