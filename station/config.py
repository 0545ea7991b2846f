"""Configuration: layers of TOML, checked key by key and merged into frozen structs.

The defaults stand here; `config/station.toml` is the manual that shows and explains each of
them, and a test holds the two together, so that a boot need not read it. Every error names
file, table, key and rule.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from station.rules import (
    ListenAddress,
    check_csms_url,
    check_identity,
    check_password,
    parse_listen,
)

if TYPE_CHECKING:
    from station.presets import VariablePreset  # imported late: most boots preset nothing

INSTALLED = Path("/etc/joulepost/station.toml")
MAX_FILE_BYTES = 1_000_000


class ConfigError(ValueError):
    """The configuration cannot be used; one line that names file, table, key and rule."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class Secret:
    """Text that is never shown by accident."""

    __slots__ = ("value",)

    def __init__(self, value: str = "") -> None:
        self.value = value

    def __bool__(self) -> bool:
        return bool(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return "Secret(***)" if self.value else "Secret()"


class Section(Struct, frozen=True, kw_only=True):
    """One table of the file; the description of a type is the rule that a person reads."""


Text20 = Annotated[str, Meta(min_length=1, max_length=20, description="1 to 20 characters")]
Text50 = Annotated[str, Meta(min_length=1, max_length=50, description="1 to 50 characters")]


class StationSection(Section, frozen=True):
    identity: str = ""
    vendor: Text50 = "joulepost"
    model: Text20 = "station"
    serial_number: Annotated[str, Meta(max_length=25, description="at most 25 characters")] = ""
    state_dir: Annotated[str, Meta(min_length=1, description="a folder")] = "/var/lib/joulepost"


class NetworkSection(Section, frozen=True):
    url: str = ""
    security_profile: Annotated[int, Meta(ge=1, le=3, description="1, 2 or 3")] = 2
    password_file: str = ""
    access_command: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(description="a list of texts, a program and its arguments"),
    ] = ()


class BoardSection(Section, frozen=True):
    file: str = ""


class WebSection(Section, frozen=True):
    listen: str = ""


class LoggingSection(Section, frozen=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    frames: bool = False


class ChargingSection(Section, frozen=True):
    master_pass: Literal["stop-all", "choose"] = "stop-all"  # noqa: S105 - what it does


class TransfersSection(Section, frozen=True):
    allow_local: bool = False
    known_hosts: str = ""


class SimOptions(Struct, frozen=True, kw_only=True):
    """The hardware that `joulepost sim` pretends to have; None in StationConfig: real hardware."""

    evses: int = 1
    connectors: int = 1
    cable: Literal["fixed", "socket"] = "fixed"
    signing: bool = True
    unplugged: bool = False
    seed: int | None = None


class StationConfig(Struct, frozen=True, kw_only=True):
    """All that a station is told from outside before it starts."""

    station: StationSection = StationSection()
    network: NetworkSection = NetworkSection()
    board: BoardSection = BoardSection()
    web: WebSection = WebSection()
    logging: LoggingSection = LoggingSection()
    charging: ChargingSection = ChargingSection()
    transfers: TransfersSection = TransfersSection()
    variables: "tuple[VariablePreset, ...]" = ()
    """The installer's values: they win over the CSMS's when they have changed since."""
    presets: "tuple[VariablePreset, ...]" = ()
    """The manufacturer's values (`--variables`): applied at the first start of a state folder."""
    password: Secret = Secret()
    """Of network slot 1."""
    sim: SimOptions | None = None

    @property
    def serial_number(self) -> str:
        """The identity stands in for it, cut to what BootNotification can carry (25)."""
        return self.station.serial_number or self.station.identity[:25]

    @property
    def listen(self) -> ListenAddress | None:
        return parse_listen(self.web.listen) if self.web.listen else None


SECTIONS: dict[str, type[Section]] = {
    "station": StationSection,
    "network": NetworkSection,
    "board": BoardSection,
    "web": WebSection,
    "logging": LoggingSection,
    "charging": ChargingSection,
    "transfers": TransfersSection,
}
CHECKS: dict[tuple[str, str], Callable[[str], str | ListenAddress]] = {
    ("station", "identity"): check_identity,
    ("network", "url"): check_csms_url,
    ("web", "listen"): parse_listen,
}


def config_dir() -> Path:
    """The folder of the packaged data: `config/` in a checkout, `station/_config` in a wheel."""
    packaged = Path(__file__).with_name("_config")
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "config"


def board_path(name: str) -> Path:
    """The board file of that path, of /etc/joulepost/boards, or of the package."""
    given = Path(name)
    if given.is_absolute() or given.exists():
        return given
    for folder in (INSTALLED.parent / "boards", config_dir() / "boards"):
        for candidate in (folder / name, folder / f"{name}.toml"):
            if candidate.is_file():
                return candidate
    return given


def load_config(*files: Path) -> StationConfig:
    """Read *files*, the later ones win, and check what only the whole can tell."""
    values: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    variables: dict[str, VariablePreset] = {}
    origin: dict[tuple[str, str], Path] = {}
    for file in files:
        document = read_toml(file)
        tables, presets = check_document(document, str(file))
        for name, table in tables.items():
            values[name].update(table)
            origin.update({(name, key): file for key in table})
        variables.update({preset.key: preset for preset in presets})
    sections = {name: SECTIONS[name](**table) for name, table in values.items()}
    config = StationConfig(**sections, variables=tuple(variables.values()))  # type: ignore[arg-type]
    last = str(files[-1]) if files else "(defaults)"
    _check_profile(config.network, str(origin.get(("network", "url"), last)))
    return _with_password(config, origin.get(("network", "password_file")))


def require_station(config: StationConfig, file: str) -> StationConfig:
    """What has no default but a real station cannot do without."""
    for table, key, example in (
        ("station", "identity", '"CS001"'),
        ("network", "url", '"ws://csms.example/ocpp"'),
        ("board", "file", '"my-board.toml"'),
    ):
        if not getattr(getattr(config, table), key):
            raise ConfigError(f"{file}: [{table}] {key} is missing; set it, for example {example}")
    return config


def read_toml(file: Path) -> dict[str, Any]:
    import tomllib  # not needed by a simulated station

    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{file}: larger than {MAX_FILE_BYTES} bytes")
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise ConfigError(f"{file}: nested too deeply") from error
    except ValueError as error:
        raise ConfigError(f"{file}: {one_line(error)}") from error


def check_document(
    document: Mapping[str, Any], file: str
) -> "tuple[dict[str, dict[str, Any]], list[VariablePreset]]":
    """The sections and variables of one file, each key checked on its own."""
    tables: dict[str, dict[str, Any]] = {}
    presets: list[VariablePreset] = []
    for name, table in document.items():
        if name != "variables" and name not in SECTIONS:
            known = [*SECTIONS, "variables"]
            kind = f"table [{name}]" if isinstance(table, dict) else f"key {name}"
            raise ConfigError(f"{file}: unknown {kind}{nearest(name, known, 'table')}")
        if not isinstance(table, dict):
            raise ConfigError(f"{file}: {name} = {show(table)}: must be a table, [{name}]")
        if name == "variables":
            presets = _check_variables(table, file)
        else:
            tables[name] = _check_table(name, table, file)
    return tables, presets


def _check_table(name: str, table: Mapping[str, Any], file: str) -> dict[str, Any]:
    section = SECTIONS[name]
    types = get_type_hints(section, include_extras=True)
    checked = {}
    for key, value in table.items():
        if key not in types:
            raise ConfigError(
                f"{file}: [{name}] {key}: unknown key{nearest(key, list(types), 'key')}"
            )
        try:
            checked[key] = msgspec.convert(value, types[key])
            if (name, key) in CHECKS and value != "":
                normal = CHECKS[name, key](value)
                checked[key] = normal if isinstance(normal, str) else value
        except msgspec.ValidationError as error:
            rule = _rule(types[key]) or one_line(error)
            raise ConfigError(f"{file}: [{name}] {key} = {show(value)}: must be {rule}") from error
        except ValueError as error:
            raise ConfigError(f"{file}: [{name}] {key} = {show(value)}: {error}") from error
    return checked


def _check_variables(table: Mapping[str, Any], file: str) -> "list[VariablePreset]":
    from station.presets import PresetError, VariablePreset, preset_from_key

    presets: dict[str, VariablePreset] = {}
    for key, value in table.items():
        entries = (
            {f"{key}.{name}": inner for name, inner in value.items()}
            if isinstance(value, dict)
            else {key: value}
        )
        for path, inner in entries.items():
            try:
                preset = preset_from_key(path, inner)
            except PresetError as error:
                raise ConfigError(f"{file}: [variables] {path}: {error}") from error
            if preset.key in presets:
                raise ConfigError(f"{file}: [variables] {path}: is given twice")
            presets[preset.key] = preset
    return list(presets.values())


def _check_profile(network: NetworkSection, file: str) -> None:
    secure = network.url.lower().startswith("wss:")
    if network.url and secure is (network.security_profile == 1):
        scheme = "ws://" if network.security_profile == 1 else "wss://"
        raise ConfigError(
            f"{file}: [network] url = {show(network.url)}: "
            f"must be {scheme}… with security_profile = {network.security_profile}"
        )


def _with_password(config: StationConfig, named_in: Path | None) -> StationConfig:
    """The password comes from a file of its own, so that the configuration can be shown."""
    name = config.network.password_file
    if not name or named_in is None:
        return config
    path = named_in.parent / name
    where = f"{named_in}: [network] password_file = {show(name)}"
    try:
        mode = path.stat().st_mode
        password = path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"{where}: {reason}") from error
    if mode & 0o077:
        raise ConfigError(f"{where}: others may read it; run chmod 600 on it")
    try:
        return msgspec.structs.replace(config, password=Secret(check_password(password)))
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def _rule(annotation: Any) -> str:
    """What a value of this type must be, in words."""
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(f'"{choice}"' for choice in get_args(annotation))
    if get_origin(annotation) is Annotated:
        inner, *metas = get_args(annotation)
        rules = [meta.description for meta in metas if getattr(meta, "description", None)]
        return " ".join(["text," if inner is str else "", *rules]).strip()
    return {str: "text in quotes", bool: "true or false", int: "a whole number"}.get(annotation, "")


def show(value: object) -> str:
    """*value* as TOML would have it, on one line, not too long."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, str):
        text = f'"{one_line(value)}"'
    else:
        text = one_line(value)
    return text if len(text) <= 60 else text[:59] + "…"


def one_line(value: object) -> str:
    try:
        text = str(value)
    except ValueError:  # an integer of more than 4,300 digits
        text = "a number that is far too long"
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def nearest(word: str, known: list[str], kind: str) -> str:
    """A hint at what was probably meant, or at what there is."""
    from difflib import get_close_matches  # 15 ms that only an error needs

    close = get_close_matches(word, known, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return (
        f"; there is {', '.join(known)}" if kind == "table" else f"; known are {', '.join(known)}"
    )
