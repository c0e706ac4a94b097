"""`llm-gateway docs`: put files into a running gateway's doc_store, and find them again."""

import glob
import hashlib
import mimetypes
import re
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from llm_gateway.cli.outcome import CommandFailed, Exit
from llm_gateway.cli.screen import Listing, Screen
from llm_gateway.cli.talking import DEFAULT_URL, AsJson, Gateway, Key, Url, print_json
from llm_gateway_client import AuthenticationFailed, GatewayClient, GatewayUnavailable, RateLimited, RequestRefused, UploadedDocument

app = typer.Typer(name="docs", help="Documents of a running gateway: add files, search them.", no_args_is_help=True)
_out = Screen()
_notes = Screen(stderr=True)
READ: Final = frozenset({".txt", ".text", ".md", ".markdown", ".rst", ".html", ".htm", ".xhtml", ".pdf", ".docx", ".log"})
"""Endings that a folder is searched for; a file that is named is sent whatever its ending."""
_MOST_ID_CHARACTERS: Final = 128

User = Annotated[str | None, typer.Option("--user", "-u", help="Whose documents they are, where no keys are used.")]


def files_of(patterns: list[str]) -> list[Path]:
    """The files that paths, folders and globs (`docs/**/*.md`) mean, each once, in order.

    Raises:
        CommandFailed: a pattern means none.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            here = sorted(each for each in path.rglob("*") if each.is_file() and each.suffix.lower() in READ and not _is_hidden(each, path))
        elif path.is_file():
            here = [path]
        else:
            here = sorted(Path(each) for each in glob.glob(pattern, recursive=True) if Path(each).is_file())
        if not here:
            raise CommandFailed(f"{pattern}: no file there", Exit.USAGE)
        found |= dict.fromkeys(here)
    return list(found)


def _is_hidden(path: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(below).parts)


def id_of(path: Path) -> str:
    """A document's id by its path, so that adding a file again replaces it. Paths that cannot be ids end in a digest of themselves."""
    name = path.as_posix().removeprefix("./").lstrip("/")
    plain = re.sub(r"[^A-Za-z0-9._:-]+", "-", name).strip("-")
    if plain == name and len(plain) <= _MOST_ID_CHARACTERS:
        return plain
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return f"{plain[-(_MOST_ID_CHARACTERS - 13) :].lstrip('-')}-{digest}".lstrip("-")


def _metadata(pairs: list[str]) -> dict[str, Any]:
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise CommandFailed(f"--metadata {pair}: expected name=value", Exit.USAGE)
        found[name] = value
    return found


@app.command()
def add(
    paths: Annotated[list[str], typer.Argument(help="Files, folders or globs like 'docs/**/*.md'.")],
    metadata: Annotated[list[str] | None, typer.Option("--metadata", help="name=value, kept with each; repeat for more.")] = None,
    user: User = None,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Read files (text, Markdown, HTML, PDF, DOCX) and keep them. A file that was added before is replaced."""
    files = files_of(paths)
    about = _metadata(metadata or [])
    kept: list[UploadedDocument] = []
    failed: list[tuple[Path, str]] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Gateway(url, api_key).client() as client, Progress(*columns, console=_notes, transient=True, disable=len(files) == 1) as progress:
        task = progress.add_task("adding", total=len(files))
        for path in files:
            progress.update(task, description=path.name[-40:])
            try:
                kept.append(_upload(client, path, about, user))
            except (AuthenticationFailed, GatewayUnavailable, RateLimited):
                raise
            except RequestRefused as failure:
                failed.append((path, failure.message))
            except OSError as failure:
                failed.append((path, str(failure.strerror)))
            progress.advance(task)
    if as_json:
        failures = [{"path": str(path), "problem": problem} for path, problem in failed]
        print_json({"documents": [document.raw for document in kept], "failed": failures})
    else:
        _report(kept, failed)
    if failed:
        raise CommandFailed(f"{len(failed)} of {len(files)} files were not added")


def _upload(client: GatewayClient, path: Path, about: dict[str, Any], user: str | None) -> UploadedDocument:
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return client.upload_document(
        path.read_bytes(), path.name, doc_id=id_of(path), metadata={**about, "path": path.as_posix()}, media_type=media_type, user_id=user
    )  # fmt: skip


def _report(kept: list[UploadedDocument], failed: list[tuple[Path, str]]) -> None:
    if kept:
        figures = ("characters", "pieces")
        added = Listing("doc id", "title", "format", *figures, "sensitive", wraps={"doc id", "title"}, figures=figures)
        for document in kept:
            counts = (f"{document.characters:,}", str(document.chunks), "yes" if document.sensitive else "")
            added.add(document.doc_id, document.title, document.format, *counts)
        _out.print(added)
    for path, problem in failed:
        _notes.print(f"{path}: {problem}", style="red")


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="Documents shown, at most.")] = 5,
    user: User = None,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Find documents by their words, and by meaning where the gateway has an embedding model for it."""
    with Gateway(url, api_key).client() as client:
        found = client.integrate("doc_store", "search", query=query, limit=limit, user_id=user)
    if as_json:
        print_json(found.raw)
        return
    hits = found.result.get("hits", []) if isinstance(found.result, dict) else []
    if not hits:
        _notes.print("nothing was found", style="dim")
        return
    for hit in hits:
        mark = "  sensitive" if hit.get("sensitive") else ""
        _out.print(f"{hit.get('title') or hit['doc_id']}  [{hit['doc_id']}]{mark}", style="bold")
        _out.print(f"  {hit.get('snippet', '')}")
