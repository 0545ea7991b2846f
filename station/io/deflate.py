"""permessage-deflate (RFC 7692) on frames whose upgrade somebody else made."""

from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, RsvBits

from station.io.upgrade import DialError
from station.link import LinkProblem


class Deflate(PerMessageDeflate):
    """wsproto's, which takes a control frame between two fragments for the message's end."""

    _in_control = False

    def frame_inbound_header(
        self,
        proto: FrameDecoder | FrameProtocol,
        opcode: Opcode,
        rsv: RsvBits,
        payload_length: int,
    ) -> CloseReason | RsvBits:
        self._in_control = opcode.iscontrol()
        if self._in_control:
            return RsvBits(False, False, False)
        return super().frame_inbound_header(proto, opcode, rsv, payload_length)

    def frame_inbound_payload_data(
        self, proto: FrameDecoder | FrameProtocol, data: bytes
    ) -> bytes | CloseReason:
        return data if self._in_control else super().frame_inbound_payload_data(proto, data)

    def frame_inbound_complete(
        self, proto: FrameDecoder | FrameProtocol, fin: bool
    ) -> bytes | CloseReason | None:
        return None if self._in_control else super().frame_inbound_complete(proto, fin)


def agreed_extension(accepted: str) -> Deflate | None:
    """The extension that the peer accepted; raises DialError for one that was not offered."""
    if not accepted:
        return None
    extension = Deflate()
    name = accepted.partition(";")[0].strip()
    try:
        if name != extension.name or "," in accepted:
            raise ValueError(name)
        extension.finalize(accepted)
    except (ValueError, IndexError) as error:
        detail = "the CSMS accepted a WebSocket extension that was not offered"
        raise DialError(LinkProblem.UPGRADE, detail, http_status=101) from error
    return extension
