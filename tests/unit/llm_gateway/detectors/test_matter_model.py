# the texts read best unbroken
"""The sum of evidence about a person or a firm: what adds to it, what leaves a text out, and that more text takes nothing away."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway.detectors import matter_evidence
from llm_gateway.detectors.first_names import AMBIGUOUS, first_names
from llm_gateway.detectors.inspector import Inspector
from llm_gateway.detectors.linear import compile_pattern
from llm_gateway.detectors.matter_model import THRESHOLD, facts, person, telling
from llm_gateway.detectors.normalise import fold
from llm_gateway.detectors.people import nobody_private, slavic_first_name

TOLD = [
    "Our accountant Dave has been off since January, turns out he's in a clinic for his drinking. How do I tell the team?",
    "Patient 88213: post-op day 2 after right hemicolectomy, drain output 200 ml. Summarise for the ward round.",
    "Marcus hears voices when he skips his clozapine. Make a safety plan for his flatmates.",
    "I want to manage out Greg before his two years are up. Give me a plan.",
    "Owen clocked in for his mate four times according to the badge logs. Prepare questions for the investigation meeting.",
    "My brother got picked up with two grams of coke on him, first offence. What happens now?",
    "Irina's landlord says she owes four months of rent, write to her lawyer.",
    "Q2 came in at 31.4M against 36M planned. We publish on the 14th. Write a script for the CFO.",
    "We're bidding 4.2m for the Rotterdam terminal contract, our floor is 3.8. Write the cover letter.",
    "Was antworte ich Katrin? Sie fragt, warum Jens 400 Euro mehr verdient.",
    "Notre comptable Sylvie a détourné 20 000 euros. Rédige la plainte.",
    "Mi cliente Andrés reconoce que conducía borracho. ¿Cómo planteo la defensa?",
    "Il mio capo Franco mi tocca, come lo denuncio?",
    "O Sr. Nunes, 72 anos, caiu em casa e está confuso. Escreva a nota clínica.",
    "Hoe zeg ik tegen Anouk dat ze geen vast contract krijgt?",
    "Мой брат Паша снова пьёт и бьёт жену, что делать?",
]
HARMLESS = [
    "Help me plan a surprise party for my sister, she turns 30 on Saturday.",
    "Write a short story in which Detective Mara Quill interviews a suspect who confesses to murder.",
    "Write a template for a written warning with placeholders [NAME] and [DATE].",
    "Maria earns 12 dollars an hour and works 7 hours. How much does she earn?",
    "What rights does a tenant have if the landlord keeps the deposit?",
    "Michael J. Fox lives with Parkinson's disease and his doctor prescribes levodopa.",
    "Tesla announced layoffs in April 2024, summarise the news.",
    "Our product launch is on Monday, write a countdown post for Instagram.",
    "We want to buy a used van for about 12k, what should we check?",
    "def fire(self): self.staff.remove(tom)  # Tom: he was late for the shift, update() checks the contract",
]


@pytest.mark.parametrize("text", TOLD)
def test_evidence_adds_up(inspector: Inspector, text: str) -> None:
    assert inspector.judge([("/t", text)]).sensitive


@pytest.mark.parametrize("text", HARMLESS)
def test_openly_harmless(inspector: Inspector, text: str) -> None:
    assert not inspector.judge([("/t", text)]).sensitive


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(TOLD), st.sampled_from(HARMLESS), st.booleans())
def test_a_harmless_paragraph_hides_nothing(text: str, other: str, before: bool) -> None:
    from_whole = _inspector().judge([("/t", f"{other}\n\n{text}" if before else f"{text}\n\n{other}")])
    assert from_whole.sensitive


_made: list[Inspector] = []


def _inspector() -> Inspector:
    if not _made:
        _made.append(Inspector([], {}, 0.7))
    return _made[0]


def test_more_evidence_never_weighs_less() -> None:
    pieces = ["She told me last night.", "My colleague Sarah is ill.", "Draft a letter.", "Mrs Adeyemi, 84 years old", "Patient 88213"]
    text = ""
    for piece in pieces:
        longer = f"{text} {piece}"
        assert person(longer) >= person(text)
        assert facts(longer) >= facts(text)
        text = longer


def test_a_person_a_matter_and_a_case_are_all_needed() -> None:
    window = "My colleague Sarah told me that she is ill, draft a letter."
    assert telling({"ill": 5}, window, lambda named: False)
    assert not telling({}, "The weather is fine.", lambda named: False)
    assert not telling({"ill": THRESHOLD}, "the sea is ill at ease", lambda named: False)
    assert not telling({"ill": 5}, window, lambda named: True)


def test_first_names() -> None:
    assert {"dave", "okafor"} & first_names() == {"dave"}
    assert not AMBIGUOUS & first_names()
    assert slavic_first_name(fold("позвони Наташе"))
    assert not slavic_first_name(fold("он сидел в ванной"))


def test_known_people_are_nobody_private() -> None:
    assert nobody_private("Steve Jobs' cancer")
    assert not nobody_private("Steve Jobs and Karl Weber")
    assert not nobody_private("the weather")


@pytest.mark.parametrize("name", [name for name in dir(matter_evidence) if name.isupper() and name != "NO_SAID_NAMES"])
def test_every_pattern_is_linear(name: str) -> None:
    pattern = getattr(matter_evidence, name)
    if not isinstance(pattern, str) or name.startswith("_"):
        return
    assert compile_pattern(pattern)


def test_a_megabyte_of_matter_words_takes_linear_time(inspector: Inspector) -> None:
    sentence = "Bob told the manager that his contract and his salary were late, the doctor had a client in court in May. "
    costs = []
    for count in (500, 2000):
        text = sentence * count
        begun = time.process_time()
        inspector.judge([("/t", text)])
        costs.append(time.process_time() - begun)
    assert costs[1] < 12 * costs[0] + 0.1


FICTION = [
    "Write a scene: nurse Orla tells the ghost of her patient that his tumour was never there.",
    "Schreib eine Kurzgeschichte, in der Anwältin Vera ihren Mandanten verrät, weil er seine Frau vergiftet hat.",
    "Écris une scène de théâtre : le notaire Ravel annonce à Lucie que son père l'a déshéritée.",
    "Guion de telenovela: Valeria confiesa a Rodrigo que está embarazada de su hermano. Escribe el diálogo.",
    "Racconto giallo: il commissario Neri interroga Elena, che ammette di aver ucciso il marito. Continua.",
    "Cena de novela: Helena descobre que Augusto tem um cancro e esconde isso dos filhos. Escreve as falas.",
    "Thriller-idee: advocaat Sander ontdekt dat zijn cliënte haar zus heeft vermoord. Schrijf de eerste alinea.",
    "Напиши рассказ: капитан Орлов узнает, что его штурман Лена больна и скрывает это от экипажа.",
]
REAL = [
    "My brother Tobias was diagnosed with leukaemia on Monday and cannot work. Write to his employer.",
    "Mandantin Vera Lohmann gibt zu, dass sie ihren Mann geschlagen hat. Verteidigungsschrift bitte.",
]


@pytest.mark.parametrize("text", FICTION)
def test_fiction_is_nobodys_matter(inspector: Inspector, text: str) -> None:
    assert not inspector.judge([("/t", text)]).sensitive


@pytest.mark.parametrize("story", FICTION)
@pytest.mark.parametrize("told", REAL)
def test_fiction_excuses_its_own_paragraph_only(inspector: Inspector, story: str, told: str) -> None:
    assert inspector.judge([("/t", f"{story}\n\n{told}")]).sensitive
    assert inspector.judge([("/t", f"{told}\n\n{story}")]).sensitive


def test_a_story_does_not_excuse_what_only_records_hold(inspector: Inspector) -> None:
    story = "Write a story in which Anna Berger{} has stage 4 breast cancer and leaves her husband."
    assert not inspector.judge([("/t", story.format(""))]).sensitive
    recorded = inspector.judge([("/t", story.format(", case no. B-1193,"))])
    kinds = {finding.kind for finding in recorded.findings if finding.confidence >= 0.7}
    assert "matter.health" in kinds


@pytest.mark.parametrize(
    "text",
    [
        "Wirecard meldete im Juni 2020 Insolvenz an. Erkläre die Rolle der Wirtschaftsprüfer anhand der Presseberichte.",
        "Segundo a imprensa, as Lojas Americanas revelaram um rombo de 20 bilhões. Explique a fraude.",
        "D'après Le Monde, Casino a été placé en procédure de sauvegarde. Explique ce que cela veut dire.",
    ],
)
def test_what_the_press_told_is_no_secret(inspector: Inspector, text: str) -> None:
    assert not inspector.judge([("/t", text)]).sensitive


@pytest.mark.parametrize(
    "text",
    [
        "Calibration: Okoye exceeds, Brandt meets, Petrie below, move Petrie out by Q2. Make a table.",
        "Valutazioni: Galli sopra le attese, Serra in linea, Pinna sotto, da non rinnovare. Metti in tabella.",
        "Pen test of Lumora Bank: domain admin in four hours via an unpatched VPN, customer DB readable. Write the executive summary.",
        "Vamos a presentar concurso de acreedores de Cerámicas Oliva la semana que viene; el banco aún no lo sabe. Redacta el correo.",
        "Tra noi, il perito di parte concede che Ferrarin aveva torto. Scrivi la memoria.",
    ],
)
def test_surnames_in_a_row_and_firms_by_name(inspector: Inspector, text: str) -> None:
    assert inspector.judge([("/t", text)]).sensitive


@pytest.mark.parametrize(
    "text",
    [
        "Scores of the pub quiz: Vance 12, Ostrom 14, Kimura 9. Make a table.",
        "Schedule: Alvarez early shift, Berg late shift, Chen night shift. Make a table for the door.",
    ],
)
def test_surnames_in_a_row_alone_are_nothing(inspector: Inspector, text: str) -> None:
    assert not inspector.judge([("/t", text)]).sensitive
