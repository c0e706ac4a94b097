"""What makes a prompt better without asking a model: it is tidied, and what a task needs said is said. Pure."""

import re
from typing import Final

TASKS: Final = {
    "summary": (
        "You condense texts without losing facts.",
        "Say how long the summary should be, keep figures, names and dates as they stand, and add nothing that is not in the text.",
    ),
    "code_analysis": (
        "You review source code.",
        "Name the file, function and line of each remark, say why it matters, and order the remarks by how much they matter.",
    ),
    "documentation": (
        "You write technical documentation.",
        "Write for a reader who has not seen the code; begin with what it is for, then how to use it, with an example that runs.",
    ),
    "security": (
        "You review systems for weaknesses.",
        "Name each weakness, how it could be used, how severe it is and how to remove it; say so where there is none.",
    ),
    "architecture": (
        "You describe software architectures.",
        "Name the components, what each is responsible for, what depends on what, and where a failure would spread.",
    ),
    "analysis": (
        "You analyse technical matter.",
        "Separate what the material says from what you conclude, and say how sure you are.",
    ),
    "generation": ("You write what is asked for, completely.", "State the assumptions you make, and leave nothing as a placeholder."),
    "troubleshooting": (
        "You find the causes of faults.",
        "Name the most likely cause first, how to confirm it, and what to do; then the next likely ones.",
    ),
    "question": ("You answer precisely.", "Answer first, then explain; say so where the material does not hold the answer."),
}
"""By task: who answers, and what an answer has to have."""

_SAME: Final = (
    ("summar", "summary"), ("review", "code_analysis"), ("code", "code_analysis"), ("document", "documentation"), ("secur", "security"),
    ("complian", "security"), ("architect", "architecture"), ("error", "troubleshooting"), ("troubleshoot", "troubleshooting"),
    ("debug", "troubleshooting"), ("analy", "analysis"), ("consist", "analysis"), ("generat", "generation"), ("creat", "generation"),
    ("question", "question"), ("search", "question"),
)  # fmt: skip
_FILLERS: Final = re.compile(
    r"\b(?:could you|can you|would you|will you|i want you to|i would like you to|i'd like you to|i need you to|please|kindly)\b[ ,]*",
    re.IGNORECASE,
)
_SPACE: Final = re.compile(r"[ \t]+")
_BLANK: Final = re.compile(r"\n{3,}")
_SHORT_WORDS: Final = 8
_SENTENCE_END: Final = ".!?:"


def task_of(name: str) -> str:
    """The task that a name like `technical_summary` means; `question` where it means none that is known."""
    lower = name.lower()
    return lower if lower in TASKS else next((task for part, task in _SAME if part in lower), "question")


def optimized(prompt: str, task_type: str, context: str = "") -> tuple[str, tuple[str, ...]]:
    """A better prompt for a task, and what was changed, in words. The caller's own words all stay, but for courtesies."""
    changes: list[str] = []
    text = _BLANK.sub("\n\n", _SPACE.sub(" ", prompt)).strip()
    direct = _FILLERS.sub("", text).strip(" ,") or text
    if direct != text:
        changes.append("said directly what to do")
        capital = direct[:1].upper()
        # Some letters have no capital of their own: ß would become SS.
        text = capital + direct[1:] if capital.lower() == direct[:1] else direct
    elif text != prompt:
        changes.append("removed superfluous space")
    if text and text[-1] not in _SENTENCE_END and "\n" not in text:
        text += "."
    role, needs = TASKS[task_of(task_type)]
    parts = [text]
    if role.lower() not in text.lower():
        parts.insert(0, role)
        changes.append(f"named the role for {task_of(task_type)}")
    if context:
        parts.append(f"Context:\n{context}")
        changes.append("added the context")
    if needs.lower() not in text.lower():
        parts.append(needs)
        changes.append("said what the answer has to have")
    if len(text.split()) < _SHORT_WORDS and not context:
        parts.append("Where something that you need to know is missing, say what, and go on with a stated assumption.")
        changes.append("said what to do about what is missing")
    return "\n\n".join(parts), tuple(changes)
