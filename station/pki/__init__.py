"""Certificates and keys as pure functions: PEM in, values out. `cryptography` is imported late."""
