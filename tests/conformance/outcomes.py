"""Runs tests and says which passed: the only source of anything that is called passed."""

import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
TOO_FEW = 5
"""What pytest returns when it has found no test; 0 and 1 are a run to judge."""

REQUIREMENT = re.compile(r"\b([A-P]\d\d)\.FR\.(\d+)((?:,\s*FR\.\d+)*)")
FURTHER = re.compile(r"FR\.(\d+)")


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"


Outcomes = dict[str, Outcome]
"""By test function, "tests/conformance/test_b.py::test_TC_B_01_CS": the worst of its runs."""


def run(target: str, *options: str) -> Outcomes:
    """Run the tests under *target*; a test that is skipped or expected to fail has not passed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", target, "-q", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, f"--junitxml={report}", *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, 1):
            raise SystemExit(f"the tests could not be run\n{done.stdout}{done.stderr}")
        return read(report.read_text(encoding="utf-8"))


def read(report: str) -> Outcomes:
    """The worst outcome of each test function in a JUnit report."""
    outcomes: Outcomes = {}
    for case in ElementTree.fromstring(report).iter("testcase"):
        bad = any(child.tag in ("failure", "error", "skipped") for child in case)
        name = case.attrib["name"].partition("[")[0]
        test = f"{_file(case.attrib['classname'])}::{name}"
        if bad or outcomes.get(test) is Outcome.FAILED:
            outcomes[test] = Outcome.FAILED
        else:
            outcomes[test] = Outcome.PASSED
    return dict(sorted(outcomes.items()))


def _file(class_name: str) -> str:
    """The file of "tests.unit.test_x" or of "tests.unit.test_x.TestClass"."""
    parts = class_name.split(".")
    for count in range(len(parts), 0, -1):
        path = "/".join(parts[:count]) + ".py"
        if (ROOT / path).is_file():
            return path
    return class_name


def ids_in(text: str) -> set[str]:
    """Requirement ids in *text*; "B05.FR.01, FR.02" names two."""
    found = set()
    for match in REQUIREMENT.finditer(text):
        numbers = [match[2], *FURTHER.findall(match[3])]
        found |= {f"{match[1]}.FR.{number}" for number in numbers}
    return found


def named_in_code() -> set[str]:
    """Ids named anywhere in the product's own sources."""
    found = set()
    for folder in ("station", "hal"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            found |= ids_in(path.read_text(encoding="utf-8"))
    return found


def named_in_passing_tests(outcomes: Outcomes) -> set[str]:
    """Ids named inside test functions of which every run has passed."""
    found = set()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        file = path.relative_to(ROOT).as_posix()
        for name, source in _functions(path.read_text(encoding="utf-8")):
            if outcomes.get(f"{file}::{name}") is Outcome.PASSED:
                found |= ids_in(source)
    return found


def _functions(source: str) -> Iterator[tuple[str, str]]:
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            yield node.name, "\n".join(lines[first - 1 : node.end_lineno])
