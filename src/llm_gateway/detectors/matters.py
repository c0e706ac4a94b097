# ruff: noqa: E501, SIM905  # patterns and word lists read best unbroken
"""A person, or a company, together with a matter that is nobody else's business: health, work, law, deals.

A matter word alone is a topic. It counts with somebody identified (a full name, a title and a name, a record number)
and without signs that the person is public or made up.
"""

import re
from collections.abc import Iterator

from llm_gateway.detectors.linear import compile_pattern
from llm_gateway.detectors.rules import Hit

HEALTH_STRONG: tuple[str, ...] = tuple(
    """hiv positive|hiv-positive|tested positive|diagnosed with|diagnosis:|diagnosis of|biopsy|carcinoma|chemotherapy|schizophrenia|bipolar|miscarriage|abortion|antiretroviral|overdose|psychiatric|chlamydia|gonorrh|syphilis|herpes|hepatitis|leukemia|leukaemia|lymphoma|tumor|tumour|metasta|melanoma|dialysis|suicid|self-harm|anorexia|bulimia|dementia|alzheimer|parkinson|multiple sclerosis|epilepsy|ivf|hba1c|lab results|blood test results|test results for|medical record|patient record|discharge summary|mrn|rehab|icd-10|icd10|cd4 count|viral load|mastectomy|hospice|detox|opioid|insulin|genetic test|brca|down syndrome|cirrhosis|postpartum|std test|sti test|hiv status|terminally ill|terminal illness|heart attack|heart failure|copd|crohn|endometriosis|infertil|panic attack|borderline personality|eating disorder|obsessive|relapse|on lithium|sertraline|olanzapine|metformin|alcoholi|addiction|methadone|oncolog|prognosis|cancer|diabetes|depression|stroke|seizure|asthma|pregnan|ptsd|autism|adhd
    diagnose|diagnostiziert|befund|krebs|karzinom|depression|schwanger|fehlgeburt|patientin|blutwerte|erkrankt|diagnostic|diagnostique|souffre de|cancer du|enceinte|fausse couche|seropositi|atteint de|atteinte de|diagnosticad|padece|embarazada|vih positivo|cancer de|depresion|diagnosi di|affett[oa] da|sieropositiv|tumore|incinta|soropositiv|gravida|diabete|historial medico|historia clinica|prontuario|cartella clinica|dossier medical|arztbrief|krankenakte|krankschreibung|zwangerschap|gediagnosticeerd|rozpoznanie|zdiagnozowan|диагноз|болеет|беременн|онколог|вич|确诊|诊断|患有|怀孕|艾滋|抑郁症|癌|と診断|診断され|妊娠|うつ病|がん|진단|임신|우울증|암 진단|teşhis|hamile|kanser|تشخيص|سرطان|حامل""".replace(
        "\n", "|"
    ).split("|")
)
HEALTH_WEAK: tuple[str, ...] = (
    "patient",
    "my patient",
    "therapy",
    "prescribed",
    "medication",
    "symptom",
    "surgery",
    "admitted",
    "hospital",
    "dose",
    " mg",
    "treatment for",
    "geb.",
    "blood pressure",
    "referral",
    "clinic",
    "allerg",
)

HR_WORDS: tuple[str, ...] = tuple(
    """termination letter|terminate employment|terminate the employment|terminating employment|termination of|dismissal|firing|fired for|fire him|fire her|firing of|being fired|laid off|lay off|layoff list|layoffs list|list of layoffs|layoff|severance|performance improvement plan|pip for|disciplinary|warning letter|written warning|drug test|harassment|misconduct|salary|payroll|earns|compensation|bonus of|pay rise|raise for|refusing|demot|sick leave|medical leave|maternity leave|performance review|performance rating|underperform|employee id|background check|resign|grievance|reprimand|redundan|investigation into|hr complaint|whistleblow
    kündigung|abmahnung|gehalt|verdient|aufhebungsvertrag|abfindung|leistungsbeurteilung|licenciement|licencier|salaire|avertissement|rupture conventionnelle|despido|despedir|salario|nomina|licenziamento|licenziare|stipendio|richiamo|demissao|demitir|ontslag|salaris|zwolnieni|wynagrodzeni|увольнен|зарплат|выговор|解雇|薪资|工资|裁员|年収|給与|해고|연봉|급여|işten çıkar|maaş""".replace(
        "\n", "|"
    ).split("|")
)
LEGAL_WORDS: tuple[str, ...] = tuple(
    """our client|my client|settlement|plaintiff|defendant|deposition|witness|lawsuit|litigation|confess|forged|embezzl|fraud|indict|arrest|criminal record|convicted|probation|custody|divorce|restraining order|juvenile|docket|case no|alleg|prosecut|subpoena|bankruptcy|testif|plea deal|visa application|asylum|deport|immigration status
    mandant|mandantin|vergleich|anklage|scheidung|sorgerecht|vorbestraft|notre client|ma cliente|mon client|divorce de|garde d'enfants|casier judiciaire|nuestro cliente|mi cliente|demanda contra|divorcio|custodia|antecedentes penales|il nostro cliente|causa contro|divorzio|affidamento|nosso cliente|divorcio|guarda dos|наш клиент|развод|судим|离婚|起诉|我的客户|委托人|離婚|訴訟|依頼人|이혼|소송|의뢰인|müvekkil|boşanma""".replace(
        "\n", "|"
    ).split("|")
)
CORPORATE_WORDS: tuple[str, ...] = tuple(
    """acquire|acquisition|merger|takeover|buyout|cap table|term sheet|pre-money|series a|series b|series c|valuation|earnings|guidance|gross margin|revenue|ebitda|restructuring|restatement|ipo|layoffs|board paper|board memo|board deck|due diligence|letter of intent|bid for|offer price|divest|trade secret|formula|roadmap|product launch|source code of our|unreleased product|price increase|headcount|per share|tender offer|stake in|lay off|job cuts|plant closure|site closure|profit warning|earnings call|go public|spin off|spin-off|divestiture|deal terms|purchase price|projections|forecast|
    übernahme|fusion|umsatz|börsengang|acquérir|rachat|chiffre d'affaires|adquisicion|adquirir|fusion de|ingresos|acquisizione|acquisire|fatturato|aquisicao|faturamento|приобрет|слияни|выручк|поглощени|收购|并购|上市|营收|買収|合併|売上|인수|합병|매출|satın alma|birleşme""".replace(
        "\n", "|"
    ).split("|")
)
SECRECY_WORDS: tuple[str, ...] = tuple(
    """not public|not yet public|unreleased|unannounced|before the announcement|before announcement|not announced|unpublished|keep secret|keep this secret|keep it secret|keep this quiet|keep it quiet|nobody knows|no one knows|don't tell|do not tell|insider|non-public|nonpublic|quiet period|under wraps|pre-announcement|ahead of the announcement|ahead of the earnings|before earnings|embargo|board paper|internal projections|our internal|has not been announced|hasn't been announced|until the announcement|leak|blackout period|code name|codenamed|project name
    noch nicht öffentlich|nicht öffentlich|vor der bekanntgabe|unveröffentlicht|geheim halten|pas encore public|non public|avant l'annonce|garder secret|aún no es público|no es público|antes del anuncio|no se ha anunciado|non ancora pubblico|prima dell'annuncio|ainda não público|antes do anúncio|не опубликован|до объявления|尚未公开|未公开|公布前|未発表|発表前|미공개|발표 전|henüz açıklanmadı""".replace(
        "\n", "|"
    ).split("|")
)

_NAME = compile_pattern(
    r"\b([A-Z][a-z]+(?:-[A-Z][a-z]+)?) (?:[A-Z]\.? )?(?:(?:van|von|der|de|da|di|del|la|el|al|bin|ter|Mc|Mac|O') ?){0,2}([A-Z][a-z']+(?:-?[A-Z][a-z]+)?)\b"
)
_TITLED = compile_pattern(
    r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Herr|Frau|Mme|Mlle|Monsieur|Madame|Sr|Sra|Don|Dona|Sig|Signora|Signor|Pan|Pani|Patient(?:in)?|patient(?:e|in)?|Employee|employee|client|Mandant(?:in)?|witness|juvenile|plaintiff|defendant|paciente|paziente|señora?)\.? ((?:[A-Z]\.? )?[A-Z][a-z']+)\b"
)
_RECORD = compile_pattern(
    r"(?i)\b(?:mrn|employee (?:id|no|number)|patient (?:id|no|number)|case (?:no|number)|personalnummer|staff id|record (?:no|number)|claim (?:no|number))[.:# ]{1,4}[a-z0-9\-]*\d{3,}"
)
_CJK_PERSON = compile_pattern(
    r"(?:患者|病人|员工|員工|职员|客户|社員|従業員|환자|직원|의뢰인|пациент\w*|сотрудник\w*|клиент\w*|мой пациент|المريض\w*|الموظف|hasta|çalışan)[\s:：]{0,2}[\p{L}]{2,}|[\p{Han}]{1,4}(?:さん|様|氏|先生|女士|先生|小姐)|[\p{Hangul}]{2,4}(?:씨|님)|[а-я]{3,} [а-я]{3,}(?:ов|ев|ин|ова|ева|ина|ский|ская|енко|ович|овна)\b"
)
_NOT_NAMES = frozenset(
    """The This That These What When Where Which Who Why How Write Draft Explain Describe Summarize Summarise Give Create Please Make List Tell Compose Translate Review Rewrite Is Are Was Were Does Do Did Can Could Should Would If In On At For And But Or Not No Yes My Our Your His Her Their Its
    United New North South East West San Los Las Great Machine Deep Data Computer Social Human Mental Health Public National International American European British French German World Global Central General Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May June July August September October November December
    Street Avenue Road University College School Hospital Institute Company Corporation Inc Ltd Group Bank Department Office Center Centre Act Law Court Supreme House White Black Red Blue Green Star Prime Minister President King Queen Saint Type Stage Part Chapter Section Figure Table Model Windows Google Microsoft Apple Amazon Python Java Visual Studio Content Dear Best Kind Thank Lab Results Test Medical Patient Case Client Acme Under Employee Performance Improvement Plan Settlement Human Resources Multiple Sclerosis Blood Pressure Dr Mr Mrs Ms Title Name Date Order Version Key
    Manager Service Services Server System Systems Security Network Gateway Cloud Web Application Applications User Access Policy Account Resource Instance Region Example Internal Error File Note Output Following Console Developer Guide Reference Documentation Software Foundation License Copyright Engine Framework Library Protocol Interface Firewall Function Class Object String Array Integer Return Value Request Response Client Session Message Object Media Type User Open Source Free Software Debian Ubuntu Linux Unix Mac Docker Kubernetes Terraform Jenkins Git Hub Elastic Block Store Simple Storage Lambda Machine Instance Key Management Identity Organization Organizations Add Get Set Delete Remove Update Insert Select From Table Start Stop Run Build Test Deploy Import Export Default Optional Required Parameters Returns Raises Usage Options Commands Driverless
    Wall Cold Civil Super Middle Silicon Hong Kong Middle Holy Old Third First Second Last Next Good High Low Big Small Long Short Every Some All Any""".split()
)
_PUBLIC = re.compile(
    r"(?i)\b(?:president of|famous|celebrity|novel|fiction(?:al)?|character|biograph|movie|film|screenplay|story|poem|song|lyrics|history|historical|wikipedia|footballer|actor|actress|singer|author|painter|philosopher|century|hypothetical|role-?play|imaginary|template|example of|in the style of|quiz|trivia|textbook|exam question|case study|dialogue between)\b"
)
_ASKS_PUBLIC = re.compile(
    r"(?i)^\W*(?:who (?:is|was|were)|did\b|when did|when was|was\b|what (?:disease|did|was|were|are the|is the|happened)|how did|why did|which|where did|name the)\b"
)
_MONEY = compile_pattern(
    r"(?i)[$€£¥]\s?\d[\d.,]*\s?(?:k|m|mm|bn|b|million|billion|thousand)?|\d[\d.,]*\s?(?:million|billion|mio|mrd|millions|millones|milioni|milhoes|млн|млрд|億|亿|万|万円|억|usd|eur|gbp|%)"
)
_OURS = re.compile(
    r"(?i)\b(?:we|our|us|my company|wir|unser[en]?|nous|notre|nos|nuestr[oa]s?|noi|nostr[oa]|nosso|nossa|мы|наш[аеиу]?|我们|我司|当社|弊社|우리|당사|biz)\b|我们|我司|当社|弊社|우리|당사"
)
_PLAN = re.compile(
    r"(?i)\b(?:plan|intend|going to|will|about to|aim|propos|negotiat|offer|bid|decided|planen|wollen|prevoyons|planeamos|planejamos|планируем)\w*|计划|打算|予定|계획"
)
_SAME_PASSAGE_CHARS = 60
"""A matter word this close after one of its class is part of the same passage, which was just weighed."""

HEALTH, HEALTH_HINT, HR, LEGAL, CORPORATE, SECRECY = range(6)


def names(text: str) -> list[tuple[int, int]]:
    found = [match.span() for match in _NAME.finditer(text) if match.group(1) not in _NOT_NAMES and match.group(2) not in _NOT_NAMES]
    found.extend(match.span() for match in _TITLED.finditer(text) if match.group(1).split()[-1] not in _NOT_NAMES)
    found.extend(match.span() for match in _RECORD.finditer(text))
    if not text.isascii():
        found.extend(match.span() for match in _CJK_PERSON.finditer(text))
    return found


def personal_matters(text: str, entries: list[tuple[int, int, int]]) -> Iterator[Hit]:
    """Matters at `entries` (start, end, class), each looked at with what stands within 300 characters."""
    seen: set[int] = set()
    quiet: dict[int, int] = {}
    reach = -1
    people: list[tuple[int, int]] = []
    base = 0
    for start, end, matter in entries:
        if matter in seen or (matter not in (HEALTH, HEALTH_HINT) and start and text[start - 1].isalpha() and text[start].isascii()):
            continue
        if start < quiet.get(matter, 0):
            continue
        if start > reach:
            base = max(0, start - 300)
            reach = start + 700
            people = names(text[base : reach + 300])
        near = [(left + base, right + base) for left, right in people if left + base - end < 300 and start - right - base < 300]
        around = text[max(0, start - 300) : end + 300]
        hit = _weigh(text, around, start, end, matter, near)
        if hit:
            if hit.confidence >= 0.7:
                seen.add(matter)
            yield hit
        quiet[matter] = start + _SAME_PASSAGE_CHARS


def _weigh(text: str, around: str, start: int, end: int, matter: int, near: list[tuple[int, int]]) -> Hit | None:
    public = bool(_PUBLIC.search(around)) or bool(
        _ASKS_PUBLIC.search(text[max(0, start - 120) : start] if start > 120 else text[:start] + " ")
    )
    if matter == CORPORATE:
        return _corporate(around, start, end, public)
    if matter == SECRECY:
        return None
    if not near or public:
        return Hit("matter.topic", 0.05, "matter.topic", start, end)
    kind = ("matter.health", "matter.health", "matter.hr", "matter.legal")[matter]
    if matter == HEALTH:
        return Hit(kind, 0.82, "matter.health_person", start, end)
    if matter == HEALTH_HINT:
        return Hit(kind, 0.4, "matter.health_hint", start, end)
    return Hit(kind, 0.76, f"{kind}_person", start, end)


def _corporate(around: str, start: int, end: int, public: bool) -> Hit | None:
    lowered = around.lower()
    secrecy = any(word in lowered for word in _SECRECY_FOLDED)
    money = bool(_MONEY.search(around))
    ours = bool(_OURS.search(around))
    if public or not (secrecy or (money and ours)):
        return None
    if secrecy and (money or ours):
        return Hit("matter.corporate", 0.82, "matter.corporate_secret", start, end)
    if money and ours and _PLAN.search(around):
        return Hit("matter.corporate", 0.74, "matter.corporate_plan", start, end)
    return None


_SECRECY_FOLDED = tuple(word.strip() for word in SECRECY_WORDS if word.strip())
