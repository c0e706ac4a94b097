"""What findings in a text mean for a framework: the controls they touch. Names of controls only; no legal advice.

Sources: Regulation (EU) 2016/679; 45 CFR Part 164; PCI DSS v4.0.1; AICPA Trust Services Criteria 2017 (revised 2022).
"""

# ruff: noqa: E501 - tables and patterns read best unbroken

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

Framework = Literal["GDPR", "HIPAA", "PCI DSS", "SOC 2"]
FRAMEWORKS: Final[tuple[Framework, ...]] = ("GDPR", "HIPAA", "PCI DSS", "SOC 2")


class Control(NamedTuple):
    """A control, the families of findings that touch it, and what it asks for."""

    id: str
    name: str
    kinds: tuple[str, ...]
    advice: str


class Touched(NamedTuple):
    """A control that findings touch, and which kinds they are."""

    control: Control
    kinds: tuple[str, ...]


_PERSONAL: Final = ("pii.", "matter.health", "matter.hr")
_SECRETS: Final = ("secret.",)
_CARD: Final = ("pii.card",)
_CONFIDENTIAL: Final = ("marker.", "matter.corporate", "matter.legal", "keyword.operator", "rule.")
CONTROLS: Final[dict[Framework, tuple[Control, ...]]] = {
    "GDPR": (
        Control("Art. 5(1)(c)", "Data minimisation", _PERSONAL, "Send no more personal data than the task needs: cut it out or redact it."),
        Control("Art. 5(1)(f)", "Integrity and confidentiality", (*_PERSONAL, *_SECRETS), "Keep it with processors that protect it."),
        Control("Art. 6", "Lawfulness of processing", _PERSONAL, "Have a legal basis for processing it with a model."),
        Control("Art. 9", "Special categories of personal data", ("matter.health",), "Health data needs one of the grounds of Art. 9(2)."),
        Control("Art. 28", "Processor", _PERSONAL, "Have a contract with each provider that gets it."),
        Control("Art. 32", "Security of processing", (*_PERSONAL, *_SECRETS), "Route it to secure providers, and keep credentials out of texts."),
        Control("Art. 44", "Transfers to third countries", _PERSONAL, "Know in which country each provider processes it."),
    ),
    "HIPAA": (
        Control("164.502", "Uses and disclosures of protected health information", ("matter.health",), "Disclose it to business associates only."),
        Control("164.502(b)", "Minimum necessary", ("matter.health", "pii."), "Send the least that the purpose needs."),
        Control("164.514(b)", "De-identification", ("pii.", "matter.health"), "Remove the eighteen identifiers before it leaves."),
        Control("164.312(a)(1)", "Access control", (*_SECRETS, "matter.health"), "Keep credentials and health records apart from prompts."),
        Control("164.312(e)(1)", "Transmission security", ("matter.health",), "Send it over protected links to providers of the highest level."),
    ),
    "PCI DSS": (
        Control("3.4", "PAN is masked when displayed", _CARD, "Show at most the first six and last four digits."),
        Control("3.5", "PAN is secured wherever it is stored", _CARD, "Do not store card numbers in conversations, caches or documents: redact them."),
        Control("4.2", "PAN is protected with strong cryptography during transmission", _CARD, "Do not send it to a model; block or redact it."),
        Control("7.2", "Access to system components and data is defined and assigned", _CARD, "Let only those who need it see it."),
        Control("8.6.2", "Passwords are not hard coded in scripts, files or source", _SECRETS, "Move the credential to a secret store and change it."),
    ),
    "SOC 2": (
        Control("CC6.1", "Logical access security", _SECRETS, "Change the credential that stands here, and keep it in a secret store."),
        Control("CC6.7", "Transmission, movement and removal of information", (*_SECRETS, *_PERSONAL, *_CONFIDENTIAL), "Restrict where it may go."),
        Control("C1.1", "Confidential information is identified and maintained", _CONFIDENTIAL, "Mark it, and route it to secure providers only."),
        Control("P4.1", "Personal information is used for its purpose", _PERSONAL, "Use personal data for what it was collected for."),
        Control("P6.1", "Disclosure of personal information to third parties", _PERSONAL, "Disclose it with consent or a contract only."),
    ),
}  # fmt: skip


def touched(framework: Framework, kinds: Iterable[str]) -> list[Touched]:
    """The controls of a framework that findings of these kinds touch, in the framework's order."""
    found = []
    for control in CONTROLS[framework]:
        here = tuple(sorted({kind for kind in kinds if any(kind == family or kind.startswith(family) for family in control.kinds)}))
        if here:
            found.append(Touched(control, here))
    return found
