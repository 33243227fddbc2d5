"""Return workbooks written once more: something is asked of a file, or was answered, since.

The file is read again, since the ledger keeps what is wrong with it but not every cell of that.
"""

from collections.abc import Iterable

from pipelines.feeds import load_contracts
from pipelines.intake import raw as raw_folder
from pipelines.intake.feedback import return_path, write_returns
from pipelines.intake.forgotten import the_forgotten
from pipelines.intake.given_back import return_task
from pipelines.intake.ingest import landed_files, limits, usual
from pipelines.intake.ledger import Ledger
from pipelines.intake.paths import Paths
from pipelines.intake.problems import Problem
from pipelines.intake.pseudonym import load_key
from pipelines.intake.states import FileState
from pipelines.intake.take import File, take
from pipelines.settings import Settings


def renew_returns(settings: Settings, files: Iterable[FileState]) -> None:
    """Write the return workbooks of these files, with what is asked of them and was answered.

    Of a file whose bytes no longer lie in the raw folder the workbook stays as it is.
    """
    ledger, key = Ledger(settings), load_key(settings)
    paths = Paths(key, ledger.named())
    by_feed: dict[str, dict[File, FileState]] = {}
    for state in files:
        path = raw_folder.path_of(settings, state.source_file, paths)
        if path is not None and raw_folder.digest_of(path) == state.file_sha256:
            own = File(path, state.feed, state.school_year, state.source_file, state.file_sha256)
            by_feed.setdefault(state.feed, {})[own] = state
    if not by_feed:
        return
    settings.feedback.mkdir(parents=True, exist_ok=True, mode=0o700)
    tasks = []
    for feed, states in by_feed.items():
        contract = load_contracts()[feed]
        registers = {name: landed_files(settings, ledger, name) for name in contract.depends_on}
        how = (key, usual(settings), limits(settings), None, the_forgotten(settings, ledger))
        for one in take(contract, states, registers, *how):
            state = states[one.file]
            target = return_path(
                settings.feedback, feed, state.school_year, one.file.path.stem, state.submission_id
            )
            found = [Problem(**p) for p in (*state.problems, *state.asked)]
            tasks.append(return_task(settings, target, one, found, state.explained))
    write_returns(tasks)
