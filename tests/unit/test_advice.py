"""What an installer is told to do: something for every way in which a connection can fail."""

import pytest

from station.advice import Diagnosis, Step, diagnose
from station.link import LinkDown, LinkProblem, LinkStage, TlsRefusal

PROBLEMS = [problem for problem in LinkProblem if problem is not LinkProblem.NONE]


def told(problem: LinkProblem, **facts: object) -> Diagnosis:
    found = diagnose(LinkDown(1, problem, "what was seen", **facts))  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.mark.parametrize("stage", [None, *LinkStage])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_every_end_has_a_step_and_an_advice(problem: LinkProblem, stage: LinkStage | None) -> None:
    found = told(problem, stage=stage)
    assert found.problem == f"{problem}: what was seen"
    assert found.step in list(Step)
    assert len(found.advice) > 40


@pytest.mark.parametrize("refusal", TlsRefusal)
def test_every_refusal_of_tls_has_an_advice_of_its_own(refusal: TlsRefusal) -> None:
    others = {
        told(LinkProblem.TLS, stage=LinkStage.TLS, tls=each).advice
        for each in TlsRefusal
        if each is not refusal
    }
    found = told(LinkProblem.TLS, stage=LinkStage.TLS, tls=refusal)
    assert found.step == Step.TLS
    assert found.advice not in others


def test_where_nothing_is_wrong_nothing_is_advised() -> None:
    assert diagnose(LinkDown(1, LinkProblem.NONE)) is None


@pytest.mark.parametrize(
    ("stage", "step"),
    [
        (LinkStage.NAME, Step.NAME),
        (LinkStage.TCP, Step.TCP),
        (LinkStage.TLS, Step.TLS),
        (LinkStage.UPGRADE, Step.UPGRADE),
        (None, Step.CONNECTION),
    ],
)
def test_a_silence_is_blamed_on_where_it_was_met(stage: LinkStage | None, step: Step) -> None:
    assert told(LinkProblem.TIMEOUT, stage=stage).step == step


@pytest.mark.parametrize(
    ("status", "words"), [(404, "path"), (503, "patience"), (500, "fault"), (200, "captive")]
)
def test_an_http_status_says_whose_turn_it_is(status: int, words: str) -> None:
    found = told(LinkProblem.UPGRADE, stage=LinkStage.UPGRADE, http_status=status)
    assert found.step == Step.UPGRADE
    assert words in found.advice


def test_a_refused_password_is_a_matter_of_credentials() -> None:
    found = told(LinkProblem.UNAUTHORIZED, stage=LinkStage.UPGRADE, http_status=401)
    assert found.step == Step.CREDENTIALS
    assert "password" in found.advice


def test_wrong_dates_ask_for_the_clock_before_the_operator() -> None:
    found = told(
        LinkProblem.TLS,
        stage=LinkStage.TLS,
        tls=TlsRefusal.INVALID_CSMS_CERTIFICATE,
        only_dates=True,
    )
    assert "clock" in found.advice
