# ruff: noqa: E501, SIM905  # patterns and word lists read best unbroken
"""Secrets told by the structure around them: key blocks, JWTs, URLs with a password, headers, cookies, credential files.

Examples are put together from pieces, so that no line of this file is a whole credential.
"""

import base64
import binascii
from collections.abc import Callable

from llm_gateway.detectors.rules import Rule, looks_drawn
from llm_gateway.detectors.values import Grade, code, file_or_version, grade, placeholder, repetitive

_B64 = "Zm9vYmFyYmF6cXV4Q29ycmVjdEhvcnNl"
_DRAWN = "k3Jx9QmZ7pLw2VbN8tRf"


def real_password(value: str) -> bool:
    """Whether the password part of a URL or a connection string is more than a name of one."""
    value = value.strip("\"'")
    if len(value) < 3 or code(value) or repetitive(value + "ab"):
        return False
    lowered = value.lower()
    if lowered in _STAND_INS or (value.isupper() and not any(map(str.isdigit, value)) and ("PASS" in value or "SECRET" in value)):
        return False
    return grade(value) is not Grade.NONE or not placeholder(value)


_STAND_INS = frozenset(
    "password pass pwd passwd secret user username changeme example your_password yourpassword token ... *** null none string test postgres root admin guest tiger hostname host pw yourpass mypass mypassword dbpassword db_password passwd1 hunter2 foo bar baz".split()
)


def looks_like_key_block(value: str) -> bool:
    """Whether base64 follows the armour, not dots or a placeholder."""
    return not repetitive(value) and "..." not in value[:12]


def session_value(value: str) -> bool:
    """Whether a cookie or header value was drawn."""
    return not code(value) and not placeholder(value) and (looks_drawn(value) or grade(value) >= Grade.PASSWORD)


def _basic(value: str) -> bool:
    try:
        decoded = base64.b64decode(value + "=" * (-len(value) % 4))
    except (binascii.Error, ValueError):
        return False
    user, colon, password = decoded.partition(b":")
    return bool(colon) and decoded.isascii() and user.isascii() and len(password) >= 3


_NEEDS = {
    "url_password": "@", "url_token_user": "@", "ado_net": ";", "oracle_slash": "@", "url_query_secret": "=", "cookie": "=", "npmrc": "=", "docker_auth": '"', "pgpass": ":",
    "known_user": " ", "wp_config": ",", "jwk_private": "{", "putty_key": ":", "netrc": "assw",
}  # fmt: skip
"""Text without which a rule cannot match: looked for before its pattern runs."""
_JOINS = frozenset({"url_password", "jwt", "azure_account_key", "slack_webhook", "openssh_body", "pem_in_base64"})
KEY, CONN, SESSION, TOKEN, PASSWORD = (
    "secret.private_key", "secret.connection_string", "secret.session", "secret.api_key", "secret.password",
)  # fmt: skip


def _rule(
    name: str,
    kind: str,
    confidence: float,
    anchors: str,
    pattern: str,
    source: str,
    positive: str,
    negative: str,
    accept: Callable[[str], bool] | None = None,
) -> Rule:
    return Rule(
        f"structured.{name}",
        kind,
        confidence,
        tuple(anchors.split()),
        pattern,
        source,
        positive,
        negative,
        accept,
        needs=_NEEDS.get(name, ""),
        joins=name in _JOINS,
    )


STRUCTURED_RULES: tuple[Rule, ...] = (
    _rule(
        "pem_private_key",
        KEY,
        0.97,
        "private-key private",
        r"-{2,}\s?BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?\s?-{2,}(?:[^A-Za-z0-9+/]|\\[nr])*([A-Za-z0-9+/=:\-]{16,})",
        "RFC 7468, RFC 4880, OpenSSH PROTOCOL.key",
        f"-----BEGIN RSA PRIVATE KEY-----\n{_B64}\n",
        "grep -- '-----BEGIN RSA PRIVATE KEY-----' *",
        looks_like_key_block,
    ),
    _rule(
        "putty_key",
        KEY,
        0.95,
        "putty-user-key-file",
        r"(?i)PuTTY-User-Key-File-[23]: ",
        "PuTTY manual, appendix C",
        "PuTTY-User-Key-File-2: ssh-rsa",
        "putty key file",
    ),
    _rule(
        "ssh2_encrypted",
        KEY,
        0.9,
        "begin",
        r"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----",
        "RFC 4716 relatives",
        "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----",
        "---- BEGIN SSH2 PUBLIC KEY ----",
    ),
    _rule(
        "openssh_body",
        KEY,
        0.9,
        "b3blbnnzac1rzxkt",
        r"(b3BlbnNzaC1rZXkt[A-Za-z0-9+/]{8,})",
        "OpenSSH PROTOCOL.key (base64 of openssh-key-)",
        "b3BlbnNzaC1rZXkt" + _B64,
        "openssh-key",
    ),
    _rule(
        "pem_in_base64",
        KEY,
        0.9,
        "ls0tls1crudjt",
        r"(LS0tLS1CRUdJTi[A-Za-z0-9+/]{16,})",
        "base64 of -----BEGIN, as in kubeconfig client-key-data",
        "client-key-data: LS0tLS1CRUdJTi" + _B64,
        "LS0tLS1CRUdJTi",
        lambda v: not v.startswith(("LS0tLS1CRUdJTiBDRV", "LS0tLS1CRUdJTiBQVU")),
    ),
    _rule(
        "jwk_private",
        KEY,
        0.93,
        "kty",
        r'"kty"\s*:\s*"(?:RSA|EC|OKP|oct)"[^}]*"(?:d|k)"\s*:\s*"([A-Za-z0-9_\-]{20,})"',
        "RFC 7517",
        '{"kty":"RSA","n":"abc","d":"' + _DRAWN * 2 + '"}',
        '{"kty":"RSA","n":"0vx7ago","e":"AQAB"}',
    ),
    _rule(
        "wireguard_key",
        KEY,
        0.92,
        "privatekey presharedkey",
        r"(?i)(?:PrivateKey|PresharedKey)\s*=\s*([A-Za-z0-9+/]{42,43}=)",
        "wg(8)",
        "PrivateKey = " + "aB3dE5fG7h" * 4 + "aB3=",
        "PrivateKey = <key>",
    ),
    _rule(
        "service_account",
        TOKEN,
        0.85,
        "service_account",
        r'"type"\s*:\s*"service_account"',
        "cloud.google.com/iam/docs/keys-create-delete",
        '"type": "service_account"',
        "use a service_account",
    ),
    _rule(
        "jwt",
        SESSION,
        0.93,
        "eyj",
        r"(?:^|[^A-Za-z0-9_])(eyJ[A-Za-z0-9_\-]{8,}\.(?:eyJ|[A-Za-z0-9_\-]{16})[A-Za-z0-9_\-]{6,}(?:\.[A-Za-z0-9_\-]*){0,3})",
        "RFC 7519",
        "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0" + "." + _DRAWN * 2,
        "eyJhbGciOi...",
        lambda v: not repetitive(v),
    ),
    _rule(
        "url_password",
        CONN,
        0.92,
        "://",
        r"(?i)[a-z][a-z0-9+.\-]{1,30}://[^\s/:@\"'<>${}]{0,64}:([^\s@\"'<>/][^\s@\"'<>]{0,200})@[A-Za-z0-9\[.*_\-]",
        "RFC 3986 userinfo",
        "postgres://app:" + "Qx7!rTz9p" + "@db.internal/orders",
        "postgres://user:password@localhost/db",
        real_password,
    ),
    _rule(
        "url_token_user",
        CONN,
        0.85,
        "://",
        r"(?i)https?://([A-Za-z0-9_\-]{20,})@[A-Za-z0-9.\-]+",
        "git over https with a token as user",
        f"https://{_DRAWN}@github.com/a/b",
        "https://git@github.com/a/b",
        looks_drawn,
    ),
    _rule(
        "url_query_secret",
        SESSION,
        0.88,
        "sig= signature= token= key= secret= x-amz-signature x-goog-signature password= passwd= pwd= auth= code= sid=",
        r"(?i)[?&](?:[a-z_\-]*(?:token|secret|signature|apikey|api_key|access_key|subscription-key|password|passwd|pwd)|sig|key|auth|x-amz-credential|sid)=([A-Za-z0-9%+/=_.\-]{8,})",
        "signed URLs of S3, GCS, Azure; keys in a query",
        f"https://b.s3.amazonaws.com/f?X-Amz-Signature={_DRAWN}",
        "https://a.b/?token=YOUR_TOKEN_HERE",
        lambda v: not placeholder(v) and looks_drawn(v),
    ),
    _rule(
        "ado_net",
        CONN,
        0.92,
        "password= pwd= password pwd",
        r"(?i)(?:server|data source|host|initial catalog|database|user id|uid|user)\s*=[^;\n]{0,120};(?:[^;\n]{0,120};){0,8}\s*(?:password|pwd)\s*=\s*([^;\"'\s]{3,})",
        "connectionstrings.com",
        "Server=a;User Id=b;Password=" + "blue.heron.42;",
        "Server=a;User Id=b;Password=<pw>;",
        real_password,
    ),
    _rule(
        "azure_account_key",
        CONN,
        0.95,
        "accountkey= sharedaccesskey= sharedaccesssignature",
        r"(?i)(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{32,}={0,2})",
        "learn.microsoft.com/azure/storage",
        "AccountKey=" + _DRAWN * 3 + "==",
        "AccountKey=<key>",
        looks_drawn,
    ),
    _rule(
        "oracle_slash",
        CONN,
        0.9,
        "sqlplus jdbc:oracle rman expdp impdp",
        r"(?i)(?:sqlplus|rman target|expdp|impdp|jdbc:oracle:\w+:)\s*(?:-\w+\s+)*[A-Za-z0-9_]+/([^\s@/]{4,})@",
        "Oracle SQL*Plus reference",
        "sqlplus app/" + "Qx7rTz9p" + "@ORCL",
        "sqlplus user/password@db",
        real_password,
    ),
    _rule(
        "basic_auth",
        SESSION,
        0.92,
        "basic",
        r"(?i)\bbasic\s+([A-Za-z0-9+/]{8,}={0,2})",
        "RFC 7617",
        "Authorization: Basic " + "c3ZjOlFqMFBnYmJHZTchOQ==",
        "basic authentication",
        _basic,
    ),
    _rule(
        "bearer",
        SESSION,
        0.9,
        "bearer",
        r"(?i)\bbearer[\s:=\"']+([A-Za-z0-9._~+/=\-]{16,})",
        "RFC 6750",
        f"Bearer {_DRAWN}",
        "Bearer YOUR_ACCESS_TOKEN_HERE",
        session_value,
    ),
    _rule(
        "auth_header",
        SESSION,
        0.88,
        "authorization x-api-key x-auth api-key x-token x-access x-vault private-token -token -key",
        r"(?i)(?:authorization|x-[a-z0-9\-]*(?:key|token|auth|secret|session)|private-token|api-key|[a-z\-]+-token)[\"']?\s*[:,=]\s*[\"']?(?:[A-Za-z]+ )?([A-Za-z0-9._~+/=:\-]{10,})",
        "HTTP headers that carry credentials",
        f"X-Shop-Token: {_DRAWN}",
        "X-API-Key: $API_KEY",
        session_value,
    ),
    _rule(
        "cookie",
        SESSION,
        0.88,
        "cookie phpsessid jsessionid sessionid session_id connect.sid asp.net_sessionid laravel_session csrftoken",
        r"(?i)(?:session[a-z_]*|[a-z.]*sess(?:ion)?_?id|sid|auth[a-z_]*|[a-z_\-]*token|remember_[a-z]+|laravel_session|__secure-[a-z0-9\-]+|jwt)=([A-Za-z0-9%._+/=:\-]{12,})",
        "RFC 6265",
        f"Cookie: PHPSESSID={_DRAWN}; a=b",
        "Set-Cookie: sessionid=<id>",
        session_value,
    ),
    _rule(
        "slack_webhook",
        TOKEN,
        0.93,
        "hooks.slack.com",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9+/]{24,})",
        "api.slack.com/messaging/webhooks",
        "https://hooks.slack.com/services/T0AB1CD2E/B0FG3HI4J/" + _DRAWN,
        "https://hooks.slack.com/services/XXXXXXXXXXXXXXXXXXXXXXXXXXXX",
        looks_drawn,
    ),
    _rule(
        "webhook_url",
        TOKEN,
        0.9,
        "webhook hooks. /hook",
        r"(?i)https?://(?:[a-z0-9.\-]*discord(?:app)?\.com/api/webhooks/|[a-z0-9.\-]*webhook\.office\.com/|[a-z0-9.\-]*office\.com/webhook|hooks\.zapier\.com/hooks/|maker\.ifttt\.com/|[a-z0-9.\-]*\.logic\.azure\.com|hook\.[a-z0-9.]*make\.com/|chat\.googleapis\.com/v1/spaces/|open\.(?:feishu|larksuite)\.(?:cn|com)/open-apis/bot/v2/hook/|qyapi\.weixin\.qq\.com/cgi-bin/webhook/|oapi\.dingtalk\.com/robot/)([A-Za-z0-9@_/?=&%.\-]{16,})",
        "vendors' webhook pages",
        f"https://discord.com/api/webhooks/123456789012345678/{_DRAWN}",
        "https://discord.com/api/webhooks/<id>/<token>",
        looks_drawn,
    ),
    _rule(
        "discord_bot",
        TOKEN,
        0.9,
        "",
        r"(?:^|[^A-Za-z0-9_])([MNO][A-Za-z0-9_\-]{22,27}\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{26,})",
        "discord.com/developers (measured)",
        "N" + "zk5MjgxNDk0NDc2NDU1OTg3" + ".YABS5g." + "2lmzECVlZv3vv6miVnUaKPQi2wI",
        "MMMMMMMMMMMMMMMMMMMMMMMM.xxxxxx.xxx",
        looks_drawn,
    ),
    _rule(
        "mailchimp",
        TOKEN,
        0.9,
        "",
        r"(?:^|[^A-Za-z0-9])([0-9a-f]{32}-us[0-9]{1,2})\b",
        "mailchimp.com/developer",
        "9f86d081884c7d659a2feaa0c55ad015" + "-us12",
        "9f86-us12",
        looks_drawn,
    ),
    _rule(
        "known_user",
        PASSWORD,
        0.85,
        "root admin administrator sa/ sa: postgres/ ubuntu pi/ pi: sysadmin superuser",
        r"(?i)(?:^|[^A-Za-z0-9_.@\-/])(?:root|admin|administrator|sa|postgres|ubuntu|pi|sysadmin|superuser) ?[:/|] ?([^\s\"'<>/]{6,})",
        "logins as people note them",
        "root / " + "Qx7!rTz9p",
        "root / password",
        lambda v: grade(v.rstrip(".,;")) >= Grade.PASSWORD and not file_or_version(v) and "=" not in v,
    ),
    _rule(
        "net_use",
        PASSWORD,
        0.88,
        "net wmic psexec runas",
        r"(?i)(?:net use|net user|wmic|psexec)[^\n]{0,100}?(?:/user:\S+|/add|-u \S+|\buser \S+)\s+(?:-p )?([^\s/*\"'<>]{5,})",
        "net(1) of Windows",
        "net use Z: \\\\fs\\share /user:corp\\joe " + "Qx7!rTz9p",
        "net use Z: \\\\fs\\share /user:corp\\joe *",
        lambda v: grade(v) >= Grade.MIXED,
    ),
    _rule(
        "netrc",
        PASSWORD,
        0.92,
        "machine",
        r"(?i)\bmachine\s+\S+\s+(?:login|user)\s+\S+\s+password\s+(\S{4,})",
        "curl netrc",
        "machine a.com login b password " + "Qx7rTz9p",
        "machine a.com login b password <pw>",
        real_password,
    ),
    _rule(
        "pgpass",
        PASSWORD,
        0.9,
        "5432 5433 6432",
        r"(?m)^[A-Za-z0-9.*_\-]+:(?:\d{4,5}|\*):[A-Za-z0-9.*_\-]+:[A-Za-z0-9.*_\-]+:(\S{4,})$",
        "postgresql.org/docs libpq-pgpass",
        "db:5432:shop:app:" + "Qx7rTz9p",
        "hostname:5432:database:username:password",
        real_password,
    ),
    _rule(
        "npmrc",
        TOKEN,
        0.93,
        "_authtoken _auth= _password=",
        r"(?i)_(?:authToken|auth|password)\s*=\s*[\"']?([A-Za-z0-9+/=_\-]{10,})",
        "docs.npmjs.com",
        f"//r.io/:_authToken={_DRAWN}",
        "//r.io/:_authToken=${NPM_TOKEN}",
        session_value,
    ),
    _rule(
        "crypt_hash",
        PASSWORD,
        0.85,
        "$1$ $2a$ $2b$ $2y$ $5$ $6$ $7$ $y$ $apr1$ $argon2 $pbkdf2 pbkdf2_sha256$ $scrypt$ {ssha} {sha}",
        r"((?:\$(?:1|2[abxy]|5|6|7|y|apr1|argon2id?|pbkdf2-sha\d+|scrypt)\$|pbkdf2_sha256\$|\{S?SHA\})[A-Za-z0-9./$+=,_\-]{20,})",
        "crypt(5), htpasswd, shadow(5)",
        "root:$6$" + _DRAWN + "$" + _DRAWN * 3 + ":19000:0:",
        "$6$xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        looks_drawn,
    ),
    _rule(
        "docker_auth",
        SESSION,
        0.92,
        '"auth" "identitytoken"',
        r'"(?:auth|identitytoken)"\s*:\s*"([A-Za-z0-9+/=_\-]{8,})"',
        "docs.docker.com config.json",
        '{"auths":{"r.io":{"auth":"' + _DRAWN + '"}}}',
        '{"auth":"basic"}',
        looks_drawn,
    ),
    _rule(
        "cli_user_password",
        PASSWORD,
        0.88,
        "curl wget http httpie -u --user",
        r"(?:^|\s)(?:-u|--user)[= ][\"']?[A-Za-z0-9_.@\\\-]+:([^\s\"'@$<{]{4,})",
        "curl(1)",
        "curl -u deploy:" + "Qx7!rTz9p" + " https://a.b",
        "curl -u user:password https://a.b",
        real_password,
    ),
    _rule(
        "cli_short_password",
        PASSWORD,
        0.88,
        "mysql mariadb mysqldump mysqladmin sshpass mongo psexec smbclient redis-cli docker xfreerdp",
        r"(?:\b(?:mysql|mariadb|mysqldump|mysqladmin|sshpass|mongo|mongosh|docker login|xfreerdp)\b[^\n]{0,120}?\s[-/]p[: ]?\s?[\"']?|\bredis-cli\b[^\n]{0,80}?\s-a\s+)([^\s\"'<>{}$\[\]]{5,})",
        "mysql(1), sshpass(1), redis-cli(1)",
        "mysql -u root -p" + "Qx7!rTz9p" + " shop",
        "mysql -u root -p shop",
        lambda v: grade(v) >= Grade.MIXED,
    ),
    _rule(
        "wp_config",
        PASSWORD,
        0.9,
        "define(",
        r"define\(\s*['\"](?:DB_PASSWORD|[A-Z_]*(?:KEY|SALT|SECRET|PASSWORD))['\"]\s*,\s*['\"]([^'\"]{4,})['\"]",
        "developer.wordpress.org wp-config.php",
        "define('DB_PASSWORD', '" + "Qx7!rTz9p" + "');",
        "define('DB_PASSWORD', 'password_here');",
        real_password,
    ),
    _rule(
        "eth_private_key",
        KEY,
        0.9,
        "0x private",
        r"(?i)(?:private|secret|priv)[ _\-]?key\W{0,12}(?:is|:|=)?\W{0,6}(?:0x)?([0-9a-f]{64})\b",
        "Ethereum yellow paper, appendix F",
        "private key 0x" + "9f86d081884c7d65" * 4,
        "private key 0x...",
        lambda v: not repetitive(v),
    ),
    _rule(
        "bitcoin_wif",
        KEY,
        0.9,
        "wif private wallet btc bitcoin privkey",
        r"(?:^|[^A-Za-z0-9])([5KL][1-9A-HJ-NP-Za-km-z]{50,51})(?:[^A-Za-z0-9]|$)",
        "Bitcoin wallet import format",
        "wif " + "5" + "HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
        "wif key",
    ),
    _rule(
        "xprv",
        KEY,
        0.93,
        "xprv yprv zprv tprv",
        r"\b([xyzt]prv[1-9A-HJ-NP-Za-km-z]{60,})",
        "BIP-32",
        "xprv" + "9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
        "xprv is an extended key",
    ),
    _rule(
        "backup_codes",
        PASSWORD,
        0.88,
        "backup recovery 2fa mfa scratch einmal",
        r"(?i)(?:backup|recovery|2fa|mfa|scratch|one-time|emergency)[ -](?:[a-z]+[ -]){0,2}codes?\W{1,8}(?:\w+ ){0,3}?([0-9a-z]{4,10}(?:-[0-9a-z]{4,6})?[\s,;]+[0-9a-z]{4,10}(?:-[0-9a-z]{4,6})?)",
        "recovery codes as services print them",
        "2FA backup codes: 94085048 52106968",
        "keep your backup codes safe and secure",
        lambda v: sum(map(str.isdigit, v)) >= 6,
    ),
)
