"""Data sets to check: of real meters, as published, and of a meter that tests can have at will.

The published ones are test data of the S.A.F.E. transparency software (Apache-2.0): what
meters of three makers signed, unchanged.
"""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

# Begin and end in one data set, SA and SE left out, DER in hex.
KEBA = (
    'OCMF|{"FV":"1.0","GI":"KEBA_KCP30","GS":"17619300","GV":"2.8.5","PG":"T32","IS":false,'
    '"IL":"NONE","IF":["RFID_NONE","OCPP_NONE","ISO15118_NONE","PLMN_NONE"],"IT":"NONE","ID":"",'
    '"RD":[{"TM":"2019-08-13T10:03:15,000+0000 I","TX":"B","EF":"","ST":"G","RV":0.2596,'
    '"RI":"1-b:1.8.0","RU":"kWh"},{"TM":"2019-08-13T10:03:36,000+0000 R","TX":"E","EF":"",'
    '"ST":"G","RV":0.2597,"RI":"1-b:1.8.0","RU":"kWh"}]}|{"SD":"304502200E2F107C987A300AC1695CA8'
    "9EA149A8CDFA16188AF0A33EE64B67964AA943F9022100889A72B6D65364BEA8562E7F6A0253157ACFF84FE4929A"
    '93B5964D23C4265699"}'
)
KEBA_KEY = (
    "3059301306072A8648CE3D020106082A8648CE3D030107034200043AEEB45C392357820A58FDFB0857BD77ADA315"
    "85C61C430531DFA53B440AFBFDD95AC887C658EA55260F808F55CA948DF235C2108A0D6DC7D4AB1A5E1A7955BE"
)
# Two data sets on a Brainpool curve, in Wh.
NZR_BEGIN, NZR_END = (
    'OCMF|{"FV":"1.0","GI":"NZR GATEWAY","GS":"21751020","GV":"1.0.0.0","PG":"' + page + '",'
    '"MV":"NZR","MM":"EcoCount SL","MS":"12345678","MF":"1.11","IS":false,"IL":"NONE","IF":[],'
    '"IT":"NONE","ID":"","CT":"","CI":"","RD":[{"TM":"2021-10-26T11:15:' + time + ' S",'
    '"TX":"' + reason + '","RV":1833,"RI":"1-0:1.8.1","RU":"Wh","RT":"AC","EF":"","ST":"G"}]}|'
    '{"SD":"' + signature + '","SA":"ECDSA-brainpoolP256r1-SHA256"}'
    for page, time, reason, signature in (
        (
            "T274",
            "09,000+0000",
            "B",
            "304402202CC410E10CD9141394AE77B3DC17A523C359F65B0117C098703DF1F2AB773A3302204C6CC011FE"
            "4920F87CF413F6FB94EDD78DAA26BB5DB4048DA9B3D3AB513CC23C",
        ),
        (
            "T275",
            "12,000+0000",
            "E",
            "304402202E573CC84746A5FDC4DDDE74A2C859C5FFB681D3F839C12AF460BD092EBB53A4022049DBE3A14F"
            "60F77571AF6321AD7FBE25157731161178B04EF4B9B3AEFBE404FB",
        ),
    )
)
NZR_KEY = (
    "305A301406072A8648CE3D020106092B240303020801010703420004607201339EF7C61EB1270C0BEA675585711C"
    "B160835F0F55975A311EA6F14AE98981A9276ABC6C70ADA4F8CE25A5502336C738B9E86FB1ED62150FF1B0FAD5A2"
)
# The signature as two bare numbers, the key as a bare point, RV as text; its clock and energy bad.
ISA = (
    'OCMF|{"FV":"1.0","GI":"1234567890","GS":"1ISA1234567890","GV":"V4711","MV":"Isabellenhuette'
    ' Heusler","MM":"1234567890","MS":"1ISA1234567890","MF":"80.01.01","CT":"DC-Test-Charger",'
    '"CI":"CP-DE-4711","IS":true,"IL":"CERTIFIED","IF":["RFID_PSK","OCPP_CERTIFIED",'
    '"ISO15118_NONE","PLMN_NONE"],"IT":"ISO15693","ID":"112233445566CC","PG":"T0","TT":"0,42'
    ' EUR/kWh","RD":[{"TM":"2023-06-27T18:02:14,000+0200 I","TX":"B","EF":"E","ST":"E",'
    '"RV":"00000000.000","RI":"1-b:1.8.e","RU":"kWh","RT":"DC"},{"TM":"2023-06-27T18:02:28,000'
    '+0200 I","TX":"C","EF":"E","ST":"E","RV":"00000000.000","RI":"1-b:1.8.e","RU":"kWh",'
    '"RT":"DC"},{"TM":"2023-06-27T18:02:55,000+0200 I","TX":"E","EF":"E","ST":"E",'
    '"RV":"00000000.000","RI":"1-b:1.8.e","RU":"kWh","RT":"DC"}]}|{"SA":"ECDSA-secp256r1-SHA256",'
    '"SD":"C214F647DE0BD818545B99DC27AD6D1B0A400BB1EE2E2DF98E2726FFC538CDF952282D68FCD760FD8F69B8'
    '2EF22B6FD72ED9251D162DA44AB489D46073FD3C76"}'
)
ISA_KEY = (
    "B27CDB498504606CA3ACA2BA05A61F30D443B36CADD6F00C881F3469FBB08B8C2F498C314A035BDADCC83EA731A8"
    "B65CACD0A39A32C88AE444431E990F9E84ED"
)
DIGESTS = {"256": hashes.SHA256(), "384": hashes.SHA384()}


class AnyMeter:
    """Signs whatever it is told to, on any curve."""

    def __init__(
        self, curve: ec.EllipticCurve | None = None, algorithm: str = "ECDSA-secp256r1-SHA256"
    ) -> None:
        self.algorithm = algorithm
        self._key = ec.generate_private_key(curve or ec.SECP256R1())
        self.page = 0

    @property
    def der(self) -> bytes:
        public = self._key.public_key()
        return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def point(self) -> bytes:
        public = self._key.public_key()
        return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def reading(self, reason: str, value: object, **fields: Any) -> dict[str, Any]:
        at = datetime(2026, 3, 2, 9, tzinfo=UTC) + timedelta(minutes=self.page)
        return {
            "TM": f"{at:%Y-%m-%dT%H:%M:%S},000+0000 S",
            **({"TX": reason} if reason else {}),
            "RV": value,
            "RI": "1-b:1.8.0",
            "RU": "kWh",
            "EF": "",
            "ST": "G",
            **fields,
        }

    def signs(self, *readings: dict[str, Any], **fields: Any) -> str:
        self.page += 1
        payload = {"FV": "1.2", "PG": f"T{self.page}", "MS": "M1", "ID": "", "RD": [*readings]}
        return self.signs_text(json.dumps(payload | fields))

    def tells(self, reason: str, value: object, **fields: Any) -> str:
        """One reading, signed."""
        return self.signs(self.reading(reason, value), **fields)

    def signs_text(self, payload: str, *, encoding: str = "hex", bare: bool = False) -> str:
        digest = DIGESTS[self.algorithm[-3:]]
        signature = self._key.sign(payload.encode(), ec.ECDSA(digest))
        if bare:
            size = (self._key.curve.key_size + 7) // 8
            signature = b"".join(part.to_bytes(size) for part in decode_dss_signature(signature))
        data = signature.hex() if encoding == "hex" else base64.b64encode(signature).decode()
        section = {"SA": self.algorithm, "SE": encoding, "SD": data}
        return f"OCMF|{payload}|{json.dumps(section)}"
