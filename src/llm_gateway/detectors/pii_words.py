# ruff: noqa: E501, SIM905  # patterns and word lists read best unbroken
"""Words that say what a number beside them is, in many languages."""

CARD_WORDS: tuple[str, ...] = tuple(
    "credit card|debit card|card number|card|cards|visa|mastercard|amex|american express|maestro|discover|diners|cc|ccn|cvv|cvc|kreditkarte|kartennummer|karte|carte|carte bancaire|carte bleue|tarjeta|carta di credito|carta|cartão|creditcard|kaart|karta|kort|kortti|kártya|kart|карта|карты|карту|картой|カード|クレジットカード|카드|信用卡|卡号|银行卡|储蓄卡|بطاقة|כרטיס|บัตร|kartu|κάρτα|кредитк".split(
        "|"
    )
)
ID_WORDS: tuple[str, ...] = tuple(
    """steuer-idnr|steueridnr|idnr|steuer id|ird|teudat zehut|fiscal number|inn|social:|social number|vat id personal|ahv nummer|krankenkassennummer|emso|pps|pps number|ppsn|身分證|身分證字號|身份證號碼|居民身份证|führerscheinnummer|fuehrerscheinnummer|führerschein-nr|reisepassnummer|reisepass nr|personalausweisnummer|ausweisnr|passnr|passport no|passport #|licence no|driver licence|national identity|เลขบัตร|رقم الجواز|الإقامة|ahv-nr|avs|ssnr|svnr|sv-nummer|versicherungsnummer|identifikationsnummer|burgerservice|rijbewijsnummer|paspoortnummer|numéro de passeport|numéro de permis|permis n°|carte nationale|cni|titre de séjour|número de pasaporte|número de dni|licencia|carnet|carta identità|numero passaporto|patente n|cartão cidadão|bilhete de identidade|carteira de identidade|nr paszportu|numer dowodu|nr dowodu|dowód|серия и номер|номер паспорта|вод. удостоверение|в/у|полис омс|pasaport no|kimlik no|tckn|t.c. no|ehliyet no|身份证号码|护照号|护照号码|驾照号|旅券|免許証番号|保険証番号|在留カード|운전면허번호|आधार नंबर|पैन नंबर|पासपोर्ट|मतदाता|aadhaar no|pan no|uan|dpi|cédula de ciudadanía|c.c.|r.u.t|cnh número|pis/pasep|nit|ruc|edipi|a-number|alien number|insurance id|policyholder|kvnr|egk|npi|dea number|licence plate owner|sv nummer|ssn|social security number|social security no|social security|social insurance number|social insurance|sin number|sin|itin|tax id|tax identification|taxpayer|tin|national insurance|ni number|nino|nhs number|nhs no|nhs|national id|identity number|identity card|id number|id card|id no|citizen id|personal number|personal code|passport|travel document|driver's license|drivers license|driver license|driver's licence|driving licence|driving license|drivers licence|license number|licence number|dl number|green card|visa number|alien registration|medicare number|medicare|medicaid|insurance number|policy number|member id|health card|health insurance|voter id|african id|israeli id|resident id|identification number|identification no|identity no|personal id|government id|state id|citizenship number|residence permit|permit number|id-nr|tax number|tax no|social security card|employee number|patient number|registration number|ein|student id|tfn|tax file number|abn|ird number|military id|birth certificate
    steuer-id|steueridentifikationsnummer|steuernummer|sozialversicherungsnummer|rentenversicherungsnummer|personalausweis|ausweisnummer|reisepass|passnummer|führerschein|krankenversicherungsnummer|versichertennummer|ahv|ahv-nummer
    numéro de sécurité sociale|sécurité sociale|sécu|nir|insee|carte d'identité|numéro d'identité|passeport|permis de conduire|numéro fiscal|carte vitale
    dni|nie|nif|pasaporte|seguridad social|número de identidad|cédula|cedula|curp|rfc|rut|run|cuit|cuil|licencia de conducir|carnet de conducir|documento de identidad|clave de elector
    codice fiscale|carta d'identità|passaporto|patente di guida|patente|tessera sanitaria|partita iva
    cpf|cnpj|rg|cnh|título de eleitor|passaporte|pis|carteira de motorista|nis|número de contribuinte|cartão de cidadão|utente
    bsn|burgerservicenummer|sofinummer|paspoort|rijbewijs|rijksregisternummer|niss|identiteitskaart
    pesel|nip|dowód osobisty|paszport|prawo jazdy|rodné číslo|rodne cislo|občanský průkaz|cestovní pas|rč|cnp|oib|emšo|jmbg|egn|егн|ЕГН|taj|személyi|adószám|útlevél|amka|αφμ|αμκα|αριθμός ταυτότητας|διαβατήριο
    personnummer|personnr|samordningsnummer|cpr|cpr-nummer|fødselsnummer|fodselsnummer|hetu|henkilötunnus|kennitala|isikukood|personas kods|asmens kodas|pass nr
    инн|снилс|паспорт|паспорта|водительское удостоверение|загранпаспорт|рнокпп|іпн
    身份证|身份证号|身份證|护照|護照|驾驶证|驾照|社保号|统一编号|マイナンバー|個人番号|パスポート|旅券番号|運転免許|免許証|健康保険証|주민등록번호|주민번호|여권|여권번호|운전면허|외국인등록번호
    aadhaar|aadhar|आधार|pan|pan number|pan card|epic|voter|emirates id|iqama|civil id|kimlik|tc kimlik|t.c. kimlik|pasaport|ehliyet|هوية|رقم الهوية|الرقم القومي|جواز|جواز السفر|תעודת זהות|ת.ז|דרכון|nric|fin number|mykad|nik|ktp|paspor|npwp|cccd|cmnd|căn cước|hộ chiếu|บัตรประชาชน|หนังสือเดินทาง|philsys|sss number|umid|thai id|hkid|cnic|nid|bvn|nin|ghana card|za id|sa id|id-nummer""".replace(
        "\n", "|"
    ).split("|")
)
BANK_WORDS: tuple[str, ...] = tuple(
    "conta corrente|conta poupança|conta bancária|cuenta corriente|cuenta de ahorros|cuenta bancaria|compte courant|compte bancaire|girokonto|bankkonto|rachunku|nr konta|konto bankowe|расчётный счёт|расчетный счет|банковский счет|номер счета|лицевой счет|银行账号|银行卡号|رقم الحساب|خाता संख्या|खाता संख्या|खाता नंबर|hesap numarası|account num|acct num|account nr|bank acct|checking account|savings account|checking|savings|account number|account no|account #|acct|acct no|acc no|account|accounts|a/c|routing number|routing|aba|sort code|bsb|iban|bic|swift|clabe|ifsc|micr|transit number|direct deposit|kontonummer|konto|bankverbindung|blz|kto|bankleitzahl|numéro de compte|compte|rib|cuenta|número de cuenta|cbu|cvu|conto|conto corrente|conta|agência|rekening|rekeningnummer|rachunek|numer konta|číslo účtu|účet|bankgiro|plusgiro|tilinumero|számlaszám|cont bancar|λογαριασμός|счет|счёта|счета|р/с|расчетный|бик|账号|账户|帳號|银行账户|口座|口座番号|계좌|계좌번호|hesap|hesap no|حساب|חשבון|tài khoản|บัญชี|nomor rekening|rekening".split(
        "|"
    )
)
PHONE_WORDS: tuple[str, ...] = tuple(
    "微信|微信同号|加我|vx|line id|kakao|नंबर|नम्बर|मेरा नंबर|my number|numero di telefono|número de telefone|numaram|رقمي|هاتفي|جوالي|zap|whats|wpp|celulares|movil|fijo|mobilnummer|festnetz|fixe|mobiele|telefoonnummer|gsm|nr tel|тел.|мобильный|номер телефона|звоните|cep telefonu|cep no|telefonu|手機|联系方式|携帯番号|連絡先|핸드폰|رقم الجوال|رقم الهاتف|फोन नंबर|फ़ोन|मोबाइल नंबर|tlf|phone|telephone|tel|tel.|mobile|cell|cellphone|fax|call|calls|ring|text me|whatsapp|llámame|llámeme|llámalo|appelle|rufen|ruf mich|chiamami|chiamatemi|me liga|liga-me|zadzwonić|позвоните|набери|ring mig|ring mej|ringe|soittaa|signal|telegram|viber|wechat|sms|dial|contact number|contact me|reach me|reach him|reach her|number is|phone number|hotline|office|handy|handynummer|telefon|telefonnummer|rufnummer|mobil|anrufen|ruf|téléphone|tél|portable|appelez|appeler|móvil|celular|teléfono|llame|llamar|cellulare|telefono|chiama|chiamare|telefone|ligar|ligue|telemóvel|telefoon|mobiel|bellen|bel|komórka|zadzwoń|mobilní|zavolej|puhelin|puh|matkapuhelin|soita|telefonszám|τηλέφωνο|κινητό|телефон|тел|моб|звони|позвони|电话|手机|手机号|電話|電話番号|携帯|전화|전화번호|휴대폰|연락처|cep|هاتف|جوال|موبايل|اتصل|טלפון|נייד|फोन|मोबाइल|điện thoại|sđt|gọi|โทร|telepon|nomor hp|hubungi|simu".split(
        "|"
    )
)
BIRTH_WORDS: tuple[str, ...] = tuple(
    "né à|née à|nato a|nata a|nacido en|nacida en|nascido em|nascida em|geboren in|urodzony|urodzona|ур.|born|birth date|birthdate|birthday|date of birth|dob|d.o.b|geb.|geboren|geburtsdatum|né le|née le|date de naissance|nacido|nacida|fecha de nacimiento|nato il|nata il|data di nascita|nascido|nascida|data de nascimento|geboren op|geboortedatum|urodzon|data urodzenia|narozen|född|født|syntynyt|született|γεννηθ|дата рождения|родился|родилась|出生|生日|生年月日|생년월일|doğum|تاريخ الميلاد|תאריך לידה|ngày sinh|tanggal lahir".split(
        "|"
    )
)
ADDRESS_WORDS: tuple[str, ...] = tuple(
    "terrace|drive|boulevard|blvd|court|square|crescent|close,|ave.|ave,| st,| rd,| dr,| ln,|live at|lives on|living in|reside at|home is|weg |gasse|allee|chemin|piazza|viale|corso|plaza|paseo|carrera|travessa|alameda|praça|laan|plein|gracht|gatan|vägen|vej|aleja|osiedle|ulice|utca|mah.|sok.|cad.|улица|ул.|проспект|пр-т|кв.|路|街道|号楼|小区|丁目|番地|町|아파트|로 |길 |address|lives at|lives in|living at|resides|street|avenue|road|lane|straße|strasse|str.|platz|rue |calle |via |avenida|rua |ul.|ulica|straat|wohnt|adresse|anschrift|habite|domicilio|dirección|vive en|indirizzo|endereço|adres|adress|osoite|адрес|住所|地址|住址|주소|عنوان|כתובת|địa chỉ|alamat".split(
        "|"
    )
)
SEED_WORDS: tuple[str, ...] = tuple(
    "seed phrase|seed words|mnemonic|recovery phrase|secret recovery|wallet seed|backup phrase|recovery words|12 words|24 words|frase semilla|phrase de récupération|wiederherstellungsphrase|助记词|助記詞|ニーモニック|복구 구문|니모닉|сид-фраза|seed".split(
        "|"
    )
)
