"""Where settings come from: defaults, the YAML file, the environment, flags; and what happens when the file changes."""

from llm_gateway.configuration.explaining import Row, explain
from llm_gateway.configuration.loading import FLAGS, Loaded, load
from llm_gateway.configuration.providers import DEFAULT_PROVIDERS, kind_of, security_level_of, service_level_of
from llm_gateway.configuration.reload import NEEDS_RESTART, Reload, Reloader, ReloadState
from llm_gateway.configuration.variables import VARIABLES

__all__ = [
    "DEFAULT_PROVIDERS",
    "FLAGS",
    "NEEDS_RESTART",
    "VARIABLES",
    "Loaded",
    "Reload",
    "ReloadState",
    "Reloader",
    "Row",
    "explain",
    "kind_of",
    "load",
    "security_level_of",
    "service_level_of",
]
