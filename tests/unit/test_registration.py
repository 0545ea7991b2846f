"""Registration with the CSMS: the whole table, and what may be sent in each state."""

from itertools import product

import pytest

from station.ocpp.registration import (
    TRANSITIONS,
    Input,
    Registration,
    may_send,
    next_state,
)

ANSWERED = {
    Input.BOOT_ACCEPTED: Registration.ACCEPTED,
    Input.BOOT_PENDING: Registration.PENDING,
    Input.BOOT_REJECTED: Registration.REJECTED,
}


def test_the_table_is_total() -> None:
    assert set(TRANSITIONS) == set(product(Registration, Input))


@pytest.mark.parametrize(("state", "happened"), list(product(Registration, ANSWERED)))
def test_an_answer_of_the_csms_decides_whatever_was_before(
    state: Registration, happened: Input
) -> None:
    assert next_state(state, happened) is ANSWERED[happened]


@pytest.mark.parametrize("state", list(Registration))
@pytest.mark.parametrize("happened", [Input.BOOT_FAILED, Input.DISCONNECTED])
def test_what_is_no_answer_leaves_the_registration_alone(
    state: Registration, happened: Input
) -> None:
    """Part 4, 5.3: a reconnect is no boot."""
    assert next_state(state, happened) is state


@pytest.mark.parametrize("state", list(Registration))
def test_another_csms_knows_nothing_of_the_registration(state: Registration) -> None:
    """B10.FR.10"""
    assert next_state(state, Input.CSMS_CHANGED) is Registration.NONE


@pytest.mark.parametrize("state", list(Registration))
@pytest.mark.parametrize("asked_for", [False, True])
def test_a_boot_notification_may_always_be_sent(state: Registration, asked_for: bool) -> None:
    assert may_send(state, "BootNotification", asked_for=asked_for)


@pytest.mark.parametrize(
    ("state", "asked_for", "allowed"),
    [
        (Registration.NONE, False, False),
        (Registration.NONE, True, False),
        (Registration.PENDING, False, False),
        (Registration.PENDING, True, True),
        (Registration.REJECTED, False, False),
        (Registration.REJECTED, True, False),
        (Registration.ACCEPTED, False, True),
        (Registration.ACCEPTED, True, True),
    ],
)
def test_what_else_may_be_sent_depends_on_the_answer(
    state: Registration, asked_for: bool, allowed: bool
) -> None:
    """B01.FR.08, B02.FR.02, B03.FR.02"""
    assert may_send(state, "Heartbeat", asked_for=asked_for) is allowed
