# ruff: noqa: E501, SIM905  # patterns and word lists read best unbroken
"""A person, or a company, together with a matter that is nobody else's business: health, work, law, deals.

A matter word alone is a topic. It counts with somebody identified (a full name, a title and a name, a record number)
and without signs that the person is public or made up.
"""

import re
from collections.abc import Iterator

from llm_gateway.detectors.linear import compile_pattern
from llm_gateway.detectors.normalise import fold
from llm_gateway.detectors.rules import Hit

HEALTH_STRONG: tuple[str, ...] = tuple(
    """hiv|vih|aids|brustkrebs|lungenkrebs|hautkrebs|darmkrebs|prostatakrebs|blutkrebs|magenkrebs|mammakarzinom|lupus|fibromyalgia|sclerosis|psoriasis|epileptic|diabetic|autistic|bipolar disorder|anxiety disorder|personality disorder|stage iv|stage iii|metastatic|malignan|glioblastoma|sarcoma|aneurysm|thrombosis|embolism|cardiac arrest|arrhythmia|atrial fibrillation|pacemaker|colostomy|dialys|sickle cell|cystic fibrosis|huntington|motor neuron|muscular dystrophy|celiac|ulcerative colitis|kidney failure|renal failure|liver failure|tuberculosis|sepsis|mrsa|chlamyd|hpv|erectile|menopaus|hysterectomy|c-section|stillbirth|ectopic|pre-eclampsia|gestational|hypothyroid|hyperthyroid|thyroid|osteoporosis|rheumatoid|paralys|paraplegi|amputat|glaucoma|hearing loss|schizoaffective|psychosis|psychotic|self harm|suicidal|burnout|nervous breakdown|alcoholic|cocaine|heroin|fentanyl|naloxone|prozac|fluoxetine|lithium|quetiapine|clozapine|risperidone|xanax|adderall|ritalin|warfarin|tamoxifen|radiotherapy|insulin pump|truvada|prep for hiv|antidepress|antipsychot|on medication for|test came back positive|miscarried|pregnant|blood type|anaphyla|incontinen|depressive|burn-out|bandscheib|schlaganfall|herzinfarkt|bluthochdruck|krebsdiagnose|brustkrebs|psychiatr|magersucht|alkoholkrank|suchtkrank|epilepsie|schizophrenie|behinderung|maladie de|depressi|tension arterielle|infarctus|grossesse|sclerose|schizophren|hospitalis|chimiotherapie|infarto|ictus|embarazo|quimioterapia|esquizofrenia|discapacidad|ingresad|operad[oa] de|hipertension|enfermedad de|tiene cancer|tiene sida|depressione|gravidanza|chemioterapia|invalidita|ricoverat|cancro|morbo di|cancro de|gravidez|doenca|internad|hipertensao|ziekte van|kanker|zwanger|hartaanval|beroerte|depressie|opgenomen|nowotw|choroba|cukrzyc|ciąż|zawał|udar|depresj|schizofreni|рак |диабет|депресси|инфаркт|инсульт|гипертони|шизофрени|опухол|эпилепси|инвалид|госпитализ|туберкул|癌症|糖尿病|高血压|抑郁|精神分裂|艾滋病|肿瘤|化疗|病历|肝炎|糖尿|統合失調|腫瘍|抗がん剤|당뇨|고혈압|조현병|종양|항암|암으로|şeker hastalığı|depresyon|kalp krizi|ameliyat|tedavi gör|kemoterapi|السكري|اكتئاب|ورم|الإيدز|مصاب|مصابة|कैंसर|मधुमेह|अवसाद|गर्भवती|एचआईवी|टीबी|मरीज|hiv positive|hiv-positive|tested positive|diagnosed with|diagnosis:|diagnosis of|biopsy|carcinoma|chemotherapy|schizophrenia|bipolar|miscarriage|abortion|antiretroviral|overdose|psychiatric|chlamydia|gonorrh|syphilis|herpes|hepatitis|leukemia|leukaemia|lymphoma|tumor|tumour|metasta|melanoma|dialysis|suicid|self-harm|anorexia|bulimia|dementia|alzheimer|parkinson|multiple sclerosis|epilepsy|ivf|hba1c|lab results|blood test results|test results for|medical record|patient record|discharge summary|mrn|rehab|icd-10|icd10|cd4 count|viral load|mastectomy|hospice|detox|opioid|insulin|genetic test|brca|down syndrome|cirrhosis|postpartum|std test|sti test|hiv status|terminally ill|terminal illness|heart attack|heart failure|copd|crohn|endometriosis|infertil|panic attack|borderline personality|eating disorder|obsessive|relapse|on lithium|sertraline|olanzapine|metformin|alcoholi|addiction|methadone|oncolog|prognosis|cancer|diabetes|depression|stroke|seizure|asthma|pregnan|ptsd|autism|adhd
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
    """raise request|pay raise|salary raise|salary list|salaries|arbeitszeugnis|certificat de travail|being laid off|termination email|termination notice|termination meeting|termination talk|terminate her|terminate him|terminating her|terminating him|notice of termination|will fire|going to fire|want to fire|plan to fire|decided to fire|have to fire|had to fire|let him go|let her go|let them go|letting go|sacked|sacking|made redundant|final warning|verbal warning|disciplinary hearing|on a pip|below expectations|needs improvement|poor performance|low performer|underperforming|annual review|base pay|base salary|pay grade|pay cut|take-home|stock grant|equity grant|rsus|exit interview|probation period|probationary|notice period|parental leave|paternity|disability accommodation|workplace complaint|bullying|sexual harass|union organi|gross misconduct|timesheet fraud|expense fraud|stealing from|theft by|entlassen|entlassung|kündigen|gekündigt|verwarnung|jahresgehalt|monatsgehalt|gehaltserhöhung|bonuszahlung|krankgeschrieben|mitarbeitergespräch|zielvereinbarung|betriebsrat|schlechte leistung|mobbing|renvoyer|renvoi|licencié|licenciée|mise à pied|entretien annuel|arrêt maladie|harcèlement|despid|sueldo|baja médica|evaluación de desempeño|amonestación|acoso|finiquito|licenziat|lettera di richiamo|valutazione|demitid|salário|assédio|avaliação de desempenho|ontslaan|ontslagen|salarisverhoging|ziekmelding|functioneringsgesprek|waarschuwing|zwolnić|zwolnion|pensja|podwyżk|nagana|ocena pracownicza|уволить|уволен|оклад|премия|аттестаци|больничн|дисциплинарн|开除|辞退|薪水|年薪|奖金|绩效|警告信|病假|处分|懲戒|人事評価|降格|賞与|退職勧告|病気休暇|징계|성과 평가|권고사직|병가|işten çıkarıl|performans değerlendirme|disiplin|راتب|فصل الموظف|إنذار|वेतन|बर्खास्त|नौकरी से निकाल|termination letter|terminate employment|terminate the employment|terminating employment|termination of|dismissal|firing|fired for|fire him|fire her|firing of|being fired|laid off|lay off|layoff list|layoffs list|list of layoffs|layoff|severance|performance improvement plan|pip for|disciplinary|warning letter|written warning|drug test|harassment|misconduct|salary|payroll|earns|bonus of|pay rise|raise for|refusing|demot|sick leave|medical leave|maternity leave|performance review|performance rating|underperform|employee id|background check|resign|grievance|reprimand|redundan|investigation into|hr complaint|whistleblow
    kündigung|abmahnung|gehalt|verdient|aufhebungsvertrag|abfindung|leistungsbeurteilung|licenciement|licencier|salaire|avertissement|rupture conventionnelle|despido|despedir|salario|nomina|licenziamento|licenziare|stipendio|richiamo|demissao|demitir|ontslag|salaris|zwolnieni|wynagrodzeni|увольнен|зарплат|выговор|解雇|薪资|工资|裁员|年収|給与|해고|연봉|급여|işten çıkar|maaş""".replace(
        "\n", "|"
    ).split("|")
)
LEGAL_WORDS: tuple[str, ...] = tuple(
    """plead guilty|pleads guilty|pleading guilty|guilty plea|plea bargain|affidavit|cross-examin|hostile witness|alimony|child support|custody battle|prenup|paternity test|will and testament|inheritance dispute|probate|eviction|foreclos|insolven|tax evasion|money launder|bribe|bribery|insider trading by|whistleblow|cease and desist|patent infring|breach of contract|legal strategy|case strategy|settle for|settlement offer|court case against|sued by|charges against|accused of|under investigation|investigated for|wiretap|informant|protective order|green card|work permit|overstay|undocumented immigrant|dui|misdemean|felony|restrain|domestic violence|sexual assault|stalking|defamation|libel|hat gestanden|geständnis|angeklagt|strafverfahren|ermittlungsverfahren|unterlassung|räumungsklage|insolvenz|unterhalt|anwaltlich|klage gegen|plaider coupable|plainte contre|garde à vue|mis en examen|pension alimentaire|procès contre|procès pour|acusado|acusada|pleito|demandad|imputad|pensión alimenticia|desahucio|imputato|querela|processo contro|patteggia|sfratto|assegno di mantenimento|réu|processo contra|acusação|pensão alimentícia|despejo|verdachte|aangifte|rechtszaak|echtscheiding|schuldig|alimentatie|oskarżon|pozew|rozwód|alimenty|подзащитн|обвиняем|иск |алимент|уголовн|подал в суд|被告|原告|辩护|刑事|和解|抚养权|被告人|示談|親権|告訴|피고|합의금|양육권|고소|davalı|davacı|velayet|nafaka|موكلي|الطلاق|حضانة|المتهم|मुवक्किल|तलाक|मुकदमा|आरोपी|our client|my client|settlement|plaintiff|defendant|deposition|witness|lawsuit|litigation|confess|forged|embezzl|fraud|indict|arrest|criminal record|convicted|probation|custody|divorce|restraining order|juvenile|docket|case no|alleg|prosecut|subpoena|bankruptcy|testif|plea deal|visa application|asylum|deport|immigration status
    mandant|mandantin|vergleich|anklage|scheidung|sorgerecht|vorbestraft|notre client|ma cliente|mon client|divorce de|garde d'enfants|casier judiciaire|nuestro cliente|mi cliente|demanda contra|divorcio|custodia|antecedentes penales|il nostro cliente|causa contro|divorzio|affidamento|nosso cliente|divorcio|guarda dos|наш клиент|развод|судим|离婚|起诉|我的客户|委托人|離婚|訴訟|依頼人|이혼|소송|의뢰인|müvekkil|boşanma""".replace(
        "\n", "|"
    ).split("|")
)
CORPORATE_WORDS: tuple[str, ...] = tuple(
    """cut staff|of staff|workforce|übernehmen|verkaufen wir|fusionieren|aufkaufen|to buy|abbau von|stellen abbauen|stellenstreichung|stellen streichen|sell the company|selling the company|carve-out|joint venture|takeover bid|ipo filing|go private|delist|raise series|funding round|fundraise|burn rate|cash position|arr |mrr|sales figures|quarterly results|q1 results|q2 results|q3 results|q4 results|net income|operating profit|write-down|impairment|bookings|pipeline figures|pricing strategy|supplier prices|invention disclosure|chip design|unreleased|clinical trial results|fda submission|layoff|job cut|plant clos|close the plant|closing our|shut down our|reorgani|spin out|stellenabbau|werksschließung|quartalszahlen|jahresergebnis|kapitalerhöhung|verkauf der|kauf von|plan social|fermeture de l'usine|résultats trimestriels|cession|levée de fonds|despidos|cierre de la planta|resultados trimestrales|venta de la|ronda de financiación|licenziamenti|chiusura dello stabilimento|risultati trimestrali|cessione|demissões|fechamento da fábrica|resultados trimestrais|compra da|overname|fusie|kwartaalcijfers|omzet|ontslagronde|przejęcie|fuzja|wyniki kwartalne|zwolnienia grupowe|поглощен|сделка|сделк|выкуп|прибыль|сокращени|квартальн|财报|融资|裁员|季度业绩|決算|業績|人員削減|増資|리스트럭|실적|구조조정|매각|투자 유치|satın al|çeyrek|işten çıkarma|استحواذ|اندماج|أرباح|تسريح|अधिग्रहण|विलय|मुनाफा|छंटनी|acquire|acquisition|merger|takeover|buyout|cap table|term sheet|pre-money|series a|series b|series c|valuation|earnings|guidance|gross margin|revenue|ebitda|restructuring|restatement|ipo|layoffs|board paper|board memo|board deck|due diligence|letter of intent|bid for|offer price|divest|trade secret|formula|roadmap|product launch|source code of our|unreleased product|price increase|headcount|per share|tender offer|stake in|lay off|job cuts|plant closure|site closure|profit warning|earnings call|go public|spin off|spin-off|divestiture|deal terms|purchase price|projections|forecast|
    übernahme|fusion|umsatz|börsengang|acquérir|rachat|chiffre d'affaires|adquisicion|adquirir|fusion de|ingresos|acquisizione|acquisire|fatturato|aquisicao|faturamento|приобрет|слияни|выручк|поглощени|收购|并购|上市|营收|買収|合併|売上|인수|합병|매출|satın alma|birleşme""".replace(
        "\n", "|"
    ).split("|")
)
SECRECY_WORDS: tuple[str, ...] = tuple(
    """before we announce|until we announce|before it is announced|secretly|in secret|bevor wir|avant d'annoncer|antes de anunciar|prima di annunciare|noch geheim|streng geheim|aún secreto|ancora segreto|ainda em segredo|sigilo|insiders only|insider only|not been announced|not yet announced|not yet been announced|board only|board-only|for the board|board members only|not to be disclosed|do not disclose|do not share|don't share|not to be shared|not for the press|not public yet|isn't public|is not public|still secret|secret project|secret plan|under nda|confidential|strictly private|no leaks|material nonpublic|mnpi|price-sensitive|insiderinformation|vertraulich|nicht verraten|bleibt unter uns|noch nicht bekannt|confidentiel|ne pas divulguer|conseil d'administration|pas encore annonc|confidencial|no divulgar|consejo de administración|sin anunciar|riservat|non divulgare|non annunciat|consiglio di amministrazione|sigilos|não divulg|não anunciad|conselho de administração|vertrouwelijk|geheim houden|nog niet bekend|nog niet aangekondigd|nieogłoszon|конфиденц|секрет|не объявлен|не разглаш|совет директоров|保密|机密|未公布|尚未公布|内部消息|董事会|不要外传|秘密|極秘|社外秘|未公表|取締役会|비공개|기밀|대외비|이사회|아직 발표|gizli|açıklanmadan|yönetim kurulu|سري|لم يعلن|गोपनीय|घोषणा से पहले|not public|not yet public|unreleased|unannounced|before the announcement|before announcement|not announced|unpublished|keep secret|keep this secret|keep it secret|keep this quiet|keep it quiet|nobody knows|no one knows|don't tell|do not tell|insider|non-public|nonpublic|quiet period|under wraps|pre-announcement|ahead of the announcement|ahead of the earnings|before earnings|embargo|board paper|internal projections|our internal|has not been announced|hasn't been announced|until the announcement|leak|blackout period|code name|codenamed|project name
    noch nicht öffentlich|nicht öffentlich|vor der bekanntgabe|unveröffentlicht|geheim halten|pas encore public|non public|avant l'annonce|garder secret|aún no es público|no es público|antes del anuncio|no se ha anunciado|non ancora pubblico|prima dell'annuncio|ainda não público|antes do anúncio|не опубликован|до объявления|尚未公开|未公开|公布前|未発表|発表前|미공개|발표 전|henüz açıklanmadı""".replace(
        "\n", "|"
    ).split("|")
)

_NAME = compile_pattern(
    r"\b([A-Z][a-z]+(?:-[A-Z][a-z]+)?) (?:[A-Z]\.? )?(?:(?:van|von|der|de|da|di|del|la|el|al|bin|ter|Mc|Mac|O') ?){0,2}([A-Z][a-z']+(?:-?[A-Z][a-z]+)?)\b"
)
_TITLED = compile_pattern(
    r"\b(?:(?i:mr|mrs|ms|miss|dr|prof|herrn?|frau|monsieur|madame|mme|mlle|senora?|senorita|sra?|srta|senhora?|signora?|sig|sig\.ra|meneer|mevrouw|paciente|paziente|pacjent(?:ka)?|patient(?:in|e)?|employee|client|witness|defendant|plaintiff)|M|Mx|Sir|Herr|Frau|Mme|Mlle|Monsieur|Madame|Sr|Sra|Don|Dona|Sig|Signora|Signor|Pan|Pani|Patient(?:in)?|patient(?:e|in)?|Employee|employee|client|Mandant(?:in)?|witness|juvenile|plaintiff|defendant|paciente|paziente|señora?)\.? ((?:[A-Z]\.? )?[A-Z][a-z']+)\b"
)
_RECORD = compile_pattern(
    r"(?i)\b(?:mrn|employee (?:id|no|number)|patient (?:id|no|number)|case (?:no|number)|personalnummer|staff id|record (?:no|number)|claim (?:no|number))[.:# ]{1,4}[a-z0-9\-]*\d{3,}"
)
_RELATED = compile_pattern(
    r"\b(?:[Mm]y|[Oo]ur|[Mm]ein(?:e|en|em|er)?|[Uu]nser(?:e|en)?|[Mm]on|[Mm]a|[Nn]otre|[Mm]i|[Nn]uestr[oa]|[Mm]i[ao]|[Mm]eu|[Mm]inha|[Mm]ijn) (?:colleague|boss|manager|friend|neighbou?r|sister|brother|mother|father|wife|husband|son|daughter|ex|coworker|co-worker|roommate|student|patient|client|tenant|employee|cousin|aunt|uncle|boyfriend|girlfriend|partner|intern|nanny|assistant|teammate|Kollegin?|Kollegen|Chefin?|Freundin?|Nachbarin?|Schwester|Bruder|Mutter|Vater|Frau|Mann|Sohn|Tochter|Mitarbeiterin?|Patientin?|collegue|chef|ami|amie|voisine?|soeur|frere|mere|pere|femme|mari|fils|fille|patiente?|companera?|companero|jefe|jefa|amig[oa]|vecin[oa]|herman[oa]|madre|padre|espos[oa]|hij[oa]|collega|moglie|marito|figli[oa]|sorella|fratello|filh[oa]|irma|irmao|marido|vrouw|man|dochter|zoon|zus|broer),? ([A-Z][a-z']+)"
)
_CJK_PERSON = compile_pattern(
    r"(?:患者|病人|员工|員工|职员|客户|社員|従業員|환자|직원|의뢰인|пациент\w*|сотрудник\w*|клиент\w*|мой пациент|المريض\w*|الموظف|hasta|çalışan)[\s:：]{0,2}[\p{L}]{2,}|[\p{Han}]{1,4}(?:さん|様|氏|先生|女士|先生|小姐)|[\p{Hangul}]{2,4}(?:씨|님)|[а-я]{3,} [а-я]{3,}(?:ов|ев|ин|ова|ева|ина|ский|ская|енко|ович|овна)\b"
)
_NOT_NAMES = frozenset(
    """The This That These What When Where Which Who Why How Write Draft Explain Describe Summarize Summarise Give Create Please Make List Tell Compose Translate Review Rewrite Is Are Was Were Does Do Did Can Could Should Would If In On At For And But Or Not No Yes My Our Your His Her Their Its
    United New North South East West San Los Las Great Machine Deep Data Computer Social Human Mental Health Public National International American European British French German World Global Central General Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May June July August September October November December
    Street Avenue Road University College School Hospital Institute Company Corporation Inc Ltd Group Bank Department Office Center Centre Act Law Court Supreme House White Black Red Blue Green Star Prime Minister President King Queen Saint Type Stage Part Chapter Section Figure Table Model Windows Google Microsoft Apple Amazon Python Java Visual Studio Content Dear Best Kind Thank Lab Results Test Medical Patient Case Client Acme Under Employee Performance Improvement Plan Settlement Human Resources Multiple Sclerosis Blood Pressure Dr Mr Mrs Ms Title Name Date Order Version Key
    Manager Service Services Server System Systems Security Network Gateway Cloud Web Application Applications User Access Policy Account Resource Instance Region Example Internal Error File Note Output Following Console Developer Guide Reference Documentation Software Foundation License Copyright Engine Framework Library Protocol Interface Firewall Function Class Object String Array Integer Return Value Request Response Client Session Message Object Media Type User Open Source Free Software Debian Ubuntu Linux Unix Mac Docker Kubernetes Terraform Jenkins Git Hub Elastic Block Store Simple Storage Lambda Machine Instance Key Management Identity Organization Organizations Add Get Set Delete Remove Update Insert Select From Table Start Stop Run Build Test Deploy Import Export Default Optional Required Parameters Returns Raises Usage Options Commands Driverless
    Wall Cold Civil Super Middle Silicon Hong Kong Middle Holy Old Third First Second Last Next Good High Low Big Small Long Short Every Some All Any Welche Welcher Welches Welchen Was Wie Wann Wo Wer Warum Wieso Eine Ein Einen Der Die Das Den Dem Des Bei Mit Für Fur Und Ist Sind Hat Haben Kann Meine Mein Unsere Unser Bitte Schreibe Erkläre Fasse Nenne Liste Quels Quelle Quel Quelles Comment Les Une Dans Pour Explique Que Qué Cuál Cuáles Cuales Como Cómo Los Una Para Explica Quais Qual Quali Come Wat Hoe Waarom Welke Jak Co Floor Fifth Fourth Suite Box Apartment Warranty Limited Warranties Patent Contributor Contributors""".split()
)
_NO_SURNAMES = _NOT_NAMES - {"White", "Black", "Green", "King", "Young", "Small", "Long", "Short", "Good", "Day", "May", "Stone", "Bank"}
_PUBLIC = compile_pattern(
    r"(?i)\b(?:in 1[89][0-9]{2}|president of|died (?:of|from|in)|famous|celebrity|novel|fiction(?:al)?|character|biograph|movie|film|screenplay|story|poem|song|lyrics|history|historical|wikipedia|footballer|actor|actress|singer|author|painter|philosopher|century|hypothetical|role-?play|imaginary|template|example of|in the style of|quiz|trivia|textbook|exam question|case study|dialogue between)\b"
)
_ASKS_PUBLIC = re.compile(
    r"(?i)^\W*(?:who (?:is|was|were)|did\b|when did|when was|was\b|what (?:disease|did|was|were|are the|is the|happened)|how did|why did|which|where did|name the|welche[rsn]?|was (?:ist|sind|hilft|bedeutet)|wie (?:wird|kann|hoch|erkenn|behandel)|quel(?:le)?s?|qu'est|comment|que es|cuales?|como se|quais|qual|quali|cos'e|wat is|hoe)\b"
)
_MONEY = compile_pattern(
    r"(?i)[$€£¥]\s?\d[\d.,]*\s?(?:k|m|mm|bn|b|million|billion|thousand)?|\d[\d.,]*\s?(?:million|billion|mio|mrd|millions|millones|milioni|milhoes|млн|млрд|億|亿|万|万円|억|usd|eur|gbp|%)"
)
_OURS = compile_pattern(
    r"(?i)\b(?:board (?:memo|paper|deck|only)|unannounced|insiders? only|we|our|us|my company|wir|unser[en]?|nous|notre|nos|nuestr[oa]s?|noi|nostr[oa]|nosso|nossa|мы|наш[аеиу]?|我们|我司|当社|弊社|우리|당사|biz)\b|我们|我司|当社|弊社|우리|당사"
)
_PLAN = compile_pattern(
    r"(?i)\b(?:plan|intend|going to|will|about to|aim|propos|negotiat|offer|bid|decided|planen|wollen|prevoyons|planeamos|planejamos|планируем)\w*|计划|打算|予定|계획"
)
_SHORT_WORD_CHARS = 5
_SAME_PASSAGE_CHARS = 60
"""A matter word this close after one of its class is part of the same passage, which was just weighed."""

HEALTH, HEALTH_HINT, HR, LEGAL, CORPORATE, SECRECY = range(6)


def names(text: str) -> list[tuple[int, int]]:
    found = [match.span() for match in _NAME.finditer(text) if match.group(1) not in _NOT_NAMES and match.group(2) not in _NO_SURNAMES]
    found.extend(match.span() for match in _TITLED.finditer(text) if match.group(1).split()[-1] not in _NOT_NAMES)
    found.extend(match.span() for match in _RECORD.finditer(text))
    found.extend(match.span() for match in _RELATED.finditer(text) if match.group(1) not in _NOT_NAMES)
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
        if matter in seen or start < quiet.get(matter, 0) or not _begins_word(text, start, end):
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


def _begins_word(text: str, start: int, end: int) -> bool:
    """Whether a word begins at `start`; short words must end at `end` too. Scripts without spaces have no such borders."""
    if not text[start].isascii():
        return True
    if start and text[start - 1].isalpha() and text[start - 1].isascii():
        return False
    return end - start > _SHORT_WORD_CHARS or not text[end : end + 1].isalpha()


def _weigh(text: str, around: str, start: int, end: int, matter: int, near: list[tuple[int, int]]) -> Hit | None:
    if matter == CORPORATE:
        return _corporate(text, around, start, end)
    if matter == SECRECY:
        return None
    if not near or _public(text, around, start):
        return Hit("matter.topic", 0.05, "matter.topic", start, end)
    kind = ("matter.health", "matter.health", "matter.hr", "matter.legal")[matter]
    if matter == HEALTH:
        return Hit(kind, 0.82, "matter.health_person", start, end)
    if matter == HEALTH_HINT:
        return Hit(kind, 0.4, "matter.health_hint", start, end)
    return Hit(kind, 0.76, f"{kind}_person", start, end)


def _public(text: str, around: str, start: int) -> bool:
    """Whether the passage is about somebody known or made up."""
    asked = text[max(0, start - 120) : start] if start > 120 else text[:start] + " "
    return bool(_PUBLIC.search(around)) or bool(_ASKS_PUBLIC.search(asked))


def _corporate(text: str, around: str, start: int, end: int) -> Hit | None:
    secrecy = bool(_SECRECY.search(around))
    ours = bool(_OURS.search(around))
    if not ours and not secrecy:
        return None
    money = bool(_MONEY.search(around))
    if _public(text, around, start) or not (secrecy or money):
        return None
    if secrecy and (money or ours):
        return Hit("matter.corporate", 0.82, "matter.corporate_secret", start, end)
    if money and ours and _PLAN.search(around) and not text[start:end].lower().endswith("buy"):
        return Hit("matter.corporate", 0.74, "matter.corporate_plan", start, end)
    return None


_SECRECY = compile_pattern("(?i)" + "|".join(re.escape(fold(word.strip())) for word in SECRECY_WORDS if word.strip()))
