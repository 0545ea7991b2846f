"""The last frames of the conversation, for the diagnostics log: bounded, without drivers' data."""

import re
from collections import deque
from datetime import datetime
from typing import NamedTuple

MAX_FRAMES = 300
MAX_CHARACTERS = 400_000
"""Of all frames that are kept."""
LONGEST = 20_000
"""Of a longer one only the length is kept: a part of one could not be cleared of secrets."""

# What leads to a person is blotted out at once, so that nothing kept here is personal data
# (N10). Secrets go when the log is written, on a lane: that takes more thought (io.redact).
PERSONAL = re.compile(
    r'"(idToken|additionalIdToken|customerIdentifier|customerCertificate|personalMessage)"'
    r'\s*:\s*"(?:[^"\\]|\\.)*"'
)


class Frame(NamedTuple):
    at: datetime
    way: str
    """">": sent, "<": received."""
    text: str


class RecentFrames:
    """A ring; the core alone touches it."""

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque()
        self._characters = 0

    def note(self, at: datetime, way: str, text: str) -> None:
        kept = f"({len(text)} characters)"
        if len(text) <= LONGEST:
            kept = PERSONAL.sub(r'"\1":"***"', text)
        self._frames.append(Frame(at, way, kept))
        self._characters += len(kept)
        while len(self._frames) > MAX_FRAMES or self._characters > MAX_CHARACTERS:
            self._characters -= len(self._frames.popleft().text)

    def between(self, oldest: datetime | None, latest: datetime | None) -> list[Frame]:
        return [
            frame
            for frame in self._frames
            if (oldest is None or frame.at >= oldest) and (latest is None or frame.at <= latest)
        ]
