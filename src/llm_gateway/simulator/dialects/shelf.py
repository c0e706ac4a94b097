"""What vendors keep for an account between calls: files and jobs, the newest first, up to a limit."""

from llm_gateway.simulator.exchange import JsonObject

_MOST = 1000


class Shelf:
    """One vendor's account: objects by id with what they hold."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[JsonObject, bytes]] = {}

    def put(self, name: str, shown: JsonObject, content: bytes = b"") -> JsonObject:
        """Keep an object; what is shown of it is given back."""
        self._kept[name] = (shown, content)
        while len(self._kept) > _MOST:
            del self._kept[next(iter(self._kept))]
        return shown

    def shown(self, name: str) -> JsonObject | None:
        """What is shown of an object; None: there is none of that name."""
        found = self._kept.get(name)
        return None if found is None else found[0]

    def content(self, name: str) -> bytes | None:
        """What an object holds; None: there is none of that name."""
        found = self._kept.get(name)
        return None if found is None else found[1]

    def drop(self, name: str) -> bool:
        """Forget an object; whether it was there."""
        return self._kept.pop(name, None) is not None

    def listed(self, prefix: str) -> list[JsonObject]:
        """What is shown of the objects whose ids begin so, the newest first."""
        return [shown for name, (shown, _) in reversed(self._kept.items()) if name.startswith(prefix)]
