"""Passwords: argon2id, worked out one at a time and behind everything else."""

import os
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

HASHER = PasswordHasher(time_cost=2, memory_cost=64 * 1024, parallelism=1)
"""64 MiB and two passes: more than OWASP's least, on one core."""

LEAST, MOST = 12, 200
"""Characters of a password."""
WAITING, PATIENCE = 3, 15.0
"""So many wait at a desk, so that threads are left for pages, and for so many seconds at most."""
_NICE = 16
# Times as long as it worked; less, and readers were slower by a sixth (`bench.gate`).
_REST = 4
# Without what looks alike on paper.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"

Answer = TypeVar("Answer")


class Busy(RuntimeError):
    """So many passwords wait to be looked at that another would wait for long."""

    def __str__(self) -> str:
        return "the machine is too busy to work on a password; try again"


class Desk:
    """One thread that works on passwords; whoever comes when it is crowded is refused.

    That for strangers is of low rank: wrong passwords by the thousand take what the machine has
    left over, and no more, since argon2 lets go of the interpreter while it works, and the system
    lets every other thread go first. While it is crowded, it rests for longer than it worked: each
    look passes 64 MiB through the memory that pages go through, too.
    """

    def __init__(self, strangers: bool) -> None:
        self._room = threading.BoundedSemaphore(WAITING)
        self._rests = strangers
        begin = _step_back if strangers else None
        self._thread = ThreadPoolExecutor(1, "passwords", initializer=begin)

    def enter(self) -> "Place":
        """A place in the queue, to be left again (`with`).

        Raises:
            Busy: none is left.
        """
        if not self._room.acquire(blocking=False):
            raise Busy
        return Place(self)

    def leave(self) -> None:
        """Give a place back."""
        self._room.release()

    def begin(self, work: Callable[[], Answer]) -> "Future[Answer]":
        """Have something worked out after what others came with."""
        return self._thread.submit(self._worked, work)

    def _worked(self, work: Callable[[], Answer]) -> Answer:
        begun = time.monotonic()
        try:
            return work()
        finally:
            if self._rests:
                self._thread.submit(self._rest, _REST * (time.monotonic() - begun))

    def _rest(self, seconds: float) -> None:
        if self._room.acquire(blocking=False):
            self._room.release()
        else:
            time.sleep(seconds)


class Place:
    """A place in the queue of a desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __enter__(self) -> "Place":
        return self

    def __exit__(self, *error: object) -> None:
        self._desk.leave()

    def fits(self, kept: str, password: str) -> bool:
        """Whether a password is the one that was kept; without one, no, after the same work.

        Raises:
            Busy: the machine has so much else to do that it took too long.
        """
        return self._done(lambda: _fits(kept or _nobodys(), password) and bool(kept))

    def hashed(self, password: str) -> str:
        """What is kept of a password.

        Raises:
            Busy: as in `fits`.
        """
        return self._done(lambda: HASHER.hash(password))

    def _done(self, work: Callable[[], Answer]) -> Answer:
        waiting = self._desk.begin(work)
        try:
            return waiting.result(PATIENCE)
        except TimeoutError:
            waiting.cancel()
            raise Busy from None


def outdated(kept: str) -> bool:
    """Whether a password was kept by weaker measures than today's."""
    return HASHER.check_needs_rehash(kept)


def new_password() -> str:
    """Twenty letters and digits in four groups: 98 bits."""
    groups = ["".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4)]
    return "-".join(groups)


def _fits(kept: str, password: str) -> bool:
    try:
        return HASHER.verify(kept, password)
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    return HASHER.hash(secrets.token_hex(16))


def _step_back() -> None:
    """Give this thread the rank of work that can wait, where the system knows of such."""
    if hasattr(os, "setpriority"):
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
    _nobodys()
