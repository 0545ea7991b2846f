"""G02: the interval of heartbeats is the operator's."""

from station.bench.virtual import VirtualStation


def test_heartbeats_follow_the_interval_that_the_csms_sets() -> None:
    """G02.FR.02"""
    station = VirtualStation(variables={"AlignedDataCtrlr.Interval": "0"}).boot()
    for interval_s in (50, 20, 200):
        station.variable("OCPPCommCtrlr", "HeartbeatInterval", str(interval_s))
        station.csms.received.clear()
        station.advance(1000.0)
        beats = len(station.csms.of("Heartbeat"))
        assert 1000 // interval_s - 1 <= beats <= 1000 // interval_s
