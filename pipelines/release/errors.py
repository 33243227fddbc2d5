"""What can go wrong with a release."""


class ReleaseError(Exception):
    """A release can't be built, found or switched to."""


class Busy(ReleaseError):
    """Another build works on the same home."""


class NoSuchRelease(ReleaseError):
    """There is no release of that name."""


class NotVerified(ReleaseError):
    """What was built does not hold together; the text lists what is wrong."""
