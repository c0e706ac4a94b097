# ruff: noqa: E501 - tables of texts read best unbroken
"""What is sensitive and where it may go: our findings stand whatever a model says, and nothing that was found is repeated."""

import msgspec
import pytest
import yaml
from tests.unit.llm_gateway.integrations.ruling import CARD, SECRET, Ruling

from llm_gateway.analysis.policies import fault_of
from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.settings import SecuritySettings
from llm_gateway.integrations.secure_analyzer import AnalyzeRequest, SecureProvidersRequest, _remote_detected, remote_suggested

PASSWORD = "Tr0ub4dor" + "&Qy2k2"
HEALTH = "Robert Klein was diagnosed with schizophrenia last week."


def test_findings_never_hold_what_was_found() -> None:
    outcome = Ruling().run("secure_analyzer.analyze_security", content=f"{SECRET}. {CARD}", keywords=["admin", "zebra"])
    result = outcome.result
    assert (outcome.method, result.sensitive, result.risk_level) == ("rules", True, "critical")
    assert {"secret.password", "pii.card"} <= {finding.kind for finding in result.findings}
    assert result.keyword_counts == {"admin": 1}
    assert result.recommendations
    said = msgspec.json.encode(result)
    assert PASSWORD.encode() not in said
    assert b"4539" not in said


def test_a_harmless_text() -> None:
    result = Ruling().run("secure_analyzer.analyze_security", content="The weather is fine today.").result
    assert (result.sensitive, result.risk_level, result.findings) == (False, "none", ())


def test_a_model_adds_threats_and_takes_nothing_away() -> None:
    reply = {
        "threats": [{"title": "Prompt injection", "severity": "high", "explanation": "It gives orders."}],
        "recommendations": ["Quote it."],
    }
    outcome = Ruling(reply).run("secure_analyzer.analyze_security", content=SECRET, basic_findings=[{"keyword": "password"}])
    assert outcome.method == "llm"
    assert outcome.result.sensitive
    assert outcome.result.threats[0].title == "Prompt injection"
    assert "Quote it." in outcome.result.recommendations


def test_a_model_that_repeats_a_secret_is_not_heard() -> None:
    reply = {"threats": [{"title": "Leak", "severity": "high", "explanation": SECRET}], "recommendations": []}
    outcome = Ruling(reply).run("secure_analyzer.analyze_security", content=SECRET)
    assert outcome.method == "rules"
    assert outcome.result.threats == ()
    echo = Ruling({"assessment": f"It says that {SECRET}"}).run("secure_analyzer.check_compliance", content=SECRET)
    assert echo.method == "rules"
    assert PASSWORD not in echo.result.assessment


def test_secure_providers() -> None:
    secret = Ruling().run("secure_analyzer.get_secure_providers", content=SECRET).result
    assert (secret.sensitive, secret.allowed_models) == (True, ("ollama", "bedrock"))
    assert "ollama" in secret.suggestion
    plain = Ruling().run("secure_analyzer.get_secure_providers", content="Hello").result
    assert plain.allowed_models == ("openai", "ollama", "bedrock")
    assert Ruling().run("secure_analyzer.get_secure_providers").result.allowed_models == ("ollama", "bedrock")


def test_a_recommendation_stays_among_those_that_are_available() -> None:
    every = ["ollama", "bedrock", "openai"]
    secret = Ruling().run("secure_analyzer.recommend_provider", content=SECRET, security_findings=[1], available_providers=every).result
    assert (secret.recommended_provider, secret.security_level, secret.alternatives) == ("ollama", "high", ("bedrock",))
    assert [refused.provider for refused in secret.rejected] == ["openai"]
    none = Ruling().run("secure_analyzer.recommend_provider", content=SECRET, available_providers=["openai", "nobody"]).result
    assert none.recommended_provider is None
    assert {refused.provider for refused in none.rejected} == {"openai", "nobody"}
    plain = Ruling().run("secure_analyzer.recommend_provider", content="Hello", available_providers=every).result
    assert plain.recommended_provider == "openai"


@pytest.mark.parametrize(
    ("requirements", "frameworks", "wanted"),
    [
        ("Block credit card numbers. Redact e-mail addresses and phone numbers, and route health data.", [], {"pii.card": "block", "pii.email": "redact", "pii.phone": "redact", "matter.health": "route"}),
        ("Never send passwords to the cloud; mask IBANs", [], {"secret.password": "block", "pii.iban": "redact"}),
        ("We fall under PCI DSS", [], {"pii.card": "block"}),
        ("Be careful", ["GDPR", "soc2"], {"pii": "route", "secret": "block"}),
        ("Nothing special", [], {"secret": "block", "pii": "route"}),
        ("threshold 0.5, allow emails", [], {"pii.email": "allow"}),
        ("threshold 0.0, allow emails", [], {"pii.email": "allow"}),
    ],
)  # fmt: skip
def test_policies_from_plain_words_are_valid_configuration(requirements: str, frameworks: list[str], wanted: dict[str, str]) -> None:
    result = Ruling().run("secure_analyzer.generate_policy", requirements=requirements, frameworks=frameworks).result
    section = yaml.safe_load(result.policy_yaml)["security"]
    assert section == result.policy["security"]
    settings = SecuritySettings.model_validate(section)
    for kind, action in wanted.items():
        policy = settings.policies[kind]
        assert (policy if isinstance(policy, str) else policy.action) == action
    assert result.explanation


def test_what_the_configuration_would_refuse_is_named() -> None:
    assert fault_of({"policies": {"pii": "explode"}}).startswith("security.policies.pii")
    assert fault_of({"sensitivity_threshold": 0.0}).startswith("security.sensitivity_threshold")
    assert fault_of({"policies": {"pii": "redact"}}) == ""


def test_a_models_policy_is_no_laxer_than_was_asked_and_valid() -> None:
    def reply(policies: dict[str, str]) -> dict[str, object]:
        return {"policies": policies, "minimum_level": "high", "on_forbidden_provider": "block", "explanation": ["why"]}

    good = Ruling(reply({"pii.card": "block", "pii.email": "redact"})).run("secure_analyzer.generate_policy", requirements="Block cards.")
    assert (good.method, good.result.policy["security"]["policies"]["pii.email"]) == ("llm", "redact")
    lax = Ruling(reply({"pii.card": "allow"})).run("secure_analyzer.generate_policy", requirements="Block cards.")
    assert (lax.method, lax.result.policy["security"]["policies"]["pii.card"]) == ("rules", "block")


def test_controls_that_findings_touch() -> None:
    result = Ruling().run("secure_analyzer.check_compliance", content=f"{CARD}. {HEALTH} {SECRET}").result
    touched = {report.framework: {control.id for control in report.controls} for report in result.reports}
    assert set(touched) == {"GDPR", "HIPAA", "PCI DSS", "SOC 2"}
    assert {"3.5", "8.6.2"} <= touched["PCI DSS"]
    assert "Art. 9" in touched["GDPR"]
    assert "164.502" in touched["HIPAA"]
    assert "CC6.1" in touched["SOC 2"]
    clean = Ruling().run("secure_analyzer.check_compliance", content="The weather is fine.", frameworks=["pci-dss"]).result
    assert [(report.framework, report.status, report.controls) for report in clean.reports] == [("PCI DSS", "nothing_found", ())]
    with pytest.raises(InvalidRequest, match="GDPR, HIPAA, PCI DSS, SOC 2"):
        Ruling().run("secure_analyzer.check_compliance", content="x", frameworks=["ISO 9001"])


def test_a_remote_detector_is_heard_without_its_matches() -> None:
    asked = AnalyzeRequest(content=SECRET, keywords=("password",))
    found = _remote_detected({"sensitive": True, "matches": [PASSWORD]}, asked)
    assert (found.sensitive, found.risk_level) == (True, "high")
    assert PASSWORD.encode() not in msgspec.json.encode(found)
    with pytest.raises(ValueError, match="sensitive"):
        _remote_detected({"ok": 1}, asked)
    given = remote_suggested({"sensitive": True, "allowed_models": ["ollama"], "suggestion": "x"}, SecureProvidersRequest())
    assert given.allowed_models == ("ollama",)
