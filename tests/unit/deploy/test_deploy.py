"""What `deploy/` says, checked as far as that goes without an engine: schemas, and that it fits the gateway that is here."""

import re
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from tests.support import free_port, running_gateway

from llm_gateway.api.access import ROUTES, Access
from llm_gateway.cli.main import COMMANDS
from llm_gateway.configuration import load
from llm_gateway.core.settings import Settings
from llm_gateway.simulator import SimulatorProcess

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
DOCKERFILE = DEPLOY / "docker" / "Dockerfile"
HEALTHCHECK = DEPLOY / "docker" / "healthcheck.py"
COMPOSE = DEPLOY / "compose" / "docker-compose.yml"
KUBERNETES = DEPLOY / "kubernetes"
BASE = KUBERNETES / "base"
PORT = Settings().server.port
DATA = "/app/cache"
"""The volume's place in the specification's compose file."""


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def manifests() -> list[Path]:
    return sorted(path for path in KUBERNETES.rglob("*.yaml") if path.name != "kustomization.yaml")


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in manifests():
        for document in documents(path):
            if document["kind"] in {"Deployment", "StatefulSet", "Job"}:
                yield document["metadata"]["name"], document["spec"]["template"]["spec"]


def gateway_pod() -> dict[str, Any]:
    return dict(pods())["llm-gateway"]


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments, continued lines joined."""
    text = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.M))
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(line[0], line[1]) for line in lines]


def final_stage() -> list[tuple[str, str]]:
    every = instructions()
    last = max(place for place, (word, _) in enumerate(every) if word == "FROM")
    return every[last:]


# The image


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run([tool("hadolint"), "--no-color", str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_runs_as_nobody_in_particular_and_fetches_nothing() -> None:
    stage = final_stage()
    users = [words for word, words in stage if word == "USER"]
    assert users
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", users[-1])
    assert [word for word, _ in stage].index("USER") > max(place for place, (word, _) in enumerate(stage) if word in {"RUN", "COPY"})
    for word, words in stage:
        assert not re.search(r"\b(curl|wget|apt-get|pip|uv)\b", words if word in {"RUN", "HEALTHCHECK", "CMD", "ENTRYPOINT"} else "")


def test_the_image_is_built_from_the_lock_without_tools_for_developers() -> None:
    syncs = [words for word, words in instructions() if word == "RUN" and "uv sync" in words]
    assert syncs
    assert all("--frozen" in words and "--no-dev" in words for words in syncs)
    extras = set(re.findall(r"--extra (\S+)", syncs[-1]))
    project = (ROOT / "pyproject.toml").read_text()
    assert extras == set(re.findall(r"^(\w+) = \[", project.split("[project.optional-dependencies]")[1].split("\n[")[0], re.M))
    assert (ROOT / "uv.lock").exists()


def test_everything_that_is_copied_reaches_the_builder() -> None:
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for word, words in instructions():
        if word == "COPY" and not words.startswith("--from"):
            for source in words.split()[:-1]:
                name = source.removeprefix("./")
                assert (ROOT / name).exists(), name
                assert name in allowed, name


def test_the_image_serves_where_the_manifests_look() -> None:
    stage = dict(final_stage())
    assert stage["EXPOSE"] == str(PORT)
    environ = dict(re.findall(r"(LLM_GATEWAY_\w+)=(\S+)", " ".join(words for word, words in final_stage() if word == "ENV")))
    loaded = load(None, environ, {})
    assert (loaded.settings.server.host, loaded.settings.server.port, loaded.settings.server.data_dir) == ("0.0.0.0", PORT, DATA)
    assert loaded.warnings == load(None, {}, {}).warnings
    assert stage["ENTRYPOINT"] == '["llm-gateway"]'
    assert "serve" in COMMANDS


def test_the_health_check_tells_a_living_gateway_from_none(tmp_path: Path, simulator: SimulatorProcess) -> None:
    def check(port: int, *words: str) -> int:
        environ = {"LLM_GATEWAY_PORT": str(port)}
        return subprocess.run([sys.executable, "-S", str(HEALTHCHECK), *words], env=environ, check=False).returncode

    with running_gateway(tmp_path, simulator) as gateway:
        assert check(gateway.port) == 0
        assert check(gateway.port, "/health/ready") == 0
        assert check(gateway.port, "/nothing-here") == 1
    assert check(free_port()) == 1


# Compose


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return loaded


def test_the_compose_file_is_one() -> None:
    words = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_services_are_those_of_the_specification_and_postgres_is_a_profile() -> None:
    services = compose()["services"]
    assert set(services) == {"llm-gateway", "redis", "ollama", "postgres"}
    assert services["postgres"]["profiles"] == ["postgres"]
    assert services["llm-gateway"]["image"] == "llm-docs-ecosystem/llm-gateway:latest"
    assert services["llm-gateway"]["ports"][0].endswith(f":{PORT}:{PORT}")
    assert f"llm_gateway_cache:{DATA}" in services["llm-gateway"]["volumes"]
    build = services["llm-gateway"]["build"]
    assert (COMPOSE.parent / build["context"]).resolve() == ROOT
    assert ROOT / build["dockerfile"] == DOCKERFILE


def test_compose_sets_what_the_gateway_knows() -> None:
    written = dict(line.split("=", 1) for line in compose()["services"]["llm-gateway"]["environment"])
    environ = {name: re.sub(r"\$\{(\w+):-\}", r"a-value-for-\1-of-some-length", value) for name, value in written.items()}
    environ["DATABASE_URL"] = "postgresql://gateway:word@postgres/gateway"
    loaded = load(None, environ, {})
    assert not [warning for warning in loaded.warnings if "no variable" in warning]
    sets = {origin.removeprefix("environment ") for origin in loaded.origins.values() if origin.startswith("environment ")}
    assert set(written) <= sets
    assert loaded.settings.storage.redis_url.get_secret_value() == "redis://redis:6379/0"


def test_compose_confines_the_gateway() -> None:
    service = compose()["services"]["llm-gateway"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "/tmp" in service["tmpfs"]
    assert service["ports"][0].startswith("${PUBLISH_ADDRESS:-127.0.0.1}")
    check = service["healthcheck"]["test"]
    assert check[:2] == ["CMD", "python"]
    assert ("COPY", f"deploy/docker/healthcheck.py {check[2]}") in final_stage()
    assert seconds(service["stop_grace_period"]) > Settings().server.drain_s


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


# Kubernetes


@pytest.mark.parametrize("path", manifests(), ids=lambda path: path.name)
def test_every_document_is_what_kubernetes_expects(path: Path) -> None:
    found = documents(path)
    assert found
    for document in found:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_kustomizations_name_what_is_there() -> None:
    for path in KUBERNETES.rglob("kustomization.yaml"):
        (found,) = documents(path)
        for resource in found["resources"]:
            target = path.parent / resource
            assert target.is_file() or (target / "kustomization.yaml").is_file(), resource
        listed = {(path.parent / name).resolve() for name in found["resources"]}
        others = {other.resolve() for other in path.parent.glob("*.yaml") if ".example." not in other.name} - {path.resolve()}
        assert others <= listed
    assert "secret.example.yaml" not in documents(BASE / "kustomization.yaml")[0]["resources"]


def test_every_pod_is_restricted() -> None:
    every = list(pods())
    assert len(every) == 4
    for name, pod in every:
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["requests"], name
            assert ":latest" not in container["image"] or "llm-gateway" in container["image"], name


def test_the_deployment_is_that_of_the_specification() -> None:
    (deployment,) = documents(BASE / "deployment.yaml")
    assert deployment["spec"]["replicas"] == 3
    (container,) = gateway_pod()["containers"]
    assert container["resources"] == {"requests": {"memory": "512Mi", "cpu": "250m"}, "limits": {"memory": "1Gi", "cpu": "500m"}}
    assert container["image"] == "llm-docs-ecosystem/llm-gateway:latest"
    assert container["ports"] == [{"name": "http", "containerPort": PORT}]
    assert container["livenessProbe"]["httpGet"] == {"path": "/health", "port": PORT}
    assert container["livenessProbe"]["initialDelaySeconds"] == 30
    assert container["livenessProbe"]["periodSeconds"] == 10
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"


def test_probes_ask_what_everybody_may() -> None:
    (container,) = gateway_pod()["containers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[probe]["httpGet"]
        assert ROUTES["GET", asked["path"]] is Access.OPEN
        assert asked["port"] in {PORT, "http"}


def test_a_pod_gets_the_time_that_a_drain_takes() -> None:
    pod = gateway_pod()
    (container,) = pod["containers"]
    pause_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > Settings().server.drain_s + pause_s


def test_the_schema_is_brought_up_to_date_before_anybody_serves() -> None:
    (first,) = gateway_pod()["initContainers"]
    assert first["args"] == ["migrate"]
    assert "migrate" in COMMANDS
    (container,) = gateway_pod()["containers"]
    assert first["envFrom"] == container["envFrom"]
    assert first["image"] == container["image"]


def test_what_is_written_to_can_be() -> None:
    pod = gateway_pod()
    (container,) = pod["containers"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert {DATA, "/tmp"} <= set(mounts)
    assert {volume["name"] for volume in pod["volumes"]} == set(mounts.values())


def test_the_environment_is_what_the_gateway_knows() -> None:
    (config,), (secret,) = documents(BASE / "configmap.yaml"), documents(BASE / "secret.example.yaml")
    environ = {**config["data"], **{name: value or sha256(name.encode()).hexdigest() for name, value in secret["stringData"].items()}}
    loaded = load(None, environ, {})
    assert not [warning for warning in loaded.warnings if "no variable" in warning]
    sets = {origin.removeprefix("environment ") for origin in loaded.origins.values() if origin.startswith("environment ")}
    assert set(environ) <= sets
    settings = loaded.settings
    (deployment,) = documents(BASE / "deployment.yaml")
    assert settings.limits.replicas == deployment["spec"]["replicas"]
    assert settings.storage.redis_url.get_secret_value() == "redis://redis-service:6379/0"
    for name in [entry[kind]["name"] for entry in gateway_pod()["containers"][0]["envFrom"] for kind in entry]:
        assert name in {config["metadata"]["name"], secret["metadata"]["name"]}


def test_names_and_labels_meet() -> None:
    (deployment,), (service,) = documents(BASE / "deployment.yaml"), documents(BASE / "service.yaml")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    (budget,), (policy,) = documents(BASE / "poddisruptionbudget.yaml"), documents(BASE / "networkpolicy.yaml")
    assert service["spec"]["selector"] == labels == deployment["spec"]["selector"]["matchLabels"]
    assert budget["spec"]["selector"]["matchLabels"] == policy["spec"]["podSelector"]["matchLabels"] == labels
    assert budget["spec"]["minAvailable"] < deployment["spec"]["replicas"]
    assert service["spec"]["ports"] == [{"name": "http", "port": PORT, "targetPort": "http"}]
    names = {document["metadata"]["name"] for path in manifests() for document in documents(path) if document["kind"] == "Service"}
    assert {"llm-gateway", "redis-service", "ollama-service", "postgres-service"} == names


def test_the_network_policy_lets_out_what_is_needed_and_no_metadata_service() -> None:
    (policy,) = documents(BASE / "networkpolicy.yaml")
    ports = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
    assert ports == {53, 443, 5432, 6379, 11434}
    (world,) = [place["ipBlock"] for rule in policy["spec"]["egress"] for place in rule["to"] if "ipBlock" in place]
    assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"} <= set(world["except"])
    assert [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]] == [PORT]
