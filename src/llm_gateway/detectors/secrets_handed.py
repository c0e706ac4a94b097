# ruff: noqa: E501  # patterns read best unbroken
"""Passwords and keys handed to a command or a library as plain arguments, and lists of codes that stand in for a second factor."""

import re

from llm_gateway.detectors.rules import Rule
from llm_gateway.detectors.secrets_chosen import anchored_rule, chosen_word
from llm_gateway.detectors.secrets_structured import KEY, PASSWORD
from llm_gateway.detectors.values import repetitive

_ARGUMENT = r"(?:\"[^\"\n]{0,160}\"|'[^'\n]{0,160}'|&?\$?[A-Za-z_][\w.>\[\]'\-]{0,40})\s*,\s*"
_BY_THIRD = r"new \\?pdo|pdo::connect|new \\?mysqli|mysqli_connect|mysqli_real_connect|mysql_connect|\bmysqli|drivermanager\.getconnection|dbi->connect(?:_cached)?|mysqldb\.connect|pymysql\.connect|ftp_login|imap_open|ssh2_auth_password|ldap_bind|odbc_connect"
_BY_SECOND = r"oci_p?connect|oracledb\.connect|cx_oracle\.connect|jaydebeapi\.connect"
_CODE = r"(?:[0-9]{4} [0-9]{4}|[0-9]{6,10}|[0-9]{3,5}-[0-9]{3,5}|[a-z0-9]{4,6}-[a-z0-9]{4,6}(?:-[a-z0-9]{4,6}){0,3}|[a-z0-9]{8,12})"
_CODE_BETWEEN = r"[\s,;/|*•·、\"'\]\[]{1,8}(?:-\s|\(?[0-9]{1,2}[.):]\s?)?[\"']?"
_CODE_WORDS = (
    "recovery codes|backup codes|back-up codes|recovery-codes|backup-codes|emergency codes|scratch codes|wiederherstellungscodes|sicherungscodes|ersatzcodes|notfallcodes"
    "|codes de secours|codes de recuperation|codes de sauvegarde|codigos de respaldo|codigos de recuperacion|codigos de emergencia|codici di backup|codici di recupero|codici di riserva|codici di emergenza"
    "|codigos de backup|codigos de recuperacao|codigos de reserva|herstelcodes|back-upcodes|backupcodes|noodcodes|reservkoder|aterstallningskoder|reservekoder|gjenopprettingskoder|gendannelseskoder|palautuskoodit|varakoodit"
    "|kody zapasowe|kody odzyskiwania|zalozni kody|obnovovaci kody|yedek kodlar|kurtarma kodlari|резервные коды|коды восстановления|резервнi коди|备用码|备份码|恢复码|恢复代码|備用碼|バックアップコード|リカバリーコード|回復コード|백업 코드|복구 코드"
)  # fmt: skip
_PUBLISHED_KEYS = frozenset({"ac0974be", "59c6995e", "5de4111a", "7c852118", "47e179ec", "8b3a350c", "92db14e4", "4bbbf85c", "dbda1821", "2a871d07", "4c0883a6"})  # fmt: skip
"""How the keys begin that Hardhat, Anvil and the manual of web3 print for everybody."""
_FEWEST_DIFFERENT, _FEWEST_CODES, _FEWEST_DIGITS = 7, 3, 6
_PARTS = re.compile(r"[\s,;/|*•·、\"'\]\[]+")


def _drawn_key(value: str) -> bool:
    """Whether a private key was drawn, rather than printed in a manual or counted."""
    plain = value.lower()
    return len(set(plain)) > _FEWEST_DIFFERENT and plain[:8] not in _PUBLISHED_KEYS and plain[:16] != plain[16:32] and not repetitive(value)


def _codes(value: str) -> bool:
    """Whether a list is of codes, rather than of words or of one digit."""
    parts = [part for part in _PARTS.split(value) if len(part) >= 4]
    digits = [character for character in value if character.isdigit()]
    every = all(any(map(str.isdigit, part)) for part in parts)
    return every and len(set(parts)) >= _FEWEST_CODES and len(digits) >= _FEWEST_DIGITS and len(set(digits)) >= 4 and "12345" not in value


HANDED_RULES: tuple[Rule, ...] = (
    anchored_rule(
        "chpasswd_pipe",
        PASSWORD,
        0.86,
        "chpasswd",
        r"(?:echo|printf|print|<<<)\s*(?:-[a-z]+\s+)?[\"']?[\w.\-]{1,32}:([^\s\"'$<>{}|\\]{5,64})(?:\\n)?[\"']?\s*(?:\|[^\n|]{0,40}\bchpasswd|\n|$)",
        "chpasswd(8): names and passwords on standard input",
        "echo 'shop:" + "forelle88" + "' | chpasswd",
        "echo 'user:password' | chpasswd",
        chosen_word,
    ),
    anchored_rule(
        "connect_argument",
        PASSWORD,
        0.84,
        "pdo(|pdo::connect(|mysqli(|mysqli_connect(|mysqli_real_connect(|mysql_connect(|getconnection(|dbi->connect|mysqldb.connect(|pymysql.connect(|ftp_login(|imap_open(|ssh2_auth_password(|ldap_bind(|odbc_connect(|oci_connect(|oci_pconnect(|oracledb.connect(|cx_oracle.connect(",
        rf"(?i)(?:(?:{_BY_THIRD})\(\s*{_ARGUMENT}{_ARGUMENT}|(?:{_BY_SECOND})\(\s*{_ARGUMENT})[\"']([^\s\"'$<>{{}}]{{4,64}})[\"']",
        "php.net: PDO, mysqli, ftp_login; JDBC's DriverManager; Perl's DBI; python-oracledb: the password's place among the arguments",
        "new PDO('mysql:host=db;dbname=shop', 'shop', '" + "forelle88" + "');",
        "new PDO('mysql:host=db;dbname=shop', 'user', 'password');",
        chosen_word,
    ),
    anchored_rule(
        "wallet_key",
        KEY,
        0.9,
        "wallet(|from_key(|fromkey(|privatekeyto|private_key_to|private_key_from|fromprivatekey|from_private_key|fromsecretkey|secret_exponent|wallet.add(|accounts.add(|signtransaction(|sign_transaction(|importprivkey|importrawkey|--private-key|keyfromhex(|from_hex(|fromhex(|frombytes(|from_bytes(",
        r"(?i)(?:\bwallet\(|\bfrom_?key\(|private_?key_?to_?\w{4,20}\(|from_?(?:private|secret)_?key\w{0,8}\(|secret_?exponent\(|(?:private_?key|priv|prv|key)(?:\.from_(?:hex|bytes)|\.from(?:hex|bytes)|_from_hex)\(|(?:wallet|accounts)\.add\(|sign_?transaction\([^\n]{0,80}?,|importprivkey|importrawkey|--private-key[ =])\s{0,12}(?:bytes\.fromhex\(|buffer\.from\(|unhexlify\(|private_?key ?[=:] ?)?b?[\"'`]?(?:0x)?([0-9a-f]{64}|[5KLc9][1-9A-HJ-NP-Za-km-z]{50,51})(?:[^0-9A-Za-z]|$)",
        "docs.ethers.org Wallet, eth-account Account.from_key, bitcoinjs ECPair, bitcoin-cli importprivkey",
        "new ethers.Wallet('0x" + "c87509a1c067bbde78beb793e6fa76530b6382a4c0241e5e4a9ec0a0f44dc0d3" + "')",
        "new ethers.Wallet('0x" + "0123456789abcdef" * 4 + "')",
        _drawn_key,
    ),
    anchored_rule(
        "second_factor_codes",
        PASSWORD,
        0.82,
        _CODE_WORDS,
        rf"(?i)(?:{_CODE_WORDS})[^\n:0-9：]{{0,90}}[\s:：=\[(\"'*\-•]{{1,8}}(?:[0-9]{{1,2}}[.):]\s?)?({_CODE}(?:{_CODE_BETWEEN}{_CODE}){{2,}})(?:[^A-Za-z0-9]|$)",
        "support.google.com, docs.github.com: lists of codes to be used once in place of the second factor",
        "Backup codes: " + "4417 0926, 8830 5512, 6071 3349",
        "Backup codes: 1234 5678, 1234 5678, 1234 5678",
        _codes,
    ),
)
