"""Keys of virtual stations: in memory, and there again after a restart."""

from collections.abc import Collection

from station.pki import key
from station.pki.key import KeyKind


class MemoryKeys:
    """Implements `ports.KeyStore`; `key_file` names no file."""

    def __init__(self) -> None:
        self.pems: dict[str, bytes] = {}

    def generate(self, key_id: str, kind: KeyKind) -> bytes:
        pem = self.pems[key_id] = key.generate_key(kind)
        return key.public_key(pem)

    def csr(self, key_id: str, *, common_name: str, organization: str) -> str:
        pem = self.pems[key_id]
        return key.make_csr(pem, common_name=common_name, organization=organization)

    def key_file(self, key_id: str) -> str:
        return f"memory:{key_id}"

    def delete(self, key_id: str) -> None:
        self.pems.pop(key_id, None)

    def keep_only(self, key_ids: Collection[str]) -> None:
        self.pems = {key_id: pem for key_id, pem in self.pems.items() if key_id in key_ids}
