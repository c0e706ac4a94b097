"""OpenAI's moderations over the gateway's own findings: what its detectors see in a text, in the shape of a moderation.

Source: OpenAI's API reference, "Create moderation". The gateway judges whether content is sensitive, not whether it is decent: OpenAI's
own categories are there, since clients read them, and always false; the gateway's kinds of findings stand beside them, as a family
(`secret`, `pii`, ...) and as `family/kind`.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.findings import Sensitivity, noisy_or
from llm_gateway.core.types import Image, JsonObject, Part, Text

MODEL: Final = "llm-gateway-findings"
MAX_INPUTS: Final = 256
WEAK: Final = 0.3
"""Findings below this confidence add to a score, but no category of theirs applies."""
NOT_JUDGED: Final = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm", "self-harm/instructions",
    "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip
"""OpenAI's categories."""


class _ImageUrl(msgspec.Struct, frozen=True):
    url: str


class _Item(msgspec.Struct, frozen=True):
    type: str
    text: str = ""
    image_url: _ImageUrl | None = None


class ModerationBody(msgspec.Struct, frozen=True):
    """`POST /v1/moderations`."""

    input: str | Annotated[list[str | _Item], Meta(min_length=1, max_length=MAX_INPUTS)]
    model: str | None = None


def moderation_inputs(body: JsonObject) -> list[tuple[Part, ...]]:
    """What to judge: each text by itself; parts (text and images) together, as one input.

    Raises:
        msgspec.ValidationError: a field has the wrong type.
        InvalidRequest: texts and parts are mixed, or a part is of an unknown type.
    """
    said = msgspec.convert(body, ModerationBody).input
    if isinstance(said, str):
        return [(Text(said),)]
    items = [item for item in said if isinstance(item, _Item)]
    if not items:
        return [(Text(text),) for text in said if isinstance(text, str)]
    if len(items) != len(said):
        raise InvalidRequest("input: expected texts, or parts, not both", param="input")
    return [tuple(_part(item, index) for index, item in enumerate(items))]


def _part(item: _Item, index: int) -> Part:
    if item.type == "text":
        return Text(item.text)
    if item.type == "image_url" and item.image_url is not None:
        head, comma, data = item.image_url.url.partition(",")
        if head.startswith("data:") and head.endswith(";base64") and comma:
            return Image(media_type=head[5:-7], data=data)
        return Image(url=item.image_url.url)
    raise InvalidRequest(f"input[{index}].type: expected text or image_url", param=f"input[{index}].type")


def moderation(verdict: Sensitivity) -> JsonObject:
    """One result: `flagged` where the content counts as sensitive. A score is the confidence of what was found."""
    scores: dict[str, list[float]] = {}
    for finding in verdict.findings:
        family, dot, kind = finding.kind.partition(".")
        for name in (family, f"{family}/{kind}") if dot else (family,):
            scores.setdefault(name, []).append(finding.confidence)
    if verdict.failed:
        scores["unjudged"] = [1.0]
    found = {name: round(noisy_or(confidences), 4) for name, confidences in sorted(scores.items())}
    own: JsonObject = {name: verdict.sensitive and score >= WEAK for name, score in found.items()}
    none: JsonObject = dict.fromkeys(NOT_JUDGED, False)
    zero: JsonObject = dict.fromkeys(NOT_JUDGED, 0.0)
    values: JsonObject = {**found}
    types: JsonObject = {name: [] for name in NOT_JUDGED}
    types |= {name: ["text"] for name in found}
    return {"flagged": verdict.sensitive, "categories": none | own, "category_scores": zero | values, "category_applied_input_types": types}
