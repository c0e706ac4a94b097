"""XML of strangers: no document type, no entities, no endless depth or size. Standard library only."""

from typing import Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

DEEPEST: Final = 200
MOST_ELEMENTS: Final = 200_000


class UnsafeXml(ValueError):
    """It is no XML, or XML that only an attack has. The message says what, without any of its text."""


def parse(source: str | bytes) -> Element:
    """The root element.

    Raises:
        UnsafeXml: it is not well-formed, has a document type or entities, is deeper than 200 or has more than 200,000 elements.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    depth = count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > DEEPEST or count > MOST_ELEMENTS:
            raise UnsafeXml(f"it is deeper than {DEEPEST} or has more than {MOST_ELEMENTS} elements")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def refuse(*_: object) -> None:
        raise UnsafeXml("a document type or entities in XML are not read")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse  # type: ignore[assignment]  # it never returns
    try:
        parser.Parse(source, True)
        return builder.close()
    except expat.ExpatError as failure:
        raise UnsafeXml(f"it is not well-formed (line {failure.lineno})") from None
    except (AssertionError, UnicodeEncodeError):
        raise UnsafeXml("it is not well-formed") from None
