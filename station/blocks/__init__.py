"""Functional blocks A to P of OCPP 2.0.1; they never import one another."""
