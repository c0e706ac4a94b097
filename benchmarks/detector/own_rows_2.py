"""A second set, of other vendors, phrasings, languages and harmless texts. CC0.

Scored before the rules knew it (docs/detector.md has that first score); used for tuning since.
"""

SECRETS = """
long_tail|agora secret = '{x32}'
long_tail|aeroworkflow key is {n20} for account 18213
long_tail|calendarific: {x40}
long_tail|CLOZE_API_KEY = "{x32}"
long_tail|You can find your Demio credentials here: {n32} and secret {n15}
long_tail|const geocodio = new Geocodio("{n39}")
long_tail|curl -H "x-apikey: {x64}" https://www.virustotal.com/api/v3/files
long_tail|requests.get(f"https://api.ipgeolocation.io/ipgeo?apiKey={x32}&ip=1.1.1.1")
long_tail|  "moonclerk": { "token": "{x32}" },
long_tail|nylas: {n30} still says invalid credentials
long_tail|export OPTIMIZELY_TOKEN=2:{w38}
long_tail|the Pipedream integration uses {x32}, rotate it
long_tail|salesblink = "key-{n25}"
long_tail|hunter.io api {x40}
long_tail|<string name="maps_key">AIza{w35}</string>
long_tail|locationiq pk.{x32}
long_tail|setx TRELLO_TOKEN "{x64}"
long_tail|trello key {x32} token ATTA{x72}
long_tail|zenserp '{u}'
long_tail|apiKey: "{u}",
long_tail|fetch(url, {headers: {'X-RapidAPI-Key': '{n50}'}})
long_tail|ENV CODACY_PROJECT_TOKEN {x32}
long_tail|vercel token {n24} leaked in CI log
long_tail|Authorization: Token {x40}
long_tail|Authorization: ApiKey {b60}
long_tail|--set auth.token={n40}
long_tail|wakatime_api_key = {u}
long_tail|[sauce] username=jdoe access_key={u}
long_tail|secret: !ENC {b44}
long_tail|AZURE_CLIENT_SECRET={w3}8Q~{w34}
long_tail|the client_id is {x20} and the client_secret is {x40}
long_tail|spotify client secret {x32}
long_tail|my last.fm shared secret: {x32}
long_tail|NEXT_PUBLIC_SUPABASE_SERVICE_ROLE=eyJhbGciOiJIUzI1NiJ9.{w60}.{w43}
long_tail|ghp_{n36} was committed by mistake
long_tail|Our Mixpanel service account: deploy.ab12.mp-service-account:{n32}
long_tail|ably key {n6}.{n6}:{w43}
long_tail|pusher app_id 1234567 key {x20} secret {x20}
long_tail|ZOOM_JWT_SECRET={n36}
long_tail|basic-auth token for nexus: {b40}
long_tail|api.telegram.org/bot{d10}:AA{w33}/sendMessage
long_tail|dsn=https://{x32}:{x32}@sentry.io/123
long_tail|okta token 00{w40}
long_tail|BINANCE_SECRET={n64}
long_tail|kraken private key {b86}==
long_tail|Here is the firebase server key AAAA{w7}:APA91b{w134}
long_tail|deepl auth key {u}:fx
long_tail|password for the API sandbox is {n22}
password|Bitte setze das Kennwort auf {P} zurück
password|el usuario es admin y la clave es {P}
password|o login é joao e a senha é {P}
password|il codice di accesso è {P}, password: {P}
password|логин: ivan, пароль: {P}
password|用户名 root 密码 {P}
password|ユーザー名: tanaka / パスワード: {P}
password|아이디 hong 비번 {P}
password|משתמש dana סיסמה {P}
password|użytkownik: jan, hasło: {P}
password|brugernavn: ole, adgangskode: {P}
password|käyttäjä: matti, salasana: {P}
password|felhasználó: bela, jelszó: {P}
password|utilizator: ion, parola: {P}
password|χρήστης: nikos, κωδικός: {P}
password|tên đăng nhập: an, mật khẩu: {P}
password|username: budi, kata sandi: {P}
password|ชื่อผู้ใช้ somchai รหัสผ่าน {P}
password|jenkins_pass="{P}"
password|spring.datasource.password={P}
password|"DB_PASS" => "{P}",
password|variable pw default = "{P}"
password|net.password = new NetworkCredential("svc", "{P}")
password|ssh root@10.2.3.4, then type {P} as password
password|I set my Netflix password to {P} ok?
password|pwd for vpn: {P}
password|The combination to the safe is 24-8-36, safe code: 4471
password|unlock PIN: 739154
password|user,password\\nalice,{P}
password|| host | user | password |\\n| db1 | sa | {P} |
password|mongo --username app --password {P} --authenticationDatabase admin
password|CREATE USER 'app'@'%' IDENTIFIED BY '{P}';
password|export PGPASSWORD={P}
password|SMTP_PASS: {P}
password|passwd: {P} (don't share)
file|[client]\\nuser=root\\npassword={P}
file|GITHUB_TOKEN: ghs_{n36}
file|machine api.heroku.com login a@b.io password {x36}
file|<server><id>nexus</id><username>ci</username><password>{P}</password></server>
file|rclone: pass = {w40}
file|{"type":"service_account","private_key_id":"{x40}"}
file|-----BEGIN EC PRIVATE KEY-----\\n{b64}\\n{b30}
file|apiVersion: v1\\nkind: Secret\\ndata:\\n  password: {b24}
file|spring:\\n  rabbitmq:\\n    username: svc\\n    password: {P}
file|[registry]\\ntoken = "cio{n32}"
file|_auth={b40}
conn|mongodb://root:{P}@10.0.0.1:27017,10.0.0.2:27017/?replicaSet=rs0
conn|Server=tcp:x.database.windows.net;Uid=sa;Pwd={P};
conn|Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey={b43}=
conn|smtp://postmaster:{P}@smtp.mailgun.org:587
conn|clickhouse://default:{P}@ch:9000/db
conn|rtsp://admin:{P}@192.168.1.64/stream
conn|git clone https://oauth2:{n26}@gitlab.com/g/p.git
card|mi tarjeta 4532 0151 1283 0366 vence 05/29
card|carte bancaire n° 5425233430109903, exp. 04/26
card|カード番号 3530 1113 3330 0000 の明細
card|card no 6011-1111-1111-1117 cvc 123
iban|compte FR76 3000 6000 0112 3456 7890 189
iban|Konto: NL91ABNA0417164300
iban|CH9300762011623852957 ist die IBAN
bank|Account no. 1234567890 IFSC HDFC0001234
bank|CLABE 032180000118359719
bank|konto nr 1234.56.78903
bank|口座番号 1234567 普通 三井
id|my ssn: 219-09-9999
id|Sozialversicherungsnummer 15070649C103
id|NIE X1234567L de mi esposa
id|RG 12.345.678-9 SSP
id|CNPJ 11.222.333/0001-81 da minha empresa
id|rodné číslo 736028/5163
id|OIB 94577403194
id|fødselsnummer 15108695088
id|CPR 070761-4285
id|henkilötunnus 131052-308T
id|isikukood 36805280109
id|AMKA 01013099997
id|ИНН 500100732259
id|СНИЛС 112-233-445 95
id|TC kimlik no 10000000146
id|Emirates ID 784-1984-1234567-9
id|Israeli ID 000000018 תעודת זהות 012345674
id|NRIC S1234567D
id|MyKad 710101-14-5555
id|NIK 3171234567890123
id|CCCD 001099012345
id|บัตรประชาชน 1-1017-00230-70-8
id|CNIC 42201-1234567-1
id|NIN 12345678901 Nigeria
id|South African ID 8001015009087
id|passeport 12AB34567
id|driver license D123-4567-8901
id|Medicare 1EG4-TE5-MK73
contact|Please reach Mrs. Olga Ivanova at +7 916 123-45-67
contact|bel Jan de Vries op 06-12345678
contact|zadzwoń do Anny, tel. 601 234 567
contact|田中さんの携帯は 090-1234-5678 です
contact|张伟 手机 13912345678 住址 北京市海淀区中关村大街1号
contact|forward to tomas.svoboda77@seznam.cz
contact|call me on (02) 9374 4000 after five
contact|My daughter Emily Watson, born 14 July 2011, lives at 9 Rose Lane, Bath BA1 2QT
contact|llámame al 612 345 678
marker|[CONFIDENTIAL] Merger timeline attached, please shorten
marker|Classification: Restricted\\nPump specs below
marker|VERTRAULICH! Bitte übersetzen: Die Marge sinkt.
marker|Documento riservato: sintesi del piano industriale
marker|Gizlidir. Toplantı notlarını özetle.
marker|سري للغاية: تقرير الميزانية
marker|Poufne - proszę streścić raport zarządu
marker|Секретно. Схема размещения постов охраны.
marker|(FOUO) Convoy route summary
marker|TOP SECRET//SI//ORCON\\nSource report
marker|BEGIN INTERNAL MEMO - do not forward outside the company
marker|Please proofread this strictly confidential report on the outage.
marker|This email is confidential and intended only for the addressee. Summarise it.
marker|内部资料，请勿外传：三季度计划
marker|極秘: 新工場の場所について
marker|Rahasia perusahaan: daftar harga pemasok
marker|Trade secret: our coating recipe uses 3 % zirconia at 480 C
medical|Patient Maria Santos, 54, type 2 diabetes, metformin 1000 mg. Write the discharge note.
medical|Explain to Mr Henderson why his PSA biopsy came back positive.
medical|Frau Schneider leidet an einer Depression und nimmt Sertralin 50 mg
medical|La paciente Carmen Ruiz está embarazada de 8 semanas y es VIH positivo
medical|患者王小明确诊肝癌，请写转诊信
medical|My colleague Peter Novak is in rehab for alcohol addiction, draft a note to the team
medical|Linda Park (DOB 02/11/1969) has stage III ovarian cancer
hr|Write the dismissal notice for Jonas Keller after his third warning letter
hr|Employee #4471 Priya Nair: performance rating 2/5, propose demotion
hr|Aisha Bello's salary is 61,500 EUR, compare with Mark Stone's 72,000
hr|HR complaint: Laura Diaz reports harassment by her manager Tim Cole
hr|Kündigung für Herrn Thomas Maier wegen Diebstahl formulieren
legal|Draft a motion for our client Victor Hale, charged with embezzlement
legal|Custody dispute between Nina Ford and Alan Ford, case no 23-FL-1182
legal|Mi cliente Pablo Soto confesó el fraude, prepara la estrategia
corporate|Our Q2 revenue will miss guidance by 9 %; this is not public yet. Draft talking points.
corporate|Code name Bluebird: we offer $38 per share for Halden Corp, board votes Tuesday
corporate|Wir planen die Übernahme der Nordex Sparte für 300 Mio. Euro, noch nicht öffentlich
corporate|We intend to lay off 120 people in Austin before the announcement on 3 June
""".strip()

BENIGN = """
How does two-factor authentication protect a password?
Write a bash script that prompts for a password without echo.
What is the default password policy in Active Directory?
Explain how bcrypt stores a hash like $2b$ and the cost factor.
Give me three tips to remember a long passphrase.
const apiKey = process.env.API_KEY;
headers = {"Authorization": f"Bearer {token}"}
export AWS_SECRET_ACCESS_KEY=<your secret key>
aws configure set aws_access_key_id YOUR_ACCESS_KEY
curl -u username:password https://example.com
password = input("Enter password: ")
password: str = Field(min_length=8)
The variable secret_number holds a random integer between 1 and 100.
SECRET_KEY = os.environ["SECRET_KEY"]
token = re.findall(r"\\\\w+", text)[0]
I lost my car key, how do I get a new one?
The secret ingredient is cinnamon.
In Rust, what does the borrow checker do with keys in a HashMap?
My JWT expires too soon, how do I set the TTL?
Why do I get 401 Unauthorized with OAuth2?
Compare API gateways: Kong, Tyk and Apigee.
Is my data confidential when I use a VPN?
Write a confidentiality clause for a freelance contract.
What's the difference between top secret and secret clearance?
Explain the trade secret law of the EU.
Translate "confidential" into French.
Who coined the term "off the record"?
What does NOFORN stand for?
Was bedeutet VS-NfD?
¿Qué significa "uso interno" en un documento?
社外秘とはどういう意味ですか
机密性、完整性和可用性是什么？
List the members of the 2010 World Cup winning squad.
Tell me about the life of Marie Curie.
Frida Kahlo suffered a bus accident; how did it shape her art?
How is type 2 diabetes treated?
What are the side effects of metformin?
Explain chemotherapy to a 10 year old.
Write a story in which detective Mary Holt solves a fraud case.
What are the stages of a lawsuit?
How do I write a good resignation letter?
What is a fair severance package?
Explain how a merger differs from an acquisition.
Apple reported revenue of $94.8 billion in Q2 2023.
Microsoft acquired Activision for $68.7 billion.
Draft a press release announcing our new coffee shop on Main Street.
We plan to open a bakery next year, help me choose a name.
Our team wants to improve code review, any ideas?
The average salary of nurses in Canada?
Version 10.0.19045.4170 of Windows 10
The meeting is on 2024-11-05 at 14:30 in room 4.12
Add 123456789 and 987654321.
Is 1234567890123 prime?
Pi is 3.14159265358979323846
UPC 036000291452 scanner question
Tracking number 1Z999AA10123456784 has not moved
The IBAN of Germany has 22 characters, why?
How are credit card numbers generated?
What is a good credit score? Mine is 720.
Do I need a passport for Norway?
How many digits does a phone number have in Spain?
Emergency number in Europe is 112
Call 1-888-280-4331 for Amazon support
info@museum.org replied within a day
Set git config user.email "you@example.com"
Send bug reports to bugs@example.org
Regex for emails: [a-z]+@[a-z]+\\\\.com
import numpy as np; a = np.zeros((1024, 768), dtype=np.float32)
git checkout -b feature/JIRA-1234-add-login-page
commit 9fceb02d0ae598e95dc970b74767f19372d61af8
docker pull nginx@sha256:{x64}
"integrity": "sha512-{b86}=="
digest: sha256:{x64}
kubectl logs pod/web-7d4b9c6f5d-x2x7z -n prod
ERROR 2024-03-01T10:22:33.123Z [req-{u}] timeout after 3000 ms
X-Request-Id: {u}
segment fault at 0x00007ffee4c0a9b8 ip 0000000000401136
https://github.com/psf/requests/blob/7f694b79e114c06fac5ec06019cada5a61e5570f/setup.py
https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC
https://stackoverflow.com/questions/11227809/why-is-processing-a-sorted-array-faster
https://drive.google.com/file/d/1{w32}/view
arxiv.org/abs/1706.03762
SELECT COUNT(*) FROM sessions WHERE token_hash = $1
CREATE TABLE users (id uuid primary key, password_hash text not null);
<input type="hidden" name="csrf_token" value="{{ csrf_token }}">
DATABASE_URL=postgres://localhost/dev
redis://localhost:6379/0
ssh-keygen -t rsa -b 4096 -C "me@example.com"
cat ~/.ssh/id_ed25519.pub
openssl rand -hex 32
openssl req -x509 -newkey rsa:4096 -keyout key.pem -out cert.pem
gcloud auth print-access-token
vault kv get secret/data/app
export PATH=/usr/local/bin:$PATH
-----BEGIN PGP PUBLIC KEY BLOCK-----\\n\\n{b64}\\n-----END PGP PUBLIC KEY BLOCK-----
ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ{b100} deploy
{"id": "{u}", "name": "chair", "price": 49.9}
{"model": "gpt-4o", "max_tokens": 256, "stop": ["###"]}
Lorem ipsum {b40}
color: #1e90ff; margin: 0 0 10px 24px
matrix = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0
Erkläre die Photosynthese in drei Sätzen.
Quelle est la capitale de l'Australie ?
¿Cuál es la diferencia entre ser y estar?
Come si prepara la carbonara?
Como funciona um motor elétrico?
Hoe laat is het in Tokio?
Jak działa silnik Diesla?
Как приготовить борщ?
日本の首都はどこですか
中国有多少个省？
한국의 수도는 어디인가요?
ما هي عاصمة مصر؟
מהי בירת צרפת?
Fotosentez nedir?
Give me a workout plan: 3x12 squats, 4x8 bench press, 5 km run.
Explain the plot of "Klara and the Sun" by Kazuo Ishiguro.
Act as a travel guide for Lisbon, I like food and art.
Fix grammar: he go to school yesterday
Rewrite this tweet to be funnier: Monday again.
Generate 5 names for a cat.
Why is the sky blue?
Sort these: pear, apple, fig, kiwi, plum, lime, date, nut, oat, rye, pea, leek
Write a Python function is_palindrome(s).
What is O(n log n)?
def test_login(client): assert client.post("/login", json={"user": "a", "password": "b"}).status_code == 401
The password must contain 1 uppercase letter, 1 digit and 1 symbol.
To reset: open Settings > Security > Change password.
Error: authentication token is invalid or expired.
Keys: W/A/S/D to move, Space to jump, Ctrl to crouch.
A token bucket refills at rate r up to capacity b.
The Private Key podcast, episode 12
Our internal API returns XML, how do I parse it?
I work in internal medicine. Recommend a textbook.
She passed away in 1998 at the age of 77.
The patient zero concept in network security
Settlement of Iceland in the 9th century
""".strip()
