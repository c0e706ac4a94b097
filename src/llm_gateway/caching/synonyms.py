# ruff: noqa: SIM905, E501 - word lists read best unbroken
"""Words that `caching.meaning` may treat alike, and words whose case says what they are. Data; what is not here is a difference.

A group holds words that can stand for each other in a question without changing what a good answer says. When in doubt,
a word is left out: a missed paraphrase costs one call, a wrong hit costs trust.
"""

from typing import Final

_GROUPS: Final = """
remove delete erase
repair fix mend
create make
purchase buy
suggest recommend
summarize summarise
obtain get
combine merge
reduce decrease lower lessen
enhance improve
quick fast
quickly fast rapidly
biggest largest
bigger larger
big large
child kid
children kids
benefits advantages pros
benefit advantage
drawbacks disadvantages cons downsides
drawback disadvantage downside
error mistake
whether if
picture image photo
pictures images photos
car automobile
cars automobiles
film movie
films movies
purpose aim
difficult hard
simple easy
folder directory
folders directories
begin start commence
glad happy
unhappy sad
center centre
color colour
colors colours
favorite favourite
behavior behaviour
flavor flavour
neighbor neighbour
theater theatre
gray grey
organize organise
analyze analyse
recognize recognise
optimize optimise
apologize apologise
memorize memorise
catalog catalogue
program programme
tire tyre
tires tyres
aluminum aluminium
traveling travelling
canceled cancelled
kilometers kilometres km
kilometer kilometre
meters metres
meter metre
centimeters centimetres cm
centimeter centimetre
liters litres
liter litre
kilograms kilogrammes kg
percent %
fall autumn
frequently often
maybe perhaps
inhabitants residents
ill sick
currently now presently
"""


def _classes() -> dict[str, str]:
    """Each word's first companion; words that stand in two groups join them."""
    classes: dict[str, str] = {}
    for line in _GROUPS.split("\n"):
        words = line.split()
        if len(words) < 2:
            continue
        known = sorted({classes[word] for word in words if word in classes})
        name = known[0] if known else words[0]
        joined = [word for word, of in classes.items() if of in known] + words
        classes.update(dict.fromkeys(joined, name))
    return classes


CLASS: Final = _classes()
"""Word to the name of its group."""

VERBS: Final = frozenset(
    """
    add answer ask bake become begin block book boil bring brew build buy calculate call cancel change charge check choose clean clear close
    code combine compare compile compress compute configure connect convert cook copy count create cut debug define delete deploy describe
    design develop download draw drive edit enable encrypt explain export extract file fill filter find fix fold format get give grow handle
    implement import improve increase insert install invest join keep learn list load lock log make manage measure merge mount move open
    order organize paint parse pass pay perform plan plant play post prepare prevent print process program publish push put read recover reduce
    refund register remove rename repair replace reset resize resolve restart restore return reverse roast run save search secure sell send
    set share sort speak speed split start stop store study submit summarize swap swim switch take teach test tie track train transfer
    translate transpose travel treat unlock update upgrade upload use validate verify visit walk wash watch work wrap write
    """.split()
)
"""Verbs whose -ing form is known to belong to them."""

REQUESTS: Final = frozenset(
    """
    analyze answer calculate check classify compare compose compute convert create define describe design draft draw explain find fix generate
    give help list make name outline proofread provide recommend rephrase rewrite show solve suggest summarise summarize teach tell translate
    write
    """.split()
)
"""Verbs after which "can you" is a courtesy, not a question."""

CONTEXTS: Final = frozenset(
    """
    bash css csharp docker django elixir fortran git haskell html java javascript jquery json kotlin kubernetes latex linux matlab mongodb
    mysql nginx numpy perl php postgres postgresql powershell pytest python redis ruby scala sql sqlite swiftui tensorflow
    terraform typescript ubuntu vim vuejs yaml
    """.split()
)
"""Languages and tools in which something is done: their names mean nothing else, however they are written."""

NAMES: Final = CONTEXTS | frozenset(
    """
    ai api apis aws cpu csv dna dns ftp gpu gps http https ide jpeg jpg json jwt llm mp3 mp4 nasa oauth orm pdf png rna sdk smtp ssd ssh
    ssl tcp tls udp uri url urls usb vpn wifi xml youtube google facebook microsoft wikipedia
    english spanish italian portuguese russian japanese arabic hindi korean dutch swedish norwegian
    europe africa asia australia canada mexico brazil argentina spain italy germany france portugal switzerland austria belgium
    netherlands sweden norway finland denmark russia ukraine india pakistan japan korea vietnam thailand indonesia egypt nigeria kenya
    london berlin madrid rome vienna tokyo beijing moscow
    monday tuesday wednesday thursday friday saturday sunday january february june july september october november december
    i
    """.split()
)
"""Names that mean nothing else, however they are written."""

AMBIGUOUS: Final = frozenset(
    """
    turkey china polish apple may march august bill mark rob will frank jack rose amazon oracle rust go swift mercury jordan chad nice reading
    bath cork shell gap target visa chase square windows word access teams slack discord zoom notion spring flask express who us it aids
    grace hope faith joy dawn ray gene art drew grant pat sue ruby pearl crystal amber iris lily violet daisy olive ginger basil rosemary
    cuba hungary greece wales guinea panama georgia lima nancy tours essen hamm split mobile buffalo phoenix orange lincoln ford
    dodge jaguar fox falcon eagle panther titan saturn mars venus pluto earth moon sun god lord pope king queen prince duke
    python ruby sage edge safari opera chrome brave signal meta alphabet shell caterpillar dove tide bounty galaxy twix
    """.split()
) - {"python", "ruby"}
"""Words that are a name when written with a capital, and something else without."""

NUMBERS: Final = {
    word: str(number)
    for number, word in enumerate(
        "zero - two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty".split()
    )
    if word != "-"
} | {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90"}
"""Numbers in words. "one" is also a pronoun, and stays a word."""

CONTRACTIONS: Final = {
    "can't": "can not", "cannot": "can not", "won't": "will not", "shan't": "shall not", "what's": "what is", "who's": "who is", "where's": "where is",
    "how's": "how is", "when's": "when is", "why's": "why is", "that's": "that is", "it's": "it is", "there's": "there is", "here's": "here is",
    "let's": "let us", "i'm": "i am",
}  # fmt: skip

ENGLISH: Final = REQUESTS | frozenset(
    """
    the of what how why when where who which is are does do can could should would was were did please with and in for to my your at on using
    within hi hello hey have has had i we
    """.split()
)
"""Words that show that a text is English."""

ELSEWHERE: Final = frozenset(
    "el la los las der das und ist nicht wie le les des est que il un une du de het een och att det som e o os uma gli di che".split()
)
"""Words that show that it is not, whatever else stands in it."""

IDLE: Final = frozenset({"please", "kindly", "basically", "actually", "really"})

OPENERS: Final = REQUESTS | frozenset(
    """
    WHAT TELL LIST MEANING HOWTO what how why when where who is am do does can could should would was were did will may must have has had
    """.split()
)
"""What begins a question or a request, so that a question mark says nothing more."""
