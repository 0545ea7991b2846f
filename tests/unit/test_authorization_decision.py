"""The decision about a token, against a table that was written from the standard alone."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from station.blocks.authorization.decision import Case, Rules, Step, decide, needs_check, settle
from station.charging.queries import KnownToken
from station.ocpp.messages.common import AuthorizationStatus, IdToken, IdTokenInfo, IdTokenType

ACCEPTED, BLOCKED = AuthorizationStatus.ACCEPTED, AuthorizationStatus.BLOCKED
CARD, TICKET = IdTokenType.ISO14443, IdTokenType.LOCAL
MASTER = "POLICE"


def info_of(status: AuthorizationStatus, group: str = "") -> IdTokenInfo:
    token = IdToken(id_token=group, type=IdTokenType.CENTRAL)
    return IdTokenInfo(status=status, group_id_token=token if group else UNSET)


def known(
    *, valid: bool = True, group: str = "", recheck: bool = True, listed: bool = True
) -> KnownToken:
    info = info_of(ACCEPTED if valid else BLOCKED, group)
    return KnownToken(info=info, valid=valid, recheck=recheck, listed=listed)


# -- the oracle: chapters C01, C09, C12 to C16 and the variables of AuthCtrlr, one table each

LOOK, ASK, NO = "what the station knows counts", "ask", "refuse"

ONLINE = {  # (what is known, DisableRemoteAuthorization, LocalPreAuthorize)
    ("nothing", False, False): ASK,
    ("nothing", False, True): ASK,
    ("nothing", True, False): NO,
    ("nothing", True, True): NO,
    ("valid", False, False): ASK,
    ("valid", False, True): LOOK,
    ("valid", True, False): LOOK,
    ("valid", True, True): LOOK,
    ("a ticket, cached", False, False): ASK,
    ("a ticket, cached", False, True): ASK,
    ("a ticket, cached", True, False): LOOK,
    ("a ticket, cached", True, True): LOOK,
    ("not valid", False, False): ASK,
    ("not valid", False, True): ASK,
    ("not valid", True, False): NO,
    ("not valid", True, True): NO,
    ("not valid, for good", False, False): NO,
    ("not valid, for good", False, True): NO,
    ("not valid, for good", True, False): NO,
    ("not valid, for good", True, True): NO,
}
OFFLINE = {  # (what is known, LocalAuthorizeOffline, OfflineTxForUnknownIdEnabled)
    ("nothing", False, False): NO,
    ("nothing", False, True): LOOK,
    ("nothing", True, False): NO,
    ("nothing", True, True): LOOK,
    ("valid", False, False): NO,
    ("valid", False, True): NO,
    ("valid", True, False): LOOK,
    ("valid", True, True): LOOK,
    ("not valid", False, False): NO,
    ("not valid", False, True): NO,
    ("not valid", True, False): NO,
    ("not valid", True, True): NO,
}


def kind_of(case: Case, known: KnownToken | None, rules: Rules) -> str:
    if known is None:
        return "nothing"
    if not known.valid:
        return "not valid" if known.recheck or not rules.online else "not valid, for good"
    ticket = case.type is TICKET and not known.listed and rules.online
    return "a ticket, cached" if ticket else "valid"


def expected(case: Case, known: KnownToken | None, rules: Rules) -> Step:
    group = "" if known is None else group_of(known.info)
    master = rules.master_group != "" and group == rules.master_group.lower()
    theirs = [each.lower() for each in case.groups if each]
    start = Step.START if case.may_start else Step.REFUSE
    if case.own:
        return Step.END_OWN
    if not rules.enabled:
        return start
    if known is not None and known.valid and group in theirs and not master:
        return Step.END_OF_GROUP
    kind = kind_of(case, known, rules)
    if rules.online:
        word = ONLINE[kind, rules.never_ask, rules.pre_authorize]
    else:
        word = OFFLINE[kind, rules.authorize_offline, rules.unknown_offline]
    if word == LOOK:
        return Step.MASTER_PASS if master else start
    useful = case.may_start or case.groups or (rules.master_group and case.in_use)
    return Step.ASK if word == ASK and useful else Step.REFUSE


def group_of(info: IdTokenInfo) -> str:
    return "" if info.group_id_token is UNSET else info.group_id_token.id_token.lower()


# -- strategies

groups = st.sampled_from(["", "A", "a", "B", MASTER, MASTER.lower()])
cases = st.builds(
    Case,
    type=st.sampled_from(IdTokenType),
    own=st.booleans(),
    groups=st.lists(groups, max_size=3).map(tuple),
    may_start=st.booleans(),
    in_use=st.booleans(),
)
rules_of = st.builds(
    Rules,
    online=st.booleans(),
    enabled=st.sampled_from([True, True, True, False]),
    pre_authorize=st.booleans(),
    authorize_offline=st.booleans(),
    unknown_offline=st.booleans(),
    never_ask=st.booleans(),
    master_group=st.sampled_from(["", MASTER]),
)
infos = st.builds(info_of, st.sampled_from(AuthorizationStatus), groups)


@st.composite
def known_tokens(draw: st.DrawFn) -> KnownToken | None:
    if draw(st.booleans()):
        return None
    valid = draw(st.booleans())
    status = ACCEPTED if valid else draw(st.sampled_from(AuthorizationStatus))
    return KnownToken(
        info=info_of(status, draw(groups)),
        valid=valid,
        recheck=draw(st.booleans()),
        listed=draw(st.booleans()),
    )


@given(cases, known_tokens(), rules_of)
def test_decision_is_that_of_the_table(case: Case, known: KnownToken | None, rules: Rules) -> None:
    """C01.FR.02, C01.FR.03, C06.FR.02, C09.FR.04, C09.FR.05, C09.FR.07, C12.FR.05, C13.FR.02,
    C13.FR.03, C13.FR.04, C13.FR.05, C13.FR.06, C14.FR.02, C14.FR.03, C14.FR.04, C14.FR.05,
    C15.FR.08
    """
    assert decide(case, known, rules) is expected(case, known, rules)


YES_NO = (False, True)
ALL_CASES = [
    Case(type=type, groups=groups, may_start=may_start, in_use=in_use)
    for type, groups, may_start, in_use in product(
        (CARD, TICKET), ((), ("",), ("a", "B"), (MASTER,)), YES_NO, YES_NO
    )
]
ALL_KNOWN = [
    None,
    *(
        known(valid=valid, group=group, recheck=recheck, listed=listed)
        for valid, group, recheck, listed in product(YES_NO, ("", "A", MASTER), YES_NO, YES_NO)
    ),
]
ALL_RULES = [Rules(*flags, MASTER) for flags in product(YES_NO, (True,), *[YES_NO] * 4)]


@pytest.mark.parametrize("master_group", ["", MASTER])
def test_decision_is_that_of_the_table_in_every_case(master_group: str) -> None:
    """What chance would rarely find: every combination, but for tokens that end their own."""
    for case, what, some in product(ALL_CASES, ALL_KNOWN, ALL_RULES):
        rules = replace(some, master_group=master_group)
        assert decide(case, what, rules) is expected(case, what, rules), (case, what, rules)


@given(cases, infos, rules_of)
def test_answer_is_followed_as_the_table_says(case: Case, info: IdTokenInfo, rules: Rules) -> None:
    """C09.FR.03, C09.FR.11, C16.FR.03"""
    step = settle(case, info, rules)
    group = group_of(info)
    if info.status is not ACCEPTED:
        assert step is Step.REFUSE
    elif rules.master_group and group == MASTER.lower():
        assert step is Step.MASTER_PASS
    elif group and group in [each.lower() for each in case.groups]:
        assert step is Step.END_OF_GROUP
    else:
        assert step is (Step.START if case.may_start else Step.REFUSE)


@given(cases, known_tokens(), rules_of)
def test_nobody_is_asked_in_vain_or_against_the_configuration(
    case: Case, known: KnownToken | None, rules: Rules
) -> None:
    step = decide(case, known, rules)
    if step is Step.ASK:
        assert rules.online
        assert rules.enabled
        assert not rules.never_ask
    if step is Step.START:
        assert case.may_start


@given(cases, known_tokens(), rules_of, infos)
def test_a_master_pass_starts_nothing(
    case: Case, known: KnownToken | None, rules: Rules, info: IdTokenInfo
) -> None:
    """C12.FR.09, C16.FR.03, C16.FR.04, C16.FR.05"""
    if rules.master_group and rules.enabled:
        if known is not None and group_of(known.info) == MASTER.lower():
            assert decide(case, known, rules) is not Step.START
        if group_of(info) == MASTER.lower():
            assert settle(case, info, rules) is not Step.START


@pytest.mark.parametrize("type", IdTokenType)
@pytest.mark.parametrize("asks", [True, False])
def test_who_is_checked_before_the_csms_starts(type: IdTokenType, asks: bool) -> None:
    """C03.FR.01, C05.FR.01, F01.FR.01, F01.FR.02, F02.FR.09, F02.FR.10"""
    never = (IdTokenType.CENTRAL, IdTokenType.NO_AUTHORIZATION)
    assert needs_check(type, authorize_remote_start=asks) is (asks and type not in never)


# -- what the table says, once in words

FREE = Case(type=CARD, may_start=True)
TAKEN = Case(type=CARD, groups=("A",), in_use=True)


@pytest.mark.parametrize(
    ("case", "what", "rules", "step"),
    [
        (FREE, None, Rules(), Step.ASK),
        (FREE, known(), Rules(pre_authorize=True), Step.START),
        (FREE, known(), Rules(), Step.ASK),
        (FREE, known(valid=False), Rules(pre_authorize=True), Step.ASK),
        (FREE, known(valid=False, recheck=False), Rules(), Step.REFUSE),
        (FREE, None, Rules(online=False), Step.REFUSE),
        (FREE, None, Rules(online=False, unknown_offline=True), Step.START),
        (FREE, known(valid=False), Rules(online=False, unknown_offline=True), Step.REFUSE),
        (FREE, known(), Rules(online=False), Step.START),
        (FREE, None, Rules(never_ask=True), Step.REFUSE),
        (FREE, known(), Rules(never_ask=True), Step.START),
        (TAKEN, known(group="a"), Rules(), Step.END_OF_GROUP),
        (TAKEN, known(group="A"), Rules(online=False, authorize_offline=False), Step.END_OF_GROUP),
        (TAKEN, known(group="A", valid=False), Rules(), Step.ASK),
        (TAKEN, known(group="B"), Rules(pre_authorize=True), Step.REFUSE),
        (TAKEN, None, Rules(), Step.ASK),
        (Case(type=CARD), None, Rules(), Step.REFUSE),
        (Case(type=CARD, in_use=True), None, Rules(master_group=MASTER), Step.ASK),
        (
            TAKEN,
            known(group=MASTER),
            Rules(master_group=MASTER, pre_authorize=True),
            Step.MASTER_PASS,
        ),
    ],
)
def test_decisions_in_words(case: Case, what: KnownToken | None, rules: Rules, step: Step) -> None:
    """C01.FR.02, C01.FR.03, C09.FR.05, C12.FR.02, C13.FR.02, C14.FR.02, C15.FR.08"""
    assert decide(case, what, rules) is step
