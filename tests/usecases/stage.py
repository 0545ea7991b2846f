"""A virtual station under watch, and hands on everything around it.

What the hands do is recorded for the models that judge afterwards; what the simulated world
does not allow is left undone, as in life.
"""

import random
from dataclasses import dataclass, field
from typing import Any

from hal.api import FaultName
from hal.sim.hardware import SimError
from station.bench.virtual import VirtualStation
from tests.usecases.accounting import (
    assert_energy_conserved,
    assert_in_order,
    register_wh,
)
from tests.usecases.bounds import assert_bounds
from tests.usecases.permission import Model
from tests.usecases.persona import GUEST, KNOWN, MASTER_GROUP, Persona
from tests.usecases.stories import Truth, assert_stories, stories
from tests.usecases.wire import Settings, Wire
from tests.usecases.witness import FALSIFIES, Witness

DEFAULTS = {
    "TxCtrlr.TxStartPoint": "PowerPathClosed",
    "TxCtrlr.TxStopPoint": "EVConnected,Authorized",
    "TxCtrlr.EVConnectionTimeOut": "60",
    "TxCtrlr.StopTxOnEVSideDisconnect": "true",
    "TxCtrlr.StopTxOnInvalidId": "true",
    "TxCtrlr.MaxEnergyOnInvalidId": "0",
    "AuthCtrlr.Enabled": "true",
    "AuthCtrlr.AuthorizeRemoteStart": "false",
    "AuthCtrlr.LocalAuthorizeOffline": "true",
    "AuthCtrlr.LocalPreAuthorize": "false",
    "AuthCtrlr.DisableRemoteAuthorization": "false",
    "AuthCtrlr.MasterPassGroupId": MASTER_GROUP,
    "AuthCacheCtrlr.Enabled": "true",
    "LocalAuthListCtrlr.Enabled": "true",
    "AuthCtrlr.OfflineTxForUnknownIdEnabled": "false",
    "OCPPCommCtrlr.MessageTimeout[Default]": "5",
    "OCPPCommCtrlr.MessageAttempts[TransactionEvent]": "3",
    "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": "4",
    "OCPPCommCtrlr.BacklogMessageRate": "20",
    "OCPPCommCtrlr.BacklogBurst": "20",
    "OCPPCommCtrlr.WebSocketPingInterval": "20",
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "1",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "2",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": "2",
}
BACK_OFFICE_S = 1.5
"""From the card at the terminal to the CSMS's request."""
FLOWS_BEFORE_WH = 60.0
"""What may flow before Started where the flow is what starts a transaction, and the core hangs."""


@dataclass
class Stage:
    """One station, its people, its CSMS and its troubles."""

    presets: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    seed: int = 1

    def __post_init__(self) -> None:
        self.presets = DEFAULTS | self.presets
        self.station = VirtualStation(seed=self.seed, variables=self.presets, **self.options)
        self.witness = Witness(self.station)
        self.persona = Persona(self.station.csms, random.Random(f"persona {self.seed}"))
        self._before = register_wh(self.station)
        self._remote_starts = 0
        self._versions = 0

    # -- drivers and cars

    def plug(self, evse: int, **how: Any) -> bool:
        return self._try(lambda: self.station.sim.plug(evse, **how))

    def unplug(self, evse: int, side: str = "both") -> bool:
        return self._try(lambda: self.station.sim.unplug(evse, side=side))

    def ev(self, evse: int, state: str) -> bool:
        return self._try(lambda: self.station.sim.ev(evse, state))

    def token(self, token: str, evse: int | None) -> None:
        self.witness.did("token", evse, token)
        self.station.sim.token(token, evse=evse)

    def button(self, evse: int, kind: str) -> None:
        self.witness.did(kind, evse)
        self.station.sim.button(evse, kind)

    def bay(self, evse: int, *, occupied: bool) -> None:
        self.station.sim.bay(evse, occupied=occupied)

    def fault(self, evse: int, name: FaultName) -> None:
        self.station.sim.fault(evse, name, active=True)
        self.witness.look()  # it may be gone before anything else happens

    def meter(self, evse: int, glitch: str, for_s: float) -> None:
        """Its meter lies for so long."""
        self.witness.did("glitch", evse, glitch)
        self.station.sim.meter(evse, glitch, for_s=for_s)

    def card(self, evse: int) -> bool:
        """Somebody pays at the terminal; its back office and the CSMS do the rest."""
        if not self._try(lambda: self.station.sim.card(evse)):
            return False
        self.station.reactor.call_later(
            BACK_OFFICE_S, self.request_start, f"PAY-{evse}", evse, "Central", source="wire"
        )
        return True

    def heal(self) -> None:
        for evse, world in self.station.world.evses.items():
            for name in list(world.place.injected):
                self.station.sim.fault(evse, name, active=False)
            self.station.sim.meter(evse, "none")

    # -- the CSMS

    def call(self, action: str, payload: dict[str, Any]) -> bool:
        """Ask the station; whatever it answers is on the wire."""
        if not self.station.csms.connected:
            return False
        self.station.csms.send_call(action, payload)
        return True

    def set(self, name: str, value: str) -> bool:
        """SetVariables; *name* as in presets: "TxCtrlr.TxStartPoint"."""
        component, _, variable = name.partition(".")
        variable, _, instance = variable.partition("[")
        address = {"name": variable} | ({"instance": instance.rstrip("]")} if instance else {})
        data = {"component": {"name": component}, "variable": address, "attributeValue": value}
        return self.call("SetVariables", {"setVariableData": [data]})

    def request_start(self, token: str, evse: int | None, kind: str = "ISO14443") -> bool:
        self._remote_starts += 1
        payload: dict[str, Any] = {
            "idToken": {"idToken": token, "type": kind},
            "remoteStartId": self._remote_starts,
        }
        return self.call(
            "RequestStartTransaction", payload | ({} if evse is None else {"evseId": evse})
        )

    def send_list(self, update: str, entries: dict[str, dict[str, Any] | None]) -> bool:
        """SendLocalList, Full or Differential; an entry without info is to be removed."""
        self._versions += 1
        listed = [
            {"idToken": {"idToken": token, "type": "ISO14443"}}
            | ({} if info is None else {"idTokenInfo": info})
            for token, info in entries.items()
        ]
        payload: dict[str, Any] = {"updateType": update, "versionNumber": self._versions}
        if listed:
            payload["localAuthorizationList"] = listed
        return self.call("SendLocalList", payload)

    def change_availability(self, evse: int | None, *, operative: bool) -> bool:
        status = "Operative" if operative else "Inoperative"
        place = {} if evse is None else {"evse": {"id": evse}}
        return self.call("ChangeAvailability", {"operationalStatus": status, **place})

    # -- troubles

    def link(self, what: str) -> None:
        """offline, online, cut or silent."""
        self.witness.did("trouble")
        csms = self.station.csms
        {
            "offline": csms.go_offline,
            "online": csms.go_online,
            "cut": csms.cut,
            "silent": csms.go_silent,
        }[what]()

    def kill(self, after_s: float, *, power_cut: bool = False) -> None:
        self.witness.did("trouble")
        if power_cut:
            self.witness.did("power cut")
        self.witness.look()
        self.station.restart(after_s=after_s, power_cut=power_cut)

    def freeze(self, duration_s: float) -> None:
        self.witness.froze(duration_s)
        self.station.reactor.freeze(duration_s)

    def stall(self, duration_s: float) -> None:
        now = self.station.reactor.at
        self.witness.stalls.append((now, now + duration_s))
        self.station.backend.stall_until(now + duration_s)

    def advance(self, duration_s: float) -> None:
        self.station.advance(duration_s)
        self.station.assert_safe()

    # -- the end

    def rest(self) -> None:
        """Everything is well again, everybody leaves, and time passes."""
        station = self.station
        station.backend.fail_with(None)
        station.backend.stall_until(0.0)
        for action in list(station.csms.answers):
            if action not in ("Authorize", "TransactionEvent"):
                del station.csms.answers[action]
        station.csms.boot_status = "Accepted"
        self.persona.cheer_up()
        self.link("online")
        self.heal()
        self._leave_bays()
        for evse in station.world.evses:
            self.unplug(evse)
        station.advance(300)
        for evse in (None, *station.world.evses):
            assert self.change_availability(evse, operative=True), "it is not connected again"
        self.set("AuthCtrlr.DisableRemoteAuthorization", "false")
        self._leave_bays()  # E03.FR.15: without a car, only this ends what stops with the bay
        for evse, world in station.world.evses.items():
            if world.place.station_side:  # a cable that waits for its owner (E09, E10)
                self._fetch_cable(evse)
        station.advance(1200)

    def _fetch_cable(self, evse: int) -> None:
        place = self.station.world.evses[evse].place
        for token in KNOWN:
            self.token(token, evse)
            self.station.advance(20)
        self.button(evse, "stop")
        self.station.advance(20)
        if place.station_side and not place.leaving:
            self.unplug(evse)

    def _leave_bays(self) -> None:
        for evse in self.station.world.evses:
            self.bay(evse, occupied=True)
            self.station.advance(1)
            self.bay(evse, occupied=False)

    def charge_once_more(self) -> None:
        """I14: whatever has happened, the next driver gets energy, at every EVSE."""
        station = self.station
        for evse, world in station.world.evses.items():
            self.bay(evse, occupied=True)
            assert self.plug(evse), f"nothing can be plugged in at EVSE {evse}"
            station.advance(3)
            self.token(GUEST, evse)
            station.advance(20)
            assert world.place.closed, f"EVSE {evse} gives no energy any more"
            self.token(GUEST, evse)
            station.advance(10)
            self.unplug(evse)
            station.advance(2)
            self.bay(evse, occupied=False)
            station.advance(60)

    def assert_everything(self) -> None:
        """Every invariant, judged from what was seen from outside."""
        assert_in_order(self.station)
        wire = Wire(self.station)
        settings = Settings(self.presets, wire)
        events = {story.name: story.events for story in stories(self.station)}
        Model(self.witness, wire, settings, events).assert_right()
        assert_stories(self.station, Truth(self.witness, wire, settings))
        assert_bounds(self.witness, wire, settings)
        starts = ",".join(settings.could_be("TxCtrlr.TxStartPoint", 0.0, float("inf")))
        unattributed_wh = FLOWS_BEFORE_WH if "EnergyTransfer" in starts else 0.0
        if any(
            FALSIFIES & {*seen.view.faults}
            for seens in self.witness.views.values()
            for seen in seens
        ):
            unattributed_wh = float("inf")
        glitched = {act.evse for act in self.witness.acts if act.kind == "glitch"}
        assert_energy_conserved(self.station, self._before, unattributed_wh, glitched)

    def _try(self, act: Any) -> bool:
        try:
            act()
        except SimError:
            return False
        return True
