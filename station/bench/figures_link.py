"""What a day of charging costs on a metered line, and what compression saves of it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from wsproto.extensions import Extension
from wsproto.frame_protocol import FrameProtocol

from station.bench.day import day_station, run_day
from station.bench.figures_measure import Effort, Figure
from station.io.deflate import Deflate

OUT, IN = ">", "<"


def bytes_of_a_day(effort: Effort, directory: Path) -> list[Figure]:  # noqa: ARG001 - no disk
    """Every message of a day through the frame codec of the link, on one connection."""
    station = day_station()
    begin = len(station.csms.frames)
    run_day(station)
    messages = [(str(way), str(text)) for _, way, text in station.csms.frames[begin:]]
    plain = wire_bytes(messages, compress=False)
    packed = wire_bytes(messages, compress=True)
    return [
        Figure(
            "WebSocket bytes of a charging day",
            packed / 1000,
            "kB",
            note=f"compressed, both ways, {len(messages)} messages, six 3-hour transactions; "
            f"{plain / 1000:,.0f} kB without compression",
        ),
        Figure("… saved by compression", (1 - packed / plain) * 100, "%"),
    ]


def wire_bytes(messages: Sequence[tuple[str, str]], *, compress: bool) -> int:
    """Frames with their heads; what TCP and TLS add is the same for both."""
    ways = {OUT: True, IN: False}
    return sum(
        _framed((text for sign, text in messages if sign == way), client, compress=compress)
        for way, client in ways.items()
    )


def _framed(texts: Iterable[str], client: bool, *, compress: bool) -> int:
    extensions: list[Extension] = []
    if compress:
        deflate = Deflate()
        deflate.finalize("permessage-deflate")
        extensions.append(deflate)
    protocol = FrameProtocol(client=client, extensions=extensions)
    return sum(len(protocol.send_data(text)) for text in texts)
