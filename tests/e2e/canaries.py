"""Secrets of every kind, and what each of them would look like if it were shown somewhere."""

import base64
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.rig import IDENTITY, PASSWORD
from tests.pki import issue

NEW_PASSWORD = "canary-other-password-9c2e"
PIN = "canary-pin-4711"
SIM_PIN = 71943826
LOST_KEY = issue("Lost").key_pem
OWN = issue("CS-1", issue("Client Root", authority=True, days=(-1, 400)), days=(-1, 300))
"""Certificate and key that somebody brings to the station."""


def lines_of(key_pem: str) -> list[str]:
    """Each line of a key: a part of it would be too much."""
    return [line for line in key_pem.splitlines() if line and not line.startswith("-----")]


def header(password: str) -> str:
    """As it stands in `Authorization: Basic …`."""
    return base64.b64encode(f"{IDENTITY}:{password}".encode()).decode()


@dataclass
class Canaries:
    """Name and text of each; more come to be while the station lives."""

    texts: dict[str, list[str]] = field(
        default_factory=lambda: {
            "password of the command line": [PASSWORD, header(PASSWORD)],
            "password set by the CSMS": [NEW_PASSWORD, header(NEW_PASSWORD)],
            "password that is refused": ["canary-short"],
            "password in a broken frame": ["canary-broken-frame"],
            "password in a vendor's message": ["canary-vendor-data"],
            "password of another slot": ["canary-slot-password"],
            "password in a CSMS address": ["canary-in-url"],
            "password in an upload address": ["canary-upload"],
            "password in a firmware address": ["canary-firmware"],
            "password of the doctor": ["canary-doctor-password", header("canary-doctor-password")],
            "password file": ["canary-password-file", header("canary-password-file")],
            "PIN at the reader": [PIN],
            "PIN in a remote start": ["canary-pin-remote"],
            "PIN in additional info": ["canary-pin-more"],
            "APN password": ["canary-apn-pw"],
            "VPN password": ["canary-vpn-pw"],
            "VPN key": ["canary-vpn-key"],
            "SIM PIN": [str(SIM_PIN)],
            "key of the station's certificate": lines_of(OWN.key_pem),
            "key sent in place of a certificate": lines_of(LOST_KEY),
        }
    )

    def add_keys(self, folder: Path) -> None:
        """Those that the station has made."""
        for file in sorted(folder.glob("*.key")):
            self.texts[f"key {file.name}"] = lines_of(file.read_text())

    def shown_in(self, shown: str) -> list[str]:
        """Names of the secrets that *shown* gives away, and anything marked as one."""
        found = [name for name, texts in self.texts.items() if any(map(shown.__contains__, texts))]
        return found + (["something"] if "canary" in shown and not found else [])
