"""Reading in processes of their own: one that hangs or dies costs one file, and nothing else."""

import atexit
import ctypes
import gc
import os
import resource
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from itertools import islice
from multiprocessing import get_context
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from pipelines.intake.reader import Unreadable

T = TypeVar("T")
UNFORESEEN = "unforeseen"
"""What is said of a file that found a defect of the reader."""
AHEAD = 8
"""So many files are read ahead of the one that is waited for."""

KEEP_MEMORY = {-1: 2**28, -2: 2**24, -3: 2**25}
"""glibc's M_TRIM_THRESHOLD, M_TOP_PAD and M_MMAP_THRESHOLD: what was given back is used again, up
to a bound, which takes less time than to ask the system for each large piece anew."""

_pools: dict[tuple[int, int], ProcessPool] = {}


def _limit(megabytes: int) -> None:
    """In the new process: no more memory than this, one thread, and no chatter.

    What a damaged file makes a library print would fill the terminal; the caller is told why. What
    stands already is not looked through for garbage.
    """
    gc.freeze()
    with suppress(OSError, AttributeError):  # another C library than glibc
        malloc = ctypes.CDLL(None).mallopt
        for parameter, value in KEEP_MEMORY.items():
            malloc(parameter, value)
    # Threads that read and convert take turns often: each waits for what the other has made.
    sys.setswitchinterval(0.0005)
    os.environ["OMP_NUM_THREADS"] = "1"
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes * 2**20, megabytes * 2**20))


def _pool(megabytes: int) -> ProcessPool:
    own = (os.getpid(), megabytes)
    if own not in _pools:
        context = get_context("forkserver")
        context.set_forkserver_preload(["pipelines.intake.warm"])
        _pools[own] = ProcessPool(
            max_workers=min(4, os.cpu_count() or 1),
            initializer=_limit,
            initargs=[megabytes],
            context=context,
        )
    return _pools[own]


@atexit.register
def close() -> None:
    """End the processes: those that idle at once, one that still reads by force."""
    for (owner, _), pool in _pools.items():
        if owner == os.getpid():
            pool.close()
            try:
                pool.join(5)
            except TimeoutError:
                pool.stop()
                pool.join()
    _pools.clear()


def in_turn(
    work: Callable[..., T], tasks: Iterable[tuple[Any, ...]], seconds: float, megabytes: int
) -> Iterator[T | Unreadable]:
    """The result of each task in their order; the first are begun at once, the others ahead.

    A task that takes longer than `seconds`, wants more than `megabytes`, or whose process dies,
    gives an `Unreadable` instead.
    """
    todo = iter(tasks)
    begun: list[Future[T]] = []

    def begin(count: int) -> None:
        for task in islice(todo, count):
            begun.append(_pool(megabytes).schedule(work, args=task, timeout=seconds))

    begin(AHEAD)
    return _results(begun, begin, seconds, megabytes)


def _results(
    begun: list[Future[T]], begin: Callable[[int], None], seconds: float, megabytes: int
) -> Iterator[T | Unreadable]:
    while begun:
        future = begun.pop(0)
        try:
            yield future.result()
        except TimeoutError:
            yield Unreadable(f"more than {seconds:g} s", "reader_stopped")
        except MemoryError:
            yield Unreadable(f"more than {megabytes} MB of memory", "reader_stopped")
        except ProcessExpired:
            yield Unreadable("the reader ended", "reader_stopped")
        except Exception as error:  # a defect of the reader costs this file alone
            yield Unreadable(f"{UNFORESEEN}: {type(error).__name__}", "reader_stopped")
        begin(1)
