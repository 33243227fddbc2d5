"""Releases: built aside, verified, made visible by one atomic switch, rolled back, pruned."""

from pipelines.release.build import Building, begin, hold, open_building, publish, release_id
from pipelines.release.errors import Busy, NoSuchRelease, NotVerified, ReleaseError
from pipelines.release.store import Release, current, prune, releases, show, switch
from pipelines.release.verify import verify

__all__ = [
    "Building",
    "Busy",
    "NoSuchRelease",
    "NotVerified",
    "Release",
    "ReleaseError",
    "begin",
    "current",
    "hold",
    "open_building",
    "prune",
    "publish",
    "release_id",
    "releases",
    "show",
    "switch",
    "verify",
]
