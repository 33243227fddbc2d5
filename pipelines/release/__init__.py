"""Releases: built aside, verified, made visible by one atomic switch, rolled back, pruned."""

from pipelines.release.build import (
    Building,
    begin,
    code_digest,
    hold,
    open_building,
    publish,
    release_id,
    software,
)
from pipelines.release.errors import Busy, NoSuchRelease, NotVerified, ReleaseError
from pipelines.release.store import Release, amend, current, point, prune, releases, show, switch
from pipelines.release.verify import verify

__all__ = [
    "Building",
    "Busy",
    "NoSuchRelease",
    "NotVerified",
    "Release",
    "ReleaseError",
    "amend",
    "begin",
    "code_digest",
    "current",
    "hold",
    "open_building",
    "point",
    "prune",
    "publish",
    "release_id",
    "releases",
    "show",
    "software",
    "switch",
    "verify",
]
