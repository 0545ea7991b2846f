"""Certification case of the start point DataSigned (block E)."""

import pytest

from tests.conformance.conftest import MakeTool
from tests.conformance.states import given
from tests.conformance.test_j_signed import check_signed


@pytest.mark.parametrize("how", ["local", "remote"])
@pytest.mark.parametrize("cable", ["fixed", "socket"])
def test_TC_E_11_CS(make_tool: MakeTool, how: str, cable: str) -> None:
    """E01.FR.04, E01.FR.07, E01.FR.10, E01.FR.15, E01.FR.16"""
    tool = make_tool(signing=True, how=how, cable=cable)
    tool.set("TxCtrlr", "TxStartPoint", "DataSigned")
    tool.set("SampledDataCtrlr", "SignReadings", "true")
    tool.authorized()
    tool.sim.plug(tool.evse)
    tool.expect_status("Occupied")
    remote = ("RemoteStart", "SignedDataReceived")
    started = tool.expect_event(
        {
            "eventType": "Started",
            "triggerReason": remote if how == "remote" else "SignedDataReceived",
            "seqNo": 0,
            "idToken.idToken": tool.id_token["idToken"],
            "idToken.type": tool.id_token["type"],
            "evse.id": given,
            "evse.connectorId": given,
        }
    )
    (value,) = started["meterValue"]
    (sample,) = value["sampledValue"]
    assert sample["context"] == "Transaction.Begin"
    for field in ("encodingMethod", "publicKey", "signedMeterData", "signingMethod"):
        assert field in sample["signedMeterValue"]
    check_signed(tool, [value], "OncePerTransaction")
    tool.expect_event(
        {
            "eventType": "Updated",
            "triggerReason": "ChargingStateChanged",
            "transactionInfo.chargingState": "Charging",
        }
    )
