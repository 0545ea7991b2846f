"""`joulepost sim` with what otherwise only a configuration file can say.

    python -m tests.e2e.configured_sim [--end] [--frames] sim ...

--end: a restart ends the transaction that ran; --frames: every frame goes to the log.
"""

import argparse
import sys

from msgspec.structs import replace

from station.cli import main, sim
from station.config import LoggingSection, StationConfig
from station.presets import preset_from_key


def build_config(args: argparse.Namespace) -> StationConfig:
    return replace(
        plain(args),
        variables=(preset_from_key("TxCtrlr.TxResumption", "End"),) if "--end" in settings else (),
        logging=LoggingSection(level="debug", frames="--frames" in settings),
    )


at = sys.argv.index("sim")
settings, words = sys.argv[1:at], sys.argv[at:]
plain, sim.build_config = sim.build_config, build_config
sys.exit(main(words))
