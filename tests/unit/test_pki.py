"""Certificates as pure values: what is read, judged, named and requested."""

import base64
import hashlib
import random
import subprocess
import sys
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from station.bench.virtual import EPOCH
from station.pki import certificate, chain, key, signing
from station.pki.certificate import CertificateError
from station.pki.chain import CheckedChain, check_root, check_station_chain
from station.pki.key import KeyKind
from station.pki.signing import Input, Signing
from tests.authority import Authority, private_pem, to_pem
from tests.pki import resign, rsa_key

ROOT = Authority()
MIDDLE = Authority("Test Sub-CA", ROOT)
KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = key.public_key(private_pem(KEY))


def check(pem: str, **changes: Any) -> CheckedChain:
    given: dict[str, Any] = {
        "keys": {"other": b"other", "mine": PUBLIC},
        "roots": [ROOT.pem],
        "moment": EPOCH,
        "common_name": "CS001",
    }
    return check_station_chain(pem, **{**given, **changes})


def leaf(**changes: Any) -> str:
    return to_pem(ROOT.sign(KEY.public_key(), **changes))


def refusal(job: Any, *args: Any, **changes: Any) -> str:
    with pytest.raises(CertificateError) as caught:
        job(*args, **changes)
    text = str(caught.value)
    assert "\n" not in text
    return text


# -- reading


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no certificate in PEM format"),
        ("hello", "no certificate in PEM format"),
        (ROOT.pem[:200], "malformed"),
        (ROOT.pem.replace("M", "N"), "malformed"),
        (ROOT.pem.replace("\n", "é\n", 3), "malformed"),
        (ROOT.pem * 2, "2 certificates, but at most one"),
        ("x" * 10_001, "more than 10000 characters"),
        (ROOT.pem + private_pem(ROOT.key).decode(), "a private key is among"),
    ],
)
def test_text_that_is_no_certificate_is_refused_in_one_line(text: str, problem: str) -> None:
    assert problem in refusal(check_root, text, EPOCH)


@pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")
def test_whatever_was_damaged_on_the_way_is_refused_and_nothing_else_happens() -> None:
    rng = random.Random(7)
    der = bytearray(ROOT.certificate.public_bytes(serialization.Encoding.DER))
    for _ in range(400):
        damaged = bytearray(der)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        body = base64.encodebytes(bytes(damaged)).decode()
        pem = f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"
        try:
            checked = check_root(pem, EPOCH)
        except CertificateError:
            continue
        assert checked.pem.startswith("-----BEGIN")


def test_text_around_a_certificate_is_not_kept() -> None:
    decorated = f"Subject: Root\r\n{ROOT.pem.replace(chr(10), chr(13) + chr(10))}trailer"
    assert check_root(decorated, EPOCH).pem == ROOT.pem


def test_a_description_tells_what_a_person_wants_to_know() -> None:
    about = certificate.describe(MIDDLE.certificate)
    assert about.common_name == "Test Sub-CA"
    assert about.organization == "Test"
    assert about.key == "EC 256"
    assert about.signature_hash == "sha256"
    assert about.is_ca
    assert not about.is_self_issued
    assert about.key_usage == ()


# -- naming


def test_hash_data_is_what_the_standard_says() -> None:
    """Name of the issuer in DER; bits of the issuer's key without tag, length and padding."""
    names = certificate.hash_data(MIDDLE.certificate, ROOT.certificate)
    bits = ROOT.key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    assert names.issuer_key_hash == hashlib.sha256(bits).hexdigest()
    assert names.issuer_name_hash == hashlib.sha256(ROOT.name.public_bytes()).hexdigest()
    assert int(names.serial_number, 16) == MIDDLE.certificate.serial_number
    assert not names.serial_number.startswith("0")
    assert names.hash_algorithm == "SHA256"


def test_hash_data_of_an_rsa_issuer_takes_the_key_as_pkcs1() -> None:
    root = Authority("RSA Root", key=rsa_key(2048))
    names = certificate.hash_data(root.certificate, root.certificate)
    der = root.key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.PKCS1
    )
    assert names.issuer_key_hash == hashlib.sha256(der).hexdigest()


# -- roots


def test_a_root_is_named_after_itself() -> None:
    checked = check_root(ROOT.pem, EPOCH)
    assert checked.hash_data == certificate.hash_data(ROOT.certificate, ROOT.certificate)
    assert checked.signed_by == ()


def test_a_root_that_another_one_signed_names_its_signer() -> None:
    checked = check_root(MIDDLE.pem, EPOCH, [Authority("Other").pem, ROOT.pem])
    assert checked.signed_by == (certificate.fingerprint(ROOT.certificate),)
    assert checked.hash_data == certificate.hash_data(MIDDLE.certificate, ROOT.certificate)


def test_a_name_alone_makes_no_signer() -> None:
    impostor = Authority("Test Root")
    assert check_root(MIDDLE.pem, EPOCH, [impostor.pem]).signed_by == ()


WEAK = {
    "expired": (Authority(end=EPOCH - timedelta(seconds=1)), "expired on 2026-03-02 08:59:59"),
    "early": (
        Authority(begin=EPOCH + timedelta(seconds=1)),
        "not valid before 2026-03-02 09:00:01",
    ),
    "leaf": (Authority(is_ca=False), "not the certificate of an authority"),
    "rsa": (Authority(key=rsa_key(1024)), "RSA key of 1024 bits; at least 2048"),
    "curve": (
        Authority(key=ec.generate_private_key(ec.SECP192R1())),
        "EC key of 192 bits; at least 224",
    ),
}


@pytest.mark.parametrize("defect", WEAK)
def test_a_root_with_a_defect_is_refused(defect: str) -> None:
    """M05.FR.07, A00.FR.502, A00.FR.503"""
    root, problem = WEAK[defect]
    assert problem in refusal(check_root, root.pem, EPOCH)


@pytest.mark.parametrize("broken", ["sha1", "md5"])
def test_a_broken_hash_is_refused(broken: str) -> None:
    """A00.FR.504"""
    root = Authority(key=rsa_key(2048))
    weak = to_pem(resign(root.certificate, root.key, broken))
    assert f"signed with {broken.upper()}" in refusal(check_root, weak, EPOCH)


@pytest.mark.parametrize("curve", [ec.SECP224R1(), ec.SECP384R1()])
def test_a_curve_of_224_bits_or_more_is_good(curve: ec.EllipticCurve) -> None:
    """A00.FR.503"""
    root = Authority(key=ec.generate_private_key(curve))
    assert check_root(root.pem, EPOCH).description.key == f"EC {curve.key_size}"


def test_without_a_trusted_clock_dates_are_not_judged() -> None:
    assert check_root(WEAK["expired"][0].pem, None).signed_by == ()


# -- chains of the station


def test_a_certificate_below_an_installed_root_is_good() -> None:
    """A02.FR.06"""
    checked = check(leaf())
    assert checked.key_id == "mine"
    assert checked.authorities == ()
    assert checked.pem.count("BEGIN") == 1


def test_authorities_may_come_in_any_order_and_with_the_root() -> None:
    low = Authority("Low", MIDDLE)
    pem = to_pem(low.sign(KEY.public_key()))
    expected = pem + low.pem + MIDDLE.pem
    for others in ([low, MIDDLE], [MIDDLE, low], [ROOT, MIDDLE, low, Authority("Stranger")]):
        checked = check(pem + "".join(each.pem for each in others))
        assert checked.pem == expected
        assert [each.serial_number for each in checked.authorities] == [
            f"{each.certificate.serial_number:x}" for each in (low, MIDDLE)
        ]


def test_an_installed_sub_authority_is_root_enough() -> None:
    pem = to_pem(MIDDLE.sign(KEY.public_key()))
    assert check(pem, roots=[MIDDLE.pem]).pem == pem


BAD = {
    "no root": (lambda: check(leaf(), roots=[]), "no path to an installed root"),
    "wrong root": (lambda: check(leaf(), roots=[Authority().pem]), "no path to an installed root"),
    "no sub-CA": (
        lambda: check(to_pem(MIDDLE.sign(KEY.public_key()))),
        "no path to an installed root",
    ),
    "other key": (
        lambda: check(leaf(), keys={"a": b"x"}),
        "made for a key that this station does not have",
    ),
    "name": (lambda: check(leaf(common_name="CS002")), "commonName is not the serial number"),
    "no name": (lambda: check(leaf(common_name=None)), "commonName is not the serial number"),
    "organization": (lambda: check(leaf(organization=None)), "no organizationName"),
    "expired": (lambda: check(leaf(end=EPOCH - timedelta(seconds=1))), "expired on"),
    "early": (lambda: check(leaf(begin=EPOCH + timedelta(seconds=1))), "not valid before"),
    "usage": (lambda: check(leaf(extensions=((_usage(), True),))), "key usage does not allow"),
    "purpose": (
        lambda: check(leaf(extensions=((_purpose(ExtendedKeyUsageOID.SERVER_AUTH), False),))),
        "extended key usage does not allow",
    ),
    "critical": (lambda: check(leaf(extensions=((_unknown(), True),))), "is unknown"),
    "leaf signs": (
        lambda: check(_below(Authority("No CA", ROOT, is_ca=False))),
        "signs, but is not an authority",
    ),
    "path length": (
        lambda: check(_below(Authority("Low", Authority("Short", ROOT, path_length=0)))),
        "more authorities below it",
    ),
    "expired sub-CA": (
        lambda: check(_below(Authority("Old", ROOT, end=EPOCH - timedelta(days=1)))),
        "expired on",
    ),
    "too many": (lambda: check(leaf() * 9), "9 certificates"),
}


def _usage() -> x509.KeyUsage:
    names = ("key_cert_sign", "crl_sign")
    return x509.KeyUsage(
        **{each: each in names for each in certificate.USAGES},
        encipher_only=False,
        decipher_only=False,
    )


def _purpose(oid: ObjectIdentifier) -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage([oid])


def _unknown() -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")


def _below(authority: Authority) -> str:
    """A leaf and every certificate between it and ROOT."""
    pem = to_pem(authority.sign(KEY.public_key()))
    while authority.issuer is not authority:
        pem, authority = pem + authority.pem, authority.issuer
    return pem


@pytest.mark.parametrize("defect", BAD)
def test_a_bad_certificate_of_the_station_is_refused(defect: str) -> None:
    """A02.FR.06, A02.FR.07, A00.FR.509, A00.FR.511"""
    job, problem = BAD[defect]
    assert problem in refusal(job)


def test_allowed_extensions_are_allowed() -> None:
    """A00.FR.512, A00.FR.514"""
    extensions = (
        (_purpose(ExtendedKeyUsageOID.CLIENT_AUTH), False),
        (_unknown(), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
    )
    assert check(leaf(extensions=extensions)).key_id == "mine"


def test_crossed_authorities_are_climbed_once_each() -> None:
    """Eight certificates of one name that all sign each other lead nowhere, soon."""
    shared = ec.generate_private_key(ec.SECP256R1())
    crossed = [Authority("Cross", key=shared) for _ in range(7)]
    pem = to_pem(crossed[0].sign(KEY.public_key())) + "".join(each.pem for each in crossed)
    assert "no path" in refusal(check, pem, roots=[ROOT.pem])


# -- keys and requests


@pytest.mark.parametrize("kind", KeyKind)
def test_a_request_names_the_station_and_is_signed_with_its_key(kind: KeyKind) -> None:
    """A02.FR.02, A02.FR.03, A00.FR.502, A00.FR.503, A00.FR.509, A00.FR.511"""
    pem = key.generate_key(kind)
    text = key.make_csr(pem, common_name="CS001", organization="Charge Ltd")
    request = x509.load_pem_x509_csr(text.encode())
    assert request.is_signature_valid
    assert len(text) <= 5500
    names = {each.oid: each.value for each in request.subject}
    assert names == {NameOID.COMMON_NAME: "CS001", NameOID.ORGANIZATION_NAME: "Charge Ltd"}
    public = request.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
    assert str(public.key_size) == kind.partition("-")[2]
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    assert public.public_bytes(serialization.Encoding.DER, spki) == key.public_key(pem)


def _encrypted() -> bytes:
    return KEY.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


@pytest.mark.parametrize(
    ("pem", "problem"),
    [
        (b"", "no private key in PEM format"),
        (ROOT.pem.encode(), "no private key in PEM format"),
        (b"x" * 20_001, "too long"),
        (_encrypted(), "is encrypted"),
        (private_pem(ed25519.Ed25519PrivateKey.generate()), "neither RSA nor elliptic curve"),
    ],
)
def test_an_unusable_key_is_refused(pem: bytes, problem: str) -> None:
    assert problem in refusal(key.import_key, pem)


def test_a_key_in_an_older_format_is_taken() -> None:
    old = KEY.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    assert key.public_key(key.import_key(old)) == PUBLIC


# -- the table of a request


def test_the_table_of_a_request_is_total() -> None:
    for state, happened in product(Signing, Input):
        assert signing.next_state(state, happened) in Signing


def test_a_silent_request_never_asks_by_itself() -> None:
    """A02.FR.19, A02.FR.20"""
    for happened in Input:
        after = signing.next_state(Signing.SILENT, happened)
        assert after is not Signing.ASKING
        assert (after is Signing.MAKING) is (happened is Input.WANTED)


# -- cost


def test_nothing_of_this_loads_cryptography_before_it_is_needed() -> None:
    names = [module.__name__ for module in (certificate, chain, key, signing)]
    names += ["station.main", "station.io.keys"]
    code = f"import sys, {', '.join(names)}; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
