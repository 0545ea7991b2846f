"""OCPP-J 2.0.1 without I/O: frames, calls, registration, messages."""
