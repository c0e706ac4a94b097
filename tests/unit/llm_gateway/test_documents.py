"""What the documents list is what there is."""

from pathlib import Path

from llm_gateway.core.errors import CallerError, GatewayError, LLMGatewayError, ProviderError

ROOT = Path(__file__).parents[3]


def error_rows() -> list[str]:
    rows: dict[tuple[str, int], str] = {}
    waiting: list[type[LLMGatewayError]] = [CallerError, ProviderError, GatewayError]
    while waiting:
        kind = waiting.pop(0)
        waiting += kind.__subclasses__()
        if kind in {CallerError, ProviderError, GatewayError} or kind.__module__ != LLMGatewayError.__module__:
            continue
        fault = "the request" if issubclass(kind, CallerError) else "a provider" if issubclass(kind, ProviderError) else "the gateway"
        key = (kind.error_type, kind.http_status)
        rows.setdefault(key, f"| `{kind.error_type}` | {kind.http_status} | {fault} | {'yes' if kind.retryable else 'no'} |")
    return [rows[key] for key in sorted(rows, key=lambda key: (key[1], key[0]))]


def test_the_error_table_lists_every_error() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    table = page.partition("| --- | --- | --- | --- |\n")[2].partition("<!-- /errors -->")[0].strip().splitlines()
    assert table == error_rows()


def test_links_between_documents_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in page.read_text(encoding="utf-8").split("](")[1:]:
            link = target.split(")")[0].split("#")[0]
            if link and "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"
