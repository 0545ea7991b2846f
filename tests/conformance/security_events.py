"""Who raises which of the standard's security events: read from the sources, or a reason."""

import ast
import tomllib
from collections.abc import Iterator, Mapping

from station.blocks.security_events import CRITICAL
from tests.conformance.outcomes import ROOT
from tests.conformance.text import table

OTHERS = frozenset(
    {
        "AttemptedReplayAttacks",
        "CsmsFailedToAuthenticate",
        "FailedToAuthenticateAtCsms",
        "InvalidMessages",
        "ReconfigurationOfSecurityParameters",
    }
)
"""Those of the appendix that are not critical: logged, not told."""
STANDARD = CRITICAL | OTHERS
"""The 20 of the appendix and DiscardedRenewedClientCertificate."""


def raised() -> dict[str, list[str]]:
    """The modules of `station/` that raise each event.

    One raises an event that it names in `SecurityHappened(…)` or as a value of a table.
    """
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "station").rglob("*.py")):
        names = set(_raised_in(ast.parse(path.read_text(encoding="utf-8"))))
        for name in sorted(names):
            found.setdefault(name, []).append(str(path.relative_to(ROOT / "station")))
    return found


def _raised_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "SecurityHappened":
            yield from _texts(node.args[0])
        elif isinstance(node, ast.Dict):
            for value in node.values:
                yield from (text for text in _texts(value) if text in STANDARD)


def _texts(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def named_in_tests() -> set[str]:
    """Events that a test names as a text of its own."""
    found: set[str] = set()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        found.update(_texts(ast.parse(path.read_text(encoding="utf-8"))))
    return found & STANDARD


def never_raised() -> Mapping[str, str]:
    """Those that cannot happen on this station yet, with the reason."""
    text = (ROOT / "docs" / "refused.toml").read_text(encoding="utf-8")
    reasons: dict[str, str] = tomllib.loads(text)["security_events"]
    return reasons


def overview() -> str:
    by, reasons = raised(), never_raised()
    rows = [
        [
            event,
            "yes" if event in CRITICAL else "no",
            ", ".join(by.get(event, ())) or f"nobody: {reasons[event]}",
        ]
        for event in sorted(STANDARD)
    ]
    return table(["Security event", "critical", "raised by"], rows)
