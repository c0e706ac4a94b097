"""The simulator's settings, from code, the command line, or a scenario file (JSON or YAML)."""

from pathlib import Path

import msgspec
import yaml

from llm_gateway.simulator.exchange import KINDS, Kind
from llm_gateway.simulator.faults import FaultRule
from llm_gateway.simulator.mind import RecordedReply


class ConfigurationError(ValueError):
    """A setting of the simulator is wrong; the message names it."""


class Latency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a kind takes: seconds to the first byte, seconds a chunk, and how far both may stray (0.2: 20 %)."""

    first_byte_s: float = 0
    per_chunk_s: float = 0
    jitter: float = 0


NO_LATENCY = Latency()
PROFILES: dict[str, dict[Kind, Latency]] = {
    "none": {},
    "lifelike": {
        "ollama": Latency(0.25, 0.035, 0.3),
        "openai": Latency(0.35, 0.015, 0.3),
        "anthropic": Latency(0.45, 0.018, 0.3),
        "bedrock": Latency(0.5, 0.01, 0.3),
        "bedrock_native": Latency(0.45, 0.02, 0.3),
        "grok": Latency(0.3, 0.012, 0.3),
    },
}


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a scenario file may hold. `latency` is a profile's name (none, lifelike) or figures by kind."""

    seed: int | None = None
    latency: str | dict[Kind, Latency] | None = None
    faults: tuple[FaultRule, ...] = ()
    replies: tuple[RecordedReply, ...] = ()
    keys: dict[Kind, tuple[str, ...]] = {}
    models: dict[Kind, tuple[str, ...]] = {}
    only_known_models: bool | None = None


class SimulatorConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Settings of one simulator.

    ports: by kind; 0 or absent takes a free one. keys: accepted API keys by kind; none given, any will do. aws_secrets: secret
    by access key id; with any, SigV4 signatures are verified. models: what a kind lists; only_known_models refuses others.
    log_entries and log_bytes bound the log (0 entries: none is kept); the ledger is never cut.
    """

    host: str = "127.0.0.1"
    kinds: tuple[Kind, ...] = KINDS
    ports: dict[Kind, int] = {}
    control_port: int = 0
    seed: int = 0
    latency: dict[Kind, Latency] = {}
    faults: tuple[FaultRule, ...] = ()
    replies: tuple[RecordedReply, ...] = ()
    keys: dict[Kind, tuple[str, ...]] = {}
    aws_secrets: dict[str, str] = {}
    models: dict[Kind, tuple[str, ...]] = {}
    only_known_models: bool = False
    log_entries: int = 100_000
    log_bytes: int = 256 << 20

    def with_scenario(self, scenario: Scenario) -> "SimulatorConfig":
        """These settings with the scenario's in their place, where it has any."""
        return msgspec.structs.replace(
            self,
            seed=self.seed if scenario.seed is None else scenario.seed,
            latency=self.latency if scenario.latency is None else latency_of(scenario.latency),
            faults=(*self.faults, *scenario.faults),
            replies=(*self.replies, *scenario.replies),
            keys={**self.keys, **scenario.keys},
            models={**self.models, **scenario.models},
            only_known_models=self.only_known_models if scenario.only_known_models is None else scenario.only_known_models,
        )


def latency_of(named: str | dict[Kind, Latency]) -> dict[Kind, Latency]:
    """Latency by kind, from a profile's name or as given."""
    if not isinstance(named, str):
        return named
    if named not in PROFILES:
        raise ConfigurationError(f"latency: expected {' or '.join(PROFILES)}, got {named!r}")
    return PROFILES[named]


def load_scenario(path: Path) -> Scenario:
    """Reads a scenario file; YAML, of which JSON is a part. Raises `ConfigurationError` naming the key."""
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        return msgspec.json.decode(msgspec.json.encode(loaded or {}), type=Scenario)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
