"""A new pseudonym key: every file is read anew under it, which whoever runs the platform is told.

The key is part of what a submission is, so rows of an old key are replaced at the next run. Rows
whose bytes are gone (a file that was overwritten by one that was refused) can't be read again;
they stand no longer, since their students would not be known from one feed to the next.
"""

from pipelines.feeds import load_contracts
from pipelines.intake.ingest import landed_files
from pipelines.intake.ledger import Ledger
from pipelines.intake.pseudonym import key_id, key_of, load_key
from pipelines.settings import Settings
from pipelines.wording import bilingual


def former_key(settings: Settings) -> str:
    """Id of another key than the present one under which rows stand; empty if there is none.

    Raises:
        NoKey: there is no key, in production; or the file holds none.
    """
    if not settings.landing.is_dir():
        return ""
    present = key_id(load_key(settings))
    ledger = Ledger(settings)
    for feed, contract in load_contracts().items():
        if any(column.type == "student_no" for column in contract.columns):
            # A feed's files change together, so one of them tells.
            for path in landed_files(settings, ledger, feed)[-1:]:
                if path.exists() and (key_of(path) or present) != present:
                    return str(key_of(path))
    return ""


def key_changed(settings: Settings, former: str) -> str:
    """What is said of a change of the key, in both languages."""
    return bilingual(
        "The pseudonym key is another one than before ({former} → {present}): all files are read "
        "anew, and no row of the former key stands. If that was not meant, put the former key back "
        "at {path} and run this again.",
        former=former,
        present=key_id(load_key(settings)),
        path=settings.pseudonym_key_file,
    )
