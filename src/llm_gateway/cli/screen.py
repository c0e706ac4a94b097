"""What commands show to people: tables and lines that fit the terminal, whose text is text.

Names, models and errors are chosen by callers and providers: they are no markup, and no control character of theirs reaches a terminal.
Where the output is no terminal (a pipe, a file), nothing is broken or cut: whoever searches it finds whole lines.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, Literal

from rich import box
from rich.console import Console, ConsoleDimensions, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from llm_gateway.cli.outcome import plain

UNBROKEN_CELLS: Final = 4_096
"""As wide as anything is shown where there is no terminal."""
_LINES: Final = 25
_GAP_CELLS: Final = 2
_WRAPPED_CELLS: Final = 12
"""No column is folded narrower than that."""


class Screen(Console):
    """Standard output, or standard error, as `COLUMNS` or the terminal says at the moment of printing."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, highlight=False, emoji=False)

    @property  # type: ignore[misc]  # nobody sets it
    def size(self) -> ConsoleDimensions:
        """Cells in a line, and lines."""
        columns = os.environ.get("COLUMNS", "")
        found = super().size if self.is_terminal else ConsoleDimensions(UNBROKEN_CELLS, _LINES)
        return ConsoleDimensions(int(columns), found.height) if columns.isdigit() and int(columns) else found

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What rich makes of it, without foreign control characters."""
        for segment in super().render(renderable, options):
            yield segment if segment.control is not None else Segment(plain(segment.text), segment.style)


class Listing:
    """Rows under headings. Columns named in `wraps` give way where it gets narrow, the others stay unbroken; `figures` stand at the right.

    Where even that is too wide, each row is a block of lines, one for each of its cells. `empty` is said when there are no rows.
    """

    def __init__(
        self, *headings: str, wraps: Collection[str] = (), figures: Collection[str] = (), title: str | None = None, empty: str | None = None
    ) -> None:
        self._headings = headings
        self._wraps = wraps
        self._figures = figures
        self._title = title
        self._empty = empty
        self._rows: list[tuple[Text, ...]] = []

    def add(self, *cells: str | Text) -> None:
        """Add a row, one cell for each heading."""
        if len(cells) != len(self._headings):
            raise ValueError(f"{len(cells)} cells for {len(self._headings)} headings")
        self._rows.append(tuple(Text(cell) if isinstance(cell, str) else cell for cell in cells))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._empty is not None and not self._rows:
            yield Text(self._empty)
            return
        yield self._table() if self._least_cells() <= options.max_width else self._blocks()

    def _least_cells(self) -> int:
        widest = [max([len(heading), *(row[at].cell_len for row in self._rows)]) for at, heading in enumerate(self._headings)]
        least = [
            min(width, max(len(heading), _WRAPPED_CELLS)) if heading in self._wraps else width
            for heading, width in zip(self._headings, widest, strict=True)
        ]
        return sum(least) + _GAP_CELLS * (len(least) - 1)

    def _table(self) -> Table:
        made = Table(title=self._title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for heading in self._headings:
            justify: Literal["left", "right"] = "right" if heading in self._figures else "left"
            made.add_column(heading, justify=justify, no_wrap=heading not in self._wraps, overflow="fold")
        for row in self._rows:
            made.add_row(*row)
        return made

    def _blocks(self) -> Table:
        made = Table.grid(padding=(0, _GAP_CELLS, 0, 0))
        made.title, made.title_justify = self._title, "left"
        made.add_column(style="dim", no_wrap=True)
        made.add_column(overflow="fold")
        for number, row in enumerate(self._rows):
            if number:
                made.add_row("", "")
            for heading, cell in zip(self._headings, row, strict=True):
                if cell.plain:
                    made.add_row(heading, cell)
        return made


_STATES: Final[Mapping[str, tuple[str, str]]] = {
    "available": ("●", "green"), "healthy": ("●", "green"), "intact": ("●", "green"), "degraded": ("◐", "yellow"),
    "unavailable": ("○", "red"), "unhealthy": ("○", "red"),
}  # fmt: skip


def mark(state: str) -> Text:
    """A state with its mark: the shape says what the colour does."""
    shape, colour = _STATES.get(state, ("–", "dim"))
    return Text.assemble((shape, colour), f" {state}")


def reasons(said: Iterable[Mapping[str, Any]], name: str, reason: str) -> list[Text]:
    """A line for each of those that have something to say, like `grok: its calls kept failing`."""
    return [Text.assemble((str(each[name]), "bold"), f": {each[reason]}") for each in said if each[reason]]
