"""Public keys of meters in the shapes they come in, and signatures checked with them."""

import base64
import binascii
import re
from typing import TYPE_CHECKING

from station.ocmf.data_set import DEFAULT_ALGORITHM, DataSet, OcmfError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurve, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

ALGORITHM = re.compile(r"ECDSA-([A-Za-z0-9]{1,20})-SHA(256|384|512)")
MAX_KEY_CHARS = 10_000
MARKER = "oca"
"""Of "Signed Meter Values in OCPP" (OCA): marker, encoding, content type, key as printed."""


class PublicKey:
    """A key on one of the curves that OCMF names."""

    def __init__(self, key: "EllipticCurvePublicKey") -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self._key = key
        self.curve = key.curve.name.lower()
        self.hex = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()

    def verifies(self, data_set: DataSet) -> bool:
        """Whether it signed the data set; OcmfError when that cannot be told here."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

        curve, digest = _algorithm(data_set.algorithm)
        if curve.name.lower() != self.curve:
            raise OcmfError(f"the key is on {self.curve}, the signature on {curve.name}")
        for signature in _as_der(data_set.signature, curve.key_size):
            try:
                self._key.verify(signature, data_set.payload.encode(), ECDSA(digest))
            except InvalidSignature:
                continue
            return True
        return False


def read_key(text: str, algorithm: str = DEFAULT_ALGORITHM) -> PublicKey:
    """A key as hex, Base64 or PEM of its ASN.1 structure, as OCPP carries it, or as a bare point.

    *algorithm* says on which curve a bare point lies. OcmfError if *text* is no key.
    """
    if len(text) > MAX_KEY_CHARS:
        raise OcmfError(f"the public key is longer than {MAX_KEY_CHARS} characters")
    raw = _decoded(text)
    if raw.startswith(b"oca:"):  # Base64 over the envelope: publicKey of SignedMeterValueType
        raw = _decoded(raw.decode("ascii", "replace"))
    if raw[:1] == b"\x30":
        return _from_der(raw)
    return _from_point(raw, algorithm)


def _decoded(text: str) -> bytes:
    text = text.strip()
    if text.startswith(f"{MARKER}:"):
        _, encoding, kind, key = [*text.split(":", 3), "", "", ""][:4]
        if (encoding, kind) not in {("base16", "asn1"), ("base64", "asn1")}:
            raise OcmfError(f"the public key is {encoding[:20]}:{kind[:20]}, not base16:asn1")
        return _decoded(re.sub("[^0-9A-Fa-f]", "", key) if encoding == "base16" else key)
    if text.startswith("-----BEGIN PUBLIC KEY-----"):
        text = text.removeprefix("-----BEGIN PUBLIC KEY-----").partition("-----END")[0]
    text = "".join(text.split())
    for decode in (bytes.fromhex, lambda given: base64.b64decode(given, validate=True)):
        try:
            raw: bytes = decode(text)
        except (ValueError, binascii.Error):
            continue
        if raw:
            return raw
    raise OcmfError("the public key is neither hex nor Base64 nor PEM")


def _from_der(raw: bytes) -> PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(raw)
    except UnsupportedAlgorithm as error:
        raise OcmfError("the public key is on a curve that cannot be checked here") from error
    except ValueError as error:
        raise OcmfError("the public key is no ASN.1 structure of a key") from error
    if not isinstance(key, EllipticCurvePublicKey):
        raise OcmfError("the public key is not one of an elliptic curve")
    return PublicKey(key)


def _from_point(raw: bytes, algorithm: str) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    curve, _ = _algorithm(algorithm)
    size = (curve.key_size + 7) // 8
    point = b"\x04" + raw if len(raw) == 2 * size else raw
    try:
        return PublicKey(EllipticCurvePublicKey.from_encoded_point(curve, point))
    except ValueError as error:
        raise OcmfError(f"the public key is no point on {curve.name}") from error


def _algorithm(name: str) -> "tuple[EllipticCurve, HashAlgorithm]":
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    curves: dict[str, type[EllipticCurve]] = {
        "secp192r1": ec.SECP192R1,
        "secp256k1": ec.SECP256K1,
        "secp256r1": ec.SECP256R1,
        "secp384r1": ec.SECP384R1,
        "secp521r1": ec.SECP521R1,
        "brainpool256r1": ec.BrainpoolP256R1,
        "brainpool384r1": ec.BrainpoolP384R1,
    }
    digests: dict[str, HashAlgorithm] = {
        "256": hashes.SHA256(),
        "384": hashes.SHA384(),
        "512": hashes.SHA512(),
    }
    found = ALGORITHM.fullmatch(name)
    curve = None if found is None else curves.get(found[1].lower().replace("poolp", "pool"))
    if found is None or curve is None:
        raise OcmfError(f"signatures of the kind {name[:60]!r} cannot be checked here")
    return curve(), digests[found[2]]


def _as_der(signature: bytes, key_size: int) -> list[bytes]:
    """DER as the format has it, or the two numbers side by side as some meters write them."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    size = (key_size + 7) // 8
    forms = [signature]
    if len(signature) == 2 * size:
        r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
        forms.append(encode_dss_signature(r, s))
    return forms
