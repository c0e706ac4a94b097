"""Texts taken apart: language, sentences, words, syllables, headings. Linear in the text's length."""

import re
from collections import Counter
from typing import Final, NamedTuple

from llm_gateway.analysis.words import ABBREVIATIONS, STOPWORDS

_WORD = re.compile(r"[^\W_]+(?:['’\-.][^\W_]+)*")
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s|$)|[。！？]+[」』”]?")
_FENCE = re.compile(r"^ {0,3}(```+|~~~+)")
_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(\S[^\n]*)$")
_ITEM = re.compile(r"^\s{0,12}(?:[-*+•]|\d{1,3}[.)])[ \t]+")
_RULE = re.compile(r"^ {0,3}(?:=+|-{2,}|\*{3,}|_{3,})\s*$")
_TABLE_ROW = re.compile(r"^\s*\|")
_MARKUP = re.compile(
    r"`+([^`\n]{1,500})`+|!?\[([^\[\]\n]{0,200})\]\([^()\s]{0,500}\)|\*{1,3}(?=\S)|(?<=\S)\*{1,3}|(?<!\w)_{1,3}(?=\S)|(?<=\S)_{1,3}(?!\w)|</?[a-zA-Z][^<>\n]{0,200}>"
)
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_SCRIPTS: Final = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("zh", re.compile(r"[\u3400-\u9fff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
)
LANGUAGE_SAMPLE_CHARS: Final = 20_000


class Heading(NamedTuple):
    """A heading: its level from 1, text, and line number from 1."""

    level: int
    text: str
    line: int


class Outline(NamedTuple):
    """A document's parts. `blocks` are paragraphs and list items in order, code and tables left out."""

    headings: list[Heading]
    blocks: list[str]
    list_items: int
    code_blocks: int
    tables: int
    open_fence: bool
    empty_sections: list[str]


def language_of(text: str) -> str:
    """ISO 639-1 code of the language a text is mostly in; `und` where nothing tells (ISO 639-2's word for it)."""
    sample = text[:LANGUAGE_SAMPLE_CHARS]
    letters = sum(map(str.isalpha, sample))
    if not letters:
        return "und"
    for code, script in _SCRIPTS:
        share = len(script.findall(sample)) / letters
        if share > (0.1 if code == "ja" else 0.4):
            return code
    counts = Counter(word.lower() for word in _WORD.findall(sample))
    score = {code: sum(counts[word] for word in stop) for code, stop in STOPWORDS.items()}
    best = max(score, key=lambda code: (score[code], code == "en"))
    return best if score[best] else "und"


def words_of(text: str) -> list[str]:
    """The words, as written. Scripts without spaces give two-character pieces."""
    found: list[str] = []
    for word in _WORD.findall(text):
        if _CJK.search(word):
            found += [word[at : at + 2] for at in range(max(1, len(word) - 1))]
        else:
            found.append(word)
    return found


def content_words(text: str, language: str) -> list[str]:
    """Lower-case stems of the words that carry meaning."""
    stop = STOPWORDS.get(language, STOPWORDS["en"])
    return [stem(word) for word in map(str.lower, words_of(text)) if word not in stop and (len(word) > 1 or not word.isalpha())]


_SUFFIXES: Final = ("ments", "ment", "ingly", "ings", "edly", "ing", "ies", "ed", "ly", "es", "en", "er", "s", "n", "e")


def stem(word: str) -> str:
    """A word without its inflection, roughly: enough to see `requests` and `requested` as one in European languages."""
    if word.endswith(("'s", "’s")):
        word = word[:-2]
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 4:
            return word[: -len(suffix)]
    return word


def plain(text: str) -> str:
    """A line without inline Markdown or HTML markup."""
    return _MARKUP.sub(lambda found: found[1] or found[2] or "", text).strip()


def sentences_of(text: str) -> list[str]:
    """The sentences of running text and list items, in order; headings, code and tables are none."""
    found: list[str] = []
    for block in outline(text).blocks:
        found += _split(block)
    return found


def _split(block: str) -> list[str]:
    found: list[str] = []
    start = 0
    for end in _SENTENCE_END.finditer(block):
        before = block[start : end.start()].rsplit(None, 1)
        last = before[-1].lower().strip("(\"'“«[") if before else ""
        after = block[end.end() : end.end() + 2].strip()
        if end.group().startswith(".") and (last in ABBREVIATIONS or (len(last) == 1 and last.isalpha()) or after[:1].islower()):
            continue
        sentence = block[start : end.end()].strip()
        if any(map(str.isalnum, sentence)):
            found.append(sentence)
        start = end.end()
    rest = block[start:].strip()
    if any(map(str.isalnum, rest)):
        found.append(rest)
    return found


class _Outliner:
    def __init__(self) -> None:
        self.headings: list[Heading] = []
        self.blocks: list[str] = []
        self.items = self.code = self.tables = 0
        self.empty: list[str] = []
        self._pending: list[str] = []
        self._bodies = True  # whether the section under the last heading has content
        self._in_table = False

    def flush(self) -> None:
        if self._pending:
            block = plain(" ".join(self._pending))
            if block:
                self.blocks.append(block)
            self._pending = []

    def filled(self) -> None:
        self._bodies = True

    def heading(self, level: int, text: str, line: int) -> None:
        self.flush()
        text = plain(text.rstrip("# \t"))
        if self.headings and not self._bodies and level <= self.headings[-1].level:
            self.empty.append(self.headings[-1].text)
        self.headings.append(Heading(level, text, line))
        self._bodies = False

    def line(self, line: str, number: int) -> None:
        in_table, self._in_table = self._in_table, False
        if not line.strip():
            self.flush()
        elif heading := _HEADING.match(line):
            self.heading(len(heading[1]), heading[2], number)
        elif _RULE.match(line):
            if len(self._pending) == 1 and line.lstrip()[0] in "=-":
                text, self._pending = self._pending[0], []
                self.heading(1 if line.lstrip()[0] == "=" else 2, text, number - 1)
            else:
                self.flush()
        elif _TABLE_ROW.match(line):
            self.flush()
            self.tables += not in_table
            self._in_table = True
            self.filled()
        else:
            self.filled()
            if item := _ITEM.match(line):
                self.flush()
                self.items += 1
                line = line[item.end() :]
            self._pending.append(line.strip().lstrip("> "))


def outline(text: str) -> Outline:
    """The parts of a plain or Markdown text (CommonMark 0.31: ATX and setext headings, fences, lists)."""
    found, fence = _Outliner(), ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence):
                fence = ""
            continue
        if mark:
            found.flush()
            found.code += 1
            found.filled()
            fence = mark[1]
            continue
        found.line(line, number)
    found.flush()
    if found.headings and not found._bodies:
        found.empty.append(found.headings[-1].text)
    return Outline(found.headings, found.blocks, found.items, found.code, found.tables, bool(fence), found.empty)
