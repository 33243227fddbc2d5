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
from pipelines.release.changes import Change, Changes, changes
from pipelines.release.errors import Busy, NoSuchRelease, NotVerified, ReleaseError
from pipelines.release.serve import embargo, life_of, note, standing, switch
from pipelines.release.store import (
    Release,
    amend,
    current,
    newest_told,
    point,
    prune,
    releases,
    show,
)
from pipelines.release.verify import verify

__all__ = [
    "Building",
    "Busy",
    "Change",
    "Changes",
    "NoSuchRelease",
    "NotVerified",
    "Release",
    "ReleaseError",
    "amend",
    "begin",
    "changes",
    "code_digest",
    "current",
    "embargo",
    "hold",
    "life_of",
    "newest_told",
    "note",
    "open_building",
    "point",
    "prune",
    "publish",
    "release_id",
    "releases",
    "show",
    "software",
    "standing",
    "switch",
    "verify",
]
