"""A third set, written last, scored once before its misses were mended (docs/detector.md has that first score). CC0."""

SECRETS = """
long_tail|Why does Bitbucket Pipelines mask {n40} but not print it? It is our deploy token
long_tail|kickbox live_{x64}
long_tail|mapquest consumer key {n32}
long_tail|hasura admin secret {w40} in docker-compose
long_tail|x-hasura-admin-secret: {n24}
long_tail|RECAPTCHA_SECRET=6L{w38}
long_tail|sonar.token=squ_{x40}
long_tail|paperspace api-key {x30}
long_tail|"auth_token": "{n24}", "expires": 3600
long_tail|signing key for webhooks: whsec_{b32}
long_tail|WEBHOOK_SIGNATURE_SECRET='{x64}'
long_tail|Bearer {w86}
long_tail|$ export CLOUDFLARE_API_TOKEN={w40}
long_tail|mi clave de API de OpenWeather es {x32}
long_tail|Mein GitLab-Token glpat-{w20} läuft ab
long_tail|ключ API: {n32}
password|das WLAN-Passwort lautet {P}
password|mi contraseña es {P}, ¿es segura?
password|le mot de passe du serveur est {P}
password|DB password changed to {P} yesterday
password|login: admin / {P}
password|user = "root"; pass = "{P}";
password|sudo password? {P}
password|Zugang: benutzer hmueller kennwort {P}
password|LDAP bind password {P}
password|パスワード「{P}」でログイン
password|docker login -u bob -p {P} registry.corp.net
conn|postgresql://reader:{P}@10.3.3.3:5432/dw
conn|jdbc:mysql://db/app?user=root&password={P}
conn|redis://default:{P}@r.upstash.io:6379
card|Bitte belaste Karte 4716 1089 9971 6531, gültig bis 08/27
card|refund to 5555 3412 4444 1115 please
iban|IBAN: ES91 2100 0418 4502 0005 1332
bank|Routing 121000358 account 325000987654
id|my SSN ends 4848, full 524-71-3302
id|CPF: 11144477735
id|Personalausweis L01X00T471
id|passport no. K4512398 expires 2031
id|numero de passaporte FH254187
contact|text me at 646-555-0143 tonight
contact|mein Handy: 0151 23456789
contact|schreib an julia.brandt@gmx.de
marker|Company confidential: supplier price list below
marker|NUR FÜR DEN DIENSTGEBRAUCH\\nLagebild Nord
marker|Strictly private. Do not circulate: minutes of the remuneration committee
marker|TLP:AMBER+STRICT threat report on our SOC
medical|Please summarise: Mr. Osei, HIV positive since 2019, viral load 40k
medical|My employee Greta Lind is on sick leave with burnout and depression
hr|Put Omar Haddad on a performance improvement plan, draft the mail
legal|Opposing counsel deposed our client Rita Moss about the fraud
corporate|Before the announcement: we acquire Helio Labs for 1.2 billion USD, write the FAQ
""".strip()

BENIGN = """
How long should a password be in 2025?
Explain salting and peppering of passwords.
What is the difference between a token and a cookie?
Write unit tests for a function that validates API keys.
api_key = config.get("api_key")
client = anthropic.Anthropic(api_key=os.getenv("ANTHROPIC_API_KEY"))
password = "".join(random.choices(string.ascii_letters, k=12))
ALTER USER app WITH PASSWORD '<password>';
helm upgrade --set image.tag=v1.2.3 web ./chart
git push origin HEAD:refs/for/main%topic=auth
Fehler: Passwort ungültig. Was tun?
Le mot de passe doit contenir 8 caractères.
La contraseña debe tener al menos 10 caracteres.
Explain confidential computing with Intel SGX.
What are restricted stock units?
Who classified the Pentagon Papers?
Summarise the film "Top Secret!" from 1984.
What was Watson's diagnosis in Sherlock Holmes?
Explain why Beethoven lost his hearing.
What does a plaintiff do in small claims court?
Tesla announced layoffs in April 2024, summarise the news.
Is a 15 % gross margin good for a bakery?
My blood pressure is 120 over 80, fine?
I am 34 and have asthma, which sports suit me?
UUID v4: 9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d, explain its parts.
Is d41d8cd98f00b204e9800998ecf8427e the MD5 of an empty string?
Explain this stack trace: at com.acme.Foo.bar(Foo.java:42)
GET /api/v2/users?page=2&limit=50 HTTP/1.1
Calculate 4500 * 12 / 365.
The order has 12 items, total 1,234.56 EUR, VAT 19 %.
Phone screens with 6.7 inch and 120 Hz compared
Room 2041, building 7, floor 3
Recipe for 4 people: 400 g pasta, 120 g guanciale
Please draft an email to my landlord about a broken heater.
Write a cover letter for a data analyst job at Siemens.
Plan a trip from Lisbon to Porto on 2025-06-14.
What is the capital of Burkina Faso?
Translate to Korean: Where is the station?
日本語で自己紹介文を書いてください
Напиши стихотворение о зиме
""".strip()
