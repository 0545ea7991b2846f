"""The core reaches time, chance, files, sockets and threads only through its environment.

The rule is held on the syntax tree: whoever decides must behave alike in production and in
virtual time. Edges, which do the reaching, are listed with what they may touch.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FORBIDDEN_MODULES = {
    "asyncio",
    "multiprocessing",
    "random",
    "secrets",
    "socket",
    "sqlite3",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "uuid",
}
FORBIDDEN_CALLS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("date", "today"),
    ("os", "environ"),
    ("os", "getenv"),
    ("os", "urandom"),
    ("os", "system"),
    ("os", "popen"),
    ("Path", "write_text"),
    ("Path", "write_bytes"),
}
FILE_CALLS = {"open", "write_text", "write_bytes", "unlink", "mkdir", "read_text", "read_bytes"}

EDGES = (
    "station/env.py",  # names random.Random in the type of its rng
    "station/process.py",
    "station/simulator.py",
    "station/cli/",
    "station/io/",
    "station/store/",
    "station/web/",
    "station/bench/",
    "hal/build.py",
    "hal/gpio.py",
    "hal/make_safe.py",
    "hal/meter_signing.py",
    "hal/pollers.py",
    "hal/thread_board.py",
    "hal/sim/thread.py",
    "hal/sim/world.py",
)
"""What does the reaching for the others."""
MAY = {
    "station/config.py": {"open", "read_text"},
    "station/presets.py": {"open", "read_text", "read_bytes"},
    "station/reactor.py": set(),
    "station/context.py": {"random"},  # the type of the seeded generator it hands on
}
"""Files that may do just these things."""


def sources() -> list[str]:
    files = [*ROOT.glob("station/**/*.py"), *ROOT.glob("hal/**/*.py")]
    names = sorted(str(file.relative_to(ROOT)) for file in files)
    return [name for name in names if not name.startswith(EDGES)]


def offences(name: str) -> list[str]:
    tree = ast.parse((ROOT / name).read_text())
    allowed = MAY.get(name, set())
    found: list[str] = []
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        found += [f"{name}:{line}: {what}" for what in _offence(node) if what not in allowed]
    return found


def _offence(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [each.name for each in node.names if each.name in FORBIDDEN_MODULES]
    if isinstance(node, ast.ImportFrom):
        return [node.module] if node.module in FORBIDDEN_MODULES else []
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        pair = (node.value.id, node.attr)
        return [".".join(pair)] if pair in FORBIDDEN_CALLS else []
    if isinstance(node, ast.Call):
        function = node.func
        name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        plain_open = isinstance(function, ast.Name) and name == "open"
        method = isinstance(function, ast.Attribute) and name in FILE_CALLS - {"open"}
        return [name] if plain_open or method else []
    return []


@pytest.mark.parametrize("name", sources())
def test_the_core_reaches_the_world_only_through_its_environment(name: str) -> None:
    assert offences(name) == []


def test_every_edge_that_is_named_exists() -> None:
    assert [edge for edge in (*EDGES, *MAY) if not (ROOT / edge).exists()] == []


def sets_that_are_iterated(name: str) -> list[str]:
    """`for x in {…}` and `for x in set(…)`: their order is not that of the program."""
    found = []
    for node in ast.walk(ast.parse((ROOT / name).read_text())):
        places = []
        if isinstance(node, ast.For):
            places = [node.iter]
        elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp):
            places = [each.iter for each in node.generators]
        for place in places:
            literal = isinstance(place, ast.Set | ast.SetComp)
            built = isinstance(place, ast.Call) and getattr(place.func, "id", "") in {
                "set",
                "frozenset",
            }
            if literal or built:
                found.append(f"{name}:{place.lineno}")
    return found


@pytest.mark.parametrize("name", sources())
def test_no_set_is_iterated(name: str) -> None:
    assert sets_that_are_iterated(name) == []


SQL_OF_CHANCE = ("random()", "current_timestamp", "current_time", "current_date", "'now'")


def test_sql_asks_neither_chance_nor_the_clock() -> None:
    """The store works the same in virtual time: values come from the core."""
    texts = [*ROOT.glob("station/store/**/*.py"), *ROOT.glob("station/store/**/*.sql")]
    found = [
        f"{file.relative_to(ROOT)}: {word}"
        for file in sorted(texts)
        for word in SQL_OF_CHANCE
        if word in file.read_text().lower()
    ]
    assert found == []


def shell_calls(tree: ast.AST) -> list[int]:
    """Calls that could reach a shell: no text from outside may ever be a command."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (
            any(k.arg == "shell" for k in node.keywords)
            or getattr(node.func, "attr", "") in {"system", "popen", "getoutput"}
        )
    ]


def test_nothing_reaches_a_shell() -> None:
    files = [*ROOT.glob("station/**/*.py"), *ROOT.glob("hal/**/*.py")]
    found = [f"{f}:{line}" for f in sorted(files) for line in shell_calls(ast.parse(f.read_text()))]
    assert found == []
