"""Functional block A, Security: the client certificate of the station, renewed (A02, A03)."""

from station.blocks.certificate_renewal.renewal import CertificateRenewal

__all__ = ["CertificateRenewal"]
