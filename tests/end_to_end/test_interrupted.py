"""What a build promises when it is killed or the disk is full, seen from outside.

The earlier release stays served, and the next build is as good as one that nothing disturbed.
Every story below runs the real command on a home of its own. A build keeps one core busy for half
a minute, so the stories run two at a time and each test waits for its own.
"""

import hashlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.end_to_end.conftest import House, NewHouse, viewer

EQM = str(Path(sys.executable).with_name("eqm"))
AT_WORK = 2
PATIENCE = 240.0
"""Seconds after which a build is taken to hang."""
CAUSE = re.compile(
    r"no space|disk (?:\w+ )*full|full disk|file too large|空间不足|磁盘.*满", re.IGNORECASE
)
"""Words by which an operator understands that the disk is full."""

OF_OTHERS = {"dim_school", "dim_staff", "dim_student", "resource_equity", "attainment"}
"""Models that an hour of training does not change, and the build of one uses again."""

Story = Callable[["Scene"], None]


@dataclass(frozen=True)
class Scene:
    """A home with a release, changed inputs for the next one, and that next one undisturbed."""

    folder: Path
    home: Path
    changed: Path
    """Raw folder with one training changed, so that a new release must be made."""
    first: str
    """Name of the release that is served before anything goes wrong."""
    first_tree: str
    undisturbed: Path
    """Home in which nothing disturbed the build of the changed inputs."""
    second: str
    """Name of the release of the changed inputs."""

    def copy(self, target: Path) -> Path:
        """A home of one's own; no hard links, since its databases are written in place."""
        return shutil.copytree(self.home, target, symlinks=True, dirs_exist_ok=True)


def environment(key: Path) -> dict[str, str]:
    """The caller's environment without settings of its own, with the key of these tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EQM_")}
    return {**kept, "EQM_PSEUDONYM_KEY_FILE": str(key)}


def start(raw: Path, home: Path) -> subprocess.Popen[str]:
    """`eqm build`, leader of a process group that its dbt belongs to as well."""
    return subprocess.Popen(
        [EQM, "build", "--raw", str(raw), "--home", str(home)],
        env=environment(raw.parent / "key" / "pseudonym.key"),
        cwd=raw.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code, and all that was said."""
    try:
        said = "".join(process.communicate(timeout=PATIENCE))
    except subprocess.TimeoutExpired:
        end_group(process)
        raise
    return process.returncode, said


def end_group(process: subprocess.Popen[str]) -> None:
    """SIGKILL to the build and whatever it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def wait_for_stage(process: subprocess.Popen[str], stage: str) -> None:
    """Until the build says that the stage starts."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.strip() == f"· {stage}":
            return
    raise AssertionError(f"the build ended before {stage}:\n{''.join(said)}")


def wait_for_dbt(process: subprocess.Popen[str]) -> int:
    """Until dbt builds in a process of its own, some seconds into its stage; answers which."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            pid = int(entry.parent.name)
            try:
                if os.getpgid(pid) == process.pid and b"dbt\0build\0" in entry.read_bytes():
                    return pid
            except OSError:
                continue  # it ended in the meantime
        time.sleep(0.1)
    raise AssertionError("dbt was never seen at work")


def tree(folder: Path) -> str:
    """One digest over names and bytes of all files."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"{path.relative_to(folder)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def served(home: Path) -> str:
    """Name of the release that `current` points to."""
    link = (home / "current").readlink()
    assert link.parent == Path("releases"), link
    return link.name


def training(home: Path) -> list[tuple[Any, ...]]:
    """All rows that say who was trained for how long, in order."""
    return tables(home)["marts.fact_training"]


def tables(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of every table of the served warehouse, in order, but for those that tell times."""
    with duckdb.connect(str(home / "current" / "warehouse.duckdb"), read_only=True) as con:
        names = con.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where "
            "schema_name in ('marts', 'restricted', 'published') or table_name = 'quality_check'"
        ).fetchall()
        return {name: con.execute(f"from {name} order by all").fetchall() for (name,) in names}


def made_anew(home: Path) -> set[str]:
    """Models that the build of the served release ran; it used all others again."""
    record = json.loads((home / "current" / "release.json").read_text(encoding="utf-8"))
    return {one["model"] for one in record["models"]}


def pages_used_again(home: Path) -> int:
    """Pages that the build of the served release made out of those of the release before."""
    record = json.loads((home / "current" / "release.json").read_text(encoding="utf-8"))
    (site,) = (stage for stage in record["stages"] if stage["stage"] == "release__site")
    return int(site["reused"])


def assert_gate_answers(home: Path) -> None:
    with viewer(home) as client:
        answer = client.get("/")
    assert answer.status_code == 200
    assert answer.data == (home / "current" / "site" / "index.html").read_bytes()


def assert_first_served(scene: Scene, home: Path, after: str) -> None:
    """The earlier release is in its place, whole and answered with."""
    assert served(home) == scene.first, after
    assert tree(home / "releases" / scene.first) == scene.first_tree, after
    assert_gate_answers(home)


def assert_next_build_is_fine(scene: Scene, home: Path) -> None:
    """A build is made, and what it publishes can't be told from an undisturbed build's."""
    code, said = finish(start(scene.changed, home))
    assert code == 0, said
    assert served(home) == scene.second
    names = {path.name for path in (home / "releases").iterdir() if path.is_dir()}
    assert names == {scene.first, scene.second}
    assert tree(home / "releases" / scene.first) == scene.first_tree
    # Though it used again what the first release's build, or one cut short, had made.
    assert tables(home) == tables(scene.undisturbed)
    assert not made_anew(home) & OF_OTHERS
    assert made_anew(scene.undisturbed) >= OF_OTHERS
    assert pages_used_again(home) > 0 == pages_used_again(scene.undisturbed)
    for folder in ("site", "downloads", "analysis"):
        assert tree(home / "current" / folder) == tree(scene.undisturbed / "current" / folder)
    assert_gate_answers(home)


def killed_early(scene: Scene) -> None:
    """SIGKILL up to the sealing of the warehouse; each build goes on from what the last left."""
    home = scene.copy(scene.folder / "early")
    for stage in (
        "landing/students",
        "standing",
        "contracts",
        "dbt",
        "dbt at work",
        "release/warehouse",
    ):
        process = start(scene.changed, home)
        wait_for_stage(process, stage.split()[0])
        after = stage
        if stage == "dbt at work":
            wait_for_dbt(process)
            delay = random.uniform(0, 3)
            after = f"{stage} for {delay:.2f} s"
            time.sleep(delay)
        end_group(process)
        assert process.returncode == -signal.SIGKILL, after
        assert_first_served(scene, home, after)


def killed_late(scene: Scene) -> None:
    """SIGKILL when nearly all is made, then all else that may be left, then a whole build."""
    home = scene.copy(scene.folder / "late")
    for stage in ("release/site", "release/current"):
        process = start(scene.changed, home)
        wait_for_stage(process, stage)
        end_group(process)
        assert process.returncode == -signal.SIGKILL, stage
        if stage == "release/current" and served(home) == scene.second:
            break  # on a busy machine the switch may be quicker; the last build looks at it
        assert_first_served(scene, home, stage)
    else:
        leave_behind(scene, home)
        assert_first_served(scene, home, "leftovers")
    assert_next_build_is_fine(scene, home)
    # Its warehouse had been sealed by the build that was killed at its pages.
    assert not made_anew(home)
    assert not (home / "current.new").is_symlink()
    assert sorted(runs(home)) == ["FAILURE"] * 2 + ["SUCCESS"] * 2


def leave_behind(scene: Scene, home: Path) -> None:
    """What a kill in a window too small to hit leaves."""
    (home / "build.lock").write_text("4194304\n")
    (home / "current.new").symlink_to(f"releases/{scene.second}")
    unrecorded = home / "releases" / scene.second
    unrecorded.mkdir()
    (unrecorded / "warehouse.duckdb").write_bytes(b"cut short")
    (home / "releases" / "0123456789ab.building").mkdir()
    (home / "standing" / "0123456789abcdef.building").mkdir()
    landed = next((home / "landing" / "monitoring_results").rglob("*.parquet"))
    landed.with_suffix(".tmp").write_bytes(landed.read_bytes()[:50])


def runs(home: Path) -> list[str]:
    """How Dagster shows the runs of a home."""
    import dagster as dg

    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        return [run.status.value for run in instance.get_runs()]


def killed_alone(scene: Scene) -> None:
    """SIGKILL to `eqm` and not to its dbt, as the kernel does when memory runs out.

    dbt is stopped until the next build is under way: a large city's dbt works on for minutes.
    """
    home = scene.copy(scene.folder / "alone")
    process = start(scene.changed, home)
    try:
        wait_for_stage(process, "dbt")
        orphan = wait_for_dbt(process)
        time.sleep(3)  # it reads its project before it opens the database
        os.kill(orphan, signal.SIGSTOP)
        process.kill()
        process.wait()
        assert_first_served(scene, home, "killed alone")
        following = start(scene.changed, home)
        wait_for_stage(following, "contracts")
        with suppress(ProcessLookupError):  # it may have ended with its parent
            os.killpg(process.pid, signal.SIGCONT)
        code, said = finish(following)
        assert code == 0, said
        assert served(home) == scene.second
        assert training(home) == training(scene.undisturbed)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


class Disk:
    """A folder that holds so much and no more.

    A file system of its own where the machine lets us mount one; elsewhere a limit on the size of
    each file, under which writes fail in the same places.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.real = os.geteuid() == 0 and self._mount("-t", "tmpfs", "-o", "size=1g", "tmpfs")
        self.file_limit: int | None = None
        if not self.real:
            warnings.warn("no right to mount: files are limited in size instead", stacklevel=2)

    def _mount(self, *arguments: str) -> bool:
        command = ["mount", *arguments, str(self.folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def leave(self, free: int, largest: int) -> None:
        """Leave so many bytes free, or, without a mount, let no file grow over the other number."""
        if self.real:
            state = os.statvfs(self.folder)
            size = (state.f_blocks - state.f_bfree) * state.f_frsize + free
            assert self._mount("-o", f"remount,size={size}")
        else:
            self.file_limit = largest

    def enlarge(self) -> None:
        """Room for everything."""
        self.file_limit = None
        if self.real:
            assert self._mount("-o", "remount,size=1g")

    def build(self, raw: Path, home: Path) -> tuple[int, str]:
        """`eqm build` on this disk: exit code, and all that was said."""
        process = start(raw, home)
        if self.file_limit is not None:
            limits = (self.file_limit, self.file_limit)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
        return finish(process)

    def close(self) -> None:
        """Give the mount back."""
        if self.real:
            # Lazily: a process of the build that is still ending may hold a file of it.
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


def assert_full_disk_is_told(disk: Disk, code: int, said: str) -> None:
    lines = [line for line in said.splitlines() if not line.startswith("· ")]
    told = "\n".join(lines)
    assert code == 3, told[-3000:]
    assert "Traceback" not in told, told[-3000:]
    # SQLite can't tell a limit on its file from a broken disk.
    vague = not disk.real and "disk I/O error" in told
    assert vague or CAUSE.search(told), told[-3000:]


def full(scene: Scene) -> None:
    """Full before the first stage, then while dbt writes; then there is room again."""
    disk = Disk(scene.folder / "full")
    endings = []
    try:
        home = scene.copy(disk.folder / "home")
        for free, largest in ((200_000, 1_000_000), (5_000_000, 2_500_000)):
            disk.leave(free, largest)
            endings.append(disk.build(scene.changed, home))
            assert_first_served(scene, home, f"{free} bytes free")
        disk.enlarge()
        assert_next_build_is_fine(scene, home)
        assert "STARTED" not in runs(home)
    finally:
        disk.close()
    # Told last, so that a poor message does not hide whether the home survived.
    for code, said in endings:
        assert_full_disk_is_told(disk, code, said)


def full_while_reading(scene: Scene) -> None:
    """Full while dbt's description of its project is written, as in the first build of a version.

    The inputs are the old ones: the next build is quick, and must serve the earlier release.
    """
    disk = Disk(scene.folder / "full_while_reading")
    try:
        home = scene.copy(disk.folder / "home")
        shutil.rmtree(home / "dagster" / "dbt")
        disk.leave(1_500_000, 1_050_000)
        ending = disk.build(scene.folder / "raw", home)
        assert_first_served(scene, home, "full while the project is read")
        disk.enlarge()
        code, said = disk.build(scene.folder / "raw", home)
        assert code == 0, said[-3000:]
        assert_first_served(scene, home, "room again")
    finally:
        disk.close()
    assert_full_disk_is_told(disk, *ending)


STORIES: tuple[Story, ...] = (killed_late, killed_early, full, killed_alone, full_while_reading)
"""The longest first, so that the two at work end together."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, village: House, new_house: NewHouse) -> Scene:
    """Two undisturbed builds, of inputs that differ in the hours of one training.

    A score would be another matter: what a release tells of one that was corrected depends on
    what the one before has told.
    """
    folder = tmp_path_factory.mktemp("interrupted")
    shutil.copytree(village.home.parent, folder, symlinks=True, dirs_exist_ok=True)
    changed, undisturbed = folder / "changed", new_house(folder / "undisturbed").home
    shutil.copytree(folder / "raw", changed)
    change_one_training(changed)
    code, said = finish(start(changed, undisturbed))
    assert code == 0, said
    first, second = served(folder / "home"), served(undisturbed)
    assert first != second
    assert training(folder / "home") != training(undisturbed)
    return Scene(
        folder,
        folder / "home",
        changed,
        first,
        tree(folder / "home" / "releases" / first),
        undisturbed,
        second,
    )


def change_one_training(raw: Path) -> None:
    """An hour less of one training."""
    path = next(path for path in sorted((raw / "training_logs").rglob("*.csv")))
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    hours = lines[0].split(",").index("学时")
    cells = lines[1].split(",")
    cells[hours] = f"{float(cells[hours]) - 1:g}"
    path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def told(scene: Scene) -> Iterator[dict[Story, Future[None]]]:
    """The stories, under way."""
    pool = ThreadPoolExecutor(AT_WORK)
    yield {story: pool.submit(story, scene) for story in STORIES}
    pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("story", [killed_early, killed_late])
def test_a_build_killed_in_any_stage_leaves_the_earlier_release_served(
    told: dict[Story, Future[None]], story: Story
) -> None:
    told[story].result()


def test_a_full_disk_is_named_and_leaves_the_earlier_release_served(
    told: dict[Story, Future[None]],
) -> None:
    told[full].result()


def test_a_dbt_that_outlives_its_build_does_not_hinder_the_next(
    told: dict[Story, Future[None]],
) -> None:
    told[killed_alone].result()


def test_a_description_of_the_project_cut_short_by_a_full_disk_is_made_anew(
    told: dict[Story, Future[None]],
) -> None:
    told[full_while_reading].result()
