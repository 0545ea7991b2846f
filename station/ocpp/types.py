"""What every OCPP message is made of: the base classes, the sized scalars and customData."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Generic, TypeVar, dataclass_transform

from msgspec import UNSET, Meta, Struct, UnsetType, field

T = TypeVar("T")

String6 = Annotated[str, Meta(max_length=6)]
String8 = Annotated[str, Meta(max_length=8)]
String16 = Annotated[str, Meta(max_length=16)]
String20 = Annotated[str, Meta(max_length=20)]
String25 = Annotated[str, Meta(max_length=25)]
String32 = Annotated[str, Meta(max_length=32)]
String36 = Annotated[str, Meta(max_length=36)]
String40 = Annotated[str, Meta(max_length=40)]
String50 = Annotated[str, Meta(max_length=50)]
String64 = Annotated[str, Meta(max_length=64)]
String128 = Annotated[str, Meta(max_length=128)]
String255 = Annotated[str, Meta(max_length=255)]
String500 = Annotated[str, Meta(max_length=500)]
String512 = Annotated[str, Meta(max_length=512)]
String800 = Annotated[str, Meta(max_length=800)]
String1000 = Annotated[str, Meta(max_length=1000)]
String2500 = Annotated[str, Meta(max_length=2500)]
String5500 = Annotated[str, Meta(max_length=5500)]
String5600 = Annotated[str, Meta(max_length=5600)]
String10000 = Annotated[str, Meta(max_length=10000)]

NonNegative = Annotated[int, Meta(ge=0)]
Percent = Annotated[int, Meta(ge=0, le=100)]

# OCPP-J 4.1.5: an empty list is left out, never sent.
NonEmpty = Annotated[Sequence[T], Meta(min_length=1)]
UpTo3 = Annotated[Sequence[T], Meta(min_length=1, max_length=3)]
UpTo4 = Annotated[Sequence[T], Meta(min_length=1, max_length=4)]
UpTo1024 = Annotated[Sequence[T], Meta(min_length=1, max_length=1024)]


class CustomData(dict[str, Any]):
    """A vendor's own fields beside a `vendorId`: the only object that is open."""


# msgspec hands frozen and kw_only down to subclasses; type checkers must be told.
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Message(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """An object of an OCPP message. An absent optional field is UNSET and is never sent as null."""

    custom_data: CustomData | UnsetType = UNSET


R_co = TypeVar("R_co", bound=Message, covariant=True)


class _ResponseType:
    """Reads `Response` off a class that was declared as `Request[Response]`."""

    def __get__(self, instance: object, owner: "type[Request[R_co]]") -> type[R_co]:
        response: type[R_co] = owner.__orig_bases__[0].__args__[0]  # type: ignore[attr-defined]
        return response


class Request(Message, Generic[R_co]):
    """The payload of a CALL, tied to the type of its answer."""

    # Not `action`: Get15118EVCertificateRequest has a field of that name.
    action_name: ClassVar[str]
    response_type = _ResponseType()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.action_name = cls.__name__.removesuffix("Request")


def or_default(value: T | UnsetType, default: T) -> T:
    """The value of an optional field, or what the standard says that its absence means."""
    return default if value is UNSET else value
