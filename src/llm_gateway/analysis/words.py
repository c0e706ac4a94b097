# ruff: noqa: E501, SIM905  # word lists read best unbroken
"""Words that carry grammar rather than meaning, negations and opposites, by language (ISO 639-1)."""

from typing import Final

STOPWORDS: Final[dict[str, frozenset[str]]] = {
    "en": frozenset(
        "a about above after again against all also am an and any are as at be because been before being below between both but by can could did do does doing down during each either else few for from further had has have having he her here hers him his how however i if in into is it its itself just may me might more most must my no nor not of off on once one only or other our out over own per same shall she should since so some such than that the their them then there these they this those through thus to too under until up upon us very was we were what when where whether which while who whom whose why will with within without would you your".split()
    ),
    "de": frozenset(
        "aber alle allem allen aller als also am an andere anderen auch auf aus bei beim bin bis bist da dabei damit dann das dass dein dem den denn der des deshalb die dies diese diesem diesen dieser dieses doch dort du durch ein eine einem einen einer eines er es etwas euch für gegen hat hatte haben hier ich ihr ihre ihrem ihren ihrer im in ist ja jede jeder jedes jetzt kann kein keine können man mehr mein mit muss müssen nach nicht noch nun nur ob oder ohne sehr sein seine sich sie sind so soll sollen sondern über um und uns unser unter vom von vor war waren was weil wenn werden wie wieder will wir wird wo wurde wurden zu zum zur zwischen".split()
    ),
    "fr": frozenset(
        "à afin ainsi alors après au aucun aussi autre aux avant avec avoir car ce cela ces cet cette chaque ci comme comment dans de des donc dont du elle elles en encore entre est et été être eu fait il ils je jusque la le les leur leurs lors lui ma mais me même mes moins mon ne ni non nos notre nous on ont ou où par parce pas pendant peut plus pour pourquoi qu quand que quel quelle qui sa sans se selon ses si son sont sous sur ta tandis te tes toi ton tous tout toute toutes très tu un une vers vos votre vous y".split()
    ),
    "es": frozenset(
        "a al algo algunos ante antes aquí así aunque bajo bien cada como con contra cual cuando de del desde donde dos durante e el él ella ellas ellos en entre era es esa ese eso esta está están estas este esto estos fue ha hace hacia han hasta hay la las le les lo los más me mi mientras muy nada ni no nos nosotros o otra otro para pero poco por porque pues que qué quien se sea según ser si sí sido sin sobre son su sus también tan tanto te tiene todo todos tu un una uno unos y ya yo".split()
    ),
    "it": frozenset(
        "a ad agli ai al alla alle allo anche ancora avere aveva c che chi ci come con contro cui da dagli dai dal dalla dalle dei del della delle dello dentro di dopo dove e è ed era erano essere fa fino fra gli ha hanno ho i il in io la le lei lo loro lui ma mentre mi mia mio molto ne negli nei nel nella nelle nello no noi non nostro o ogni per perché più poi può quale quando quello questa queste questi questo qui se sei si sia sono sopra sotto sta stato su sua sue sugli sul sulla suo suoi tra tu tutti tutto un una uno vi voi".split()
    ),
    "pt": frozenset(
        "a ao aos as até com como da das de dela dele deles depois do dos e é ela elas ele eles em entre era essa esse esta está estão estas este estes eu foi for foram há isso isto já lhe mais mas me mesmo meu minha muito na não nas nem no nos nós nossa nosso num numa o os ou para pela pelas pelo pelos por porque qual quando que quem são se seja sem ser seu seus só sobre sua suas também te tem têm ter tinha tu tua um uma umas uns você".split()
    ),
    "nl": frozenset(
        "aan al alle als altijd andere ben bij daar dan dat de der deze die dit doch doen door dus een en er ge geen haar had heb hebben heeft hem het hier hij hoe hun ik in is ja je kan kon kunnen maar me meer men met mij mijn moet na naar niet niets nog nu of om omdat onder ons ook op over te tegen toch toen tot u uit uw van veel voor want waren was wat we wel werd wezen wie wij wil worden wordt zal ze zei zich zij zijn zo zonder zou".split()
    ),
    "pl": frozenset(
        "a aby ale bardzo bez bo by być był była było były ci co czy dla do gdy gdzie go i ich ile im inne ja jak jako je jego jej jest jeszcze jeśli już kiedy która które który którzy lub ma mi mnie może można my na nad nas nie niż o od ona one oni oraz po pod ponieważ przed przez przy się są ta tak także tam te tego tej ten to tu tylko tym u w we więc wszystko z za ze że".split()
    ),
}

NEGATIONS: Final[dict[str, frozenset[str]]] = {
    "en": frozenset(
        "not no never none neither nor cannot without don't doesn't didn't isn't aren't wasn't weren't won't can't couldn't shouldn't mustn't hasn't haven't".split()
    ),
    "de": frozenset("nicht kein keine keinen keinem keiner nie niemals ohne weder".split()),
    "fr": frozenset("pas jamais aucun aucune sans ni rien".split()),
    "es": frozenset("no nunca jamás sin ningún ninguna ninguno tampoco".split()),
    "it": frozenset("non mai nessun nessuno nessuna senza né".split()),
    "pt": frozenset("não nunca jamais sem nenhum nenhuma nem".split()),
    "nl": frozenset("niet geen nooit zonder noch".split()),
    "pl": frozenset("nie nigdy bez żaden żadna ani".split()),
}

OPPOSITES: Final[tuple[tuple[str, str], ...]] = (
    ("enabled", "disabled"),
    ("required", "optional"),
    ("mandatory", "optional"),
    ("allowed", "forbidden"),
    ("allowed", "prohibited"),
    ("permitted", "forbidden"),
    ("supported", "unsupported"),
    ("always", "never"),
    ("synchronous", "asynchronous"),
    ("public", "private"),
    ("encrypted", "unencrypted"),
    ("encrypted", "plaintext"),
    ("included", "excluded"),
    ("internal", "external"),
    ("deprecated", "recommended"),
    ("stateful", "stateless"),
    ("before", "after"),
    ("increases", "decreases"),
    ("accepts", "rejects"),
    ("automatic", "manual"),
    ("automatically", "manually"),
    ("online", "offline"),
    ("available", "unavailable"),
    ("open", "closed"),
    ("minimum", "maximum"),
    ("true", "false"),
    ("on", "off"),
    ("mutable", "immutable"),
    ("valid", "invalid"),
    ("safe", "unsafe"),
    ("active", "inactive"),
    ("authenticated", "anonymous"),
    ("aktiviert", "deaktiviert"),
    ("erlaubt", "verboten"),
    ("immer", "nie"),
    ("verschlüsselt", "unverschlüsselt"),
    ("öffentlich", "privat"),
    ("automatisch", "manuell"),
    ("activé", "désactivé"),
    ("obligatoire", "facultatif"),
    ("autorisé", "interdit"),
    ("toujours", "jamais"),
    ("public", "privé"),
    ("activado", "desactivado"),
    ("obligatorio", "opcional"),
    ("permitido", "prohibido"),
    ("siempre", "nunca"),
    ("público", "privado"),
)
"""Pairs that say the contrary of each other of the same subject."""

ABBREVIATIONS: Final = frozenset(
    "mr mrs ms dr prof sr jr st vs etc e.g i.e fig no nr art approx dept est inc ltd co corp jan feb mar apr jun jul aug sep sept oct nov dec bzw z.b d.h u.a usw ca vgl abs bsp evtl ggf inkl max min p.ex cf env sra ud uds pág núm ecc ecc.ra sig dott bijv o.a blz mevr dhr".split()
)
"""What may stand before a full stop inside a sentence, lower-case and without the last stop."""
