"""What the documents say is so: commands, targets, links, paths, tables and examples."""

import argparse
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hal.api import FAULTS, FaultName
from hal.make_safe import DEFAULT_PATH
from station.bench.virtual import VirtualStation
from station.charging.faults import MEANINGS, Consequence
from station.cli import COMMANDS, Parser, module_of
from station.cli.ending import RESTART_BY_SYSTEMD
from station.presets import read_presets
from station.process import LAST_END, RUN_DIR
from station.web.api import READ_PATHS
from station.web.sim_api import EVSE_COMMANDS, FAULT_NAMES, PATHS, STATION_COMMANDS

ROOT = Path(__file__).parents[2]
GENERATED = {"docs/status.md", "station/_config"}
"""Made by `make status`, and in a wheel only."""
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for path in (
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("docs/*/*.md"),
        *ROOT.glob("deploy/*.md"),
    )
    if str(path.relative_to(ROOT)) not in GENERATED
)
DESIGN = [name for name in DOCUMENTS if name.startswith("docs/design/")]
HOW_TO = [name for name in DOCUMENTS if name.startswith("docs/how-to/")]
SIMULATOR, LOG = "docs/how-to/drive-the-simulator.md", "docs/how-to/read-the-log.md"

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
REPO_PATH = re.compile(r"(?:station|hal|config|tests|docs|deploy)/[\w./\-]*")
OTHER_TOOLS = {"--system-site-packages"}
"""Options of other programs that a document names on their own."""


class Block(NamedTuple):
    language: str
    text: str


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, *languages: str) -> list[str]:
    found = [Block(*match.groups()) for match in FENCE.finditer(read(name))]
    return [block.text for block in found if block.language in languages]


def inline(name: str) -> list[str]:
    return INLINE.findall(FENCE.sub("", read(name)))


def shell_lines(name: str) -> Iterator[str]:
    for text in blocks(name, "sh"):
        yield from text.replace("\\\n", " ").splitlines()


def rows(name: str) -> list[list[str]]:
    """The cells of every table row."""
    lines = [line for line in read(name).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


# -- commands and targets


def parser_of(command: str) -> argparse.ArgumentParser:
    parser = Parser(prog="joulepost")
    subparsers = parser.add_subparsers(dest="command")
    import_module(module_of(command)).add_parser(subparsers)
    return parser


def options(parser: argparse.ArgumentParser) -> set[str]:
    found: set[str] = set()
    for action in parser._actions:
        found |= set(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            found = found.union(*(options(each) for each in action.choices.values()))
    return found


def joulepost_words(line: str) -> list[str] | None:
    """What follows `joulepost` in a line of a shell block, up to the end of that command."""
    words = shlex.split(line, comments=True)
    pairs = list(pairwise(words))
    starts = [
        at for at, (a, b) in enumerate(pairs) if Path(a).name == "joulepost" and b in COMMANDS
    ]
    if not starts:
        return None
    at = starts[0]
    end = next((end for end in range(at, len(words)) if words[end] in ("&", "|", "&&")), None)
    return words[at + 1 : end]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_in_a_shell_block_would_be_taken(name: str) -> None:
    for line in shell_lines(name):
        words = joulepost_words(line)
        if words is not None:
            parser_of(words[0]).parse_args(words)


def test_commands_are_found_in_shell_blocks() -> None:
    found = [joulepost_words(line) for name in DOCUMENTS for line in shell_lines(name)]
    commands = {words[0] for words in found if words}
    assert {"sim", "csms", "run"} <= commands


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_and_option_named_in_the_text_exists(name: str) -> None:
    everything = set().union(*(options(parser_of(command)) for command in COMMANDS))
    for span in inline(name):
        words = span.split()
        if words[0] == "joulepost":
            assert len(words) == 1 or words[1] in {*COMMANDS, "COMMAND"}, span
        known = everything
        if words[0] == "joulepost" and words[1:] and words[1] in COMMANDS:
            known = options(parser_of(words[1]))
        if words[0] == "joulepost" or words[0].startswith("--"):
            named = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert named <= known | OTHER_TOOLS, span


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_make_target_that_is_named_exists(name: str) -> None:
    named = [span for span in (*inline(name), *shell_lines(name)) if span.startswith("make ")]
    for span in named:
        assert span.split()[1] in make_targets(), span


def test_the_readme_names_every_make_target() -> None:
    text = read("README.md")
    assert [t for t in make_targets() - {"clean"} if f"make {t}" not in text] == []


# -- links and paths


def slug(heading: str) -> str:
    """The anchor that a heading gets on common hosts."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_relative_link_leads_somewhere(name: str) -> None:
    for link in LINK.findall(FENCE.sub("", read(name))):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), f"{name}: {link}"
        if anchor:
            headings = HEADING.findall(FENCE.sub("", target.read_text(encoding="utf-8")))
            assert anchor in {slug(each) for each in headings}, f"{name}: {link}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_path_of_the_repository_exists(name: str) -> None:
    paths = {span for span in inline(name) if REPO_PATH.fullmatch(span)} - GENERATED
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", [*DOCUMENTS, "deploy/joulepost.service"])
def test_no_document_names_a_place_on_the_machine_of_its_author(name: str) -> None:
    assert re.findall(r"(?:/work|/tmp|/home|/root)/\S*", read(name)) == []


# -- shape


def test_design_records_are_numbered_short_and_of_one_shape() -> None:
    assert [Path(name).name[:4] for name in DESIGN] == [
        f"{number:04}" for number in range(1, len(DESIGN) + 1)
    ]
    for name in DESIGN:
        headings = HEADING.findall(read(name))
        assert headings[0].startswith(Path(name).name[:4]), name
        assert headings[1:] == ["Context", "Decision", "Consequence"], name
        assert len(read(name).splitlines()) <= 40, name


@pytest.mark.parametrize("name", HOW_TO)
def test_how_tos_fit_on_two_screens(name: str) -> None:
    assert len(read(name).splitlines()) <= 120


# -- tables that repeat what the code says


def test_the_readme_shows_the_simulators_api_as_it_is() -> None:
    table = {row[0].strip("`"): row[1] for row in rows("README.md") if "/api/" in row[0]}
    assert [*table] == [*READ_PATHS, *PATHS]
    commands = {
        **{f"POST /api/sim/evses/{{evse}}/{name}": c for name, c in EVSE_COMMANDS.items()},
        **{f"POST /api/sim/{name}": c for name, c in STATION_COMMANDS.items()},
    }
    for path, command in commands.items():
        missing = [field for field in command.fields if f"`{field}`" not in table[path]]
        assert missing == [], path


def test_the_fault_table_is_the_one_of_the_code() -> None:
    words = {
        Consequence.NONE: "goes on",
        Consequence.SUSPENDS: "suspends",
        Consequence.ENDS: "ends",
    }
    table = {row[0].strip("`"): row[1:] for row in rows(SIMULATOR) if row[0].startswith("`")}
    expected = {}
    for name in FAULT_NAMES:
        meaning = MEANINGS[FaultName(name)]
        ends = meaning.consequence is Consequence.ENDS
        expected[name] = [
            FAULTS[FaultName(name)].severity.name,
            words[meaning.consequence],
            meaning.stopped_reason.value if ends else "—",
            f"{meaning.component}.{meaning.variable}",
        ]
    assert table == expected


def paths_of(value: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(value, list):
        for item in value[:1]:
            yield from paths_of(item, f"{prefix}[]")
    elif isinstance(value, dict) and prefix.count(".") < 2:
        for key, inner in value.items():
            yield from paths_of(inner, f"{prefix}.{key}" if prefix else key)
    yield prefix


def test_every_field_of_the_state_that_is_explained_exists() -> None:
    station = VirtualStation(evses=2).boot()
    station.sim.plug(1)
    station.sim.token("04A1B2C3", evse=1)
    station.settle()
    snapshot = station.station.snapshot()
    state = {name: getattr(snapshot, name) for name in snapshot.__struct_fields__}
    explained = {
        span
        for row in rows(LOG)
        for span in INLINE.findall(row[0])
        if re.fullmatch(r"[a-z_]+(?:\[\])?(?:\.[a-z_\[\]]+)*", span) and span.split(".")[0] != "a"
    }
    assert "evses[].pilot" in explained
    assert explained <= set(paths_of(state))
    assert {name.split("[")[0].split(".")[0] for name in explained} == set(state)


def test_every_line_of_the_log_that_is_explained_can_be_written() -> None:
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("station", "hal")
        for path in sorted((ROOT / folder).rglob("*.py"))
    )
    quoted = [INLINE.findall(row[0]) for row in rows(LOG) if " " in row[0].strip("`")]
    lines = [span for spans in quoted for span in spans if " " in span]
    assert len(lines) > 10
    for line in lines:
        for part in re.split(r"…|EVSE 1|residual_current|volatile|[();:]", line):
            assert part.strip() in source, line


# -- the unit and what the process expects of it


def test_the_unit_agrees_with_the_process() -> None:
    unit = read("deploy/joulepost.service")
    assert f"RestartForceExitStatus={RESTART_BY_SYSTEMD}\n" in unit
    assert f'"$$SERVICE_RESULT" >{LAST_END};' in unit
    assert f"RuntimeDirectory={RUN_DIR.name}\n" in unit
    assert RUN_DIR / "outputs.json" == DEFAULT_PATH
    assert "-m hal.make_safe;" in unit
    for line in ("Type=notify", "NotifyAccess=main", "WatchdogSec=10", "StateDirectoryMode=0700"):
        assert f"\n{line}\n" in unit


# -- examples


@pytest.mark.parametrize("name", DOCUMENTS)
def test_examples_that_are_tests_pass(name: str) -> None:
    for text in blocks(name, "python"):
        if "import VirtualStation" in text:
            space: dict[str, Any] = {}
            exec(compile(text, name, "exec"), space)
            tests = [value for key, value in space.items() if key.startswith("test_")]
            assert tests
            for test in tests:
                test()


def test_the_example_of_presets_is_read(tmp_path: Path) -> None:
    (example,) = blocks(SIMULATOR, "json")
    file = tmp_path / "variables.json"
    file.write_text(example)
    assert [preset.key for preset in read_presets(file)] == [
        "TxCtrlr.TxStartPoint",
        "TxCtrlr.EVConnectionTimeOut",
    ]
