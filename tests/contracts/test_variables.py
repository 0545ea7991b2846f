"""No variable is an ornament: whatever the CSMS may set, somebody reads or watches."""

import ast
import functools
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from station.device_model import Mutability, Variable

ROOT = Path(__file__).parents[2]

WITHOUT_EFFECT_YET: dict[str, str] = {}
"""Names of variables, with the reason."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / "station").rglob("*.py")):
        if "bench" not in path.parts:
            yield (
                ".".join(path.relative_to(ROOT).with_suffix("").parts),
                ast.parse(path.read_text()),
            )


def held(value: Any) -> list[Variable[Any]]:
    """The variables that a name of a module stands for."""
    if isinstance(value, Variable):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple) and value and all(isinstance(each, Variable) for each in value):
        return list(value)
    return []


def is_writable(variable: Variable[Any]) -> bool:
    return variable.mutability is not Mutability.READ_ONLY


@functools.cache
def writable_names() -> list[str]:
    names: set[str] = set()
    for module, tree in modules():
        bound = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
        if not any("ariable" in ast.unparse(node) or "_" in ast.unparse(node) for node in bound):
            continue
        namespace = vars(importlib.import_module(module))
        for node in bound:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and any(
                    map(is_writable, held(namespace.get(target.id)))
                ):
                    names.add(target.id)
    return sorted(names)


class Uses(ast.NodeVisitor):
    """Names that are loaded where it is not only to declare them."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute) and node.func.attr == "declare":
            return
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        only_declares = len(node.body) == 1 and ".declare(" in ast.unparse(node.body[0])
        for child in node.body if only_declares else [node.iter, *node.body]:
            self.visit(child)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.names.add(node.id)


@functools.cache
def used_names() -> set[str]:
    uses = Uses()
    for _, tree in modules():
        uses.visit(tree)
    return uses.names


def test_writable_variables_are_found() -> None:
    assert {"HEARTBEAT_INTERVAL", "TX_STOP_POINT", "OFFLINE_THRESHOLD"} <= set(writable_names())


@pytest.mark.parametrize("name", writable_names())
def test_whoever_declares_a_writable_variable_honours_it(name: str) -> None:
    if name not in used_names():
        assert name in WITHOUT_EFFECT_YET


def test_no_exception_outlives_its_reason() -> None:
    assert set(WITHOUT_EFFECT_YET) & used_names() == set()
