"""Reusable and memory states of part 6 that concern certificates, with their errata."""

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from station.events import TlsEstablished
from station.pki.certificate import hash_data
from tests.authority import Authority
from tests.conformance.states import Payload, Tool

CSMS_ROOT, MANUFACTURER_ROOT = "CSMSRootCertificate", "ManufacturerRootCertificate"
MO_ROOT = "MORootCertificate"
ROOT_1, ROOT_2 = Authority("CSMS Root 1"), Authority("CSMS Root 2")
FIRMWARE_ROOT = Authority("Manufacturer Root")


def hash_of(authority: Authority) -> Payload:
    names = hash_data(authority.certificate, authority.issuer.certificate)
    return {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": names.issuer_name_hash,
        "issuerKeyHash": names.issuer_key_hash,
        "serialNumber": names.serial_number,
    }


def entry(use: str, authority: Authority) -> Payload:
    return {"certificateType": use, "certificateHashData": hash_of(authority)}


def install(tool: Tool, use: str, authority: Authority) -> str:
    payload = {"certificateType": use, "certificate": authority.pem}
    return str(tool.csms.call("InstallCertificate", payload)["status"])


def certificate_installed(tool: Tool, use: str, authority: Authority) -> None:
    assert install(tool, use, authority) == "Accepted"


def installed_certificates(tool: Tool, *uses: str) -> list[Payload]:
    """GetInstalledCertificates: what the station lists; it must list something."""
    payload = {"certificateType": list(uses)} if uses else {}
    answer = tool.csms.call("GetInstalledCertificateIds", payload)
    assert answer["status"] == "Accepted", answer
    chains: list[Payload] = answer["certificateHashDataChain"]
    return chains


def sign_request(tool: Tool, answer: str = "Accepted") -> str:
    """Steps 1 to 4 of every renewal; the signing request."""
    tool.csms.answers["SignCertificate"] = {"status": answer}
    trigger = {"requestedMessage": "SignChargingStationCertificate"}
    assert tool.csms.call("TriggerMessage", trigger) == {"status": "Accepted"}
    return expect_request(tool)


def expect_request(tool: Tool, *, within_s: float = 15.0) -> str:
    wanted: dict[str, Any] = {"certificateType": "ChargingStationCertificate"}
    csr = str(tool.expect("SignCertificate", wanted, within_s=within_s)["csr"])
    request = x509.load_pem_x509_csr(csr.encode())
    public_key = request.public_key()
    assert request.is_signature_valid
    assert isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    least = 2048 if isinstance(public_key, rsa.RSAPublicKey) else 224
    assert public_key.key_size >= least
    return csr


def hand_over(tool: Tool, pem: str) -> str:
    payload = {"certificateChain": pem, "certificateType": "ChargingStationCertificate"}
    return str(tool.csms.call("CertificateSigned", payload)["status"])


def certificate_renewed(tool: Tool) -> str:
    """RenewChargingStationCertificate: the new certificate, with which the station reconnects."""
    csr = sign_request(tool)
    connections = len(tool.csms.links)
    pem = ROOT_1.sign_request(csr)
    assert hand_over(tool, pem) == "Accepted"
    tool.wait(30)
    assert len(tool.csms.links) >= connections + 2, "the station has not reconnected"
    assert tool.csms.connected
    trust = tool.station.station.queries.trust
    assert trust is not None
    presented = trust.station_certificate()
    assert presented is not None
    assert presented[0] == pem
    established(tool)
    return pem


def established(tool: Tool, *, fallback_root: bool = False) -> None:
    """A TLS handshake, which the fake CSMS has none of, ended like this."""
    event = TlsEstablished(fallback_root=fallback_root, mutual=True)
    tool.station.reactor.post(tool.station.station.events.publish, event)
    tool.wait(1)
