"""Configuration files: what is accepted, and what every refusal says."""

import tomllib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from station.config import (
    SECTIONS,
    ConfigError,
    Secret,
    StationConfig,
    check_document,
    config_dir,
    load_config,
    require_station,
)
from station.presets import PresetError, VariablePreset, preset_from_key, read_presets
from station.rules import check_csms_url, check_identity, check_password, parse_listen

GOOD = """
[station]
identity = "CS001"
[network]
url = "wss://csms.example/ocpp/"
[board]
file = "my-board.toml"
"""


def written(folder: Path, text: str, name: str = "station.toml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def complaint(folder: Path, text: str) -> str:
    file = written(folder, text)
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{folder}/")


def test_the_manual_shows_every_key_with_its_default() -> None:
    manual = config_dir() / "station.toml"
    assert load_config(manual) == StationConfig()
    shown = tomllib.loads(manual.read_text(encoding="utf-8"))
    assert {name: list(table) for name, table in shown.items() if name in SECTIONS} == {
        name: list(section.__struct_fields__) for name, section in SECTIONS.items()
    }
    assert "variables" in shown


def test_every_key_of_the_manual_has_a_comment() -> None:
    lines = (config_dir() / "station.toml").read_text(encoding="utf-8").splitlines()
    bare = {"model", "serial_number"}  # share the comment of vendor
    for above, line in pairwise(lines):
        if " = " in line and not line.startswith("#") and line.split(" = ")[0] not in bare:
            assert above.startswith("#"), line


def test_a_later_file_wins_key_by_key(tmp_path: Path) -> None:
    first = written(tmp_path, '[station]\nvendor = "A"\nmodel = "M"\n', "first.toml")
    second = written(tmp_path, '[station]\nvendor = "B"\n', "second.toml")
    config = load_config(first, second)
    assert (config.station.vendor, config.station.model) == ("B", "M")


def test_the_csms_url_loses_its_last_slash(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, GOOD)).network.url == "wss://csms.example/ocpp"


def test_the_serial_number_is_the_identity_unless_given(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, f'[station]\nidentity = "{"x" * 48}"\n'))
    assert config.serial_number == "x" * 25
    config = load_config(written(tmp_path, '[station]\nidentity = "a"\nserial_number = "S"\n'))
    assert config.serial_number == "S"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[network]\nurll = "x"', "station.toml: [network] urll: unknown key; did you mean url?"),
        ("[netwrk]", "station.toml: unknown table [netwrk]; did you mean network?"),
        ("vendor = 1", "station.toml: unknown key vendor; there is station, network, board"),
        ("station = 1", "station.toml: station = 1: must be a table, [station]"),
        (
            "[network]\nsecurity_profile = 4",
            "station.toml: [network] security_profile = 4: must be 1, 2 or 3",
        ),
        (
            "[network]\nsecurity_profile = true",
            "station.toml: [network] security_profile = true: must be 1, 2 or 3",
        ),
        (
            "[logging]\nframes = 1",
            "station.toml: [logging] frames = 1: must be true or false",
        ),
        (
            '[logging]\nlevel = "loud"',
            'station.toml: [logging] level = "loud": '
            'must be one of "debug", "info", "warning", "error"',
        ),
        (
            '[station]\nvendor = ""',
            'station.toml: [station] vendor = "": must be text, 1 to 50 characters',
        ),
        (
            "[station]\nstate_dir = 5",
            "station.toml: [station] state_dir = 5: must be text, a folder",
        ),
        ("[board]\nfile = 5", "station.toml: [board] file = 5: must be text in quotes"),
        (
            '[station]\nidentity = "a:b"',
            "station.toml: [station] identity = \"a:b\": must not hold ':'",
        ),
        (
            '[network]\nurl = "http://x"',
            'station.toml: [network] url = "http://x": must begin with ws:// or wss://',
        ),
        (
            '[network]\nurl = "wss://x"\nsecurity_profile = 1',
            'station.toml: [network] url = "wss://x": must be ws://… with security_profile = 1',
        ),
        (
            '[network]\nurl = "ws://x"',  # profile 1 only where somebody writes it
            'station.toml: [network] url = "ws://x": must be wss://… with security_profile = 2',
        ),
        (
            '[network]\nurl = "ws://x"\nsecurity_profile = 3',
            'station.toml: [network] url = "ws://x": must be wss://… with security_profile = 3',
        ),
        ('[web]\nlisten = "x"', 'station.toml: [web] listen = "x": must be HOST:PORT'),
        ('[variables]\nx = "y"', 'station.toml: [variables] x: must be "Component.Variable"'),
        ('[variables]\n"A.B" = nan', "station.toml: [variables] A.B: must be a finite number"),
        ('[variables]\n"A.B" = 1979-05-27', "station.toml: [variables] A.B: must be text"),
        (
            '[variables]\n"A.B" = 1\n[variables.A]\nB = 2',
            "station.toml: [variables] A.B: is given twice",
        ),
        ("x = ", "station.toml: Invalid value"),
        ("x = " + "[" * 5000, "station.toml: nested too deeply"),
        ("[network]\nsecurity_profile = " + "9" * 5000, "station.toml: Exceeds the limit"),
    ],
)
def test_a_refusal_names_file_table_key_and_rule(tmp_path: Path, text: str, message: str) -> None:
    assert complaint(tmp_path, text).startswith(message)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.toml: No such file"):
        load_config(tmp_path / "nothing.toml")
    (tmp_path / "latin.toml").write_bytes(b'x = "\xe9"')
    with pytest.raises(ConfigError, match=r"latin\.toml: not UTF-8 at byte 5"):
        load_config(tmp_path / "latin.toml")
    (tmp_path / "big.toml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigError, match=r"big\.toml: larger than"):
        load_config(tmp_path / "big.toml")


@pytest.mark.parametrize("missing", ["identity", "url", "file"])
def test_a_real_station_needs_identity_url_and_board(tmp_path: Path, missing: str) -> None:
    text = "\n".join(line for line in GOOD.splitlines() if not line.startswith(missing))
    config = load_config(written(tmp_path, text))
    with pytest.raises(ConfigError, match=rf"station\.toml: \[\w+\] {missing} is missing"):
        require_station(config, "station.toml")
    complete = load_config(written(tmp_path, GOOD))
    assert require_station(complete, "station.toml") is complete


def test_the_password_is_read_from_a_private_file_and_never_shown(tmp_path: Path) -> None:
    """A00.FR.205"""
    secret = written(tmp_path, "correct horse battery\n", "password")
    secret.chmod(0o600)
    file = written(tmp_path, '[network]\npassword_file = "password"\n')
    config = load_config(file)
    assert config.password == Secret("correct horse battery")
    assert "horse" not in repr(config)


@pytest.mark.parametrize(
    ("content", "mode", "rule"),
    [
        (b"correct horse battery", 0o640, "others may read it; run chmod 600 on it"),
        (b"short", 0o600, "the password must be 16 to 64 characters long"),
        (b"x" * 65, 0o600, "the password must be 16 to 64 characters long"),
        (b"two lines of text\nhere", 0o600, "the password must not hold control characters"),
        (b"\xff" * 20, 0o600, "not UTF-8 text"),
        (None, 0, "No such file or directory"),
    ],
)
def test_a_bad_password_file_is_refused_without_showing_it(
    tmp_path: Path, content: bytes | None, mode: int, rule: str
) -> None:
    if content is not None:
        (tmp_path / "password").write_bytes(content)
        (tmp_path / "password").chmod(mode)
    message = complaint(tmp_path, '[network]\npassword_file = "password"\n')
    assert message == f'station.toml: [network] password_file = "password": {rule}'


def test_variables_are_given_by_path_or_by_table(tmp_path: Path) -> None:
    config = load_config(
        written(
            tmp_path,
            """
            [variables]
            "OCPPCommCtrlr.MessageAttempts[TransactionEvent]" = 5
            "Connector@1.2.Available" = true
            [variables.TxCtrlr]
            TxStartPoint = ["Authorized", "EVConnected"]
            """,
        )
    )
    assert [(preset.key, preset.value) for preset in config.variables] == [
        ("OCPPCommCtrlr.MessageAttempts[TransactionEvent]", "5"),
        ("Connector@1.2.Available", "true"),
        ("TxCtrlr.TxStartPoint", "Authorized,EVConnected"),
    ]
    assert config.variables[1] == VariablePreset(
        component="Connector", evse=1, connector=2, variable="Available", value="true"
    )


def test_a_later_file_replaces_a_variable(tmp_path: Path) -> None:
    first = written(tmp_path, '[variables]\n"A.B" = 1\n"A.C" = 1\n', "first.toml")
    second = written(tmp_path, "[variables.A]\nB = 2\n", "second.toml")
    config = load_config(first, second)
    assert [(preset.key, preset.value) for preset in config.variables] == [
        ("A.B", "2"),
        ("A.C", "1"),
    ]


NAME = st.from_regex(r"[A-Za-z0-9]{1,50}", fullmatch=True)
INSTANCE = st.none() | st.from_regex(r"[A-Za-z0-9 _-]{1,50}", fullmatch=True)
PLACE = st.tuples(st.none() | st.integers(1, 999_999), st.none() | st.integers(1, 999_999))


@given(NAME, INSTANCE, PLACE, NAME, INSTANCE)
def test_the_key_of_a_preset_reads_back(
    component: str,
    component_instance: str | None,
    place: tuple[int | None, int | None],
    variable: str,
    instance: str | None,
) -> None:
    evse, connector = place
    preset = VariablePreset(
        component=component,
        component_instance=component_instance,
        evse=evse,
        connector=connector if evse is not None else None,
        variable=variable,
        instance=instance,
        value="x",
    )
    assert preset_from_key(preset.key, "x") == preset


def refusal_of(attempt: Callable[[], object]) -> str | None:
    try:
        attempt()
    except ConfigError as error:
        return str(error)
    return None


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.dates()
    | st.datetimes()
    | st.times(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
TABLES = st.sampled_from([*SECTIONS, "variables"])
KEYS = st.sampled_from([key for section in SECTIONS.values() for key in section.__struct_fields__])


@given(
    st.dictionaries(
        TABLES | st.text(max_size=12),
        JUNK | st.dictionaries(KEYS | st.text(max_size=12), JUNK, max_size=4),
        max_size=3,
    )
)
def test_junk_is_accepted_or_refused_but_never_breaks_anything(document: dict[str, Any]) -> None:
    refusal = refusal_of(lambda: check_document(document, "junk.toml"))
    assert refusal is None or (refusal.startswith("junk.toml: ") and refusal.isprintable())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_junk_bytes_are_accepted_or_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "junk.toml"
    file.write_bytes(data)
    refusal = refusal_of(lambda: load_config(file))
    assert refusal is None or (refusal.startswith(f"{file}: ") and refusal.isprintable())


def test_presets_are_read_from_json(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """[
          {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "Identity"},
           "mutability": "ReadOnly"},
          {"component": {"name": "EVSE", "evse": 2}, "variable": {"name": "Power"},
           "attribute": "MaxSet", "value": "11000"}
        ]""",
        "presets.json",
    )
    assert [preset.key for preset in read_presets(file)] == [
        "SecurityCtrlr.Identity",
        "EVSE@2.Power (MaxSet)",
    ]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("{}", "Expected `array`, got `object`"),
        ("[1]", "Expected `object`, got `int`"),
        ("[", "truncated"),
        ("[" * 100_000, "entry 1: Expected `object`"),
        ('[{"component": {"name": "A"}, "variable": {"name": "B"}}]', "entry 1: gives neither"),
        (
            '[{"component": {"name": "A", "connector": 1}, "variable": {"name": "B"}}]',
            "entry 1: component.connector needs component.evse",
        ),
        ('[{"component": {"name": "A"}, "value": "1"}]', "missing required field `variable`"),
        ('[{"componnet": {}}]', "unknown field `componnet`"),
        (
            '[{"component": {"name": "A", "evse": 0}, "variable": {"name": "B"}, "value": "1"}]',
            "entry 1: component.evse: Expected `int` >= 1",
        ),
        (
            '[{"component": {"name": "A"}, "variable": {"name": "B"}, "value": 1}]',
            "entry 1: value: Expected `str | null`, got `int`",
        ),
    ],
)
def test_bad_presets_are_refused_with_the_rule(tmp_path: Path, text: str, rule: str) -> None:
    file = written(tmp_path, text, "presets.json")
    with pytest.raises(PresetError) as caught:
        read_presets(file)
    assert str(caught.value).startswith(str(file))
    assert rule in str(caught.value)


@pytest.mark.parametrize("identity", ["a", "CS-001_x", "*-_=+|@.", "x" * 48])
def test_good_identities(identity: str) -> None:
    assert check_identity(identity) == identity


@pytest.mark.parametrize("identity", ["", "x" * 49, "a:b", "a b", "a/b", "ä", "a\n"])
def test_bad_identities(identity: str) -> None:
    with pytest.raises(ValueError, match="must"):
        check_identity(identity)


@pytest.mark.parametrize("password", ["x" * 15, "x" * 65, "x" * 16 + "\n", "x" * 16 + "\udc80"])
def test_bad_passwords(password: str) -> None:
    """A00.FR.205"""
    with pytest.raises(ValueError, match="the password must"):
        check_password(password)


@pytest.mark.parametrize("password", ["x" * 16, "x" * 64, "päßwörter sind länger"])
def test_good_passwords(password: str) -> None:
    """A00.FR.205"""
    assert check_password(password) == password


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("ws://h", "ws://h"),
        ("wss://h:443/a/b/", "wss://h:443/a/b"),
        ("ws://[::1]:9000", "ws://[::1]:9000"),
        ("WS://h/", "WS://h"),
    ],
)
def test_good_csms_urls(url: str, kept: str) -> None:
    assert check_csms_url(url) == kept


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://h",
        "ws://",
        "ws:///path",
        "ws://u@h",
        "ws://u:p@h",
        "ws://h?x=1",
        "ws://h#x",
        "ws://h?",
        "ws://h:0",
        "ws://h:99999",
        "ws://h:x",
        "ws://[::1",
        "ws://h/ä",
        "ws://h/ x",
        "ws://h/\n",
        "ws://" + "h" * 512,
    ],
)
def test_bad_csms_urls(url: str) -> None:
    with pytest.raises(ValueError, match=r"must|names|is not|cannot"):
        check_csms_url(url)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("[::1]:65535", "::1", 65535),
        ("localhost:80", "localhost", 80),
    ],
)
def test_good_listening_addresses(text: str, host: str, port: int) -> None:
    address = parse_listen(text)
    assert address == (host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "80", ":80", "h", "h:", "h:x", "h:65536", "h:-1", "::1:80", "h h:80", "ä:80", "[]:1"],
)
def test_bad_listening_addresses(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_listen(text)
