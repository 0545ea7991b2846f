"""GetLog: one upload at a time, tried again as asked, its status told."""

from station.context import Context
from station.transfers import FILE_TRANSFER_PROTOCOLS


class Logs:
    """Uploads logs for the CSMS."""

    def __init__(self, context: Context) -> None:
        context.variables.declare(FILE_TRANSFER_PROTOCOLS)
