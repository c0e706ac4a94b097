"""The deployments under services/: importable by name, and the gateway's own starts and is what the original says."""

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import services

from llm_gateway.configuration.loading import load

ROOT = Path(services.__file__).parents[1]
DEPLOYMENT = ROOT / "services" / "llm-gateway"

PROVIDERS = {
    "ollama": {"model": "llama3", "timeout": 60, "cost_per_token": 0.0, "security_level": "high"},
    "openai": {"model": "gpt-4o", "timeout": 30, "cost_per_token": 0.00003, "security_level": "medium"},
    "anthropic": {"model": "claude-3.5-sonnet", "timeout": 30, "cost_per_token": 0.000015, "security_level": "medium"},
    "bedrock": {
        "model": "anthropic.claude-3-sonnet-20240229-v1:0",
        "timeout": 60,
        "cost_per_token": 0.000015,
        "security_level": "high",
    },
    "grok": {"model": "grok-1", "timeout": 30, "cost_per_token": 0.00001, "security_level": "medium"},
}
ENVIRON = {
    "OLLAMA_ENDPOINT": "http://ollama-consistency:11434",
    "OPENAI_API_KEY": "sk-1",
    "ANTHROPIC_API_KEY": "sk-ant-1",
    "BEDROCK_ENDPOINT": "http://bedrock-proxy:7090/invoke",
    "GROK_API_KEY": "grok-1",
}


def tree(folder: Path) -> Path:
    """A checkout's `services` with a hyphenated folder of each sort."""
    target = folder / "services"
    target.mkdir()
    shutil.copy(ROOT / "services" / "__init__.py", target)
    for name, text in {
        "plain-one/modules/thing.py": "VALUE = 'plain'",
        "plain-one/inner-part/thing.py": "VALUE = 'inner'",
        "full-one/__init__.py": "VALUE = 'package'",
        "full-one/part.py": "from services.full_one import VALUE",
        "both-one/thing.py": "VALUE = 'hyphen'",
        "both_one/thing.py": "VALUE = 'underscore'",
        "single/thing.py": "VALUE = 'single'",
    }.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("from services.plain_one.modules.thing import VALUE; print(VALUE)", "plain"),
        ("from services.plain_one.modules import thing; print(thing.__name__)", "services.plain_one.modules.thing"),
        ("from services.full_one.part import VALUE; print(VALUE)", "package"),
        ("from services.both_one.thing import VALUE; print(VALUE)", "underscore"),
        ("from services.single.thing import VALUE; print(VALUE)", "single"),
        ("import importlib.util as u, services; print(u.find_spec('services.nothing_here'))", "None"),
        ("import importlib.util as u, services; print(u.find_spec('plain_one'))", "None"),
        ("import importlib.util as u, services; print(u.find_spec('services.plain_one.inner_part'))", "None"),
        (
            "import importlib, sys, services; importlib.reload(services); "
            "print(sum(type(f).__name__ == '_HyphenatedFolders' for f in sys.meta_path))",
            "1",
        ),
    ],
)
def test_a_folder_with_hyphens_is_imported_with_underscores(tmp_path: Path, code: str, printed: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=tree(tmp_path), capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (printed, "")


def test_this_checkouts_folders_are_found() -> None:
    names = [folder.name for folder in (ROOT / "services").iterdir() if folder.is_dir() and not folder.name.startswith(("_", "."))]
    assert "llm-gateway" in names
    for name in names:
        spec = importlib.util.find_spec(f"services.{name.replace('-', '_')}")
        assert spec is not None
        assert list(spec.submodule_search_locations or ()) == [str(ROOT / "services" / name)]
    assert importlib.import_module("services.llm_gateway").__name__ == "services.llm_gateway"


def test_the_configuration_has_the_originals_values() -> None:
    result = load(DEPLOYMENT / "config.yaml", ENVIRON, {})
    settings = result.settings
    assert result.warnings == []
    assert (settings.server.host, settings.server.port) == ("0.0.0.0", 5055)
    assert {name: provider.model_dump(include=set(PROVIDERS[name])) for name, provider in settings.providers.items()} == PROVIDERS
    assert settings.providers["ollama"].endpoint == ENVIRON["OLLAMA_ENDPOINT"]
    assert settings.providers["bedrock"].endpoint == ENVIRON["BEDROCK_ENDPOINT"]
    assert [settings.providers[name].api_key.get_secret_value() for name in ("openai", "anthropic", "grok")] == [
        "sk-1",
        "sk-ant-1",
        "grok-1",
    ]
    assert {name: list(tier.model_dump().values())[:5] for name, tier in settings.rate_limiting.items()} == {
        "default": [60, 1000, 50000, 10, 60],
        "premium_user": [120, 5000, 200000, 20, 30],
    }
    words = ("password", "secret", "token", "key", "credential", "confidential", "internal")
    assert settings.security.sensitive_keywords == words
    assert (settings.security.sensitivity_threshold, settings.security.auto_classification) == (0.7, True)
    cache = settings.cache
    assert (cache.max_size, cache.default_ttl, cache.cleanup_interval, cache.enable_compression) == (1000, 3600, 300, True)
    metrics = settings.metrics
    assert (metrics.enable_detailed_logging, metrics.retention_days, metrics.enable_cost_tracking) == (True, 30, True)


def test_the_configuration_works_without_any_variable() -> None:
    result = load(DEPLOYMENT / "config.yaml", {}, {})
    assert len(result.warnings) == 5
    assert all("is not set, so this is empty" in warning for warning in result.warnings)
    of_file = [path for path, origin in result.origins.items() if origin.startswith("file config.yaml:")]
    server, providers, tiers, security, cache, metrics = 2, 5 * 5, 2 * 5, 3, 4, 3
    assert len(of_file) == server + providers + tiers + security + cache + metrics


def checkout(folder: Path, main_module: str) -> Path:
    """A bare checkout whose gateway is `main_module`; the launcher in it."""
    launcher = folder / "services" / "llm-gateway"
    package = folder / "src" / "llm_gateway"
    launcher.mkdir(parents=True)
    package.mkdir(parents=True)
    shutil.copy(DEPLOYMENT / "main.py", launcher)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(main_module)
    return launcher


def start(launcher: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As by a stranger's Python: no packages but the standard library's."""
    return subprocess.run(
        [sys.executable, "-S", "main.py", *arguments],
        cwd=launcher,
        capture_output=True,
        text=True,
        check=False,
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
    )


def test_the_launcher_serves_the_configuration_beside_it(tmp_path: Path) -> None:
    launcher = checkout(tmp_path, "def main(argv):\n    print(argv)\n    return 3\n")
    done = start(launcher, "--port", "1")
    assert done.stdout.strip() == str(["serve", "--config", str(launcher / "config.yaml"), "--port", "1"])
    assert (done.returncode, done.stderr) == (3, "")


def test_a_python_without_our_packages_is_told_how_to_get_them_in_one_line(tmp_path: Path) -> None:
    launcher = checkout(tmp_path, "import yaml_that_is_not_installed.parts\n")
    done = start(launcher)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "lacks the package yaml_that_is_not_installed; run `make run` in" in done.stderr
    assert str(tmp_path) in done.stderr


def test_a_fault_of_the_gateway_itself_is_not_blamed_on_the_python(tmp_path: Path) -> None:
    launcher = checkout(tmp_path, "import llm_gateway.nothing\n")
    assert "ModuleNotFoundError: No module named 'llm_gateway.nothing'" in start(launcher).stderr


def test_the_real_launcher_names_what_is_missing() -> None:
    done = start(DEPLOYMENT)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"run `make run` in {ROOT}" in done.stderr
