"""The conversation with the CSMS: calls in, calls out, registration."""
