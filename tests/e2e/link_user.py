"""What the core is to the link: it gives commands and takes facts."""

import queue
from typing import TypeVar

from station.io.csms_link import ThreadLink
from station.link import FrameIn, LinkDown, LinkFact, LinkTarget, LinkUp, PongIn, TlsSettings
from tests.e2e.raw_server import PING, PONG, RawPeer, RawServer, frame

Fact = TypeVar("Fact", LinkUp, LinkDown, FrameIn, PongIn)
WAIT_S = 5.0


class Station:
    """A link and the facts it told, with the present generation filled in."""

    def __init__(self, link: ThreadLink | None = None) -> None:
        self.link = link or ThreadLink()
        self.facts: queue.SimpleQueue[LinkFact] = queue.SimpleQueue()
        self.generation = 0
        self.link.start(self.facts.put)

    def open(
        self,
        url: str,
        *,
        password: str = "s3cret-p4ss",
        deadline_s: float = WAIT_S,
        tls: TlsSettings | None = None,
    ) -> None:
        self.generation += 1
        target = LinkTarget(
            url=url, user="CS 001", password=password, deadline_s=deadline_s, tls=tls
        )
        self.link.open(target, self.generation)

    def next(self, kind: type[Fact]) -> Fact:
        fact = self.facts.get(timeout=WAIT_S)
        assert isinstance(fact, kind), fact
        assert fact.generation == self.generation
        return fact

    def connect(self, server: RawServer) -> RawPeer:
        self.open(server.url)
        peer = server.accept_upgraded()
        self.next(LinkUp)
        return peer

    def send(self, text: str) -> None:
        self.link.send(self.generation, text)

    def hears_nothing_before(self, peer: RawPeer) -> bool:
        """Whether no fact comes before the answer to a ping that is sent now."""
        self.link.ping(self.generation)
        assert peer.receive()[0] == PING
        peer.send(frame(PONG))
        return isinstance(self.facts.get(timeout=WAIT_S), PongIn)
