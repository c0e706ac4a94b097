"""HTML as Markdown: headings, paragraphs, lists, tables and code; scripts, styles and markup left out. Nothing is fetched."""

import re
from html.parser import HTMLParser
from typing import Final

from llm_gateway.documents.kinds import Limits, Read, decoded_text, unreadable

_SKIPPED: Final = frozenset(
    {"script", "style", "noscript", "template", "svg", "math", "iframe", "object", "head", "select", "button", "nav"}
)
_BLOCKS: Final = frozenset(
    {"p", "div", "section", "article", "main", "aside", "header", "footer", "ul", "ol", "dl", "table", "blockquote", "figure", "form"}
    | {"fieldset", "hr", "dt", "dd"}
)
_HEADINGS: Final = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([A-Za-z0-9_\-]{2,40})", re.IGNORECASE)


class _Reader(HTMLParser):
    def __init__(self, limits: Limits) -> None:
        super().__init__(convert_charrefs=True)
        self._limits = limits
        self._pieces: list[str] = []
        self._chars = 0
        self._skipped = 0
        self._pre = 0
        self._in_title = False
        self.title = ""
        self._cells: list[str] | None = None

    def text(self) -> str:
        return re.sub(r"\n{3,}", "\n\n", "".join(self._pieces)).strip()

    def _put(self, text: str) -> None:
        self._chars += len(text)
        if self._chars > self._limits.max_chars:
            raise unreadable(f"it has more than {self._limits.max_chars} characters (integrations.max_document_chars)", "document_too_long")
        self._pieces.append(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title":
            self._in_title = not self.title
        if tag in _SKIPPED:
            self._skipped += 1
        if self._skipped:
            return
        if tag in _HEADINGS:
            self._put("\n\n" + _HEADINGS[tag])
        elif tag == "pre":
            self._pre += 1
            self._put("\n\n```\n")
        elif tag == "li":
            self._put("\n- ")
        elif tag == "br":
            self._put("\n")
        elif tag == "tr":
            self._put("\n|")
        elif tag in {"td", "th"}:
            self._put(" ")
        elif tag in _BLOCKS:
            self._put("\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        if tag in _SKIPPED:
            self._skipped = max(0, self._skipped - 1)
            return
        if self._skipped:
            return
        if tag == "pre" and self._pre:
            self._pre -= 1
            self._put("\n```\n\n")
        elif tag in {"td", "th"}:
            self._put(" |")
        elif tag in _HEADINGS or tag in _BLOCKS:
            self._put("\n\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title = (self.title + data)[:500]
        if self._skipped or not data:
            return
        if self._pre:
            self._put(data)
            return
        words = " ".join(data.split())
        if words:
            before = self._pieces[-1][-1:] if self._pieces else ""
            gap = " " if data[0].isspace() and before and not before.isspace() else ""
            self._put(gap + words + (" " if data[-1].isspace() else ""))


def read(data: bytes, limits: Limits, charset: str = "") -> Read:
    """Read a page.

    Raises:
        InvalidRequest: it is not text, or too long, or says nothing.
    """
    declared = _CHARSET.search(data[:4_096])
    text = decoded_text(data, charset or (declared[1].decode() if declared else ""))
    reader = _Reader(limits)
    reader.feed(text)
    reader.close()
    body = reader.text()
    if not body:
        raise unreadable("it has no text", "no_text")
    return Read("html", body, " ".join(reader.title.split()), None, ())
