"""What can go wrong for a user, each with its exit status."""


class InputError(ValueError):
    """Bad input, said in one sentence: exit status 2."""


class DeviceError(RuntimeError):
    """The device asked for is not there: exit status 3."""
