"""A gateway policy made of plain words: which kind of finding is routed, redacted, blocked or allowed."""

import re
from collections.abc import Sequence
from typing import Any, Final

import yaml
from pydantic import ValidationError

from llm_gateway.analysis.compliance import Framework
from llm_gateway.core.settings import SecuritySettings

_KINDS: Final[tuple[tuple[str, str], ...]] = (
    ("pii.card", r"(?:credit |payment )?cards?(?: numbers?| data)?|\bPANs?\b"),
    ("pii.iban", r"ibans?"),
    ("pii.bank_account", r"bank accounts?(?: numbers?)?|account numbers?"),
    ("pii.email", r"e-?mails?(?: addresses)?"),
    ("pii.phone", r"(?:tele)?phones?(?: numbers?)?"),
    ("pii.address", r"(?:postal |home )?addresses"),
    ("pii.birth_date", r"(?:birth dates?|dates? of birth|birthdays?)"),
    ("pii.national_id", r"(?:ssns?|social security numbers?|national ids?|passports?(?: numbers?)?|tax ids?)"),
    ("matter.health", r"(?:health|medical|patient)(?: data| records?| information)?|\bPHI\b"),
    ("matter.hr", r"(?:hr|salar(?:y|ies)|personnel)(?: data| records?)?"),
    ("matter.legal", r"legal(?: matters?| documents?)?"),
    ("matter.corporate", r"(?:corporate|business|trade) secrets?"),
    ("marker.classification", r"(?:confidential|classified|internal)(?: documents?| texts?| markers?| content)?"),
    ("secret.api_key", r"api[ -]?keys?|access keys?"),
    ("secret.password", r"passwords?|passphrases?"),
    ("secret.private_key", r"private keys?"),
    ("secret", r"secrets?|credentials?|tokens?"),
    ("pii", r"pii|personal(?:ly)?(?: identifiable)?(?: data| information)|customer data"),
)
_ACTIONS: Final[tuple[tuple[str, str], ...]] = (
    ("block", r"\b(?:block|refuse|forbid|reject|deny|prohibit|never send|must not (?:be sent|leave))\w*"),
    ("redact", r"\b(?:redact|mask|anonymi[sz]e|pseudonymi[sz]e|remove|hide|strip)\w*"),
    ("allow", r"\b(?:allow|permit|ignore|let)\w*"),
    ("route", r"\b(?:route|send|keep|restrict|confine|secure providers?|only local)\w*"),
)
_FRAMEWORK_POLICIES: Final[dict[Framework, dict[str, Any]]] = {
    "GDPR": {"pii": "route", "matter.health": "route", "secret": "block"},
    "HIPAA": {"matter.health": {"action": "route", "minimum_level": "high"}, "pii": "redact", "secret": "block"},
    "PCI DSS": {"pii.card": "block", "secret.password": "block", "secret.api_key": "block"},
    "SOC 2": {"secret": "block", "marker": "route", "pii": "route"},
}
_CLAUSE = re.compile(
    r"[.;\n]+|,?\s+(?:and|but)\s+(?=(?:block|redact|mask|allow|route|refuse|send|keep|never|permit|forbid)\b)|,\s+(?=(?:block|redact|mask|allow|route|refuse|permit|forbid)\b)",
    re.IGNORECASE,
)


def framework_of(name: str) -> Framework | None:
    """The framework that a name means."""
    bare = re.sub(r"[\s_\-]", "", name).upper()
    known: dict[str, Framework] = {
        "GDPR": "GDPR",
        "DSGVO": "GDPR",
        "HIPAA": "HIPAA",
        "PCIDSS": "PCI DSS",
        "PCI": "PCI DSS",
        "SOC2": "SOC 2",
    }
    return known.get(bare)


def policy_by_rules(
    requirements: str, frameworks: Sequence[Framework], found_kinds: Sequence[str] = ()
) -> tuple[dict[str, Any], list[str]]:
    """The `security` section for requirements in plain words, and why each line is there. The strictest wish for a kind wins."""
    policies: dict[str, Any] = {}
    why: list[str] = []
    named = [
        framework
        for framework in _FRAMEWORK_POLICIES
        if re.search(re.escape(framework).replace(r"\ ", r"[\s-]?"), requirements, re.IGNORECASE)
    ]
    for framework in dict.fromkeys([*frameworks, *named]):
        for kind, action in _FRAMEWORK_POLICIES[framework].items():
            if _strictness(action) > _strictness(policies.get(kind)):
                policies[kind] = action
                why.append(f"{kind}: {_action(action)}, for {framework}")
    for clause in _CLAUSE.split(requirements):
        action = next((name for name, pattern in _ACTIONS if re.search(pattern, clause, re.IGNORECASE)), None)
        if action is None:
            continue
        rest = clause
        for kind, pattern in _KINDS:
            if re.search(rf"(?<![\w]){pattern}(?![\w])" if not pattern.endswith(r"\b") else pattern, rest, re.IGNORECASE):
                rest = re.sub(pattern, " ", rest, flags=re.IGNORECASE)
                policies[kind] = action
                why.append(f"{kind}: {action}, as was asked")
    for kind in found_kinds:
        family = kind.partition(".")[0]
        if family in {"secret", "pii"} and kind not in policies and family not in policies:
            policies[kind] = "block" if family == "secret" else "route"
            why.append(f"{kind}: {policies[kind]}, as the example has it")
    if not policies:
        policies = {"secret": "block", "pii": "route"}
        why.append("nothing in particular was asked: secrets are blocked, personal data goes to secure providers")
    security: dict[str, Any] = {"minimum_level": "high", "on_forbidden_provider": "block" if "block" in policies.values() else "reroute"}
    if threshold := re.search(r"threshold\D{0,12}(0?\.\d+|1(?:\.0)?)", requirements, re.IGNORECASE):
        asked = float(threshold[1])
        security |= {"sensitivity_threshold": asked} if asked > 0 else {}
        why.append("sensitivity_threshold: as was asked" if asked > 0 else "sensitivity_threshold: left as it is, as it must be above 0")
    security["policies"] = dict(sorted(policies.items()))
    return security, why


def _action(policy: Any) -> str:
    return str(policy["action"] if isinstance(policy, dict) else policy)


def _strictness(policy: Any) -> int:
    return ("allow", "route", "redact", "block").index(_action(policy)) if policy is not None else -1


def fault_of(security: dict[str, Any]) -> str:
    """What the gateway's configuration would refuse in a `security` section; empty: nothing."""
    try:
        SecuritySettings.model_validate(security)
    except ValidationError as failure:
        first = failure.errors(include_input=False, include_url=False)[0]
        return f"security.{'.'.join(str(step) for step in first['loc'])}: {first['msg']}"
    return ""


def as_yaml(security: dict[str, Any]) -> str:
    """The section as it stands in the gateway's YAML file."""
    return str(yaml.safe_dump({"security": security}, sort_keys=False, allow_unicode=True))
