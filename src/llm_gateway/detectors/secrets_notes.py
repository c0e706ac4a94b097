# ruff: noqa: E501  # patterns read best unbroken
"""Passwords, keys and personal numbers in the forms that people note them in."""

import re

from llm_gateway.detectors.rules import Rule, looks_drawn
from llm_gateway.detectors.secrets_chosen import anchored_rule, chosen_word, mixed_word
from llm_gateway.detectors.secrets_structured import PASSWORD, TOKEN


def _marked(value: str) -> bool:
    """Whether it has capitals, small letters, a digit and a mark that neither names nor versions hold."""
    value = value.rstrip(".,;:?")
    cases = not value.islower() and not value.isupper()
    marks = any(mark in value[1:-1] for mark in "!@#$%^&*~+_")
    return cases and marks and any(map(str.isdigit, value)) and "." not in value and "=" not in value and mixed_word(value)


def _key_groups(value: str) -> bool:
    """Whether groups of capitals and digits were drawn."""
    digits, groups = sum(map(str.isdigit, value)), value.split("-")
    even = len(groups) >= 4 and len(set(map(len, groups))) == 1
    mixed = sum(any(map(str.isdigit, group)) and any(map(str.isalpha, group)) for group in groups)
    return bool(mixed) and digits >= (1 if even else 2) and sum(map(str.isalpha, value)) >= 4 and len(set(value)) >= 8


_LEET = re.compile(r"[a-z][0-9][a-z]{2}")


_WIRELESS_TERM = re.compile(
    r"(?i)wpa|wep|ipv|802|[0-9]+g\\w?hz|ax[0-9]|ac[0-9]|intel|realtek|mediatek|broadcom|qualcomm|atheros|fritz|mesh|router|repeater|driver|chip|enterprise|personal|speed|[0-9]+mbit|usb|cat[0-9]|model|version|archer|unifi|netgear|asus|linksys"
)


def _noted_phrase(value: str) -> bool:
    """Whether it is a phrase that opens a wireless network, not a device or a standard."""
    value = value.rstrip(".!?)")
    digits = sum(map(str.isdigit, value))
    return (
        len(value) >= 8
        and mixed_word(value)
        and (digits >= 2 or bool(_LEET.search(value)))
        and sum(map(str.isalpha, value)) >= 3
        and not _WIRELESS_TERM.search(value)
    )


def _combination(value: str) -> bool:
    """Whether the numbers of a lock are not a date."""
    numbers = [int(number) for number in re.split(r"[-–/ ]", value)]
    return len(numbers) != _DATE_PARTS or not any(day <= 31 and month <= 12 for day, month in (numbers[:2], numbers[1::-1], numbers[:0:-1]))


_DATE_PARTS = 3


_FEWEST_DIGITS = 3
"""A code of fewer different digits is an example."""


_ROLE = re.compile(
    r"(?i)(?:info|contact|kontakt|contacto|contatti|redaktion|presse|vorstand|team|support|sales|hello|office|name|user|you|me|help|press|admin|webmaster|abuse|security)\b"
)


_PLAIN_AT = re.compile(r"(?i)[a-z]+ at ")


def _spelt_person(value: str) -> bool:
    """Whether a mail address spelt out is a person's; `look at gmail dot com` is none."""
    return not _ROLE.match(value) and "example" not in value.lower() and not _PLAIN_AT.match(value)


_LICENCE_PLACES = "alabama|alaska|arizona|arkansas|california|colorado|connecticut|delaware|florida|georgia|hawaii|idaho|illinois|indiana|iowa|kansas|kentucky|louisiana|maine|maryland|massachusetts|michigan|minnesota|mississippi|missouri|montana|nebraska|nevada|new hampshire|new jersey|new mexico|new york|north carolina|ohio|oklahoma|oregon|pennsylvania|rhode island|south carolina|tennessee|texas|utah|vermont|virginia|washington|wisconsin|wyoming|ontario|quebec|alberta|manitoba|queensland|nsw|victoria"
"""States and provinces that issue driving licences."""

NOTE_RULES: tuple[Rule, ...] = (
    anchored_rule(
        "known_name",
        PASSWORD,
        0.78,
        "root |admin |administrator |sysadmin |ubnt ",
        r"(?i)(?:^|[\s(])(?:root|admin|administrator|sysadmin|ubnt)\s(?:->\s|→\s|is now\s|now\s)?[\"']?([^\s\"'`<>(){}/\\]{8,40})[\"']?(?:[\s.,;:!?)\"'\]*`]|$)",
        "logins as people note them",
        "pfsense admin -> " + "pf-Wall_77",
        "admin User-Guide for Windows",
        _marked,
    ),
    anchored_rule(
        "pairing_code",
        PASSWORD,
        0.8,
        "homekit|pairing code|setup code|matter code|pairing pin|kopplungscode",
        r"(?i)(?:homekit|matter|pairing|setup)(?: \w+){0,2}? (?:code|pin)\b[^\n\d]{0,24}([0-9]{3}-[0-9]{2}-[0-9]{3}|[0-9]{4}-[0-9]{3}-[0-9]{4}|[0-9]{6,11})(?:[\s.,;:!?)\"'\]*`]|$)",
        "developer.apple.com/homekit, Matter core specification: codes that add a device",
        "HomeKit code " + "482-91-337",
        "setup code 11111111",
        lambda value: len(set(value)) > _FEWEST_DIGITS,
    ),
    anchored_rule(
        "password_groups",
        PASSWORD,
        0.86,
        "password:|password=|password =|passwort:|mot de passe|contrasena:|senha:|wachtwoord:",
        r"(?i)(?:password|passwort|mot de passe|contrasena|senha|wachtwoord)\s?[=:]\s?[\"']?([a-z]{4}(?: [a-z]{4}){3})(?:[\s\"'.,;]|$)",
        "support.google.com: passwords for one program are shown in four groups",
        "spring.mail.password: " + "qwzu rtop asdf ghjk",
        "password: must have more than that",
        lambda value: looks_drawn(value.replace(" ", "")),
    ),
    anchored_rule(
        "product_key",
        TOKEN,
        0.84,
        "recovery key|filevault|wiederherstellungsschlussel|cle de secours|activation key|activation code|activate|product key|product-key|serial number|serial no|serial:|serial key|seriennummer|lizenz|licence key|license key|licence:|license:|license code|volume licen|aktivier|cd key|cd-key|steam key|steam code|licenza|clave de producto|cle de produit|лиценз|активаци|ライセンス|シリアル|プロダクトキー|序列号|激活码|제품 키|시리얼|licentie|licencj|lisans|voucher|gift card|redeem|gutschein",
        r"(?:^|[^A-Za-z0-9\-])([A-Z0-9]{4,6}(?:-[A-Z0-9]{4,6}){2,7})(?:[^A-Za-z0-9\-]|$)",
        "product keys as programs and shops print them",
        "activation key " + "GMUZ-TNM7-NFQX-ZWD4",
        "licence XXXX-XXXX-XXXX-XXXX",
        _key_groups,
    ),
    anchored_rule(
        "driving_licence",
        "pii.national_id",
        0.8,
        _LICENCE_PLACES,
        rf"(?i)\b(?:{_LICENCE_PLACES}) (?:dl|driver'?s? licen[cs]e|licen[cs]e|driver'?s?|id card)(?: (?:no|number|num|id))?\.?[ :#]{{1,3}}([a-z]{{0,2}}[0-9][0-9 \-]{{4,14}}[0-9])(?:[^0-9a-z]|$)",
        "licence forms of the states' motor vehicle offices",
        "Texas DL 23857164",
        "California license fees 2024",
        lambda value: len(set(value)) > _FEWEST_DIGITS,
    ),
    anchored_rule(
        "upi_handle",
        "pii.bank_account",
        0.8,
        "@ok|@ybl|@paytm|@upi|@ibl|@axl|@apl|@sbi|@hdfcbank|@icici|@axisbank|@kotak",
        r"(?i)(?:^|[^\w.\-])([\w.\-]{3,40}@(?:ok(?:hdfcbank|sbi|axis|icici)|ybl|paytm|upi|ibl|axl|apl|sbi|hdfcbank|icici|axisbank|kotak))(?:[^\w.@]|\.?\s|$)",
        "npci.org.in: addresses of the Unified Payments Interface",
        "UPI suresh.k@okhdfcbank",
        "UPI name@bank",
        lambda value: not value.lower().startswith(("name@", "user", "example", "your", "merchant", "support")),
    ),
    anchored_rule(
        "login_line",
        PASSWORD,
        0.8,
        "pass:|pass=|pass =|pass :|pw:|pw=|pwd:|pwd=|password:|password=|password :|kennwort:|passwort:|clave:|mdp:|senha:|haslo:|heslo:|wachtwoord:|пароль:|contrasena:|losenord:",
        r"(?i)(?:user(?:name)?|login|usr|name|benutzer|usuario|utilisateur|utente|gebruiker|uzytkownik|логин|account)\s?[:=]\s?[\"']?[\w.@\-]{2,40}[\"']?(?:[ ,;|/]{1,4}(?:\n\s?)?|\s{0,2}\n\s{0,12})(?:pass(?:word)?|pw|pwd|kennwort|passwort|clave|mdp|senha|haslo|heslo|wachtwoord|пароль|contrasena|losenord)\s?[:=]\s?[\"']?([^\s\"'`,;(){}\[\]<>$]{5,60})",
        "logins as people note them",
        "user: lena.k pass: " + "ottoman",
        "user: name pass: password",
        chosen_word,
    ),
    anchored_rule(
        "wifi_note",
        PASSWORD,
        0.78,
        "wifi|wi-fi|wlan|hotspot|ssid|psk",
        r"(?i)(?:(?:wi-?fi|wlan|hotspot|guest network)[^\n:=|/?]{0,28}(?:(?:[:=] ?[\w.\- ]{1,28} ?[/|,] ?)|[:=|] ?|\bis )|\bssid[ :=][^\n:=]{1,30}[,;/] ?(?:psk|key|pass\w*|pw)?[ :=]{0,3}|\bpsk[ :]{1,2})[\"']?([A-Za-z0-9][^\s\"'<>,;/]{7,62})(?:[\s\"',;.)]|$)",
        "how people note a wireless network: its name and its phrase",
        "wifi pizzeria: " + "margherita2020",
        "wifi: Intel-AX210 is slow",
        _noted_phrase,
    ),
    anchored_rule(
        "door_note",
        PASSWORD,
        0.78,
        "door:|door =|gate:|garage:|alarm:|keypad:|safe:|tresor:|lift:|lockbox:|keybox:|key box:|haustur:|tor:|portail:|porte:|cancello:|portone:|puerta:|portao:|deur:|kluis:|drzwi:|brama:|домофон:|калитка:",
        r"(?i)(?:door|gate|garage|alarm|keypad|safe|tresor|lift|lockbox|key ?box|haustur|\btor|portail|\bporte|cancello|portone|puerta|portao|deur|kluis|drzwi|brama|домофон|калитка) ?[:=] ?(?:code[ :=]{1,2})?([0-9]{3,8}[*#]|[0-9]{3,6}[A-F][0-9]{0,3}|[*#][0-9]{3,8}[*#]?)(?:[\s.,;:!?)\"'\]*`]|$)",
        "codes of doors as people note them: with the key that ends them",
        "door: " + "4471*",
        "door: 44",
        lambda value: len(set(value)) >= _FEWEST_DIGITS,
    ),
    anchored_rule(
        "door_code",
        PASSWORD,
        0.78,
        "digicode|code portail|code du portail|code immeuble|code de l'immeuble|code porte|code de la porte|code d'entree|code entree|code interphone|alarm off|alarm code|alarmcode|turcode|codice porta|codice portone|codice allarme|codice cancello|codigo da porta|codigo de la puerta|codigo del portal|codigo de la alarma|deurcode|portkod|dorrkod|ovikoodi|kapukod|kod do |код домофона|код от |код двери|код подъезда|код калитки|door code|gate code|entry code",
        r"(?i)(?:digicode|code (?:du |de la |de l'|d')?(?:portail|immeuble|porte|entree|interphone|hall)|alarm off|alarm code|alarmcode|turcode|codice (?:porta|portone|allarme|cancello)|codigo (?:da|de la|del) (?:porta|puerta|portal|portao|alarma|alarme)|deurcode|portkod|dorrkod|ovikoodi|kapukod|kod do (?:bramy|drzwi|domofonu|alarmu)|код (?:от )?(?:домофона|двери|подъезда|калитки)|(?:door|gate|entry) code[^\n.?]{0,28}? is)[ :=]{1,3}(?:c'est |est |is |ist |es |e |to |[:=] ?)?([0-9]{2,6}[a-zк][0-9]{0,5}|[0-9]{4,8}[a-z*#]?)(?:[\s.,;:!?)\"'\]*`]|$)",
        "codes of doors, with a word that says so",
        "digicode " + "48A21",
        "digicode 4",
        lambda value: len(set(value)) >= _FEWEST_DIGITS,
    ),
    anchored_rule(
        "card_pin",
        PASSWORD,
        0.8,
        "pin |pin:|pin-code|geheimzahl|puk",
        r"(?i)\b(?:pin|geheimzahl)(?:-code)? (?:(?:for|of|to|fur|von|der|de|del|della|di|da|du|la|my|the|her|his|our|meine[rs]?|mi|ma) ){0,3}(?:debit|credit|bank|visa|ec|giro|atm|sim|girocard|mastercard|carte|carta|tarjeta|karte|kaart|karta|kartka|cartao|card|phone|handy|bancomat|postepay|maestro)\w{0,12}(?: card| karte)?(?: is| ist| est| es|:|=)? ?([0-9]{4,6})(?:[\s.,;:!?)\"'\]*`]|$)",
        "numbers that open bank cards and telephones",
        "pin for the debit card " + "8841",
        "pin for the debit card 11111",
        lambda value: len(set(value)) >= 2,
    ),
    anchored_rule(
        "safe_numbers",
        PASSWORD,
        0.8,
        "safe|tresor|cofre|coffre|caja fuerte|cassaforte|kluis|sejf|сейф|valigia|lucchetto|padlock|locker|zahlenschloss|vorhangeschloss|cadenas|candado|cadeado|hangslot|klodk|suitcase",
        r"(?i)(?:safe|tresor|cofre|coffre|caja fuerte|cassaforte|kluis|sejf\w{0,2}|сейф\w?|valigia|lucchetto|padlock|locker|zahlenschloss|vorhangeschloss|cadenas|candado|cadeado|hangslot|klodk\w|suitcase)\b[^\n\d]{0,20}?\b([0-9]{1,2}(?:[-–/ ][0-9]{1,2}){2,4})(?:[^\d/\-]|$)",
        "combination locks: three to five numbers",
        "Tell Jonas the safe is " + "22-08-41-17",
        "the safe was sold on 12-05-24",
        _combination,
    ),
    anchored_rule(
        "immigration_receipt",
        "pii.national_id",
        0.82,
        "wac1|wac2|wac9|eac1|eac2|eac9|lin1|lin2|lin9|src1|src2|src9|msc1|msc2|msc9|ioe0|ioe9|nbc2|ysc1|ysc2",
        r"(?i)(?:^|[^A-Za-z0-9])((?:WAC|EAC|LIN|SRC|MSC|IOE|NBC|YSC)[0-9]{10})(?:[^A-Za-z0-9]|$)",
        "egov.uscis.gov: receipt numbers",
        "H1B petition " + "WAC2190123456",
        "WAC1111111111",
        lambda value: len(set(value)) > _FEWEST_DIGITS + 2,
    ),
    anchored_rule(
        "spelt_mail",
        "pii.email",
        0.76,
        "(at)|[at]|{at}|<at>| at gmail| at yahoo| at hotmail| at outlook| at gmx| at web dot| at icloud| at proton",
        r"(?i)(?:^|[\s:<(])([a-z][\w.\-]{1,40}(?: ?[(\[{<]?(?:dot|punkt|point|punto)[)\]}>]? ?[\w\-]+){0,3} ?(?:[(\[{<](?:at|arroba|chiocciola)[)\]}>]| at ) ?[\w\-]{2,30}(?:(?: ?[(\[{<](?:dot|punkt|point|punto)[)\]}>] ?| dot | punkt |\.)[a-z]{2,12}){1,3})",
        "mail addresses spelt out",
        "samira (dot) haddad (at) gmail (dot) com",
        "info (at) example (dot) com",
        _spelt_person,
    ),
)
