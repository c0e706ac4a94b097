"""What a simulated model says. The same prompt gets the same answer, and every answer says that it is simulated."""

import re
from zlib import crc32

from llm_gateway.simulator.exchange import words

_EXACT = re.compile(r"(?:repeat|say|reply|answer|respond)(?: with)?(?: only)? exactly:\s*(.+)\Z", re.I | re.S)
_COUNT = re.compile(r"\b(?:write|generate|produce|give me)\s+(?:about\s+|exactly\s+)?(\d{1,6})\s+words\b", re.I)
_SUMMARY = re.compile(r"\b(?:summari[sz]e|summary|tl;?dr|in short)\b[^\n:]{0,60}:?\s*", re.I)
_SUMMARY_SIGNS = ("summar", "tl;dr", "tldr", "in short")
_CODE_SIGNS = (" code", "function", "script", "program", "python", " sql", "regex")
_GREETING = re.compile(r"\s*(?:hi|hello|hey|good (?:morning|afternoon|evening)|ping)\b", re.I)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s")
_ECHO_CHARS = 160
_STEERING_CHARS = 240
_WORD_STOCK = words("this text comes from the simulator and only serves to be long enough for whoever asked for so many words")

_OPENERS = (
    "You asked: “{echo}”. A real model would answer here.",
    "About “{echo}”: here is where a real model's answer would stand.",
    "“{echo}” — noted. A real model would now go into it.",
)
_CLOSERS = (
    "This one only shows that the request arrived, was understood by the wire format and came back whole.",
    "What you see is a stand-in: it proves the way there and back, the token count and the streaming, and knows nothing itself.",
    "Connect a real provider to get a real answer; routing, limits and costs already work the same way.",
)


def answer_to(prompt: str, label: str) -> str:
    """The answer to a prompt; `label` is "kind/model". Echoes the prompt's first 160 characters.

    Three wordings steer it: "repeat exactly: X" answers X, "write N words" answers N words, and a prompt that begins by
    asking for code or a summary gets the look of one.
    """
    head = f"[simulated {label}] "
    lowered = prompt.lower()
    # A plain search first: over a long prompt it is many times faster than the patterns.
    if "exactly:" in lowered and (exact := _EXACT.search(prompt)):
        return head + exact[1]
    if " words" in lowered and (count := _COUNT.search(prompt)):
        wanted = int(count[1])
        return head + " ".join((_WORD_STOCK * (wanted // len(_WORD_STOCK) + 1))[:wanted]) + "."
    echo = shortened(prompt, _ECHO_CHARS)
    if not echo:
        return head + "There was no text to answer."
    if _GREETING.match(prompt) and len(prompt) < 60:
        return f"{head}Hello! I am a stand-in for a model: I got “{echo}” and sent this back."
    start = lowered[:_STEERING_CHARS]
    if any(sign in start for sign in _SUMMARY_SIGNS) and _SUMMARY.search(prompt):
        size = len(prompt.split())
        return f"{head}In short: “{_gist(prompt)}” ({size} words were given). A real model would weigh the points; this takes the first."
    choice = crc32(prompt.encode())
    if any(sign in start for sign in _CODE_SIGNS):
        return f'{head}For “{echo}”, in outline:\n\n```python\ndef answer() -> str:\n    return "simulated"\n```\n\n{_CLOSERS[choice % 3]}'
    return f"{head}{_OPENERS[choice % 3].format(echo=echo)} {_CLOSERS[choice // 3 % 3]}"


def answer_from_tool(result: str, label: str) -> str:
    """The answer after a tool has spoken."""
    return f"[simulated {label}] The tool answered: {shortened(result, _ECHO_CHARS) or 'nothing'}. That is what I would build the reply on."


def thoughts_on(prompt: str) -> str:
    """What a reasoning model would show of its thinking."""
    return f"Simulated reasoning: the question is “{shortened(prompt, 80)}”; one pass over it is enough."


def shortened(text: str, limit_chars: int) -> str:
    """The text on one line, cut after a word near `limit_chars`, the cut marked."""
    line = " ".join(text[: limit_chars * 4].split())
    if len(line) <= limit_chars:
        return line
    return line[:limit_chars].rsplit(" ", 1)[0] + " …"


def _gist(prompt: str) -> str:
    rest = _SUMMARY.sub("", prompt, count=1).strip() or prompt
    return shortened(_SENTENCE_END.split(rest, maxsplit=1)[0], _ECHO_CHARS)
