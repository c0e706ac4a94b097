# ruff: noqa: E501, SIM905  # patterns and word lists read best unbroken
"""Who is meant: names of people in several scripts, titles and relations with a name, numbers of records.

Texts are folded, so that only ASCII letters still have their case; names in other scripts are told by their form
(surnames' endings, commonest surnames) and by the word beside them.
"""

import re
from collections.abc import Iterator

from llm_gateway.detectors.first_names import capitalised
from llm_gateway.detectors.linear import compile_pattern, compiled

_FIRST = r"[A-Złøđþæı][a-złøđþßæœı']+"
_NAME = compile_pattern(
    rf"(?:^|[^\w])({_FIRST}(?:-{_FIRST})?) (?:[A-Z]\.? )?(?:(?:van|von|der|de|da|di|del|la|el|al|bin|ter|Mc|Mac|O') ?){{0,2}}([A-Złøđþ][a-złøđþßæœı']+(?:-?[A-Z][a-złøđþßæœı]+)?)"
)
_TITLED = compile_pattern(
    r"\b(?:(?i:mr|mrs|ms|miss|dr|prof|professor|herrn?|frau|monsieur|madame|mme|mlle|senor|senora?|senorita|sra?|srta|senhora?|signora?|signore|sig|sig\.ra|meneer|mevrouw|dhr|mevr|fru|hr|paciente|paziente|pacjent(?:ka|ki|a|owi)?|pacient(?:ka)?|patient(?:in|en|e)?|patienten|employee|worker|colleague|client|witness|defendant|plaintiff|suspect|applicant|candidate|resident|inmate|student|pupil|mitarbeiter(?:in|s)?|kollege|kollegin|angestellter?|mandant(?:in|en)?|klient(?:in|en|ka|a)?|salariee?|employee?|collegue|emplead[oa]|trabajador[a]?|cliente|dipendente|lavoratore|lavoratrice|funcionari[oa]|trabalhador[a]?|medewerker|collega|werknemer|pracowni(?:k|ka|cy|kowi)|assistit[oa]|klientk[aeouy]|pacientk[aeouy]|pan|pana|panu|panem|pani|zamestnan(?:ec|ce|ci|kyne)|zamestnancovi|anstalld|anstallde?|personalen|medarbeider(?:en)?|medarbejder|medarbejderen|rouva|herra|gospod[aeiou]|gospodin[au]?|doamna|domnul(?:ui)?|angajatul(?:ui)?|hasta|calisan|müvekkil|muvekkil(?:im)?|bay|bayan|kunde|kundin)|M|Mx|Sir|Don|Dona|Pan|Pani|Pana|Panu|Pania|juvenile)\.? ((?:[A-Z]\.? )?(?:(?:van|von|der|de|da|di|del|la|el|al|bin|ter) ){0,2}[A-Złøđþ][a-złøđþßæœı']+)"
)
_RECORD = compile_pattern(
    r"(?i)\b(?:mrn|employee (?:id|no|number)|patient (?:id|no|number)|case (?:no|number)|personalnummer|staff id|record (?:no|number)|claim (?:no|number)|fallnummer|patientennummer|aktenzeichen|numero de dossier|expediente n|matricola|personeelsnummer)[.:# ]{1,4}[a-z0-9\-/]*\d{3,}"
)
_FIRST_NAME = re.compile(r"[A-Z][a-z]+ \Z")
_INITIALS = compile_pattern(r"(?:^|[^\w.])([A-Z]\. ?(?:[A-Z]\. ?)?[A-Z][a-z]{2,}|[A-Z][a-z]{2,},? [A-Z]\.(?: ?[A-Z]\.)?)(?:[^\w]|$)")
_RELATED = compile_pattern(
    r"\b(?:[Mm]y|[Oo]ur|[Mm]ein(?:e|en|em|er)?|[Uu]nser(?:e|en)?|[Mm]on|[Mm]a|[Nn]otre|[Mm]i|[Nn]uestr[oa]|[Mm]i[ao]|[Mm]eu|[Mm]inha|[Mm]ijn|[Oo]nze|[Mm]oj[ae]?|[Mm]ojego|[Mm]ojej|[Nn]as[zs]\w{0,2}|[Mm]in|[Mm]itt|[Mm]uj|[Hh]is|[Hh]er|[Ss]eine?|[Ii]hre?|[Ss]on|[Ss]a|[Ss]u|[Ss]uo|[Ss]ua|[Ss]eu|[Tt]heir) (?:colleague|boss|manager|friend|neighbou?r|sister|brother|mother|father|wife|husband|son|daughter|ex|coworker|co-worker|roommate|student|patient|client|tenant|employee|cousin|aunt|uncle|boyfriend|girlfriend|partner|intern|nanny|assistant|teammate|Kollegin?|Kollegen|Chefin?|Freundin?|Nachbarin?|Schwester|Bruder|Mutter|Vater|Frau|Mann|Sohn|Tochter|Mitarbeiterin?|Patientin?|collegue|chef|ami|amie|voisine?|soeur|frere|mere|pere|femme|mari|fils|fille|patiente?|companera?|companero|jefe|jefa|amig[oa]|vecin[oa]|herman[oa]|madre|padre|espos[oa]|hij[oa]|collega|moglie|marito|figli[oa]|sorella|fratello|filh[oa]|irma|irmao|marido|vrouw|man|dochter|zoon|zus|broer|moeder|vader|oma|opa|vriendin?|tante|oom|neef|nicht|grandmother|grandfather|grandma|grandpa|nephew|niece|fiancee?|flatmate|lodger|landlord|teacher|boss|supervisor|Grossmutter|Grossvater|Großmutter|Großvater|Oma|Opa|Tante|Onkel|Nachbar|Freund|Kollege|Mitbewohnerin?|abuel[oa]|ti[oa]|suegr[oa]|novi[oa]|cunad[oa]|mujer|nonn[oa]|zi[oa]|suocer[oa]|fidanzat[oa]|ragazz[oa]|avo|sogr[oa]|namorad[oa]|mae|pai|oncle|cousine?|grand-mere|grand-pere|belle-mere|copain|copine|mama|tata|syn|corka|maz|zona|brat|siostra|babcia|kolega|kolezanka|mamma|pappa|dotter|datter|fru|bror|syster|soster|kollega),? ([A-Z][a-z']+)"
)
_HONORIFIC = (
    r"[\p{Han}\p{Katakana}ー]{1,6}(?:さん|様|氏|くん|君|ちゃん)|[\p{Han}]{1,3}(?:先生|女士|小姐|同学|老师|医生|经理|总监|主任)|(?:患者|病人|员工|員工|职员|客户|同事|当事人|委托人|嫌疑人|社員|従業員|依頼人|被告人?|原告)[:：]?\s?(?:の|氏名)?\s?[王李张張刘劉陈陳杨楊黄黃赵趙吴吳周徐孙孫马馬朱胡郭何林罗羅郑鄭梁谢謝宋唐许許邓鄧冯馮韩韓曹曾彭萧蔡潘田董袁于余叶葉蒋杜苏蘇魏程吕丁沈任姚卢傅钟姜崔谭廖范汪陆石戴贾韦邱侯邹熊孟秦江阎薛尹段雷黎史龙贺陶顾毛郝龚邵万钱严覃洪武莫孔汤佐鈴高山中小伊渡斎木清橋阿池前藤岡後長村近坂遠青福太西三岩原松本竹上井金大野][\p{Han}]{1,3}"
    r"|[김이박최정강조윤장임한오서신권황안송류홍전고문양손배백허유남심노하곽성차주우구민진엄채원천방공현함변염여추도소석선설마길연위표명기반왕금옥육인맹제모탁국어은편용][가-힣]{1,2}\s?(?:씨|님|환자|직원|사원|대리|과장|부장|팀장|의뢰인|고객|학생|이사|선생)(?:[^가-힣]|[은는이가을를의에도과와만께]|$)|(?:^|[^가-힣])[김이박최정강조윤장임한오서신권황안송류홍전고문양손배백허유남심노하곽성차주우구민진엄](?:대리|과장|부장|팀장|차장|주임)(?:[^가-힣]|[은는이가을를의에도과와만께])|(?:환자|직원|의뢰인|사원|피고인|고객)[\s:：]{1,2}[김이박최정강조윤장임한오서신권황안송류홍전고문양손배백허유남심노하곽성차주우구민진엄][가-힣]{1,2}"
    r"|(?:मरीज|रोगी|कर्मचारी|मुवक्किल|डॉ\.?|श्री|श्रीमती|सुश्री|ग्राहक|सहकर्मी)\s[\p{L}\p{M}]{2,}"
    r"|[\p{L}\p{M}]{2,12}\s(?:शर्मा|वर्मा|सिंह|कुमार|गुप्ता|यादव|पटेल|मिश्रा|चौधरी|खान|देवी|जोशी|तिवारी|पांडे|पाण्डेय|राव|रेड्डी|नायर|अग्रवाल|जैन|मेहता|श्रीवास्तव|ठाकुर|दुबे|त्रिपाठी|सक्सेना|घोष|बनर्जी)"
    r"|(?:محمد|احمد|أحمد|علي|حسن|حسين|عمر|خالد|يوسف|ابراهيم|إبراهيم|مصطفى|محمود|سعيد|عبد\p{L}+|فاطمة|عائشة|مريم|زينب|سارة|نورة|ليلى|هدى|أمينة|خديجة)\s\p{L}{3,}"
    r"|(?:المريضه?|المريضة|الموظفه?|الموظفة|السيده?|السيدة|موكلي|موكلتي|العميله?|العميلة|الدكتوره?|زميلي|زميلتي|المتهم|الموكل|ابني|ابنتي|زوجتي|زوجي|والدي|صديقي|مديري)\s\p{L}{2,}"
    r"|(?:ασθενη[ςσ]?|κυριο[ςσ]?|κυρια|κ\.|υπαλληλο[ςσ]?|πελατη[ςσ]?|πελατισσα|κατηγορουμενο[ςσ]?)\s\p{Greek}{3,}"
    r"|(?:بيمار|بیمار|آقای|اقای|خانم|کارمند|موکل|همکار|همکارم)\s\p{L}{2,}|(?:রোগী|কর্মচারী|জনাব|ডাঃ)\s[\p{L}\p{M}]{2,}"
    r"|(?:המטופלת?|העובדת?|הלקוחה?|מר|גב'|ד\"ר|הנאשם)\s\p{L}{2,}|(?:ผู้ป่วย|พนักงาน|คุณ|นาย|นาง|นางสาว)\s?[\p{L}\p{M}]{2,}"
)
_SURNAME_HAN = "王李张張刘劉陈陳杨楊黄黃赵趙吴吳周徐孙孫马馬朱胡郭何高林罗羅郑鄭梁谢謝宋唐许許邓鄧冯馮韩韓曹曾彭萧蕭蔡潘田董袁于余叶葉蒋蔣杜苏蘇魏程吕呂丁沈任姚卢盧傅钟鍾姜崔谭譚廖范汪陆陸金石戴贾賈韦韋夏邱方侯邹鄒熊孟秦白江阎閻薛尹段雷黎史龙龍贺賀陶顾顧毛郝龚龔邵万萬钱錢严嚴覃洪武莫孔汤湯"
_HAN_NAME = compile_pattern(
    rf"(?:^|给|給|对|對|与|與|和|跟|为|為|把|将|將|让|叫|是|的|同事|当事人|當事人|委托人|客户|客戶|被告|原告|患者|病人|姓名|嫌疑人|下属|下屬|员工|員工|职员|经理|經理|主管|老板|朋友|关于|關於|控告|起诉|解雇|辞退|开除|[:：,，。\s、])([{_SURNAME_HAN}]\p{{Han}}{{1,2}})(?:[^\p{{Han}}]|写|寫|的|因|被|患|确|確|诊|診|得|有|在|于|於|是|今|已|正|怀|懷|涉|违|違|每|月|年|工|迟|遲|提|申|要|和|与|與|说|說|承|欠|先|女|小|，|,|一|发|發|下|上|离|離|起|需|拿|对|對|服|住|做|试|旷|盗|挪|辞|休|转|调|赌|酗|欠|借)"
)
_NOT_HAN = frozenset(
    "高血 高中 高级 高級 高度 高校 高考 高龄 高薪 金融 金额 金屬 石油 方案 方法 方便 方面 白血 白天 夏天 江苏 江西 黄金 马上 万一 何时 何种 任何 任务 于是 周末 周一 周二 周三 周四 周五 周期 程序 史上 许多 林业 和解 武器 田地 杨梅 毛利 毛病 严重 严格 龙头 孔雀 马来 洪水 夏季 冯特 金牌 段落 钱包 钱财 雷达 江南 高管 高层".split()
)
_SLAVIC_SURNAME = re.compile(
    r"[а-яіїєґ]{2,}(?:(?:ов|ев|ин|ын|енко|чук|ук|юк|ко|ич|ович|евич|овн|евн|ичн|ян|дзе|швили|як|ец|ль)(?:а|у|ым|ом|ем|е|ои|ы)?|(?:ск|цк)(?:ии|ого|ому|им|ом|ая|ои|ую))\Z"
)
_SLAVIC_INITIALS = compile_pattern(r"(?:^|[^\p{L}])(?:[а-я]\. ?[а-я]\. ?[а-яіїєґ]{3,}|[а-яіїєґ]{3,} [а-я]\. ?[а-я]\.)")
_SLAVIC_FIRST = re.compile(
    r"(?:^|(?<=[^\w]))(?:иван|петр|алексе|дмитри|серге|андре|михаил|никола|владимир|александр|анн|мари|елен|ольг|наталь|наталi|татьян|ирин|светлан|екатерин|анастаси|юли|дарь|виктор|павел|павл|игор|олег|максим|евгени|константин|антон|роман|артем|кирилл|денис|вадим|юри|борис|валери|василии|васили|григори|илья|иль|никит|людмил|галин|валентин|надежд|вер|любов|оксан|яна|ян|полин|алис|софь|ксени|марин|лариса|ларис|инн|тамар|зинаид|семен|степан|тимур|руслан|тарас|богдан|олекс|олена|олен|микола|микол)(?:и|я|а|ю|е|у|ем|ом|ой|ои|еи|еем|ь|ью|ы)?(?=[^\w]|$)"
)
_MARKS = ".,;:!?()\"'"
_SLAVIC_WORD = re.compile(
    r"(?:кандидат|заявител|соискател|бухгалтер|директор|водител|учител|пациент|пациентк|сотрудник|сотрудниц|работник|клиент|клиентк|подзащитн|истец|истц|ответчик|обвиняем|подозреваем|господин|госпож|гражданин|гражданк|коллег|начальник|менеджер|доктор|пацієнт|співробітник|моя жена|мои муж|мой муж|моя дочь|мои сын|мой сын|мои брат|моя сестра|г-н|г-жа|товарищ)\w{0,3}\s+[а-яіїєґ]{4,}"
)
PUBLIC_FIGURES = frozenset(
    """albert einstein|angela merkel|angelina jolie|brad pitt|johnny depp|amber heard|bernie madoff|elon musk|jeff bezos|bill gates|steve jobs|mark zuckerberg|larry page|sergey brin|tim cook|sam altman|sundar pichai|satya nadella|jack ma|warren buffett|donald trump|joe biden|barack obama|michelle obama|hillary clinton|bill clinton|monica lewinsky|george washington|george bush|ronald reagan|richard nixon|john kennedy|abraham lincoln|thomas jefferson|franklin roosevelt|theodore roosevelt|kamala harris|mike pence|nancy pelosi|bernie sanders|martin luther|rosa parks|malcolm x|nelson mandela|mahatma gandhi|indira gandhi|winston churchill|margaret thatcher|boris johnson|tony blair|rishi sunak|theresa may|keir starmer|princess diana|prince harry|meghan markle|king charles|queen elizabeth|emmanuel macron|nicolas sarkozy|charles de|marine le|olaf scholz|gerhard schröder|helmut kohl|konrad adenauer|willy brandt|friedrich merz|vladimir putin|boris yeltsin|joseph stalin|vladimir lenin|karl marx|leon trotsky|mikhail gorbachev|volodymyr zelensky|alexei navalny|adolf hitler|anne frank|oskar schindler|benito mussolini|silvio berlusconi|francisco franco|fidel castro|che guevara|hugo chavez|pablo escobar|xi jinping|mao zedong|kim jong|shinzo abe|narendra modi|benjamin netanyahu|recep erdogan|mustafa kemal|saddam hussein|osama bin|napoleon bonaparte|julius caesar|marie curie|pierre curie|isaac newton|charles darwin|galileo galilei|nikola tesla|thomas edison|alan turing|ada lovelace|grace hopper|stephen hawking|richard feynman|niels bohr|werner heisenberg|max planck|erwin schrödinger|robert oppenheimer|sigmund freud|carl jung|ludwig wittgenstein|friedrich nietzsche|immanuel kant|jean sartre|simone de|michel foucault|hannah arendt|noam chomsky|alexander von|leonardo da|vincent van|pablo picasso|frida kahlo|diego rivera|salvador dali|claude monet|andy warhol|johann sebastian|wolfgang amadeus|ludwig van|franz schubert|robert schumann|clara schumann|frédéric chopin|frederic chopin|richard wagner|johannes brahms|gustav mahler|freddie mercury|david bowie|michael jackson|elvis presley|john lennon|paul mccartney|george harrison|ringo starr|kurt cobain|amy winehouse|whitney houston|britney spears|taylor swift|lady gaga|justin bieber|selena gomez|ariana grande|kanye west|kim kardashian|jay z|bob dylan|bob marley|jimi hendrix|jim morrison|janis joplin|tom hanks|tom cruise|robert downey|charlie sheen|michael fox|robin williams|heath ledger|christopher reeve|chadwick boseman|marilyn monroe|audrey hepburn|charlie chaplin|alfred hitchcock|steven spielberg|christopher nolan|quentin tarantino|woody allen|roman polanski|harvey weinstein|bill cosby|kevin spacey|jeffrey epstein|ghislaine maxwell|will smith|chris rock|oprah winfrey|ellen degeneres|magic johnson|michael jordan|lebron james|kobe bryant|tiger woods|serena williams|venus williams|roger federer|rafael nadal|novak djokovic|boris becker|steffi graf|lance armstrong|muhammad ali|mike tyson|usain bolt|michael phelps|simone biles|lionel messi|cristiano ronaldo|diego maradona|michael schumacher|lewis hamilton|ayrton senna|lou gehrig|babe ruth|hank aaron|greta thunberg|jane goodall|jane austen|charles dickens|mark twain|ernest hemingway|virginia woolf|sylvia plath|edgar allan|oscar wilde|george orwell|stephen king|agatha christie|william shakespeare|leo tolstoy|fyodor dostoevsky|franz kafka|thomas mann|hermann hesse|günter grass|johann wolfgang|friedrich schiller|miguel de|gabriel garcía|victor hugo|marcel proust|albert camus|umberto eco|dante alighieri|harry potter|hermione granger|ron weasley|sherlock holmes|john watson|james bond|walter white|jesse pinkman|saul goodman|tony stark|bruce wayne|peter parker|clark kent|homer simpson|bart simpson|michael scott|dwight schrute|don draper|jay gatsby|atticus finch|elizabeth bennet|romeo montague|ebenezer scrooge|anna karenina|lady macbeth|elizabeth holmes|sam bankman|kenneth lay|jeffrey skilling|jordan belfort|martha stewart|nick leeson|anthony bourdain|alexander hamilton|benjamin franklin|christopher columbus|marco polo|neil armstrong|buzz aldrin|yuri gagarin|amelia earhart|florence nightingale|mother teresa|pope francis|dalai lama|jesus christ|julian assange|edward snowden|chelsea manning|rodney king|george floyd|o.j. simpson|oj simpson|amanda knox|oscar pistorius|ted bundy|charles manson|al capone|bonnie parker|jack ripper|van gogh|jane roe|henrietta lacks|dr house|dr watson|dr phil|dr fauci|anthony fauci|andrew wakefield|john doe|jane doe|joe bloggs|max mustermann|erika mustermann|john smith smith|hans mustermann|juan perez|mario rossi|jan kowalski|jean dupont""".split(
        "|"
    )
)
"""People everybody knows, people of books and films, and the names that examples use."""

NOT_NAMES = frozenset(
    """I'm I've I'll I'd Times York Post Journal Herald Tribune Magazine Weekly Gazette Angeles Francisco Vegas Zealand Delhi Orleans Jersey Hampshire Carolina Dakota Korea Africa Ireland Wales Australia Asia Europe America Galaxy Pixel Pro Max Ultra Team Project Product Customer Sales Marketing Finance Operations Engineering Research Science Physics Chemistry Biology Lake River Mountain Island Beach City Town County State Valley Bay Airport Station Stadium Arena Theatre Theater Museum Library Church Cathedral Temple Palace Castle Tower Bridge Square Hall Club Society Association League Cup Championship Olympics Festival Award Prize Conference Summit Committee Council Commission Parliament Congress Senate Ministry Agency Authority Board Party Army Navy Police Emergency Care Insurance Rights Agreement Treaty Licence Summary Overview Introduction Conclusion Background Method Methods Discussion Appendix Email Phone Address Subject Regards Sincerely Hello Hi Welcome Thanks Warning Info Debug Tip Step Question Answer Task Goal Choice True False None Null Sehr Geehrte Geehrter Liebe Lieber Cher Chere Querido Querida Gentile Geachte Szanowny Szanowna Hej Ciao Hola Bonjour Hallo Guten
    The This That These What When Where Which Who Why How Write Draft Explain Describe Summarize Summarise Give Create Please Make List Tell Compose Translate Review Rewrite Is Are Was Were Does Do Did Can Could Should Would If In On At For And But Or Not No Yes My Our Your His Her Their Its
    United New North South East West San Los Las Great Machine Deep Data Computer Social Human Mental Health Public National International American European British French German World Global Central General Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May June July August September October November December
    Street Avenue Road University College School Hospital Institute Company Corporation Inc Ltd Group Bank Department Office Center Centre Act Law Court Supreme House White Black Red Blue Green Star Prime Minister President King Queen Saint Type Stage Part Chapter Section Figure Table Model Windows Google Microsoft Apple Amazon Python Java Visual Studio Content Dear Best Kind Thank Lab Results Test Medical Patient Case Client Acme Under Employee Performance Improvement Plan Settlement Human Resources Multiple Sclerosis Blood Pressure Dr Mr Mrs Ms Title Name Date Order Version Key
    Manager Service Services Server System Systems Security Network Gateway Cloud Web Application Applications User Access Policy Account Resource Instance Region Example Internal Error File Note Output Following Console Developer Guide Reference Documentation Software Foundation License Copyright Engine Framework Library Protocol Interface Firewall Function Class Object String Array Integer Return Value Request Response Client Session Message Object Media Type User Open Source Free Software Debian Ubuntu Linux Unix Mac Docker Kubernetes Terraform Jenkins Git Hub Elastic Block Store Simple Storage Lambda Machine Instance Key Management Identity Organization Organizations Add Get Set Delete Remove Update Insert Select From Table Start Stop Run Build Test Deploy Import Export Default Optional Required Parameters Returns Raises Usage Options Commands Driverless
    Wall Cold Civil Super Middle Silicon Hong Kong Middle Holy Old Third First Second Last Next Good High Low Big Small Long Short Every Some All Any Welche Welcher Welches Welchen Was Wie Wann Wo Wer Warum Wieso Eine Ein Einen Der Die Das Den Dem Des Bei Mit Für Fur Und Ist Sind Hat Haben Kann Meine Mein Unsere Unser Bitte Schreibe Erkläre Fasse Nenne Liste Quels Quelle Quel Quelles Comment Les Une Dans Pour Explique Que Qué Cuál Cuáles Cuales Como Cómo Los Una Para Explica Quais Qual Quali Come Wat Hoe Waarom Welke Jak Co Floor Fifth Fourth Suite Box Apartment Warranty Limited Warranties Patent Contributor Contributors Quarterly Financial Annual Monthly Weekly Daily Report Reports Meeting Minutes Crew Members Member Game Games Electronic Handheld Remote Working""".split()
)
_NO_SURNAMES = NOT_NAMES - {"White", "Black", "Green", "King", "Young", "Small", "Long", "Short", "Good", "Day", "May", "Stone", "Bank"}
_ABBREVIATIONS = frozenset({"U.S", "U.K", "E.U", "D.C", "Ph.", "J.K", "J.R", "L.A", "N.Y", "O.J", "Art", "Sec", "Fig", "Vol", "No.", "Ch."})


def spelt(text: str) -> str:
    """`text`, with capitals for the names in it where it is written in small letters, or capitals, only."""
    return capitalised(text, NOT_NAMES) if text.islower() or text.isupper() else text


def names(text: str) -> list[tuple[int, int]]:
    """Where somebody in particular is named, in no order."""
    text = spelt(text)
    found = list(_latin_names(text))
    for match in _TITLED.finditer(text):
        name = match.group(1).split()[-1]
        if name not in NOT_NAMES and not _public(match.group()):
            found.append(match.span())
    found.extend(match.span() for match in _RECORD.finditer(text))
    found.extend(
        match.span(1)
        for match in _INITIALS.finditer(text)
        if match.group(1).strip(" .,")[:3] not in _ABBREVIATIONS
        and not _FIRST_NAME.search(text[max(0, match.start(1) - 24) : match.start(1)])
        and not _public(text[match.start(1) : match.end(1) + 16])
    )
    found.extend(match.span() for match in _RELATED.finditer(text) if match.group(1) not in NOT_NAMES)
    if not text.isascii():
        found.extend(_other_scripts(text))
    return found


def _latin_names(text: str) -> Iterator[tuple[int, int]]:
    for match in _NAME.finditer(text):
        first, last = match.group(1), match.group(2)
        if first in NOT_NAMES:
            # The second word may begin a name instead: `Patient Anna Fox`.
            begin = match.start(2)
            again = _NAME.match(text[begin : begin + 80])
            if again and again.group(1) not in NOT_NAMES and again.group(2) not in _NO_SURNAMES and not _public(again.group()):
                yield begin, begin + again.end()
        elif last not in _NO_SURNAMES and not _public(f"{first} {last}") and not _public(match.group()):
            yield match.start(1), match.end(2)


def _public(name: str) -> bool:
    parts = [part for part in name.lower().replace(".", "").replace("'s", "").replace("'", "").split() if len(part) > 1]
    return any(" ".join(parts[index : index + 2]) in PUBLIC_FIGURES for index in range(len(parts) - 1))


def _other_scripts(text: str) -> Iterator[tuple[int, int]]:
    yield from (match.span() for match in compiled(_HONORIFIC).finditer(text))
    yield from (match.span(1) for match in _HAN_NAME.finditer(text) if match.group(1)[:2] not in _NOT_HAN)
    for match in _SLAVIC_FIRST.finditer(text):
        before, after = text[max(0, match.start() - 30) : match.start()].split(), text[match.end() : match.end() + 30].split()
        if any(_SLAVIC_SURNAME.match(word.strip(_MARKS)) for word in (*before[-1:], *after[:1])):
            yield match.span()
    yield from (match.span() for match in _SLAVIC_INITIALS.finditer(text))
    yield from (match.span() for match in _SLAVIC_WORD.finditer(text))


_NAME_PAIR = re.compile(r"(?<![\w])([A-Z][a-z]+)(?: [A-Z]\.)? ([A-Z][a-z']+)")


def nobody_private(text: str) -> bool:
    """Whether everybody who is named in full is known to all, and somebody is."""
    known = False
    text = spelt(text)
    for match in _NAME_PAIR.finditer(text):
        if f"{match.group(1)} {match.group(2)}".lower().replace("'s", "").strip("'") in PUBLIC_FIGURES:
            known = True
    return known and not names(text)


_SLAVIC_ALONE = compile_pattern(
    r"(?:^|[^\p{L}])(?:иван|петр|алексе|дмитри|серге|андре|михаил|никола|владимир|александр|елен|ольг|наталь|татьян|ирин|светлан|екатерин|анастаси|юли|дарь|виктор|павел|павл|игор|олег|максим|евгени|константин|антон|артем|кирилл|денис|вадим|борис|васили|григори|иль|никит|людмил|галин|валентин|оксан|полин|софь|ксени|тамар|руслан|тарас|богдан|микол|маш|лен|ол|кат|саш|дим|миш|кол|вов|тан|наташ|юл|наст|даш|паш|сереж|леш|жен|кост|гриш|вас|пет|ван|тол|вит|люд|гал|ан|сон|ксюш)(?:я|а|и|ы|ю|у|е|ой|ей|ом|ем|й|ь)?(?:[^\p{L}]|$)"
)
_NO_SLAVIC_NAMES = frozenset(
    "ол кат дим кол тан юл наст кост вас пет ван тол вит люд гал ан сон жен лен саш миш вов паш леш ана ане ану лене колу кола вас вам жена жены жену жене женой сона соны сону соне сном толы тола толе толу пете вите кате лени лень коли ванна люди людей людям людь сони катя".split()
) - {"катя", "сони", "пете", "вите", "кате", "коли", "лене"}


def slavic_first_name(text: str) -> bool:
    """Whether a first name stands in a Russian or Ukrainian text, in any case."""
    return any(match.group().strip(" .,:;!?()\n\"'-") not in _NO_SLAVIC_NAMES for match in _SLAVIC_ALONE.finditer(text))
