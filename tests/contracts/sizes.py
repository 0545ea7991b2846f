"""Signs that a room grows crooked: `python -m tests.contracts.sizes` names them.

Signs, not limits: a file past 400 lines, a function past 40, a class past 15 public methods.
A test fails only far beyond (600 and 80).
"""

import ast
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FILE, FUNCTION, METHODS = 400, 40, 15
FAR_FILE, FAR_FUNCTION = 600, 80


class Sign(NamedTuple):
    place: str
    what: str
    size: int


def signs(*, file: int = FILE, function: int = FUNCTION, methods: int = METHODS) -> list[Sign]:
    found = []
    for path in sorted([*ROOT.glob("station/**/*.py"), *ROOT.glob("hal/**/*.py")]):
        name, text = str(path.relative_to(ROOT)), path.read_text()
        lines = text.count("\n")
        if lines > file:
            found.append(Sign(name, "lines", lines))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                size = (node.end_lineno or 0) - node.lineno + 1
                if size > function:
                    found.append(Sign(f"{name}:{node.lineno} {node.name}", "lines", size))
            elif isinstance(node, ast.ClassDef):
                public = [
                    each
                    for each in node.body
                    if isinstance(each, ast.FunctionDef) and not each.name.startswith("_")
                ]
                if len(public) > methods:
                    found.append(
                        Sign(f"{name}:{node.lineno} {node.name}", "public methods", len(public))
                    )
    return found


if __name__ == "__main__":
    for sign in signs():
        print(f"{sign.place}: {sign.size} {sign.what}")
