"""What can go wrong for a user, each with its exit status."""


class InputError(ValueError):
    """Bad input, said in one sentence: exit status 2."""


MOST_STEPS = 1e8
"""Steps of one walker beyond which a run is refused: at a thousand walkers that is minutes."""


def within_reach(field: str, value: object, steps: float) -> None:
    """Refuse a setting with which one simulation would take too many steps."""
    if not steps <= MOST_STEPS:
        raise InputError(
            f"{field} = {value}: takes {steps:.1e} steps of every walker, at most {MOST_STEPS:.0e} are allowed."
        )


class DeviceError(RuntimeError):
    """The device asked for is not there: exit status 3."""
