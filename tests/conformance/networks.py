"""Steps of part 6 that concern network slots: setting them, preferring them, being there."""

from tests.conformance.states import Payload, Tool

HERE = "ws://csms.example/ocpp"
"""The endpoint that is active when a case begins."""
URLS = {1: HERE, 2: "wss://csms.example/ocpp", 3: "wss://csms.example/mutual"}
"""An endpoint for each security profile."""
WAIT_MINIMUM_S = 3


def set_result(tool: Tool, component: str, name: str, value: str) -> Payload:
    data = {
        "component": {"name": component},
        "variable": {"name": name},
        "attributeValue": value,
    }
    answer = tool.csms.call("SetVariables", {"setVariableData": [data]})
    result: Payload = answer["setVariableResult"][0]
    return result


def set_priority(tool: Tool, value: str) -> Payload:
    return set_result(tool, "OCPPCommCtrlr", "NetworkConfigurationPriority", value)


def set_slot(tool: Tool, slot: int, url: str, security_profile: int = 1) -> Payload:
    profile = {
        "messageTimeout": 30,
        "ocppCsmsUrl": url,
        "ocppInterface": "Wired0",
        "ocppTransport": "JSON",
        "ocppVersion": "OCPP20",
        "securityProfile": security_profile,
    }
    request = {"configurationSlot": slot, "connectionData": profile}
    return tool.csms.call("SetNetworkProfile", request)


def migrate(tool: Tool, url: str, security_profile: int = 1) -> str:
    """Steps 1 to 4 of every migration: fill the other slot and prefer it; the slot in use."""
    old = tool.station.variable("OCPPCommCtrlr", "ActiveNetworkProfile")
    new = "2" if old == "1" else "1"
    assert set_slot(tool, int(new), url, security_profile) == {"status": "Accepted"}
    assert set_priority(tool, f"{new},{old}")["attributeStatus"] in ("Accepted", "RebootRequired")
    return old


def is_at(tool: Tool, url: str) -> bool:
    target = tool.csms.target
    return target is not None and target.url == f"{url}/{tool.station.identity}"


def schedule(tool: Tool, attempts: int) -> None:
    """Quick, even reconnecting, so that attempts can be counted."""
    tool.set("OCPPCommCtrlr", "NetworkProfileConnectionAttempts", str(attempts))
    tool.set("OCPPCommCtrlr", "RetryBackOffRepeatTimes", "0")
    tool.set("OCPPCommCtrlr", "RetryBackOffRandomRange", "0")
    tool.set("OCPPCommCtrlr", "RetryBackOffWaitMinimum", str(WAIT_MINIMUM_S))


def tried(tool: Tool, since: int) -> list[str]:
    """Where the station has tried to connect."""
    return [target.url.rpartition("/")[0] for target in tool.csms.targets[since:]]
