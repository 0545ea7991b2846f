"""The command line: what it understands, and the one line it says when it does not."""

import argparse
import os
import subprocess
import sys
import types
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from station.cli import COMMANDS, main, module_of
from station.cli import ending as endings
from station.cli.sim import SIM_PASSWORD, default_state_dir
from station.config import StationConfig
from station.process import read_board, refuse
from station.rules import check_password

CONFIG = """
[station]
identity = "CS001"
[network]
url = "wss://csms.example/ocpp"
[board]
file = "gpio_contactor.toml"
"""


class FakeMain(types.ModuleType):
    """station.process without a station: remembers the configuration, ends as it is told."""

    def __init__(self) -> None:
        super().__init__("station.process")
        self.configs: list[StationConfig] = []
        self.ending = endings.STOP
        self.read_board, self.refuse = read_board, refuse

    def run_station(self, config: StationConfig, _: object = None) -> str:
        self.configs.append(config)
        return self.ending


@pytest.fixture
def fake_main(monkeypatch: pytest.MonkeyPatch) -> FakeMain:
    fake = FakeMain()
    monkeypatch.setitem(sys.modules, "station.process", fake)
    return fake


def sim_config(fake_main: FakeMain, *words: str) -> StationConfig:
    assert main(["sim", *words]) == 0
    return fake_main.configs[-1]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            "",
            "joulepost: which command? There is run, sim, csms, doctor, verify-ocmf, undelivered,",
        ),
        (
            "rnu",
            "joulepost: there is no command 'rnu' (did you mean 'run'?); see joulepost --help",
        ),
        (
            "xyz",
            "joulepost: there is no command 'xyz' "
            "(there is run, sim, csms, doctor, verify-ocmf, undelivered, certs, demo)",
        ),
        ("--bogus", "joulepost: unrecognized arguments: --bogus; see joulepost --help"),
        (
            "sim --evses 0",
            "joulepost sim: --evses: '0' is not a whole number of 1 to 64; see joulepost sim",
        ),
        ("sim --evses 65", "joulepost sim: --evses: '65' is not a whole number of 1 to 64"),
        ("sim --evses 2.0", "joulepost sim: --evses: '2.0' is not a whole number of 1 to 64"),
        ("sim --evses ²", "joulepost sim: --evses: '²' is not a whole number of 1 to 64"),
        ("sim --evses", "joulepost sim: --evses: expected one argument; see joulepost sim --help"),
        ("sim --ev 2", "joulepost sim: unknown argument '--ev'; see joulepost sim --help"),
        ("sim extra", "joulepost sim: unknown argument 'extra'; see joulepost sim --help"),
        ("sim --connectors 9", "joulepost sim: --connectors: '9' is not a whole number of 1 to 8"),
        ("sim --seed -1", "joulepost sim: --seed: "),
        ("sim --cable none", "joulepost sim: --cable: invalid choice: 'none'"),
        ("sim --id a:b", "joulepost sim: --id: 'a:b' must not hold ':'"),
        ("sim --id=", "joulepost sim: --id: '' must be 1 to 48 characters long"),
        ("sim --csms http://h", "joulepost sim: --csms: 'http://h' must begin with ws://"),
        ("sim --csms ws://u:p@h", "joulepost sim: --csms: 'ws://u:p@h' must not hold user or"),
        ("sim --csms ws://h?x", "joulepost sim: --csms: 'ws://h?x' must not hold a query"),
        ("sim --password short", "joulepost sim: --password: the password must be 16 to 64"),
        ("sim --web 8080", "joulepost sim: --web: '8080' must be HOST:PORT, as in 127.0.0.1:8180"),
        ("sim --web ::1:80", "joulepost sim: --web: '::1:80' must have an IPv6 host in brackets"),
        ("sim --variables /nowhere", "joulepost sim: --variables: /nowhere: No such file or"),
        ("sim --state-dir /dev/null", "joulepost sim: --state-dir: /dev/null is not a folder"),
        ("run --config /nowhere", "joulepost run: /nowhere: No such file or directory"),
        ("run --bogus", "joulepost run: unknown argument '--bogus'; see joulepost run --help"),
        ("csms --bogus", "joulepost csms: unknown argument '--bogus'; see joulepost csms --help"),
        ("csms send", "joulepost csms send: the following arguments are required: ID, Action"),
        ("demo --listen x", "joulepost demo: --listen: 'x' must be HOST:PORT"),
        ("demo --listen 192.0.2.1:9", "joulepost demo: --listen: cannot listen on 192.0.2.1:9: "),
    ],
)
def test_a_bad_argument_is_one_line_and_exit_code_2(
    words: str, line: str, capsys: pytest.CaptureFixture[str], fake_main: FakeMain
) -> None:
    assert main(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(line)
    assert err.count("\n") == 1
    assert fake_main.configs == []


def test_a_bad_password_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sim", "--password", "hunter2"]) == 2
    assert "hunter2" not in capsys.readouterr().err


@pytest.mark.parametrize("command", ["", *COMMANDS, "csms send"])
def test_help_shows_examples_that_can_be_typed(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert f"joulepost {command}".strip() in out.partition("examples:")[2]
    assert max(map(len, out.splitlines())) <= 100


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    listed = [line.split()[0] for line in out.splitlines() if line.startswith("    ")]
    assert set(COMMANDS) <= set(listed)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("joulepost ")


def test_sim_without_arguments_calls_the_bench_csms(fake_main: FakeMain) -> None:
    config = sim_config(fake_main)
    assert config.network.url == "ws://127.0.0.1:9000"
    assert config.network.security_profile == 1
    assert config.station.identity == config.serial_number == "sim-1"
    assert config.station.state_dir == "var/sim-1"
    assert config.password.value == SIM_PASSWORD == check_password(SIM_PASSWORD)
    assert config.listen is None
    assert config.sim is not None
    assert (config.sim.evses, config.sim.connectors, config.sim.cable) == (1, 1, "fixed")
    assert (config.sim.unplugged, config.sim.seed) == (False, None)


def test_sim_takes_all_its_arguments(fake_main: FakeMain, tmp_path: Path) -> None:
    presets = tmp_path / "presets.json"
    presets.write_text('[{"component": {"name": "A"}, "variable": {"name": "B"}, "value": "1"}]')
    words = (
        "--csms wss://h/ocpp/ --id CS001 --password 0123456789abcdef --evses 2 --connectors 2 "
        f"--cable socket --web [::1]:0 --seed 7 --unplugged --state-dir {tmp_path} "
        f"--variables {presets}"
    )
    config = sim_config(fake_main, *words.split())
    assert config.network.url == "wss://h/ocpp"
    assert config.network.security_profile == 2
    assert config.password.value == "0123456789abcdef"
    assert config.listen == ("::1", 0)
    assert config.station.state_dir == str(tmp_path)
    assert [preset.key for preset in config.presets] == ["A.B"]
    assert config.sim is not None
    assert (config.sim.evses, config.sim.connectors, config.sim.cable) == (2, 2, "socket")
    assert (config.sim.unplugged, config.sim.seed) == (True, 7)


def test_after_a_reset_the_car_is_still_there_whatever_unplugged_says(
    fake_main: FakeMain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(endings.RESTARTED_PID, str(os.getpid()))
    config = sim_config(fake_main, "--unplugged")
    assert config.sim is not None
    assert not config.sim.unplugged


def test_a_child_that_inherits_the_mark_of_a_restart_is_no_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(endings.RESTARTED_PID, str(os.getppid()))
    assert not endings.was_restarted()


@pytest.mark.parametrize(
    ("identity", "folder"),
    [
        ("CS001", "var/CS001"),
        ("a.b", "var/a.b"),
        (".", "var/%2E"),
        ("..", "var/%2E%2E"),
        ("a*|b", "var/a%2A%7Cb"),
    ],
)
def test_every_identity_has_a_state_folder_of_its_own(identity: str, folder: str) -> None:
    assert default_state_dir(identity) == Path(folder)


def test_run_reads_its_configuration(fake_main: FakeMain, tmp_path: Path) -> None:
    file = tmp_path / "station.toml"
    file.write_text(CONFIG)
    assert main(["run", "--config", str(file)]) == 0
    assert fake_main.configs[0].station.identity == "CS001"
    assert fake_main.configs[0].sim is None


def test_run_can_check_a_configuration_only(
    fake_main: FakeMain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "station.toml"
    file.write_text(CONFIG)
    assert main(["run", "--check", "--config", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: good\n"
    file.write_text(CONFIG.replace("CS001", "CS:001"))
    assert main(["run", "--check", "--config", str(file)]) == 2
    assert "[station] identity" in capsys.readouterr().err
    file.write_text(CONFIG.replace("gpio_contactor.toml", "no-such-board.toml"))
    assert main(["run", "--check", "--config", str(file)]) == 2
    refusal = "joulepost run: no-such-board.toml: No such file or directory\n"
    assert capsys.readouterr().err == refusal
    assert fake_main.configs == []


@pytest.mark.parametrize(
    ("variable", "rule"),
    [
        ('"TxCtrlr.Nope" = "1"', "TxCtrlr: Nope: the station does not have this variable"),
        ('"TxCtrlr.TxStartPoint" = "Never"', "TxStartPoint: has an item that is not in the"),
    ],
)
def test_a_check_finds_variables_that_the_station_does_not_have_or_refuses(
    variable: str, rule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that names file, table, variable and rule, as the start itself would give it."""
    file = tmp_path / "station.toml"
    file.write_text(f"{CONFIG}[variables]\n{variable}\n")
    assert main(["run", "--check", "--config", str(file)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"joulepost run: {file}: [variables] ")
    assert rule in said
    assert said.count("\n") == 1


def test_a_station_that_failed_gives_exit_code_1(fake_main: FakeMain) -> None:
    fake_main.ending = endings.FAILED
    assert main(["sim"]) == 1


def test_under_systemd_a_reset_asks_to_be_started_again(
    fake_main: FakeMain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSTEMD_EXEC_PID", str(os.getpid()))
    fake_main.ending = endings.RESTART
    assert main(["sim"]) == 75


RESTARTING = """
import os, sys, types
from station.cli import main
from station.cli.ending import was_restarted

def run_station(config, back_office=None):
    print(os.getpid(), was_restarted(), config.sim.seed, flush=True)
    return "stop" if was_restarted() else "restart"

sys.modules["station.process"] = types.SimpleNamespace(run_station=run_station)
sys.exit(main(sys.argv[1:]))
"""


def test_unsupervised_a_reset_is_the_same_process_with_the_same_arguments(tmp_path: Path) -> None:
    script = tmp_path / "restarting.py"
    script.write_text(RESTARTING)
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"SYSTEMD_EXEC_PID", endings.RESTARTED_PID}
    } | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, str(script), "sim", "--seed", "42"],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out.splitlines() == [f"{process.pid} False 42", f"{process.pid} True 42"]


def test_ctrl_c_before_the_station_runs_is_exit_code_130(
    fake_main: FakeMain, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(config: StationConfig, _: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(fake_main, "run_station", interrupted)
    assert main(["sim"]) == 130


HEAVY = ("cryptography", "websockets", "ocpp", "http.server", "tomllib", "serial", "asyncio")


def test_a_boot_imports_no_more_than_it_needs() -> None:
    program = (
        "import sys; from station.cli import main; import types\n"
        "process = types.SimpleNamespace(run_station=lambda config, back_office=None: 'stop')\n"
        "sys.modules['station.process'] = process\n"
        "code = main(['sim'])\n"
        f"print([name for name in {HEAVY} if name in sys.modules], code)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout == "[] 0\n"


def test_every_command_offers_the_same_two_functions() -> None:
    for name in COMMANDS:
        module = import_module(module_of(name))
        assert callable(module.run)
        subparsers = argparse.ArgumentParser().add_subparsers()
        module.add_parser(subparsers)
        assert list(subparsers.choices) == [name]
