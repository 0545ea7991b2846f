"""Joulepost: the software that runs inside an EV charging station."""
