"""The connection to the CSMS: network slots (B09, B10), security profiles (A05), reconnecting."""

import random
from datetime import timedelta
from functools import cache
from typing import Any

import orjson
import pytest
from msgspec import UNSET

from station.bench.virtual import VirtualStation
from station.blocks.connection.profiles import SECURITY_PROFILE
from station.clock import BUILD_TIME
from station.link import LinkProblem, TlsRefusal
from tests.authority import Authority
from tests.usecases.test_durability import KillSwitch, MortalStation

Payload = dict[str, Any]

HERE, THERE, ELSEWHERE = "ws://csms.example/ocpp", "ws://there.example", "ws://elsewhere.example"
SECURE, SAFER = "wss://secure.example/ocpp", "wss://safer.example/ocpp"
ROOT, OTHER_ROOT = Authority("Root"), Authority("Other Root")
QUICK = {
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "2",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": "0",
    "OCPPCommCtrlr.NetworkProfileConnectionAttempts": "2",
}
APN = {
    "apn": "internet",
    "apnUserName": "me",
    "apnPassword": "apn-canary",
    "apnAuthentication": "CHAP",
}


def quick(**options: Any) -> VirtualStation:
    variables = {**QUICK, **options.pop("variables", {})}
    return VirtualStation(variables=variables, **options).boot()


def profile(url: str = THERE, security_profile: int = 1, **more: Any) -> Payload:
    return {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": url,
        "messageTimeout": 30,
        "securityProfile": security_profile,
        "ocppInterface": "Wired0",
        **more,
    }


def set_slot(station: VirtualStation, slot: int, *args: Any, **more: Any) -> Payload:
    data = {"configurationSlot": slot, "connectionData": profile(*args, **more)}
    return station.csms.call("SetNetworkProfile", data)


def fill(station: VirtualStation, slot: int, *args: Any, **more: Any) -> None:
    assert set_slot(station, slot, *args, **more) == {"status": "Accepted"}


def set_variable(station: VirtualStation, component: str, name: str, value: str) -> Payload:
    data = {
        "component": {"name": component},
        "variable": {"name": name},
        "attributeValue": value,
    }
    answer = station.csms.call("SetVariables", {"setVariableData": [data]})
    result: Payload = answer["setVariableResult"][0]
    return result


def prefer(station: VirtualStation, *slots: int) -> Payload:
    value = ",".join(map(str, slots))
    return set_variable(station, "OCPPCommCtrlr", "NetworkConfigurationPriority", value)


def why(answer: Payload) -> tuple[str, str]:
    """Status and reason code of either kind of answer."""
    status = answer.get("status") or answer["attributeStatus"]
    info = answer.get("statusInfo") or answer.get("attributeStatusInfo") or {}
    return status, info.get("reasonCode", "")


def urls(station: VirtualStation, since: int = 0) -> list[str]:
    return [target.url.rpartition("/")[0] for target in station.csms.targets[since:]]


def where(station: VirtualStation) -> str:
    target = station.csms.target
    return "" if target is None else target.url.rpartition("/")[0]


def comm(station: VirtualStation, name: str) -> str:
    return station.variable("OCPPCommCtrlr", name)


def told(station: VirtualStation) -> list[str]:
    return [f"{row.type} {row.tech_info}" for row in station.station.security_events.entries()]


def trust(station: VirtualStation, authority: Authority = ROOT) -> None:
    payload = {"certificateType": "CSMSRootCertificate", "certificate": authority.pem}
    assert station.csms.call("InstallCertificate", payload)["status"] == "Accepted"


def renew(station: VirtualStation, authority: Authority = ROOT) -> None:
    """The station gets a client certificate."""
    station.csms.answers["SignCertificate"] = {"status": "Accepted"}
    trigger = {"requestedMessage": "SignChargingStationCertificate"}
    assert station.csms.call("TriggerMessage", trigger) == {"status": "Accepted"}
    station.settle()
    pem = authority.sign_request(station.csms.of("SignCertificate")[-1]["csr"])
    payload = {"certificateChain": pem, "certificateType": "ChargingStationCertificate"}
    assert station.csms.call("CertificateSigned", payload)["status"] == "Accepted"
    station.advance(5)


# -- setting a slot (B09)


def test_there_are_three_slots_and_the_csms_learns_their_numbers() -> None:
    """B09.FR.06, B09.FR.01"""
    station = quick()
    reports = [
        entry.report().variable_characteristics
        for entry in station.station.variables.variables()
        if entry.address.variable == "NetworkConfigurationPriority"
    ]
    assert [each.values_list for each in reports if each is not UNSET] == ["1,2,3"]
    for slot in (1, 2, 3):
        fill(station, slot)


@pytest.mark.parametrize("slot", [0, 4, 999, -1])
def test_a_slot_that_does_not_exist_is_rejected(slot: int) -> None:
    """B09.FR.05"""
    assert why(set_slot(quick(), slot)) == ("Rejected", "InvalidConfSlot")


WRONG = [
    {"ocppCsmsUrl": "http://there.example"},
    {"ocppCsmsUrl": "there.example"},
    {"ocppCsmsUrl": ""},
    {"ocppCsmsUrl": "ws://user:secret@there.example"},
    {"ocppCsmsUrl": "ws://there.example/ocpp?token=1"},
    {"ocppCsmsUrl": "ws://there.example:0"},
    {"ocppCsmsUrl": "wss://there.example"},
    {"ocppCsmsUrl": "WSS://there.example"},
    {"securityProfile": 2},
    {"securityProfile": 0},
    {"securityProfile": 4},
    {"ocppTransport": "SOAP"},
    {"messageTimeout": 0},
    {"messageTimeout": -1},
    {"messageTimeout": 601},
    {"apn": APN},
    {
        "vpn": {
            "server": "vpn.example",
            "user": "me",
            "password": "vpn-canary",
            "key": "key-canary",
            "type": "IPSec",
        }
    },
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_profile_that_cannot_be_used_is_rejected_with_a_reason(wrong: Payload) -> None:
    """B09.FR.02"""
    station = quick()
    answer = (
        set_slot(station, 2, **wrong)
        if "ocppCsmsUrl" not in wrong
        else station.csms.call(
            "SetNetworkProfile", {"configurationSlot": 2, "connectionData": {**profile(), **wrong}}
        )
    )
    assert why(answer) == ("Rejected", "InvalidNetworkConf")
    assert answer["statusInfo"]["additionalInfo"]
    assert why(prefer(station, 2)) == ("Rejected", "InvalidNetworkConf")


def test_what_is_set_for_the_slot_in_use_waits_for_a_restart() -> None:
    """B09, remarks"""
    station = quick()
    fill(station, 1, THERE)
    station.csms.cut()
    station.advance(5)
    assert where(station) == HERE
    station.restart()
    assert where(station) == THERE


def test_a_slot_survives_restart_and_power_cut_and_the_configuration_does_not_undo_it() -> None:
    station = quick()
    fill(station, 1, THERE)
    for power_cut in (False, True):
        station.restart(power_cut=power_cut)
        assert where(station) == THERE


def test_the_installer_wins_when_he_has_changed_his_mind() -> None:
    station = quick()
    fill(station, 2, THERE)
    assert why(prefer(station, 2))[0] == "Accepted"
    station.restart()
    assert where(station) == THERE
    station.network = type(station.network)(url=ELSEWHERE, security_profile=1)
    station.restart()
    assert where(station) == ELSEWHERE
    assert comm(station, "NetworkConfigurationPriority") == "1,2"
    assert any("by configuration" in line for line in told(station))


def test_a_change_of_a_slot_is_a_security_event() -> None:
    station = quick()
    fill(station, 2)
    assert told(station)[-1] == "ReconfigurationOfSecurityParameters network slot 2"


def test_what_the_disk_cannot_take_has_failed() -> None:
    """B09.FR.03"""
    station = quick()
    station.backend.fail_with(OSError(28, "No space left on device"))
    station.variable("OCPPCommCtrlr", "WebSocketPingInterval", "61")
    assert why(set_slot(station, 2)) == ("Failed", "OutOfStorage")
    station.backend.fail_with(None)
    station.advance(120)
    fill(station, 2)


# -- priority and rounds (B10)


def test_an_empty_slot_cannot_have_priority() -> None:
    """B10.FR.02"""
    station = quick()
    assert why(prefer(station, 1, 2)) == ("Rejected", "InvalidNetworkConf")
    assert why(prefer(station)) == ("Rejected", "InvalidNetworkConf")
    assert prefer(station, 1, 9)["attributeStatus"] == "Rejected"
    assert comm(station, "NetworkConfigurationPriority") == "1"


def test_a_migration_takes_place_at_the_reset_and_not_before() -> None:
    """B10.FR.01, B10.FR.04, B10.FR.06"""
    station = quick()
    fill(station, 2)
    assert why(prefer(station, 2, 1)) == ("Accepted", "")
    station.advance(60)
    assert where(station) == HERE
    station.csms.call("Reset", {"type": "OnIdle"})
    station.advance(10)
    assert where(station) == THERE
    assert comm(station, "ActiveNetworkProfile") == "2"
    assert station.csms.links[-2][1] is False


def test_each_slot_gets_its_attempts_then_the_one_that_worked_then_all_again_for_ever() -> None:
    """B10.FR.03, B10.FR.07, B10.FR.08, B10.FR.09"""
    station = quick()
    fill(station, 2)
    fill(station, 3, ELSEWHERE)
    prefer(station, 2, 3)
    station.csms.go_offline()
    station.advance(0.5)
    tried = len(station.csms.targets)
    station.restart()
    station.advance(3600)
    seen = urls(station, tried)
    round_ = [THERE] * 2 + [ELSEWHERE] * 2 + [HERE] * 2
    assert seen[:18] == round_ * 3
    assert len(seen) > 1000
    station.csms.go_online()
    station.advance(5)
    assert station.csms.connected


def test_after_a_loss_the_slot_in_use_is_tried_first_then_the_others() -> None:
    """B10.FR.03 as amended"""
    station = quick()
    fill(station, 2)
    fill(station, 3, ELSEWHERE)
    prefer(station, 2, 1, 3)
    station.csms.at(THERE, reachable=False)
    station.restart()
    station.advance(10)
    assert where(station) == HERE
    tried = len(station.csms.targets)
    station.csms.go_offline()
    station.advance(20)
    expected = [HERE] * 2 + [THERE] * 2 + [ELSEWHERE] * 2 + [HERE] * 2
    assert urls(station, tried)[:8] == expected


def test_another_slot_means_another_boot_and_the_same_one_does_not() -> None:
    """B10.FR.10"""
    station = quick()
    fill(station, 2, HERE)
    prefer(station, 1, 2)
    station.csms.cut()
    station.advance(5)
    assert station.csms.of("BootNotification") == []

    station.csms.go_offline()
    station.advance(5)
    station.csms.at(HERE, reachable=True)
    station.csms.go_online()
    station.advance(5)
    assert comm(station, "ActiveNetworkProfile") == "2"
    assert len(station.csms.of("BootNotification")) == 1


def test_nothing_is_sent_to_another_csms_before_it_has_accepted_the_station() -> None:
    """B10.FR.10"""
    station = quick()
    fill(station, 2)
    prefer(station, 1, 2)
    station.csms.at(HERE, reachable=False)
    station.csms.cut()
    station.sim.plug(1)
    station.csms.take()
    station.csms.boot_status = "Pending"
    station.advance(20)
    assert where(station) == THERE
    assert station.csms.actions() == ["BootNotification"]


def test_what_was_written_over_the_working_slot_does_not_strand_the_station() -> None:
    """B10.FR.07"""
    station = quick()
    station.csms.at(THERE, reachable=False)
    fill(station, 1, THERE)
    station.restart()
    station.advance(10)
    assert where(station) == HERE


def test_the_message_timeout_belongs_to_the_slot() -> None:
    station = quick()
    fill(station, 2, messageTimeout=7)
    prefer(station, 2, 1)
    station.restart()
    assert station.variable("OCPPCommCtrlr", "MessageTimeout", instance="Default") == "7"
    station.csms.at(THERE, reachable=False)
    station.csms.cut()
    station.advance(10)
    assert where(station) == HERE
    assert station.variable("OCPPCommCtrlr", "MessageTimeout", instance="Default") == "30"


# -- security profiles (A00, A05)


@pytest.mark.parametrize(("security_profile", "url"), [(1, HERE), (2, SECURE), (3, SAFER)])
def test_the_profile_is_the_configured_one_from_the_first_attempt_on(
    security_profile: int, url: str
) -> None:
    """A00.FR.001, A00.FR.004, A00.FR.203, A00.FR.303, A00.FR.401"""
    station = VirtualStation(url=url, security_profile=security_profile, start=False)
    station.csms.reachable = False
    station.power_up()
    station.advance(600)
    assert station.station.variables[SECURITY_PROFILE] == security_profile
    for target in station.csms.targets:
        assert target.url == f"{url}/CS001"
        assert (target.tls is not None) is (security_profile > 1)
        assert bool(target.user and target.password) is (security_profile < 3)


def test_a_higher_profile_needs_the_root_and_the_certificate() -> None:
    """A05.FR.02, A05.FR.03, A05.FR.04"""
    station = quick()
    fill(station, 2, SECURE, 2)
    fill(station, 3, SAFER, 3)
    assert why(prefer(station, 2, 1)) == ("Rejected", "InvalidNetworkConf")
    trust(station)
    assert why(prefer(station, 2, 1)) == ("Accepted", "")
    assert why(prefer(station, 3, 1)) == ("Rejected", "InvalidNetworkConf")
    renew(station)
    assert why(prefer(station, 3, 1)) == ("Accepted", "")


def test_a_profile_that_is_not_ready_cannot_be_put_into_a_slot_with_priority() -> None:
    assert why(set_slot(quick(), 1, SECURE, 2)) == ("Rejected", "InvalidNetworkConf")


def upgraded(**options: Any) -> VirtualStation:
    """Was on profile 1, and is on profile 2 now."""
    station = quick(**options)
    station.csms.at(SECURE, root=ROOT.pem)
    trust(station)
    fill(station, 2, SECURE, 2)
    prefer(station, 2, 1)
    assert station.variable("SecurityCtrlr", "SecurityProfile") == "1"
    station.restart()
    station.advance(5)
    assert where(station) == SECURE
    return station


def test_after_a_successful_upgrade_the_weaker_profiles_are_gone_for_good() -> None:
    """A05.FR.05, A05.FR.06"""
    station = upgraded()
    assert station.variable("SecurityCtrlr", "SecurityProfile") == "2"
    assert comm(station, "NetworkConfigurationPriority") == "2"
    assert any(line.endswith("security profile 2 after 1") for line in told(station))
    for _ in range(2):
        tried = len(station.csms.targets)
        station.csms.at(SECURE, reachable=False)
        station.csms.cut()
        station.advance(300)
        station.restart(power_cut=True)
        station.advance(300)
        assert set(urls(station, tried)) == {SECURE}
        station.csms.at(SECURE, reachable=True)
        station.advance(10)
        assert where(station) == SECURE
        assert why(prefer(station, 2, 1)) == ("Rejected", "InvalidNetworkConf")


def test_an_upgrade_that_fails_leaves_everything_as_it_was() -> None:
    """Fault F30; A05.FR.06: only after success."""
    station = quick()
    trust(station)
    station.csms.at(SECURE, root=OTHER_ROOT.pem)
    fill(station, 2, SECURE, 2)
    prefer(station, 2, 1)
    station.csms.take()
    station.restart()
    station.advance(20)
    assert where(station) == HERE
    assert station.variable("SecurityCtrlr", "SecurityProfile") == "1"
    assert comm(station, "NetworkConfigurationPriority") == "2,1"
    sent = [event["type"] for event in station.csms.of("SecurityEventNotification")]
    assert sent.count("InvalidCsmsCertificate") == 1


@pytest.mark.parametrize("what", ["reachable", "tls", "problem"])
def test_a_higher_profile_that_fails_gives_way_to_the_one_before(what: str) -> None:
    """Fault F30: from 2 to 3; the new CSMS is dead, refuses our certificate, speaks no OCPP."""
    station = upgraded()
    renew(station)
    broken = {
        "reachable": False,
        "tls": TlsRefusal.CLIENT_CERTIFICATE_REFUSED,
        "problem": LinkProblem.SUBPROTOCOL,
    }
    station.csms.at(SAFER, **{what: broken[what]})
    fill(station, 3, SAFER, 3)
    prefer(station, 3, 2)
    tried = len(station.csms.targets)
    station.restart()
    station.advance(2 * 2 + 2)  # two attempts, two seconds apart, and the next slot
    assert urls(station, tried) == [SAFER, SAFER, SECURE]
    assert where(station) == SECURE
    assert station.variable("SecurityCtrlr", "SecurityProfile") == "2"


def test_a_csms_that_speaks_another_subprotocol_has_failed_and_the_next_slot_has_its_turn() -> None:
    """Fault F12"""
    station = quick()
    fill(station, 2)
    prefer(station, 1, 2)
    station.csms.at(HERE, problem=LinkProblem.SUBPROTOCOL)
    tried = len(station.csms.targets)
    station.csms.cut()
    station.advance(20)
    assert urls(station, tried) == [HERE, HERE, THERE]
    assert where(station) == THERE


def test_a_certificate_of_the_csms_that_expires_while_connected_ends_nothing() -> None:
    """Fault F29, docs/design/0007: dates count when a connection is made."""
    station = upgraded()
    station.csms.at(SECURE, not_after=station.utc + timedelta(hours=1))
    station.csms.cut()
    station.advance(30)
    assert where(station) == SECURE
    tried = len(station.csms.targets)
    station.csms.take()
    station.advance(2 * 86400)
    assert len(station.csms.targets) == tried

    station.csms.cut()
    station.advance(600)
    assert len(station.csms.targets) > tried + 10
    station.csms.at(SECURE, not_after=station.utc + timedelta(days=90))
    station.advance(30)
    assert where(station) == SECURE
    sent = [event["type"] for event in station.csms.of("SecurityEventNotification")]
    assert sent == ["InvalidCsmsCertificate"]


def test_an_expired_csms_that_told_the_time_is_left_and_the_event_is_told_once() -> None:
    """docs/design/0007; A00.FR.413, A00.FR.414"""
    station = VirtualStation(
        url=SECURE,
        security_profile=2,
        variables=QUICK,
        begin=BUILD_TIME + timedelta(days=365),
        clock_error_s=-1.8e9,
        start=False,
    )
    station.csms.at(SECURE, not_after=station.utc - timedelta(minutes=1))
    station.power_up()
    station.advance(60)
    assert not station.csms.connected
    station.csms.at(SECURE, not_after=station.utc + timedelta(days=90))
    station.advance(10)
    assert where(station) == SECURE
    assert [line.split()[0] for line in told(station)].count("InvalidCsmsCertificate") == 1


def test_a_weaker_profile_is_refused() -> None:
    """B09.FR.04, A05.FR.10, A00.FR.005"""
    station = upgraded()
    assert why(set_slot(station, 3, ELSEWHERE, 1)) == ("Rejected", "NoSecurityDowngrade")


def test_with_downgrade_allowed_three_may_become_two_and_never_one() -> None:
    """A05.FR.08, A05.FR.09, B09.FR.31"""
    station = upgraded()
    renew(station)
    station.csms.at(SAFER, root=ROOT.pem, wants_certificate=True)
    fill(station, 3, SAFER, 3)
    prefer(station, 3, 2)
    station.restart()
    station.advance(5)
    assert where(station) == SAFER
    assert station.csms.targets[-1].password == station.csms.targets[-1].user == ""
    assert comm(station, "NetworkConfigurationPriority") == "3"

    assert why(set_slot(station, 2, SECURE, 2)) == ("Rejected", "NoSecurityDowngrade")
    set_variable(station, "SecurityCtrlr", "AllowSecurityProfileDowngrade", "true")
    assert why(set_slot(station, 1, HERE, 1)) == ("Rejected", "NoSecurityDowngrade")
    fill(station, 2, SECURE, 2)
    assert why(prefer(station, 2, 3)) == ("Accepted", "")
    station.restart()
    station.advance(5)
    assert where(station) == SECURE
    assert station.variable("SecurityCtrlr", "SecurityProfile") == "2"
    assert comm(station, "NetworkConfigurationPriority") == "2,3"


def test_a_downgrade_that_is_no_longer_allowed_does_not_take_place() -> None:
    """A00.FR.005"""
    station = upgraded()
    renew(station)
    station.csms.at(SAFER, root=ROOT.pem)
    fill(station, 3, SAFER, 3)
    prefer(station, 3)
    station.restart()
    station.advance(5)
    set_variable(station, "SecurityCtrlr", "AllowSecurityProfileDowngrade", "true")
    fill(station, 2, SECURE, 2)
    prefer(station, 2, 3)
    set_variable(station, "SecurityCtrlr", "AllowSecurityProfileDowngrade", "false")
    tried = len(station.csms.targets)
    station.restart()
    station.advance(5)
    assert urls(station, tried) == [SAFER]


def test_only_the_installer_can_lower_the_profile_to_one() -> None:
    """A00.FR.005: not via OCPP."""
    station = upgraded()
    station.network = type(station.network)(url=ELSEWHERE, security_profile=1)
    station.restart()
    assert where(station) == ELSEWHERE
    assert station.variable("SecurityCtrlr", "SecurityProfile") == "1"
    station.restart()
    assert where(station) == ELSEWHERE


def test_the_profile_that_worked_last_is_no_way_back_to_a_weaker_one() -> None:
    station = quick()
    trust(station)
    station.network = type(station.network)(url=SECURE, security_profile=2)
    station.csms.at(SECURE, reachable=False)
    tried = len(station.csms.targets)
    for _ in range(2):
        station.restart()
        station.advance(60)
    assert set(urls(station, tried)) == {SECURE}


def test_a_station_that_lost_its_tls_partner_says_so_once_per_series() -> None:
    """A00.FR.310, A00.FR.316: once for repeated failures."""
    station = upgraded()
    station.csms.take()
    for refusal, event in (
        (TlsRefusal.INVALID_TLS_VERSION, "InvalidTLSVersion"),
        (TlsRefusal.INVALID_TLS_CIPHER_SUITE, "InvalidTLSCipherSuite"),
    ):
        for _ in range(2):
            station.csms.at(SECURE, tls=refusal)
            station.csms.cut()
            station.advance(120)
            station.csms.at(SECURE, tls=None)
            station.advance(10)
            sent = [each["type"] for each in station.csms.of("SecurityEventNotification")]
            station.csms.take()
            assert sent == [event]


UPGRADE = (
    ("SetNetworkProfile", {"configurationSlot": 2, "connectionData": profile(SECURE, 2)}),
    (
        "SetVariables",
        {
            "setVariableData": [
                {
                    "component": {"name": "OCPPCommCtrlr"},
                    "variable": {"name": "NetworkConfigurationPriority"},
                    "attributeValue": "2,1",
                }
            ]
        },
    ),
    ("Reset", {"type": "OnIdle"}),
)


def live_through_an_upgrade(kill_at: int) -> MortalStation:
    switch = KillSwitch(0)
    station = MortalStation(switch, evses=1, variables=QUICK)
    station.advance(2)
    trust(station)
    switch.count, switch.at = 0, kill_at
    for action, payload in UPGRADE:
        if station.csms.connected and where(station) == HERE:
            station.csms.send_call(action, payload)
        station.live(4)
    return station


@cache
def moments() -> int:
    return live_through_an_upgrade(0).switch.count


def test_a_kill_at_any_moment_of_an_upgrade_leaves_the_old_or_the_new_profile() -> None:
    """A05.FR.06"""
    assert moments() > 20
    ends = []
    for kill_at in range(1, moments() + 1):
        station = live_through_an_upgrade(kill_at)
        station.advance(10)
        assert station.kills == 1
        active = where(station), station.variable("SecurityCtrlr", "SecurityProfile")
        assert active in ((HERE, "1"), (SECURE, "2"))
        if active == (SECURE, "2"):
            assert comm(station, "NetworkConfigurationPriority") == "2"
        ends.append(active)
    assert len(set(ends)) == 2


@pytest.mark.parametrize("seed", range(12))
def test_no_order_of_settings_and_outages_strands_a_station_or_weakens_it(seed: int) -> None:
    """B10.FR.09, A00.FR.005: what worked last works again, and the profile never falls."""
    chance = random.Random(seed)
    station = quick(evses=1)
    trust(station)
    places = {HERE: 1, THERE: 1, SECURE: 2, SAFER: 2}
    worked, highest = HERE, 1
    for _ in range(25):
        what = chance.choice(("slot", "priority", "door", "restart", "cut"))
        if what == "door":
            station.csms.at(chance.choice(list(places)), reachable=chance.random() < 0.5)
        elif what == "restart":
            station.restart(power_cut=chance.random() < 0.5)
        elif what == "cut":
            station.csms.cut()
        elif station.csms.connected and what == "slot":
            url = chance.choice(list(places))
            set_slot(station, chance.choice((1, 2, 3)), url, places[url])
        elif station.csms.connected:
            prefer(station, *chance.sample((1, 2, 3), chance.choice((1, 2, 3))))
        station.advance(chance.choice((1, 5, 40)))
        worked = where(station) or worked
        if station.csms.connected:
            assert places[where(station)] >= highest
            highest = places[where(station)]
    for url in places:
        station.csms.at(url, reachable=url == worked)
    station.csms.cut()
    station.advance(60)
    assert where(station) == worked


# -- APN and VPN


class Command:
    """What the installer's command is given, and how it ends."""

    def __init__(self) -> None:
        self.given: list[Payload] = []
        self.fails = False

    def __call__(self, settings: bytes) -> None:
        self.given.append(orjson.loads(settings))
        if self.fails:
            raise OSError("exit code 3")


def test_access_settings_are_handed_to_the_command_before_each_attempt() -> None:
    command = Command()
    station = quick(access=command)
    assert command.given == []
    fill(station, 2, ocppInterface="Wireless0", apn=APN)
    prefer(station, 2, 1)
    station.restart()
    assert where(station) == THERE
    assert command.given == [{"slot": "2", "interface": "Wireless0", "apn": APN}]
    station.csms.cut()
    station.advance(5)
    assert len(command.given) == 2


def test_an_attempt_whose_command_fails_has_failed_and_the_next_slot_has_its_turn() -> None:
    command = Command()
    command.fails = True
    station = quick(access=command)
    fill(station, 2, apn=APN)
    prefer(station, 2, 1)
    station.restart()
    station.advance(10)
    assert where(station) == HERE
    assert [given["slot"] for given in command.given] == ["2", "2", "1"]
    finding = station.station.connection.findings["2"]
    assert finding.line == "no route: the access command failed: exit code 3"
    assert finding.attempts == 2


def test_what_was_set_up_is_taken_down_for_a_slot_that_does_not_want_it() -> None:
    command = Command()
    station = quick(access=command)
    fill(station, 2, apn=APN)
    prefer(station, 2, 1)
    station.csms.at(THERE, reachable=False)
    station.restart()
    station.advance(10)
    assert where(station) == HERE
    assert command.given[2:] == [{"slot": "1"}]


def test_a_slot_with_access_settings_fails_when_the_command_is_gone() -> None:
    station = quick(access=Command())
    fill(station, 2, apn=APN)
    prefer(station, 2, 1)
    station.access = None
    station.restart()
    station.advance(10)
    assert where(station) == HERE


def test_no_access_secret_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    station = quick(access=Command())
    fill(station, 2, apn=APN)
    prefer(station, 2, 1)
    station.restart()
    station.csms.call("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    station.settle()
    seen = f"{caplog.text}{station.station.snapshot()}{station.csms.received}{told(station)}"
    assert "apn-canary" not in seen
    assert "apn-canary" not in repr(station.station.connection.profiles.order())


# -- what the API tells


def test_findings_tell_what_was_wrong_with_each_slot() -> None:
    station = quick()
    fill(station, 2)
    prefer(station, 2, 1)
    station.csms.at(THERE, status=503)
    station.restart()
    station.advance(10)
    connection = station.station.connection
    assert connection.state.state == "up"
    assert connection.state.slot == "1"
    assert connection.findings["2"].line == "upgrade refused: HTTP 503"
    assert connection.findings["2"].down.http_status == 503
    station.csms.close(1012)
    station.advance(0.1)
    assert connection.findings["1"].down.close_code == 1012
    assert connection.state.next_attempt_at == pytest.approx(station.reactor.at + 2, abs=0.2)
    assert connection.state.last_error == "closed by the CSMS: close frame 1012"
    link = station.station.snapshot().link
    assert (link["state"], link["slot"]) == ("down", "1")
    assert link["next_attempt"] is not None


def test_a_station_without_any_slot_waits_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    station = VirtualStation(url="")
    station.advance(3600)
    assert station.csms.targets == []
    assert "no network slot is filled" in caplog.text


@pytest.mark.parametrize("problem", [LinkProblem.RESET, LinkProblem.CLOSED])
def test_nothing_is_dialled_after_the_station_was_stopped(problem: LinkProblem) -> None:
    station = quick()
    station.station.connection.stop()
    station.csms.cut(problem)
    tried = len(station.csms.targets)
    station.advance(600)
    assert len(station.csms.targets) == tried


def test_a_pong_may_take_as_long_as_the_variable_says() -> None:
    station = quick(
        variables={
            "OCPPCommCtrlr.WebSocketPingInterval": "20",
            "OCPPCommCtrlr.WebSocketPongTimeout": "90",
        }
    )
    station.csms.go_silent()
    station.advance(107)
    assert station.csms.connected
    station.advance(2)
    assert station.station.connection.findings["1"].line == "no pong"
