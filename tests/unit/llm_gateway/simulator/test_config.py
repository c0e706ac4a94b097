from pathlib import Path

import pytest

from llm_gateway.simulator.config import ConfigurationError, Latency, Scenario, SimulatorConfig, latency_of, load_scenario

_YAML = """
seed: 7
latency: lifelike
faults:
  - name: storm
    kind: openai
    status: 503
    retry_after: 2
    times: 3
  - {path: /api, drip: {every_s: 0.5, size_bytes: 3}, huge: {headers: 4}}
replies:
  - {contains: budget, text: The budget is 12.}
keys: {grok: [xai-1]}
only_known_models: true
"""


def test_a_scenario_takes_its_place_in_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(_YAML)
    config = SimulatorConfig(keys={"openai": ("sk",)}).with_scenario(load_scenario(path))
    assert (config.seed, config.latency["openai"].first_byte_s > 0, config.only_known_models) == (7, True, True)
    assert [rule.status for rule in config.faults] == [503, None]
    assert config.faults[1].drip is not None
    assert config.faults[1].drip.size_bytes == 3
    assert config.replies[0].contains == "budget"
    assert config.keys == {"openai": ("sk",), "grok": ("xai-1",)}


def test_json_serves_as_well_and_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "scenario.json"
    path.write_text('{"latency": {"ollama": {"first_byte_s": 0.5}}}')
    assert SimulatorConfig().with_scenario(load_scenario(path)).latency == {"ollama": Latency(0.5)}
    path.write_text("")
    assert load_scenario(path) == Scenario()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("faults: [{statuss: 1}]", "statuss"),
        ("faults: [{status: many}]", "faults"),
        ("speed: 3", "speed"),
        ("a: [", "scenario.yaml"),
        ("keys: {bard: [x]}", "bard"),
    ],
)
def test_a_wrong_scenario_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=named):
        load_scenario(path)


def test_a_missing_file_and_an_unknown_profile_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.yaml"):
        load_scenario(tmp_path / "gone.yaml")
    with pytest.raises(ConfigurationError, match="warp"):
        latency_of("warp")
