"""Private keys in files: one directory of their own, which nobody else may read."""

import os
from collections.abc import Collection
from pathlib import Path

from station.pki import key
from station.pki.certificate import CertificateError
from station.pki.key import KeyKind

SUFFIX = ".key"


class FileKeys:
    """Implements `ports.KeyStore`; *folder* (0700) is made when the first key is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def generate(self, key_id: str, kind: KeyKind) -> bytes:
        return self._keep(key_id, key.generate_key(kind))

    def add(self, key_id: str, pem: bytes) -> bytes:
        """Keep a key that was made elsewhere (commissioning); its public half."""
        return self._keep(key_id, key.import_key(pem))

    def csr(self, key_id: str, *, common_name: str, organization: str) -> str:
        pem = self._path(key_id).read_bytes()
        return key.make_csr(pem, common_name=common_name, organization=organization)

    def key_file(self, key_id: str) -> str:
        return str(self._path(key_id))

    def delete(self, key_id: str) -> None:
        self._path(key_id).unlink(missing_ok=True)
        if self._folder.is_dir():
            _sync(self._folder)

    def keep_only(self, key_ids: Collection[str]) -> None:
        kept = {f"{key_id}{SUFFIX}" for key_id in key_ids}
        if not self._folder.is_dir():
            return
        for name in sorted(os.listdir(self._folder)):
            if name not in kept:
                (self._folder / name).unlink(missing_ok=True)
        _sync(self._folder)

    def _path(self, key_id: str) -> Path:
        if not key_id or not all(char.isalnum() or char == "-" for char in key_id):
            raise CertificateError("no id of a key")
        return self._folder / f"{key_id}{SUFFIX}"

    def _keep(self, key_id: str, pem: bytes) -> bytes:
        path = self._path(key_id)
        if not self._folder.is_dir():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync(self._folder.parent)
        self._folder.chmod(0o700)
        temporary = path.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(temporary, flags, 0o600)
        with open(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        _sync(self._folder)
        return key.public_key(pem)


def _sync(folder: Path) -> None:
    """Make its names durable: without it a power cut undoes the rename."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
