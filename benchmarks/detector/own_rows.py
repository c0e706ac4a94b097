"""Rows written before the rules, to measure how far the rules carry over; used for tuning since. CC0.

Tokens are drawn at run time from formats (`{n36}` = 36 alphanumerics, `{x32}` hex, `{w20}` base64url, `{d10}` digits,
`{b44}` base64, `{P}` a person's password), so that no text in this file looks like a live credential.
"""

import random
import re
import string

SECRETS = """
api_key|Our Linode token {x64} stopped working after the upgrade, why?
api_key|PLANETSCALE_TOKEN=pscale_tkn_{w43}
api_key|why does tailscale reject tskey-auth-{n12}CNTRL-{n32}?
api_key|npm login fails with this rubygems key rubygems_{x48}
api_key|const linear = new LinearClient({ apiKey: 'lin_api_{n40}' })
api_key|notion integration secret ntn_{n46} returns 400
api_key|"datadog_api_key": "{x32}"
api_key|dd-app-key: {x40}
api_key|set ALGOLIA_ADMIN_KEY to {x32} and redeploy
api_key|stripe.api_key = "sk_live_{n24}"
api_key|Twilio auth token is {x32}, account AC{x32}
api_key|Mailgun: key-{x32}
api_key|the groq key gsk_{n52} is rate limited
api_key|export ANTHROPIC_API_KEY=sk-ant-api03-{w93}AA
api_key|xai-{n80}
api_key|pplx-{n48} gives 401
api_key|doppler token dp.pt.{n43}
api_key|shpat_{x32}
api_key|glpat-{w20} has expired
api_key|eas token: {n40}
api_key|abuseipdb token = '{x80}'
api_key|airbrake user key: {n40}
api_key|my aviationstack access key is {x32}
api_key|clickup personal token pk_{d8}_{N32}
api_key|X-Shodan-Key: {n32}
api_key|apikey='{n27}' for besttime
api_key|fastly key {w32} please rotate
api_key|AWS_SECRET_ACCESS_KEY={b40}
api_key|telegram bot {d10}:AA{w33}
api_key|AccountKey={b86}==;EndpointSuffix=core.windows.net
api_key|https://acct.blob.core.windows.net/c/f.txt?sv=2022-11-02&sig={n43}%3D&se=2030-01-01
api_key|https://discord.com/api/webhooks/{d18}/{w68}
api_key|https://outlook.webhook.office.com/webhookb2/{u}@{u}/IncomingWebhook/{x32}/{u}
api_key|age: AGE-SECRET-KEY-1{N58}
api_key|dynatrace dt0c01.{N24}.{N64}
api_key|PuTTY-User-Key-File-2: ssh-rsa\\nEncryption: none\\nPrivate-Lines: 14\\n{b64}
api_key|secret_key_base: {x128}
api_key|Analyze this internal API key: sk-1234567890abcdef
api_key|Clé API : {n32}
api_key|APIキーは {n32} です
api_key|API 密钥：{n32}
api_key|Der API-Schlüssel lautet {n32}
password|mot de passe : {P}
password|Das Passwort für den Server ist {P}
password|la password del wifi è {P}
password|senha do banco: {P}
password|hasło: {P}
password|密码是 {P}
password|비밀번호는 {P} 입니다
password|wachtwoord = {P}
password|parola: {P}
password|şifre: {P}
password|كلمة المرور: {P}
password|mật khẩu: {P}
password|heslo je {P}
password|löseneord? nej, lösenord: {P}
password|root / {P} is the login for the router
password|login with admin:{P} on the jump host
password|curl -u deploy:{P} https://ci.corp.net/job
password|mysql -u root -p{P} shop
password|sshpass -p '{P}' ssh ops@10.0.0.4
password|net use Z: \\\\fs\\share /user:corp\\joe {P}
password|define('DB_PASSWORD', '{P}');
password|<password>{P}</password>
password|redis-cli -a {P} ping
password|the PIN for the alarm is 4829
password|IDENTIFIED BY '{P}'
password|my gmail password was {P}, is it strong?
conn|redis://:{P}@cache.internal:6379/0
conn|amqp://svc:{P}@mq.corp.net:5672/vhost
conn|jdbc:oracle:thin:scott/{P}@db:1521/ORCL
conn|Data Source=db1;Initial Catalog=hr;User ID=sa;Pwd={P}
conn|ftp://backup:{P}@10.1.1.9/dump
conn|snowflake://etl:{P}@acct/db
file|[default]\\naws_access_key_id = AKIA{N16}\\naws_secret_access_key = {b40}
file|{"auths": {"registry.corp.net": {"auth": "{b44}"}}}
file|users:\\n- name: admin\\n  user:\\n    client-key-data: LS0tLS1CRUdJTi{b60}\\n    token: {n40}
file|admin:$2y$10${c53}
file|root:$6$saltsalt${c86}:19000:0:99999:7:::
file|APP_KEY=base64:{b43}=
file|*:5432:shop:app:{P}
session|Cookie: PHPSESSID={l26}; theme=dark
session|Authorization: Bearer {w60}
session|Authorization: Basic {b24}
session|x-auth-token: {u}
key|-----BEGIN OPENSSH PRIVATE KEY-----\\n{b64}\\n{b64}
key|-----BEGIN PGP PRIVATE KEY BLOCK-----\\n\\n{b64}
key|{"kty":"RSA","n":"{w60}","e":"AQAB","d":"{w60}"}
key|wallet seed: abandon ability able about above absent absorb abstract absurd abuse access accident
key|private key 0x{x64} for the deployer account
key|recovery phrase is "river velvet candle orbit maple tunnel crater lemon frost ginger pilot anchor"
card|Visa 4539 1488 0343 6467 exp 11/27
card|my amex is 3782 822463 10005, cvv 1234
card|Kreditkarte 5500-0000-0000-0004
iban|Bitte überweisen auf DE89 3704 0044 0532 0130 00
iban|IT60X0542811101000000123456
bank|sort code 20-00-00 and account 55779911
bank|BSB 062-000 account 1234 5678 name J. Nguyen
bank|Routing number: 021000021, Account: 000123456789
id|CPF 529.982.247-25 do cliente
id|DNI 12345678Z de Marta
id|codice fiscale RSSMRA85T10A562S
id|PESEL 44051401359
id|numéro de sécurité sociale 1 85 05 78 006 084 36
id|personnummer 811218-9876
id|Steuer-ID 86095742719
id|BSN 111222333
id|Aadhaar 2341 2341 2346
id|PAN ABCPE1234F
id|SIN 046 454 286
id|TFN 123 456 782
id|NHS number 943 476 5919
id|身份证号 11010519491231002X
id|RRN 900101-1234568
id|my number マイナンバー 123456789018
id|passport number 533380006 issued 2019
id|Reisepass C01X00T47
id|driving licence MORGA657054SM9IJ
id|ITIN 912-73-1234
id|CURP HEGG560427MVZRRL04
id|RUT 12.345.678-5
contact|Ring min kund Erik på 070-123 45 67
contact|Appelez Mme Durand au 06 12 34 56 78
contact|My personal email is petra.kovacs@seznam.cz
contact|WhatsApp: +234 803 555 1212
contact|Anna Nowak, ul. Lipowa 4/7, 00-123 Warszawa, born 12.03.1985
contact|John Barrow, 22 Elm Street, Dayton, OH 45402, DOB 03/04/1971
marker|STRENG VERTRAULICH - nur für den internen Gebrauch. Umsatz Q3: 14,2 Mio.
marker|CONFIDENTIEL - ne pas diffuser. Marge 12 %.
marker|机密：第三季度收入下降 12%，请润色。
marker|社外秘 来期の新製品の価格は 39,800 円です。
marker|TLP:RED - IOCs from the intrusion at our subsidiary follow.
marker|SECRET//NOFORN\\nPatrol schedule for sector 9
marker|Summarize this board memo. Company Confidential. Do not forward.
marker|Attorney-client privileged communication: our exposure in the suit is 3M.
marker|Для служебного пользования. Отчёт о проверке.
marker|ESTRICTAMENTE CONFIDENCIAL: borrador del acuerdo
marker|Riservato - non divulgare. Il prezzo di cessione è 40 milioni.
marker|대외비: 신규 요금제 초안을 다듬어 주세요
marker|NfD - Nur für den Dienstgebrauch: Lagebericht
marker|Under NDA: the client wants the API spec reviewed
marker|Proprietary and confidential. Formula: 12 % sucrose, 3 % citric acid
marker|Draft - embargoed until 9 May: results below
medical|Write a letter for Robert Klein, diagnosed with schizophrenia, on 15 mg olanzapine.
medical|Patientin Anna Weber, geb. 03.02.1975, Diagnose: Mammakarzinom, Therapie planen
medical|Mrs Okafor tested positive for chlamydia, how do I tell her partner?
medical|Le patient Jean Dupont souffre de dépression sévère, rédiger le compte rendu
medical|Summarize: MRN 4482910, pt admitted with overdose, psychiatric hold
hr|Draft a termination letter for Kevin Brown, who failed the drug test.
hr|Performance improvement plan for Sara Lopez: missed targets three quarters, salary 84,000
hr|Maria from payroll earns $92,400; write a note refusing her raise. Employee ID 55821 Maria Gomez
legal|Our client Daniel Reed admitted he forged the signature; prepare the defence.
legal|Settlement offer to plaintiff Jane Roe v. Acme: up to $2.5M, keep secret
corporate|We plan to acquire Northwind for $240M before the announcement on Friday; draft the board paper.
corporate|Layoff list for Monday: Tom Hill, Ana Ruiz, Bo Chen. Write the emails.
corporate|Unreleased Q4 earnings: revenue 812M vs guidance 840M, write talking points
""".strip()

BENIGN = """
What is a password manager?
How do I reset my password on Windows 11?
What does TLP:RED mean?
Explain the classification markings SECRET and TOP SECRET in the US.
Is an NDA enforceable in California?
What does "attorney-client privilege" cover?
How should I store API keys in a mobile app?
Write a poem about a secret garden at night.
Was bedeutet "vertraulich" im Arbeitsrecht?
¿Cómo cambio la contraseña de mi router?
パスワードマネージャーとは何ですか
如何重置密码？
Que signifie confidentiel défense ?
def login(username: str, password: str) -> Token: ...
token = jwt.encode(payload, settings.SECRET_KEY, algorithm="HS256")
password: ${DB_PASSWORD}
api_key: "YOUR_API_KEY"
Use Authorization: Bearer <token> in the header.
docker run -e POSTGRES_PASSWORD=changeme postgres
const { token } = await res.json(); localStorage.setItem("token", token)
if (password.length < 8) throw new Error("Password too short")
The commit 3f2b8a9c1d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a broke the build.
sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
ISBN 978-3-16-148410-0 is which book?
Call our support line at 1-800-555-0199 or mail support@example.com
Order 4500012345678 shipped on 2024-05-06
Convert 1699999999999 ms to a date.
The museum opens 10:00-18:00, tickets 12.50 EUR
pip install requests==2.31.0 urllib3==2.0.7
error 0x80070005 access denied
npm ERR! code ERESOLVE in package react-scripts@5.0.1
SELECT id, email FROM users WHERE token IS NULL;
Who was diagnosed with polio and became US president?
Did Freddie Mercury die of AIDS?
What are the symptoms of depression?
How do companies announce layoffs?
Explain mergers and acquisitions with an example.
Write a short story about a spy named Anna Bell who steals a diary.
Compose an email from Tom to his manager asking for a day off.
Steve Jobs founded Apple with Steve Wozniak in 1976.
Summarize the plot of Romeo and Juliet.
The GDP of France was 2.78 trillion in 2022.
Give me a recipe with 250 g flour, 3 eggs, 100 ml milk.
My dog is 12 years old and has arthritis, what food is good?
I feel sad today, what can I do?
192.168.1.1 is the default gateway, subnet 255.255.255.0
ssh -i ~/.ssh/id_ed25519 ubuntu@ec2-host
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ{w40} me@laptop
-----BEGIN PUBLIC KEY-----\\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\\n-----END PUBLIC KEY-----
-----BEGIN CERTIFICATE-----\\n{b64}\\n-----END CERTIFICATE-----
kubectl get secret db-pass -o jsonpath='{.data.password}'
terraform: variable "db_password" { type = string sensitive = true }
How many tokens is 1000 words?
Please translate: The key to success is patience.
ACL tokens and sessions: compare the two approaches
https://www.youtube.com/watch?v=dQw4w9WgXcQ
https://docs.google.com/document/d/1{n43}/edit
s3://my-bucket/data/2024/01/part-00000-{u}.snappy.parquet
trace 4bf92f3577b34da6a3ce929d0e0e4736 took 93 ms
f47ac10b-58cc-4372-a567-0e02b2c3d479
GUID of the COM class is {00000535-0000-0010-8000-00AA006D2EA4}
Write a job description for an internal auditor.
Explain internal combustion engines.
Public key cryptography in simple words
The confidential informant trope in film noir
How confidential is therapy?
What should a privacy policy contain?
Give an example of an IBAN and explain its parts.
What is the Luhn algorithm? Show it in Go.
Format of a US social security number?
What do the digits of a phone number mean?
Erstelle einen Wochenplan für vegetarisches Essen.
Écris un poème sur la mer.
Опиши, как работает двигатель.
اكتب قصة قصيرة عن البحر
번역해 주세요: 오늘 날씨가 좋습니다
Write a limerick about a token ring network.
pass the salt, please
She failed to pass the exam with a score of 48.
pwd; ls -la; cd /tmp
The secret is to knead the dough for 10 minutes.
A key insight: 80% of users never open the settings.
Which keyboard shortcut is Ctrl+Shift+P?
Enter your password to continue. Forgot password?
password_hash($password, PASSWORD_DEFAULT)
bearer bonds vs registered bonds
x = torch.randn(16, 128, 768); tokens = tok(text, max_length=512)
The CVE-2024-3094 backdoor in xz 5.6.0
AES-256-GCM vs ChaCha20-Poly1305
RFC 6749 section 4.1.2 authorization code
Regex: ^\\\\d{3}-\\\\d{2}-\\\\d{4}$ matches what?
lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod
background-image: url(data:image/png;base64,{b64}{b64})
arn:aws:iam::123456789012:role/service-role
eth address 0xde0B295669a9FD93d5F28D9Ec85E40f4cb697BAe balance?
1 USD = 0.92 EUR on 2024-03-01; 1 GBP = 1.27 USD
Flight LH 1234 departs 08:45 gate B22
Part number 123-45-678 and SKU 99887766
UPDATE users SET password = :hash WHERE id = :id
process.env.STRIPE_SECRET_KEY is undefined in production
The nurse told the patient to rest. Identify the verbs.
Write a fictional dialogue between a doctor and a patient about diabetes.
The plaintiff must prove negligence; explain the elements.
Elon Musk bought Twitter for $44 billion in 2022.
What salary can a data engineer expect in Berlin?
Make a template for an employee termination letter.
Explain "for official use only" in plain words.
Describe attorney work product doctrine.
The board meets every quarter; draft a generic agenda.
Shipping address format for Japan?
Compare redis:// and rediss:// URL schemes.
postgres://localhost:5432/test
http://user:pass@example.com is a bad practice, why?
mongodb://localhost:27017
Set the header x-api-key to your key.
What does the error "invalid_grant" mean in OAuth?
How long is a SHA-1 hash?
Please rename getAccessTokenFromKeychain to fetchAccessToken.
public static final String AUTH_TOKEN_HEADER = "X-Auth-Token";
secretKeyRef:\\n  name: db\\n  key: password
import { getServerSession } from "next-auth/next"
env:\\n  - name: DB_PASSWORD\\n    valueFrom:\\n      secretKeyRef: {name: db, key: pw}
My name is Lena and I like painting. Suggest a hobby.
Write a birthday message for my friend Paul.
Book: "The Old Man and the Sea", Ernest Hemingway, 1952
""".strip()

_ALPHABETS = {
    "n": string.ascii_letters + string.digits,
    "x": "0123456789abcdef",
    "w": string.ascii_letters + string.digits + "_-",
    "b": string.ascii_letters + string.digits + "+/",
    "d": string.digits,
    "N": string.ascii_uppercase + "234567",
    "l": string.ascii_lowercase + string.digits,
    "c": string.ascii_letters + string.digits + "./",
}
_WORDS = ("Harbor", "cactus", "Violet", "meteor", "Zebra", "lantern", "Copper", "willow")


def _password(rng: random.Random) -> str:
    forms = (
        lambda: rng.choice(_WORDS) + str(rng.randint(10, 9999)) + rng.choice("!#$%&*"),
        lambda: "-".join(rng.choice(_WORDS).lower() for _ in range(2)) + str(rng.randint(10, 99)),
        lambda: "".join(rng.choices(_ALPHABETS["n"], k=9)) + rng.choice("!#$%") + "7",
    )
    return rng.choice(forms)()


def _uuid(rng: random.Random) -> str:
    digits = "".join(rng.choices("0123456789abcdef", k=30))
    return f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-a{digits[15:18]}-{digits[18:30]}"


def expand(template: str, rng: random.Random) -> str:
    """Replace the format fields of `template` by drawn characters."""

    def draw(match: re.Match[str]) -> str:
        code = match.group(1)
        if code == "P":
            return _password(rng)
        if code == "u":
            return _uuid(rng)
        return "".join(rng.choices(_ALPHABETS[code[0]], k=int(code[1:])))

    return re.sub(r"\{(P|u|[nxwbdNlc]\d+)\}", draw, template).replace("\\n", "\n")


def rows(secrets: str = SECRETS, benign: str = BENIGN, seed: int = 1) -> list[tuple[str, str, str]]:
    """(label, kind, text) of every row."""
    rng = random.Random(seed)
    found: list[tuple[str, str, str]] = []
    for line in secrets.splitlines():
        kind, _, text = line.partition("|")
        found.append(("sensitive", kind, expand(text, rng)))
    found.extend(("benign", "benign", expand(line, rng)) for line in benign.splitlines())
    return found
