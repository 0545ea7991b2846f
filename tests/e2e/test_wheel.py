"""The wheel, installed in a fresh environment and run outside the checkout.

The fresh environment gets its dependencies from the one that runs the tests, through a path
file: no download. Path files of a folder named in a path file are not read, so the editable
install of the checkout that lies there is out of sight.
"""

import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

from station.bench.csms_thread import BenchCsmsThread
from tests.e2e.conftest import MakeSim
from tests.e2e.heard import assert_accounted, messages, wait, wait_for_boot
from tests.e2e.rig import IDENTITY, PASSWORD, ROOT, Child

STATION = """\
[station]
identity = "CS001"
state_dir = "state"
[network]
url = "ws://127.0.0.1:9/ocpp"
security_profile = 1
[board]
file = "simulator.toml"
"""


@dataclass(frozen=True)
class Installed:
    """A fresh environment with the wheel in it, and a folder that is no checkout."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "venv/bin/python"

    @property
    def command(self) -> Path:
        return self.folder / "venv/bin/joulepost"

    @property
    def site(self) -> Path:
        (site,) = (self.folder / "venv/lib").glob("python*/site-packages")
        return site

    def run(self, *words: str | Path) -> str:
        """What it printed; its exit code must be 0."""
        done = subprocess.run(
            list(map(str, words)),
            cwd=self.folder,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("elsewhere")
    install(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    (wheel,) = folder.glob("joulepost-*.whl")
    installed = Installed(folder)
    install(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    pip = (sys.executable, "-m", "pip", "--isolated", "--python", installed.python)
    install(*pip, "install", "--no-deps", "--no-index", "--no-compile", wheel)
    (installed.site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return installed


def install(*words: str | Path) -> None:
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_is_what_runs_there(installed: Installed) -> None:
    where = "import station, hal; print(station.__file__); print(hal.__file__)"
    for file in installed.run(installed.python, "-c", where).split():
        assert Path(file).is_relative_to(installed.site)
    assert installed.run(installed.command, "--version") == f"joulepost {version('joulepost')}\n"


def test_nothing_of_the_checkout_but_two_packages_is_in_it(installed: Installed) -> None:
    names = {entry.name for entry in installed.site.iterdir()}
    kinds = {name.partition("-")[0] for name in names}
    assert kinds == {"station", "hal", "joulepost", "dependencies.pth"}
    assert not list(installed.site.glob("**/tests"))


def test_the_packaged_boards_are_found(installed: Installed) -> None:
    config = installed.folder / "station.toml"
    config.write_text(STATION)
    answer = installed.run(installed.command, "run", f"--config={config}", "--check")
    assert answer == f"{config}: good\n"


def test_the_installed_command_charges_a_car(
    installed: Installed, make_sim: MakeSim, csms: BenchCsmsThread
) -> None:
    program = (installed.python, installed.command)
    sim = make_sim(program=program, cwd=installed.folder).start()
    assert wait_for_boot(csms) == "PowerUp"
    sim.charge()
    sim.token()
    assert_accounted(csms, sim)


def test_the_installed_command_runs_a_board_file_of_the_package(
    installed: Installed, start: Callable[..., Child], csms: BenchCsmsThread
) -> None:
    """A configuration, a password of its own, and the board that touches nothing."""
    folder = installed.folder / "etc"
    folder.mkdir()
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o600)
    config = folder / "station.toml"
    config.write_text(
        STATION.replace("ws://127.0.0.1:9/ocpp", csms.url)
        .replace("CS001", IDENTITY)
        .replace("[board]", 'password_file = "password"\n[board]')
    )
    child = start(installed.python, installed.command, "run", f"--config={config}", cwd=folder)
    assert wait_for_boot(csms) == "PowerUp"
    wait(csms, lambda seen: len(messages(seen, "StatusNotification")) == 2)
    assert child.stop(signal.SIGTERM) == 0
    assert (folder / "state" / "station.db").exists()
