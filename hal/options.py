"""What the Options of drivers are made of."""

from typing import Annotated

import msgspec

Pin = Annotated[int, msgspec.Meta(ge=0, le=53)]
"""A GPIO line by its BCM number; a key that ends in `_pin` claims the line for its driver."""


class DriverOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of one driver's table in a board file; subclasses stand beside their driver."""
