"""Credentials handed to commands and libraries as plain arguments, and lists of codes that stand in for a second factor."""

import pytest

from llm_gateway.detectors.inspector import Inspector

_KEY = "9d3c1fa2b7740e86cb51d2ef9076a338" + "4be1c5d09f62a87be31c4405d6f8a927"


@pytest.mark.parametrize(
    ("live", "harmless"),
    [
        ("echo 'tomcat:Moss.Lantern27' | sudo chpasswd", 'echo "$USER:$NEWPASS" | sudo chpasswd'),
        ('chpasswd <<< "git:lantern-Moss44"', 'chpasswd <<< "user:password"'),
        ("new PDO('mysql:host=db;dbname=forum', 'forum_rw', 'kelp-Tango71');", "new PDO($dsn, $user, getenv('DB_PASS'));"),
        ("new mysqli('10.0.0.4', 'shop_rw', 'kelp-Tango71', 'shop');", 'new mysqli("localhost", "my_user", "my_password", "world");'),
        ('DriverManager.getConnection(url, "hr_app", "kelp-Tango71");', 'DriverManager.getConnection(url, "user", "password");'),
        ('oracledb.connect("ledger", "kelp-Tango71", "db:1521/pdb")', 'oracledb.connect("user", "password", "dsn")'),
        (f"new ethers.Wallet('0x{_KEY}', provider)", "new ethers.Wallet(process.env.PRIVATE_KEY, provider)"),
        (f'Account.from_key("0x{_KEY}")', "Explain Account.from_key in eth-account"),
        (f"ECPair.fromPrivateKey(Buffer.from('{_KEY}', 'hex'))", f"the hash 0x{_KEY} is of a transaction"),
        ("Mes codes de secours : 5512 8830, 4417 0926, 7730 1184", "Les codes de secours : à quoi servent-ils, et combien y en a-t-il ?"),
        ("Kody zapasowe: 44170926, 88305512, 60713349", "Kody zapasowe: 11111111, 11111111, 11111111"),
        ("バックアップコード：4417 0926、8830 5512、6071 3349", "バックアップコードとは何ですか"),
        ("passordfrasen til serveren er Granitt-Myrull-Kano48", "hva er forskjellen på passord og passordfrase?"),
        ("$pw = ConvertTo-SecureString 'kelp-Tango71' -AsPlainText", "$pass = ConvertTo-SecureString $env:SVC_PASS -AsPlainText -Force"),
    ],
)
def test_handed_over(live: str, harmless: str, inspector: Inspector) -> None:
    assert inspector.judge([("/t", live)]).sensitive
    assert not inspector.judge([("/t", harmless)]).sensitive


@pytest.mark.parametrize(
    ("private", "harmless"),
    [
        ("<p:NationalID>84061512345</p:NationalID>", '<xs:element name="SSN" type="ns:SSN"/>'),
        ("三菱UFJ銀行 新宿支店 普通預金 3308841 サトウ ケンジ", "みずほ銀行の支店コードとは何ですか"),
        ("汇到招商银行深圳分行 6214 8501 7655 3309，户名 赵敏", "中国银行的总部在哪里？"),
        ("국민은행 820401-04-117733 예금주 박서준", "하나은행 고객센터 1599-1111 운영시간"),
        ("Enviar a Lucía Ferrer, Avda. de la Constitución 14, 3º B, 41001 Sevilla", "Hotel Carlton, Plaza Moyúa 2, 48009 Bilbao"),
        (
            "Ship it to Nerys Bowen, 12 Ffordd y Gogledd, Aberystwyth, Ceredigion SY23 3AB",
            "Parking near 10 Downing Street, London SW1A 2AA?",
        ),
        ("Jag fick Torbjörns nummer, 072-794 84 74. Skriv ett sms.", "Kursens nummer er 12 34, hva betyr det?"),
        ("call me, my number is 2024-317196", "The order number is 2024-317196, what does it mean?"),
        ("The memo is company-private and must not leave the deal team.", "What does company-private mean as a data class?"),
        (
            "Mi defendido Iker Salas reconoce en privado que conducía; prepara la estrategia.",
            "¿Qué significa que el acusado reconoce los hechos?",
        ),
        (
            "Nuestro margen con Supermercados Olmo es del 31 %, el coste real 0,74 €; ellos creen que es 1,02 €. Prepara la negociación.",
            "How do I calculate unit cost and margin for a bakery?",
        ),
    ],
)
def test_forms_of_persons_and_firms(private: str, harmless: str, inspector: Inspector) -> None:
    assert inspector.judge([("/t", private)]).sensitive
    assert not inspector.judge([("/t", harmless)]).sensitive
