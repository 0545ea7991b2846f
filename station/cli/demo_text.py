"""What the demo prints: the lines of the CSMS, coloured on a terminal, and its own between them."""

import os
import signal
import sys
import threading

INBOUND, OUTBOUND, OWN, BAD, PLAIN = "\x1b[36m", "\x1b[2m", "\x1b[1m", "\x1b[31m", "\x1b[0m"


class Screen:
    """Whole lines only, from whichever thread; asks the process to end when nobody reads them."""

    def __init__(self) -> None:
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._lock = threading.Lock()
        self._open = True

    def message(self, line: str) -> None:
        """A line of the CSMS."""
        if "!!" in line:
            colour = BAD
        elif " → " in line:
            colour = INBOUND
        else:
            colour = OUTBOUND
        self._print(line, colour)

    def say(self, *lines: str) -> None:
        for line in lines:
            self._print(line, OWN)

    def _print(self, line: str, colour: str) -> None:
        shown = f"{colour}{line}{PLAIN}" if self._colour and line else line
        with self._lock:
            if not self._open:
                return
            try:
                print(shown, flush=True)
            except BrokenPipeError:  # as in `joulepost demo | head`
                self._open = False
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                os.kill(os.getpid(), signal.SIGTERM)
