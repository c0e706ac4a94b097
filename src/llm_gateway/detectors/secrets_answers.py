# ruff: noqa: E501, SIM905  # patterns and word lists read best unbroken
"""What opens an account besides a password (answers to security questions, codes sent to a telephone), and numbers of things that say whose they are."""

import re

from llm_gateway.detectors.normalise import fold
from llm_gateway.detectors.people import NOT_NAMES
from llm_gateway.detectors.rules import Rule
from llm_gateway.detectors.secrets_chosen import anchored_rule, chosen_word
from llm_gateway.detectors.secrets_structured import PASSWORD, TOKEN
from llm_gateway.detectors.values import repetitive

_CODE_WORDS = fold(
    "otp|one-time code|one time code|one-time password|one-time pin|one-time passcode|verification code|verification pin|authentication code|authenticator code|login code|log-in code|sign-in code|signin code|sms code|code by sms|code via sms"
    "|2fa code|mfa code|two-factor code|tan lautet|tan ist|tan:|mtan|smstan|sms-tan|pushtan|bestätigungscode|verifizierungscode|sicherheitscode lautet|einmalcode|einmalpasswort|freigabecode|code per sms"
    "|code de vérification|code reçu par sms|code sms|code à usage unique|código de verificación|código sms|código por sms|código de un solo uso|codice di verifica|codice otp|codice sms|codice via sms|código de verificação|código por sms"
    "|verificatiecode|sms-code|kod z sms|kod sms|kód z sms|kód sms|kód ze sms|kod weryfikacyjny|kod potwierdzający|kod autoryzacyjny|ověřovací kód|autorizační kód|overovací kód|код из смс|код в смс|код подтверждения|смс-код|код з смс|код підтвердження|код за потвърждение|kod za potvrdu"
    "|doğrulama kodu|onay kodu|sms kodu|sms şifresi|verifieringskod|engångskod|engangskode|bekræftelseskode|vahvistuskoodi|kertakäyttökoodi|ellenőrző kód|cod de verificare|κωδικός επαλήθευσης"
    "|验证码|校验码|驗證碼|動態密碼|認証コード|確認コード|ワンタイムパスワード|인증번호|인증 번호|인증코드|mã otp|mã xác nhận|mã xác thực|kode otp|kode verifikasi|رمز التحقق|كود التحقق|رمز التأكيد|کد تایید|کد تأیید|קוד אימות|ओटीपी|ওটিপি|รหัส otp|msimbo wa uthibitisho"
).lower()
_SPECIFICATION = re.compile(r"(?i)rfc|iso|cve|version|section|port|error|since|example|sample|e\.g|such as|like|z\. ?b\.|http|\$|€|£|#")
_YEAR = re.compile(r"(?:19|20)[0-9]{2}\Z")
_COUNTED = ("1234", "4321", "0123", "987654")


def _sent_code(value: str) -> bool:
    """Whether digits behind a word for a code that was sent are one: no number of a standard, no year, none counted."""
    digits = "".join(filter(str.isdigit, value))
    told = _SPECIFICATION.search(value) or (len(digits) == 4 and _YEAR.search(digits)) or digits.startswith(_COUNTED)
    return not told and len(digits) >= 3 and not repetitive(digits + "ab") and len(set(digits)) > 1


_NO_ANSWERS = frozenset(
    """the and for are was this that your you not with have from what where when why which who how can should may must will yes none case please correct incorrect wrong stored hashed encrypted required optional used
    asked needed never always often only also then they their she her his its our usually sometimes typically examples example ask asks""".split()
)


def _answer(value: str) -> bool:
    """Whether a word answers a question that only its owner should be able to answer."""
    word = value.strip("\"'.,;() ")
    return len(word) >= 3 and word.lower() not in _NO_ANSWERS and word not in NOT_NAMES and len(set(word.lower())) >= 3


def _drawn_digits(value: str) -> bool:
    digits = "".join(filter(str.isdigit, value))
    return len(digits) >= 5 and len(set(digits)) > 2 and not digits.startswith(("12345", "00000"))


_MAIDEN = fold(
    "mother's maiden name|mothers maiden name|my maiden name|mädchenname der mutter|mädchenname meiner mutter|mädchenname ihrer mutter|mädchenname seiner mutter|geburtsname der mutter|geburtsname meiner mutter|nom de jeune fille de ma mère|nom de jeune fille de sa mère|nom de jeune fille de la mère"
    "|apellido de soltera de mi madre|apellido de soltera de la madre|apellido de soltera de su madre|cognome da nubile di mia madre|cognome da nubile della madre|nome de solteira da mãe|nome de solteira da minha mãe|meisjesnaam van mijn moeder|meisjesnaam moeder|panieńskie matki|rodné příjmení matky|rodné jméno matky|mamino rodné"
    "|девичья фамилия матери|девичья фамилия мамы|дівоче прізвище матері|anne kızlık soyadı|annemin kızlık soyadı|mors pigenavn|mors flicknamn|äidin tyttönimi|anyja neve|母亲的姓|母の旧姓|母親の旧姓"
).lower()
_QUESTION = fold(
    "security question|security answer|secret question|secret answer|security q|sicherheitsfrage|geheimfrage|question secrète|question de sécurité|réponse secrète|pregunta de seguridad|pregunta secreta|respuesta secreta|domanda di sicurezza|domanda segreta|risposta segreta|pergunta de segurança|pergunta secreta|resposta secreta"
    "|beveiligingsvraag|geheime vraag|pytanie pomocnicze|pytanie bezpieczeństwa|bezpečnostní otázka|kontrolní otázka|секретный вопрос|контрольный вопрос|секретне питання|güvenlik sorusu|gizli soru|säkerhetsfråga|sikkerhetsspørsmål|sikkerhedsspørgsmål|turvakysymys|密保|安全问题|秘密の質問|보안 질문"
).lower()
_ANSWERED = fold(
    "answer|antwort|réponse|respuesta|risposta|resposta|antwoord|odpowiedź|odpověď|ответ|відповідь|cevap|yanıt|svar|vastaus|válasz|răspuns|答案|答え|답"
).lower()
_INSURED = r"insur|insured|claim|versich|hausrat|haftpflicht|kasko|assur|sinistre|segur|siniestro|assicur|sinistro|pojis|ubezpiecz|forsikring|forsakring|verzeker|страхов"
_POLICY = fold(
    "policy|police nr|policennr|policennummer|policenummer|police-nr|versicherungsschein|vers.-nr|vers-nr|versnr|póliza|polizza|apólice|pojistka č|pojistná smlouva|č. pojistné smlouvy|polisa nr|nr polisy|försäkringsnummer|forsikringsnummer|полис №|claim no|claim number|insurance claim|schadennummer|schaden-nr"
).lower()
_HOME = r"(?:home|house|flat|apartment|place|wohnung|haus|zuhause|maison|appartement|domicile|casa|piso|byt|dum|dom|mieszkanie|dom\w{0,2}|hus|lagenhet|huis)"
_COORDINATES = r"-?[0-9]{1,2}\.[0-9]{3,8}°? ?[NS]?[,; /]{1,3}-?[0-9]{1,3}\.[0-9]{2,8}°? ?[EWO]?"
_VIN = r"[A-HJ-NPR-Z0-9]{13}[0-9]{4}"
_OWNER = r"(?:owner|owned|registered (?:to|keeper|in the name)|keeper|belongs to|halter|besitzer|gehort|proprietaire|appartient|propietari\w|pertenece|proprietari\w|appartiene|intestat\w|eigenaar|wlasciciel\w*|majitel\w*|patri\b|agare|plate|reg\.)"


def _personal_place(value: str) -> bool:
    return not re.search(
        r"(?i)\b(?:opera|white house|hotel|museum|guest|clubhouse|warehouse|lighthouse|courthouse|town|casa rosada|casa blanca)\b", value
    )


ANSWER_RULES: tuple[Rule, ...] = (
    anchored_rule(
        "maiden_name",
        PASSWORD,
        0.8,
        _MAIDEN,
        rf"(?i:{_MAIDEN})[\"')]{{0,2}}(?i:,? (?:is|was|ist|war|est|etait|es|era|e|to|je|on)\b| ?[:=]|,| -)? ?[\"']?([A-Z][\p{{L}}'\-]{{2,30}}|[\p{{Cyrillic}}\p{{Han}}\p{{Katakana}}\p{{Hiragana}}]{{2,20}})",
        "nist.gov SP 800-63B 5.1.1: knowledge-based answers",
        "mother's maiden name: " + "Obermayr",
        "mother's maiden name",
        _answer,
    ),
    anchored_rule(
        "security_answer",
        PASSWORD,
        0.8,
        _QUESTION,
        rf"(?i)(?:{_QUESTION})[^\n]{{0,90}}?(?:(?:{_ANSWERED})\w{{0,2}}(?: is| ist| est| es| e| je| to)? ?[:=] ?|(?:answer|antwort|reponse|respuesta|risposta|resposta) (?:is|ist|est|es|e) )[\"']?([^\s\"'?<>{{}}\[$]{{3,40}})",
        "nist.gov SP 800-63B 5.1.1: knowledge-based answers",
        "Security question: first pet? Answer: " + "Pumpernickel",
        "security question? answer: ?",
        _answer,
    ),
    anchored_rule(
        "secret_answer",
        PASSWORD,
        0.8,
        "security answer|secret answer|reponse secrete|respuesta secreta|risposta segreta|resposta secreta",
        r"(?i:security|secret|secrete|secreta|segreta)(?i: answers?)?(?i: is| was| est| es| e|:|=) ?[\"']?([A-Z][\p{L}\-]{2,30}|[a-z]+[0-9][a-z0-9]*)",
        "nist.gov SP 800-63B 5.1.1: knowledge-based answers",
        "my bank's secret answer is " + "Lindenthal",
        "the secret answer is hashed",
        _answer,
    ),
    anchored_rule(
        "sent_code",
        PASSWORD,
        0.78,
        _CODE_WORDS,
        rf"(?i)((?:^|[^\p{{L}}])(?:your |my |ihre |mein )?(?:{_CODE_WORDS})[^\n\d]{{0,36}}?(?:[0-9]{{3}}[ \-][0-9]{{3}}|g-[0-9]{{6}}|[0-9]{{4,8}}|[a-z0-9]*[0-9][a-z0-9]{{2,3}}-[a-z0-9]{{4}}))(?:[^\w.,\-]|[.,]\s|[.,]?$)",
        "codes sent to a telephone: who has them gets in",
        "The OTP I received is " + "559 203",
        "OTP with 6 digits, RFC 6238",
        _sent_code,
    ),
    anchored_rule(
        "chap_secrets",
        PASSWORD,
        0.84,
        "chap-secrets|pap-secrets",
        r"(?:chap|pap)-secrets[^\n]{0,60}\n(?:\s{0,4}#[^\n]{0,120}\n){0,4}\s{0,4}\"?[^\s\"]{1,60}\"?[ \t]{1,12}(?:\*|[\w.\-]{1,40})[ \t]{1,12}\"?([^\s\"]{4,64})\"?",
        "pppd(8): client, server, secret, addresses",
        "/etc/ppp/chap-secrets:\nanna * " + "forelle88 *",
        "/etc/ppp/chap-secrets:\nclient * secret *",
        chosen_word,
    ),
    anchored_rule(
        "auth_user_pass",
        PASSWORD,
        0.84,
        "auth-user-pass",
        r"auth-user-pass[^\n]{0,60}\n+\s{0,4}[\w.@\-]{2,60}[ \t]*\n\s{0,4}([^\s<>]{5,64})[ \t]*(?:\n|$)",
        "openvpn(8): a file with the name and the password on two lines",
        "auth-user-pass file:\nanna\n" + "forelle88",
        "auth-user-pass file:\nusername\npassword",
        chosen_word,
    ),
    anchored_rule(
        "paseto",
        TOKEN,
        0.88,
        "v1.local.|v2.local.|v3.local.|v4.local.|v1.public.|v2.public.|v3.public.|v4.public.",
        r"(?:^|[^\w.])(v[1-4]\.(?:local|public)\.[A-Za-z0-9_\-]{40,})",
        "github.com/paseto-standard/paseto-spec",
        "v4.local." + "vaaeq2dfJMYu3xLUHhnaqacFFfj41imidK1VslELrzJpw0RsBqf93QLfmNcHbT2g5bOXNUt85t",
        "v4.local." + "x" * 60,
        lambda value: len(set(value)) > 20,
    ),
    anchored_rule(
        "vehicle_of_somebody",
        "pii.national_id",
        0.76,
        "vin |vin:|vin-|fahrgestellnummer|fahrzeug-ident|chassis|chasis|telaio|chassi |nr nadwozia",
        rf"(?i:(\b(?:my|her|his|our|their|mein\w*|mon|mi|mia|meu|mijn|moje\w*|muj)\b[^\n]{{0,40}}(?:vin|fahrgestellnummer|chassis|chasis|telaio|chassi|nadwozia|vin-kod)\b[^\n]{{0,32}}?(?-i:{_VIN})\b|\b(?:vin|fahrgestellnummer|chassis|chasis|telaio|chassi|nadwozia|vin-kod)\b[^\n]{{0,32}}?(?-i:{_VIN})\b[^\n]{{0,70}}?{_OWNER}|\bvin (?:of|for) (?:my|her|his|our|their)\b[^\n]{{0,24}}?(?-i:{_VIN})\b))",
        "ISO 3779: vehicle identification numbers",
        "VIN " + "WVWZZZ1KZAW381204" + " registered to Jana V.",
        "VIN of a Golf",
        lambda value: True,
    ),
    anchored_rule(
        "insured_policy",
        "pii.national_id",
        0.76,
        _POLICY,
        rf"(?i)((?:\b(?:{_INSURED})\w{{0,12}}\b[^\n]{{0,60}})?(?:{_POLICY})(?: ?(?:no|nr|number|num|n|č|c)\b)?[.:#°º ]{{0,4}}[a-z]{{0,4}}[ \-]?[0-9][0-9a-z]{{0,12}}(?:[ \-/][0-9a-z]{{1,12}}){{0,4}}\b(?:[^\n]{{0,60}}?\b(?:{_INSURED}))?)",
        "numbers of insurance policies and claims",
        "policy no. " + "HH-4471-882-19" + " insured: Bertil S.",
        "policy 2016/679",
        lambda value: bool(re.search(f"(?i){_INSURED}|vers\\.?-?nr|police|polizza|poliza|apolice|polis", value)) and _drawn_digits(value),
    ),
    anchored_rule(
        "home_place",
        "pii.address",
        0.76,
        "coordinates|gps|koordinaten|coordonnees|coordenadas|coordinate|souradnice|wspolrzedne| is at |home:|flat)|home)|house)|lives at|flat:|house:|apartment:|wohnung:|place is",
        rf"(?i)((?:\b(?:her|his|my|their|ihre?|seine?|meine?|son|sa|su|sua|suo|jeji|jeho)\b|'s) (?:\w+ )?{_HOME}\b[^\n]{{0,36}}?{_COORDINATES}|\b(?:gps|coordinates|lives at|coords)\b[^\n]{{0,12}} ?{_HOME}?[:= ]{{0,3}}{_COORDINATES}[^\n]{{0,12}}(?:'s|my|her|his) {_HOME}\b)",
        "GDPR recital 30, article 4: where somebody lives",
        "Her home coordinates are " + "49.19522, 16.60796",
        "the coordinates of the opera house are 48.2, 16.36",
        _personal_place,
    ),
    anchored_rule(
        "payment_handle",
        "pii.bank_account",
        0.76,
        "venmo|cash app|cashapp|revtag|paypal.me/|cashtag",
        r"(?i)((?:venmo\b[^\n@$]{0,16}@|(?:cash ?app|cashtag)\b[^\n$]{0,16}\$|revtag\b[^\n@]{0,12}@)[a-z][\w\-]{3,30})",
        "help.venmo.com, cash.app/help: names that money is sent to",
        "Venmo @" + "farhad-karimi-44",
        "Venmo @ username",
        lambda value: not re.search(r"(?i)[@$](?:user|your|example|name|handle|cashtag)", value),
    ),
    anchored_rule(
        "born_briefly",
        "pii.birth_date",
        0.74,
        "; b. |, b. |(b. |;b. ",
        r"[;,(] ?b\. ?([0-3]?[0-9][./\-][01]?[0-9][./\-](?:19|20)[0-9]{2})\b",
        "a day of birth in figures behind `b.`",
        "Aisha B.; b. " + "30/07/1985",
        "; b. 30/07",
        lambda value: True,
    ),
    anchored_rule(
        "clearing_account",
        "pii.bank_account",
        0.78,
        "konto:|konto |kontonr|kontonummer|clearing",
        r"(?i)\b(?:konto(?:nr|nummer)?|clearing)[.: ]{1,3}([0-9]{4}-[0-9],? ?[0-9][0-9 .\-]{5,14}[0-9])(?:[^0-9]|$)",
        "bankinfrastruktur.se: clearing number and account",
        "Konto: " + "8327-9, 904 117 332-1",
        "konto 1000-1",
        _drawn_digits,
    ),
    anchored_rule(
        "travel_record",
        "pii.national_id",
        0.8,
        "i-94|i94",
        r"(?i)\bi-?94(?: admission)?(?: number| no\.?| record| #)?[ :#]{1,3}([0-9]{9}[a-z0-9][0-9])(?:[^a-z0-9]|$)",
        "i94.cbp.dhs.gov: admission numbers",
        "I-94 number " + "447182901A3",
        "I-94 form 2019",
        _drawn_digits,
    ),
    anchored_rule(
        "lettered_identity",
        "pii.national_id",
        0.78,
        "nic |nic:|bhyt|insz|sss |inss|matricule|dui |dui:",
        r"(?i)\b(nic(?: no\.?| number)?[ :]{1,3}[0-9]{9}[vx]|(?:the )?bhyt[ :]{1,3}(?:so )?[a-z]{2}[0-9]{13}|(?:insz|niss)[ :]{1,3}[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}|sss(?: no\.?| number)?[ :]{1,3}[0-9]{2}-[0-9]{7}-[0-9]|matricule[^\n0-9]{0,20}[12][0-9]{12}|dui[ :]{1,3}[0-9]{8}-[0-9])(?:[^a-z0-9]|$)",
        "drp.gov.lk, baohiemxahoi.gov.vn, ksz-bcss.fgov.be, sss.gov.ph, guichet.lu, rnpn.gob.sv",
        "NIC " + "854471829V",
        "nic 100000",
        _drawn_digits,
    ),
    anchored_rule(
        "passenger",
        "pii.national_id",
        0.76,
        "pnr ",
        r"((?:\b[A-Z]{2,20}/[A-Z]{2,20}(?: ?(?:MR|MRS|MS|MISS|MSTR|DR))?\b[^\n]{0,60})?\bPNR:? [A-Z0-9]{6}\b(?:[^\n]{0,60}\b[A-Z]{2,20}/[A-Z]{2,20}\b)?)",
        "iata.org resolution 830d: a booking's locator opens it together with a surname",
        "GROMOV/ALEKSEI MR PNR " + "X7Q2LM",
        "PNR X7Q2LM",
        lambda value: "/" in value and any(map(str.isdigit, value)),
    ),
    anchored_rule(
        "country_identity",
        "pii.national_id",
        0.78,
        "an id |ese id |ish id |nian id |li id |i id |ian id ",
        r"\b([A-Z][a-z]{2,12}(?:an|ese|ish|i) ID (?:card )?(?:no\.? |number )?[A-Z]{0,2}[0-9]{6,13})(?:[^0-9A-Za-z]|$)",
        "identity cards, by whose country's they are",
        "Kenyan ID " + "31447182",
        "Kenyan ID 1234567",
        _drawn_digits,
    ),
)
