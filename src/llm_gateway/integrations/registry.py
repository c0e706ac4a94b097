"""The ten services by name: adding one is adding a file here and its name to `core.settings.ServiceName`."""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final, get_args

from llm_gateway.core.settings import ServiceName
from llm_gateway.integrations.port import Service

NAMES: Final[tuple[str, ...]] = get_args(ServiceName)


def _load() -> Mapping[str, Service]:
    found: dict[str, Service] = {}
    for name in NAMES:
        service: Service = import_module(f"llm_gateway.integrations.{name}").SERVICE
        if service.name != name:
            raise RuntimeError(f"llm_gateway.integrations.{name} describes the service {service.name}")
        found[name] = service
    return MappingProxyType(found)


SERVICES: Final = _load()
"""Every integrated service. Loaded with the gateway, so that the tables of those that keep something are known to the store."""
