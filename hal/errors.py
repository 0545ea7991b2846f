"""What drivers raise: a device that failed, or a board description that cannot work."""


class HardwareFault(Exception):  # noqa: N818 - the word of this domain (style.md)
    """A component did not do what it was told, or could not be reached.

    *component* and *problem* become the NotifyEvent the CSMS receives, so both
    use the names of the OCPP device model ("PowerContactor", "Tripped").
    """

    def __init__(self, component: str, problem: str) -> None:
        super().__init__(f"{component}: {problem}")
        self.component, self.problem = component, problem


class BoardError(ValueError):
    """The board configuration is wrong; the message names file, table, key and rule."""
