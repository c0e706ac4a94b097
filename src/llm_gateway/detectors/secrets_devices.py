# ruff: noqa: E501  # patterns read best unbroken
"""Passwords in the configuration of routers, switches, firewalls and wireless networks."""

from llm_gateway.detectors.rules import Rule
from llm_gateway.detectors.secrets_chosen import anchored_rule, chosen_word, mixed_word
from llm_gateway.detectors.secrets_structured import PASSWORD


def _wireless(value: str) -> bool:
    """Whether it is a wireless network's phrase: WPA takes 8 to 63 characters, spaces too."""
    value = value.strip().strip("\"'")
    return len(value) >= 8 and chosen_word(value.replace(" ", "")) and not value.startswith(("$", "<", "{"))


DEVICE_RULES: tuple[Rule, ...] = (
    anchored_rule(
        "wpa_phrase",
        PASSWORD,
        0.86,
        "psk=|psk =|psk ascii|key content|schlusselinhalt|contenu de la cle|contenido de la clave|wpa_passphrase=|wpa_passphrase =|wpa-passphrase|sae_password|x_passphrase|<keymaterial>|pre-shared-key=|wifi-sec.psk|option key",
        r"(?i)(?:(?:^|[\s{.])(?:psk|wpa_passphrase|wpa-passphrase|sae_password|x_passphrase|wpa2?-pre-shared-key|wpa-psk ascii 0|wifi-sec\.psk)\"?\s?[=: ]\s?|<keyMaterial>|option key |(?:key content|schlusselinhalt|contenu de la cle|contenido de la clave)\s{1,20}: )(\"[^\"\n]{8,63}\"|'[^'\n]{8,63}'|[^\s\"'<>]{8,64})",
        "wpa_supplicant.conf(5), hostapd.conf, OpenWrt UCI, netsh wlan export",
        'psk="' + "forelle im bach" + '"',
        'psk="<your passphrase>"',
        _wireless,
    ),
    anchored_rule(
        "snmp_community",
        PASSWORD,
        0.82,
        "rocommunity|rwcommunity|community string|snmp|com2sec|read string|write string|ro community|rw community",
        r"(?i)(?:\br[ow]community6? |\bsnmp(?:v[123]c?)?[^\n]{0,24}\b(?:community(?: string)?|string)(?: is| name)?[ :=\"']{1,3}|\bcommunity string(?: is)?[ :=\"']{1,3}|\bcom2sec6? \S+ \S+ |\b(?:snmp\W{0,3}|our |the |unser\w* )?community(?:[- ](?:string|name))?(?: [\w\-/]{1,16}){0,6}? (?:is|ist|est|es|lautet|er|ar|to|auf) [\"\x27`]?|\bcommunity(?: string| name)?[ \"\x27`:=]{1,3})([^\s\"'<>{}]{5,40})",
        "snmpd.conf(5), configuration guides of Junos and IOS",
        "rocommunity " + "f0relle88" + " 10.0.0.0/8",
        "snmp-server community public RO",
        mixed_word,
    ),
    anchored_rule(
        "enable_password",
        PASSWORD,
        0.82,
        "enable password|enable secret",
        r"(?im)^\s*enable (?:password|secret)(?: level [0-9]{1,2})?(?: [0578])? ([^\s\"'<>]{5,80})\s*$",
        "Cisco IOS security command reference",
        "enable password " + "forelle",
        "enable password protection",
        chosen_word,
    ),
    anchored_rule(
        "device_hash",
        PASSWORD,
        0.85,
        "$9$|$8$|$14$|password 7 |secret 7 |key 7 |key-string 7 |community 7 |md5 7 ",
        r"(?i)((?:\$(?:8|9|14)\$|(?:password|secret|key|key-string|community|md5) 7 )[A-Za-z0-9./$\-]{8,})",
        "Cisco IOS types 7 to 9, Junos $9$: hidden in a way that is undone, or hashed",
        "username joe password 7 " + "0822455D0A16544541",
        "$9$xxxxxxxx",
        lambda value: len(set(value.rpartition(" ")[2])) >= 6 and any(map(str.isdigit, value[3:])),
    ),
    anchored_rule(
        "router_secret",
        PASSWORD,
        0.84,
        "asterisk|pjsip|freeradius|/ppp|ppp secret|/user add|user add|/ip ipsec|/interface",
        r"(?i)(?:/ppp|/user|/ip|/interface|ppp secret|user add|asterisk|pjsip|freeradius)\b[^\n]{0,120}?\b(?:password|secret|ipsec-secret)\s?=\s?[\"']?([^\s\"']{5,64})",
        "RouterOS manual",
        "/ppp secret add name=kunde1 password=" + "forelle" + " service=pppoe",
        "/ppp secret add name=kunde1 password=$pw",
        chosen_word,
    ),
    anchored_rule(
        "ipsec_secret",
        PASSWORD,
        0.88,
        ": psk|: eap|: xauth|: ntlm|:psk",
        r"(?:^|\s|[\w.%@])\s?:\s?(?:PSK|EAP|XAUTH|NTLM)\s+\"?(0s[A-Za-z0-9+/=]{8,}|[^\s\"\n]{5,80})\"?",
        "ipsec.secrets(5)",
        '10.1.1.1 : PSK "' + "forelle88bach" + '"',
        '10.1.1.1 : PSK "changeme"',
        chosen_word,
    ),
    anchored_rule(
        "openvpn_login",
        PASSWORD,
        0.88,
        "<auth-user-pass>",
        r"<auth-user-pass>\s*\n\s*\S{1,64}\s*\n\s*(\S{5,80})\s*\n\s*</auth-user-pass>",
        "OpenVPN 2.6 manual: inline files",
        "<auth-user-pass>\njoe\n" + "forelle88" + "\n</auth-user-pass>",
        "<auth-user-pass>\nusername\npassword\n</auth-user-pass>",
        chosen_word,
    ),
    anchored_rule(
        "xml_shared_key",
        PASSWORD,
        0.84,
        "pre-shared|preshared|shared-secret|sharedsecret",
        r"(?i)(?:pre-?shared(?:-?key)?|shared-?secret)[^>\n]{0,30}>\s*([^<\s]{6,80})\s*</",
        "exported configurations of firewalls",
        '<key type="pre-shared">' + "forelle88bach" + "</key>",
        '<key type="pre-shared">${PSK}</key>',
        chosen_word,
    ),
    anchored_rule(
        "snmp_user",
        PASSWORD,
        0.84,
        "auth sha|auth md5|priv aes|priv des|priv 3des|authentication sha|authentication md5|privacy aes|privacy des",
        r"(?i)\b(?:auth(?:entication)?|priv(?:acy)?) (?:md5|sha\S{0,4}|3?des|aes\S{0,4})(?: [0-9]{3})? ([^\s\"'<>]{8,64})",
        "configuration guides: users of SNMP version 3",
        "snmp-server user nms ops v3 auth sha " + "Harbor210x",
        "auth sha <password>",
        mixed_word,
    ),
)
