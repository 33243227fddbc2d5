"""dbt, in a process that knows its project already: `python -m pipelines.dbt build …`.

To read the project takes dbt longer than many a build of what has changed. What it read is kept in
the file that `EQM_DBT_READ` names, and used again while the file is there: whoever names it answers
for it that project, variables and dbt are those of then. Where the database and the rows that stand
lie is looked up whenever a model is made, so these may be others.

dbt writes every event out before it looks whether its log takes events of that level: a sixteenth
of its time in a small build. With its log off warnings and errors alone are written.
"""

import gc
import os
import shutil
from contextlib import suppress
from pathlib import Path

from dbt.cli.main import cli
from dbt.constants import PARTIAL_PARSE_FILE_NAME
from dbt.contracts.graph.manifest import Manifest
from dbt_common.events.base_types import EventLevel, EventMsg
from dbt_common.events.functions import env_scrubber, msg_to_json

from pipelines.warehouse import QUIET, READ

TOLD = (EventLevel.WARN, EventLevel.ERROR)
"""What is told of a run whose log is off."""


def read(kept: Path) -> Manifest | None:
    """What dbt read of its project; none if nothing is kept, or what is kept is damaged."""
    try:
        known = Manifest.from_msgpack(kept.read_bytes())
    except Exception:  # of whatever kind a damaged file makes; the project is then read anew
        return None
    known.build_parent_and_child_maps()
    known.build_flat_graph()
    return known


def keep(fresh: Path, kept: Path) -> None:
    """Keep what dbt has read; on a full disk nothing is kept, and the next process reads anew."""
    aside = kept.with_suffix(".new")
    with suppress(OSError):
        shutil.copyfile(fresh, aside)
        aside.replace(kept)


def tell(event: EventMsg) -> None:
    """Write a warning or an error as a line of JSON, as dbt's own log does."""
    if event.info.level in TOLD:
        print(env_scrubber(msg_to_json(event)), flush=True)


def main() -> None:
    """Run dbt's command line; never returns."""
    kept = Path(os.environ[READ])
    known = read(kept)
    told = [tell] if QUIET.items() <= os.environ.items() else []
    # What it knows stays to the end: to look through it for garbage took a tenth of a small build.
    gc.freeze()
    try:
        cli(prog_name="dbt", obj={"manifest": known, "callbacks": told})
    finally:
        if known is None:
            keep(Path(os.environ["DBT_TARGET_PATH"]) / PARTIAL_PARSE_FILE_NAME, kept)


if __name__ == "__main__":
    main()
