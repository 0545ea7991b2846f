"""The bytes of a charging day: what is counted is what the link would send."""

import random

from station.bench.figures_link import IN, OUT, wire_bytes

SHORT, LONG = "x" * 100, random.Random(1).randbytes(500).hex()


def test_frames_are_counted_with_their_heads_and_a_client_masks() -> None:
    assert wire_bytes([(OUT, SHORT)], compress=False) == 100 + 2 + 4
    assert wire_bytes([(IN, SHORT)], compress=False) == 100 + 2
    assert wire_bytes([(IN, LONG)], compress=False) == 1000 + 4


def test_what_was_said_before_makes_the_next_message_smaller() -> None:
    once = wire_bytes([(OUT, LONG)], compress=True)
    assert 500 < once < 700
    assert wire_bytes([(OUT, LONG), (OUT, LONG)], compress=True) < once + 40
    assert wire_bytes([(OUT, LONG), (IN, LONG)], compress=True) > 2 * 500  # each way for itself
