"""Edges: the CSMS link, workers, logs, watchdog."""
