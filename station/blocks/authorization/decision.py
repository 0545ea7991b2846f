"""What becomes of a token: decided without state, from what is known of it and around it."""

from enum import StrEnum

from msgspec import UNSET, Struct

from station.charging.queries import KnownToken
from station.charging.rows import token_key
from station.ocpp.messages.common import AuthorizationStatus, IdTokenInfo, IdTokenType


class Step(StrEnum):
    """What is done next."""

    END_OWN = "end what this very token began"
    END_OF_GROUP = "end what another token of its group began"
    MASTER_PASS = "a master pass"  # noqa: S105 - what it is called, not what it is
    START = "start"
    ASK = "ask the CSMS"
    REFUSE = "refuse"


class Rules(Struct, frozen=True):
    """What the CSMS has configured, and whether it can be asked now."""

    online: bool = True
    enabled: bool = True
    """AuthCtrlr.Enabled."""
    pre_authorize: bool = False
    """AuthCtrlr.LocalPreAuthorize."""
    authorize_offline: bool = True
    """AuthCtrlr.LocalAuthorizeOffline."""
    unknown_offline: bool = False
    """AuthCtrlr.OfflineTxForUnknownIdEnabled."""
    never_ask: bool = False
    """AuthCtrlr.DisableRemoteAuthorization."""
    master_group: str = ""
    """AuthCtrlr.MasterPassGroupId; empty: there is no master pass."""


class Case(Struct, frozen=True):
    """A token, and all that it could do where it was shown."""

    type: IdTokenType
    own: bool = False
    """It began what runs here, or owns the cable that is kept here."""
    groups: tuple[str, ...] = ()
    """Of those who began what it could end as one of their group; "" where none is known."""
    may_start: bool = False
    """Nothing but the token itself stands against a start."""
    in_use: bool = False
    """Something runs somewhere at the station that a master pass could end."""


def decide(case: Case, known: KnownToken | None, rules: Rules) -> Step:
    """What to do with a token that was just shown; total.

    *known* is what the station itself knows of it, None if nothing.
    """
    if case.own:  # C01.FR.03 (a), C09.FR.07 (a), E07.FR.01 (a), E08.FR.01
        return Step.END_OWN
    if not rules.enabled:
        return _start(case)
    if known is not None and known.valid:
        if in_group(known.info, case.groups) and not is_master(known.info, rules):
            # C01.FR.03 (b), C09.FR.07 (b), E07.FR.01 (b), E08.FR.02
            return Step.END_OF_GROUP
        if _is_trusted(case, known, rules):
            # C12.FR.02, C12.FR.04, C13.FR.03, C14.FR.02, C14.FR.04
            return settle(case, known.info, rules)
    elif known is not None and not known.recheck:
        return Step.REFUSE  # whatever the CSMS may think of it by now
    if rules.online:
        return _ask(case, rules)
    if known is None and rules.unknown_offline:  # C13.FR.04, C13.FR.06, C15.FR.08
        return _start(case)  # and nothing is remembered of it: nobody has judged it (C15.FR.01)
    return Step.REFUSE  # C13.FR.02, C13.FR.05: listed, but not valid, is not unknown


def settle(case: Case, info: IdTokenInfo, rules: Rules) -> Step:
    """What to do once the token has been judged: by the CSMS, or by the station itself."""
    if info.status is not AuthorizationStatus.ACCEPTED:
        return Step.REFUSE  # C09.FR.11
    if is_master(info, rules):  # C16.FR.04, C16.FR.05 when the station knew it itself
        return Step.MASTER_PASS  # never a start: C12.FR.09, C16.FR.03
    if in_group(info, case.groups):  # C09.FR.03
        return Step.END_OF_GROUP
    return _start(case)


def needs_check(type: IdTokenType, *, authorize_remote_start: bool) -> bool:
    """Whether a token for which the CSMS starts is judged first.

    F01.FR.01, F01.FR.02, F02.FR.09, F02.FR.10; C03.FR.01, C05.FR.01
    """
    made_up = type in (IdTokenType.CENTRAL, IdTokenType.NO_AUTHORIZATION)
    return authorize_remote_start and not made_up


def group_of(info: IdTokenInfo) -> str:
    """The group's id, "" for none; its type says nothing (C09.FR.13 is for the CSMS)."""
    return "" if info.group_id_token is UNSET else info.group_id_token.id_token


def in_group(info: IdTokenInfo, groups: tuple[str, ...]) -> bool:
    """Whether the token is of one of these groups; nobody is of the group "" (C, 1.2)."""
    return any(is_same_group(group_of(info), group) for group in groups)


def is_same_group(group: str, other: str) -> bool:
    return group != "" and token_key(group) == token_key(other)


def is_master(info: IdTokenInfo, rules: Rules) -> bool:
    return is_same_group(group_of(info), rules.master_group)


def _is_trusted(case: Case, known: KnownToken, rules: Rules) -> bool:
    """Whether the station's own knowledge of a valid token is enough."""
    if not rules.online:
        return rules.authorize_offline
    if rules.never_ask:
        return True
    if case.type is IdTokenType.LOCAL and not known.listed:
        return False  # C06.FR.02: a parking ticket may be spent by now
    return rules.pre_authorize


def _ask(case: Case, rules: Rules) -> Step:
    """Only to authorise a token: C01.FR.02, C01.FR.04, C01.FR.05, C06.FR.03; C09.FR.04,
    C09.FR.05; C12.FR.05, C14.FR.03, C14.FR.05. Not when nothing could come of the answer.
    """
    could_be_master = rules.master_group != "" and case.in_use
    useful = case.may_start or case.groups != () or could_be_master
    return Step.ASK if useful and not rules.never_ask else Step.REFUSE


def _start(case: Case) -> Step:
    return Step.START if case.may_start else Step.REFUSE
