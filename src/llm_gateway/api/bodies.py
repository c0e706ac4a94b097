"""Bodies of management calls that the gateway itself takes in, as they come."""

from typing import Annotated

import msgspec
from msgspec import Meta

_Pattern = Annotated[str, Meta(min_length=1, max_length=512)]
_Name = Annotated[str, Meta(min_length=1, max_length=256)]


class CacheClearBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /cache/clear`; without a body, or with an empty one, everything that is the asker's to clear."""

    pattern: Annotated[_Pattern | None, Meta(description="Names to clear, `<caller>_<digest>`: `*` any characters, `?` one.")] = None
    user_id: Annotated[_Name | None, Meta(description="Clear the entries of this caller.")] = None


class ResetBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /admin/reset-limits`: whose counts are forgotten. At least one; users of API keys are counted as the key's owner."""

    user_id: _Name | None = None
    key_id: _Name | None = None
    provider: _Name | None = None
    model: Annotated[_Name | None, Meta(description="As it stands under limits.models.")] = None
    overall: Annotated[bool, Meta(description="The limits of everything together.")] = False


class TierBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`PUT /admin/tiers`."""

    user_id: Annotated[str, Meta(min_length=1, max_length=256, description="The caller; with API keys, the key's owner.")]
    tier: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    """null: as if none had been given."""
