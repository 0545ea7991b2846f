"""Every frame that a station sends is checked against the official schemas."""

from typing import Any

import orjson

from station.bench.csms_schema import Schemas


def broken_frames(frames: list[list[Any]], schemas: Schemas) -> list[str]:
    """What is wrong with the frames of the station, in order."""
    actions = {}
    problems = []
    for _, direction, text in frames:
        if direction == "<":
            frame = _parsed(text)
            if frame and frame[0] == 2:
                actions[frame[1]] = frame[2]
            continue
        frame = orjson.loads(text)
        if frame[0] == 2:
            found = schemas.check(frame[2], frame[3], response=False)
            what = frame[2]
        elif frame[0] == 3 and frame[1] in actions:
            what = f"answer to {actions[frame[1]]}"
            found = schemas.check(actions[frame[1]], frame[2], response=True)
        else:
            continue
        if found is not None:
            problems.append(f"{what}: {found[1]}")
    return problems


def _parsed(text: str) -> list[Any] | None:
    """A frame of the CSMS, which a test may have broken on purpose."""
    try:
        frame = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return frame if isinstance(frame, list) and len(frame) == 4 else None
