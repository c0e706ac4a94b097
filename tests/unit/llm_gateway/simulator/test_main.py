from pathlib import Path

import pytest

from llm_gateway.simulator.__main__ import _parser, config_from
from llm_gateway.simulator.config import PROFILES, ConfigurationError, SimulatorConfig


def _config(*arguments: str) -> SimulatorConfig:
    return config_from(_parser().parse_args(arguments))


def test_options_become_settings(tmp_path: Path) -> None:
    scenario = tmp_path / "s.yaml"
    scenario.write_text("faults: [{status: 500}]")
    config = _config(
        *("--ports", "ollama=11434,openai=0", "--control-port", "9", "--latency", "lifelike", "--seed", "3"),
        *("--key", "openai=sk-a=b", "--key", "openai=sk-c", "--log-entries", "0", "--scenario", str(scenario)),
    )
    assert (config.ports, config.control_port, config.seed, config.log_entries) == ({"ollama": 11434, "openai": 0}, 9, 3, 0)
    assert config.keys == {"openai": ("sk-a=b", "sk-c")}
    assert config.latency == PROFILES["lifelike"]
    assert [rule.status for rule in config.faults] == [500]


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("--ports", "openai", "--ports"),
        ("--ports", "openai=70000", "--ports"),
        ("--ports", "bard=1", "bard"),
        ("--kinds", "bard", "--kinds"),
        ("--key", "bard=x", "--key"),
        ("--latency", "warp", "warp"),
    ],
)
def test_wrong_options_are_named(option: str, value: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        _config(option, value)
