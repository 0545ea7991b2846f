"""URLs of file transfers: what is taken from them, what is refused, and that none is ever shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.transfers import (
    Location,
    TransferProtocol,
    UrlRefusedError,
    parse_location,
)


def test_every_part_of_a_url_is_found() -> None:
    found = parse_location("https://us%40er:p%3Aw@Logs.Example:8443/a%20b/c?d=%20e#f")
    assert found == Location(
        protocol=TransferProtocol.HTTPS,
        host="logs.example",
        port=8443,
        user="us@er",
        password="p:w",
        path="/a b/c",
        target="/a%20b/c?d=%20e",
    )


def test_a_password_may_hold_an_at_sign() -> None:
    """N01.FR.17: as the note of the standard writes it."""
    found = parse_location("http://username:password@d@csms.org/logs")
    assert (found.user, found.password, found.host) == ("username", "password@d", "csms.org")


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("ftp://x", 21),
        ("FTPS://x", 990),
        ("http://x", 80),
        ("https://[::1]", 443),
        ("sftp://x", 22),
    ],
)
def test_each_protocol_has_its_port(url: str, port: int) -> None:
    assert parse_location(url).port == port


@given(st.text(max_size=60) | st.from_regex(r"(https?|s?ftps?)://.{0,60}", fullmatch=True))
def test_any_text_is_a_location_or_is_refused(text: str) -> None:
    try:
        found = parse_location(text)
    except UrlRefusedError:
        return
    assert found.host
    assert 0 < found.port < 65536
    assert "\n" not in found.path + found.user + found.password + found.target


def test_no_credential_is_ever_shown() -> None:
    found = parse_location("sftp://user:hunter2@[2001:db8::1]/secret-path?sig=hunter2")
    assert (str(found), repr(found)) == (
        "sftp://[2001:db8::1]:22",
        "Location(sftp://[2001:db8::1]:22)",
    )


@pytest.mark.parametrize("url", ["http://hunter2@x:port/", "hunter2://x", "http://x/hunter2\n"])
def test_a_refusal_does_not_quote_the_url(url: str) -> None:
    with pytest.raises(UrlRefusedError) as caught:
        parse_location(url)
    assert "hunter2" not in str(caught.value)
