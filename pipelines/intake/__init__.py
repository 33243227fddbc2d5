"""From files as handed in to landed rows, and what goes back to the school."""

from pipelines.intake.duties import Owed, owed
from pipelines.intake.examine import Checked, check, examine
from pipelines.intake.feedback import return_name
from pipelines.intake.forgotten import the_forgotten
from pipelines.intake.ingest import (
    FeedReport,
    files_by_feed,
    files_in_all,
    ingest,
    ingest_feed,
    ingest_strays,
    problems,
    require_files,
)
from pipelines.intake.ledger import Ledger
from pipelines.intake.problems import RANK, IntakeError, NoKey, NothingHandedIn, Problem, masked
from pipelines.intake.pseudonym import key_id, load_key, read_key
from pipelines.intake.reader import Sheet, Unreadable, read_sheets
from pipelines.intake.recognise import Recognised, recognise
from pipelines.intake.rotation import former_key, key_changed
from pipelines.intake.standing import Standing, freeze, sweep
from pipelines.intake.states import STATES, FileState, state_name
from pipelines.intake.submissions import (
    NoSuchFile,
    Refused,
    SignedOff,
    approve,
    ask,
    declare_replacement,
    explain,
    give_back,
    in_hand,
    published,
    submissions,
    user,
    waiting,
    withdraw,
)

__all__ = [
    "RANK",
    "STATES",
    "Checked",
    "FeedReport",
    "FileState",
    "IntakeError",
    "Ledger",
    "NoKey",
    "NoSuchFile",
    "NothingHandedIn",
    "Owed",
    "Problem",
    "Recognised",
    "Refused",
    "Sheet",
    "SignedOff",
    "Standing",
    "Unreadable",
    "approve",
    "ask",
    "check",
    "declare_replacement",
    "examine",
    "explain",
    "files_by_feed",
    "files_in_all",
    "former_key",
    "freeze",
    "give_back",
    "in_hand",
    "ingest",
    "ingest_feed",
    "ingest_strays",
    "key_changed",
    "key_id",
    "load_key",
    "masked",
    "owed",
    "problems",
    "published",
    "read_key",
    "read_sheets",
    "recognise",
    "require_files",
    "return_name",
    "state_name",
    "submissions",
    "sweep",
    "the_forgotten",
    "user",
    "waiting",
    "withdraw",
]
