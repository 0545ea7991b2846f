"""Random lives of a station, held to the invariants; JOULEPOST_CAMPAIGN=5000 lives as many."""

import os

import pytest

from tests.usecases.campaign import Life

LIVES = int(os.environ.get("JOULEPOST_CAMPAIGN", "160"))
CHUNKS = 8
FOUND_ONCE = (0, 289, 1067)
"""Seeds that have found a bug, kept in whatever they have become since."""


def live(seed: int) -> None:
    life = Life(seed)
    try:
        life.run()
    except BaseException as error:
        last = "\n".join(["...", *life.log[-12:]])
        error.add_note(f"replay: Life({seed}).run() of tests/usecases/campaign.py\n{last}")
        raise


@pytest.mark.timeout(0)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_whatever_happens_nothing_is_lost_and_nothing_unsafe_is_done(chunk: int) -> None:
    """I1 to I9 and I14: see `accounting` for what each of them asks."""
    for seed in range(1000 + chunk, 1000 + LIVES, CHUNKS):
        live(seed)


@pytest.mark.parametrize("seed", FOUND_ONCE)
def test_a_life_that_has_found_a_bug_finds_none_any_more(seed: int) -> None:
    live(seed)
