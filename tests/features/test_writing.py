"""Features on disk: the same bytes as in memory, whatever kills, skips or workers there were."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from masln.errors import CheckpointError, ConfigError, DataError
from masln.features import writing
from masln.features.writing import Skipped, write_features
from tests.features.tiny_models import Tally, Words

ROOT = Path(__file__).parents[2]
NUMBERS = list(range(103))


@pytest.fixture(autouse=True)
def every_batch_is_committed(monkeypatch):
    monkeypatch.setattr(writing, "_SECONDS_AT_RISK", 0.0)


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write(folder: Path, items=NUMBERS, extractor=None, **options):
    return write_features(extractor or Tally(), items, folder, **{"name": "image", "batch_size": 10} | options)


class TestFiles:
    def test_they_are_what_numpy_would_save_of_the_features_in_memory(self, tmp_path):
        done = write(tmp_path / "new" / "folder")
        np.save(tmp_path / "oracle.npy", Tally().transform(NUMBERS, batch_size=10))
        assert done.values.read_bytes() == (tmp_path / "oracle.npy").read_bytes()
        assert done.mask is None and done.skipped == () and done.ids[-1] == "102"
        np.testing.assert_array_equal(done.rows, NUMBERS)
        assert isinstance(done.load().values, np.memmap) and done.extractor_hash == Tally().hash
        assert sorted(written(done.values.parent)) == ["image.journal", "image.npy"]

    def test_sequences_and_masks(self, tmp_path):
        texts = ["ab", "", "abcde" * 3, "c"] * 5
        words = Words().fit(texts)
        done = write(tmp_path, texts, words, name="text", batch_size=3)
        expected = words.extract(texts)
        for path, values in ((done.values, expected.values), (done.mask, expected.mask)):
            np.save(tmp_path / "oracle.npy", values)
            assert path.read_bytes() == (tmp_path / "oracle.npy").read_bytes()
        assert done.mask.name == "text_mask.npy"
        np.testing.assert_array_equal(done.load().mask, expected.mask)
        regions = write(tmp_path, extractor=Tally(layout="regions"))
        assert regions.load().values.shape == (103, 2, 3) and regions.mask is None

    def test_the_values_get_their_name_last(self, tmp_path, monkeypatch):
        """So where they stand, the mask does; stopped in between, the next call does the rest."""
        words, replace, named = Words().fit(["abc"]), os.replace, []

        def rename(source, target):
            if len(named) == 1:
                raise OSError("stopped in between")
            named.append(Path(target).name)
            replace(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", rename)
            with pytest.raises(DataError, match="stopped in between"):
                write(tmp_path, ["ab", "c"], words, name="text")
        assert named == ["text_mask.npy"] and not (tmp_path / "text.npy").exists()
        done = write(tmp_path, ["ab", "c"], words, name="text")
        np.testing.assert_array_equal(done.load().mask.sum(axis=1), [2, 1])

    @pytest.mark.parametrize("workers", [1, 2, 4])
    def test_workers_do_not_change_a_byte(self, tmp_path, workers):
        items = [*NUMBERS[:50], "broken", *NUMBERS]
        write(tmp_path / "a", items, on_error="skip", workers=1)
        write(tmp_path / "b", items, on_error="skip", workers=workers)
        assert written(tmp_path / "a") == written(tmp_path / "b")

    def test_memory_does_not_grow_with_the_items(self, tmp_path):
        peaks = []
        for count in (2_000, 16_000):
            tracemalloc.start()
            write(tmp_path / str(count), range(count), batch_size=500, workers=2)
            peaks.append(tracemalloc.get_traced_memory()[1] - 8 * count)  # the kept row numbers and ids
            tracemalloc.stop()
        # 14,000 more rows are 168 kB of features and 1.5 MB of row numbers and ids as text.
        assert peaks[1] - peaks[0] < 14_000 * 150

    def test_arguments_are_checked(self, tmp_path):
        with pytest.raises(ConfigError, match="on_error must be one of fail, skip"):
            write(tmp_path, on_error="ignore")
        with pytest.raises(ConfigError, match="batch_size"):
            write(tmp_path, batch_size=0)
        with pytest.raises(ConfigError, match="2 ids for 103 items"):
            write(tmp_path, ids=["a", "b"])
        with pytest.raises(DataError, match="no items"):
            write(tmp_path, [])
        assert list(tmp_path.iterdir()) == []

    def test_a_file_of_another_origin_is_left_alone(self, tmp_path):
        (tmp_path / "image.npy").write_bytes(b"precious")
        with pytest.raises(DataError, match="exists and has no journal"):
            write(tmp_path)
        assert written(tmp_path) == {"image.npy": b"precious"}

    def test_a_disk_that_refuses(self, tmp_path):
        """A file may not grow over 1 kB, as on a full disk; with room again, the run goes on."""
        program = (
            "import resource, signal\n"
            "from tests.features.test_writing import *\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
            "try:\n    write(Path(sys.argv[1]))\nexcept DataError as error:\n    print(error)\n"
        )
        done = run(program, tmp_path / "a")
        assert "cannot write" in done.stdout and "File too large" in done.stdout, done.stderr
        assert not (tmp_path / "a" / "image.npy").exists()
        write(tmp_path / "a")
        write(tmp_path / "b")
        assert written(tmp_path / "a") == written(tmp_path / "b")


class TestSkips:
    ITEMS = (*NUMBERS[:15], "x.jpg", *NUMBERS[:3], float("nan"), *NUMBERS, "y.jpg")

    def test_rows_are_those_that_could_be_read(self, tmp_path):
        ids = [f"id{row}" for row in range(len(self.ITEMS))]
        done = write(tmp_path, self.ITEMS, on_error="skip", ids=ids)
        assert done.skipped == (
            Skipped(15, "id15", "x.jpg", "x.jpg: no number"),
            Skipped(19, "id19", "float", "its feature is not finite"),
            Skipped(123, "id123", "y.jpg", "y.jpg: no number"),
        )
        values = done.load().values
        assert values.shape == (121, 3) and done.ids[15] == "id16"
        np.testing.assert_array_equal(values[:, 0], [self.ITEMS[row] for row in done.rows])
        assert [ids[row] for row in done.rows] == list(done.ids)
        assert write(tmp_path, self.ITEMS, on_error="skip", ids=ids).skipped == done.skipped

    def test_failing_names_the_row_and_keeps_what_was_done(self, tmp_path):
        for workers in (1, 3):
            with pytest.raises(DataError, match=r"row 15 \(id 15\): x\.jpg: no number"):
                write(tmp_path / str(workers), self.ITEMS, workers=workers)
            journal = (tmp_path / str(workers) / "image.journal").read_text().splitlines()
            assert len(journal) == 2 and json.loads(journal[1])["kept"] == 10
        done = write(tmp_path / "1", self.ITEMS, on_error="skip")
        write(tmp_path / "straight", self.ITEMS, on_error="skip")
        assert len(done.skipped) == 3 and written(tmp_path / "1") == written(tmp_path / "straight")
        with pytest.raises(DataError, match=r"row 15 .*skipped by an earlier call"):
            write(tmp_path / "1", self.ITEMS)

    def test_a_mended_item_may_follow_a_failure(self, tmp_path):
        with pytest.raises(DataError):
            write(tmp_path / "a", [*NUMBERS[:50], "x", *NUMBERS[51:]])
        write(tmp_path / "a")
        write(tmp_path / "b")
        assert written(tmp_path / "a") == written(tmp_path / "b")

    def test_a_whole_batch_and_all_batches(self, tmp_path):
        done = write(tmp_path / "a", ["x"] * 10 + NUMBERS, on_error="skip")
        np.testing.assert_array_equal(done.load().values[:, 0], NUMBERS)
        with pytest.raises(DataError, match="none of the 20 items could be read; the first: x: no number"):
            write(tmp_path / "b", ["x"] * 20, on_error="skip")
        assert not (tmp_path / "b" / "image.npy").exists()


class TestAnotherRun:
    @pytest.mark.parametrize("finished", [True, False])
    def test_other_work_is_refused_with_the_reason(self, tmp_path, finished):
        items = list(NUMBERS) if finished else [*NUMBERS, "x"]
        if finished:
            write(tmp_path, items)
        else:
            with pytest.raises(DataError):
                write(tmp_path, items)
        before = written(tmp_path)
        cases = [
            ({"extractor": Tally(scale=2.0)}, "another extractor, hyper-parameter or model file"),
            ({"batch_size": 11}, "another batch_size"),
            ({"items": [*items[:27], 7, *items[28:]]}, "rows 20 to 29 were made from other items"),
            ({"items": items[:40]}, "another number of items"),
        ]
        for other, reason in cases:
            with pytest.raises(CheckpointError, match=reason):
                write(tmp_path, **{"items": items} | other)
        assert written(tmp_path) == before

    def test_more_items_than_a_finished_run_had(self, tmp_path):
        write(tmp_path, NUMBERS[:100])
        with pytest.raises(CheckpointError, match="another number of items"):
            write(tmp_path)

    def test_a_second_process_is_kept_out(self, tmp_path):
        pytest.importorskip("fcntl")

        class Nosy(Tally):
            def _read(self, item):
                if item == 30:
                    with pytest.raises(CheckpointError, match="another process is writing"):
                        write(tmp_path, extractor=Tally())
                return super()._read(item)

        done = write(tmp_path, extractor=Nosy(), workers=1)
        np.testing.assert_array_equal(done.load().values[:, 0], NUMBERS)

    def test_files_that_do_not_fit_their_journal(self, tmp_path):
        write(tmp_path / "a")
        (tmp_path / "a" / "image.npy").unlink()
        with pytest.raises(CheckpointError, match=r"image\.npy is missing or damaged"):
            write(tmp_path / "a")
        with pytest.raises(DataError):
            write(tmp_path / "b", [*NUMBERS, "x"])
        os.truncate(tmp_path / "b" / ".image.npy.partial", 150)
        with pytest.raises(CheckpointError, match="shorter than its journal says"):
            write(tmp_path / "b")
        (tmp_path / "b" / ".image.npy.partial").unlink()
        with pytest.raises(CheckpointError, match="is missing, but its journal is there"):
            write(tmp_path / "b")
        (tmp_path / "b" / "image.journal").unlink()
        write(tmp_path / "b")


def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(call, capture_output=True, text=True, cwd=ROOT)


# Ends its own process with SIGKILL at the n-th of the points where a kill could leave something behind: before or
# after waiting for the disk, in the middle of a write, before or after a rename. In a child of its own each time.
KILLER = """
import io, os, signal, sys
from pathlib import Path
from masln.features import writing
from masln.features.writing import write_features
from tests.features.tiny_models import Tally

writing._SECONDS_AT_RISK = 0.0
folder, items = Path(sys.argv[1]), [*range(57), "broken", *range(40)]
points = 0

def point(at):
    global points
    points += 1
    if points == at:
        os.kill(os.getpid(), signal.SIGKILL)

def child(at):
    fsync, replace, RowsFile = os.fsync, os.replace, writing.RowsFile
    append = RowsFile.append
    def killing_fsync(descriptor):
        point(at); fsync(descriptor); point(at)
    def killing_replace(source, target):
        point(at); replace(source, target); point(at)
    def killing_append(self, rows):
        start = self._stream.tell()
        append(self, rows)
        self._stream.flush()
        whole = self._stream.tell()
        self._stream.truncate((start + whole) // 2)
        point(at)
        self._stream.seek(start)
        append(self, rows)
    os.fsync, os.replace, RowsFile.append = killing_fsync, killing_replace, killing_append
    write_features(Tally(), items, folder, name="image", batch_size=20, on_error="skip", workers=1)
    os._exit(0)

for kill in map(int, sys.argv[2].split()):
    process = os.fork()
    if process == 0:
        try:
            child(kill)
        finally:
            os._exit(7)
    status = os.waitpid(process, 0)[1]
    ended = "killed" if os.WIFSIGNALED(status) else f"exit {os.waitstatus_to_exitcode(status)}"
    print(ended, (folder / "image.npy").exists(), flush=True)
"""


class TestKills:
    @pytest.fixture
    def straight(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("straight")
        write(folder, [*range(57), "broken", *range(40)], batch_size=20, on_error="skip")
        return written(folder)

    @pytest.mark.parametrize("seed", range(4))
    def test_killed_at_random_points_and_resumed_it_ends_in_the_same_bytes(self, tmp_path, straight, seed):
        points = np.random.default_rng(seed).integers(1, 9, 20)
        done = run(KILLER, tmp_path, " ".join(map(str, [*points, 10**9])))
        *ends, last = done.stdout.split("\n")[:-1]
        assert last == "exit 0 True", done.stderr
        assert ends.count("killed False") >= 5, done.stdout
        assert written(tmp_path) == straight

    def test_killed_once_at_every_point(self, tmp_path, straight):
        """And what has its name is whole, at each of them."""
        # Each kill in a folder of its own, which the next child, not to be killed, takes up.
        program = KILLER.replace("kill in map", "turn, kill in enumerate(map").replace(".split()):", ".split())):")
        program = program.replace("    process =", "    folder = Path(sys.argv[1]) / str(1 + turn // 2)\n    process =")
        done = run(program, tmp_path, " ".join(f"{at} {10**9}" for at in range(1, 41)))
        ends = done.stdout.split("\n")[:-1]
        assert len(ends) == 80 and set(ends[1::2]) == {"exit 0 True"}, done.stderr
        first = [end.split()[0] for end in ends[::2]]
        assert first == ["killed"] * first.count("killed") + ["exit"] * first.count("exit")
        assert first.count("killed") >= 30 and "exit" in first, "every point was reached"
        for at in range(1, 41):
            assert written(tmp_path / str(at)) == straight

    def test_killed_from_outside(self, tmp_path):
        """With four workers, by another process, after some number of items: as an impatient user does."""
        program = (
            "import sys\nfrom tests.features.test_writing import *\n"
            "class Loud(Tally):\n"
            "    def _read(self, item):\n        print(item, flush=True)\n        return super()._read(item)\n"
            "writing._SECONDS_AT_RISK = 0.0\n"
            "write(Path(sys.argv[1]), range(600), Loud(), workers=4)\n"
        )
        rng = np.random.default_rng(5)
        seen = []
        for _ in range(3):
            call = [sys.executable, "-c", program, str(tmp_path / "a")]
            with subprocess.Popen(call, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
                lines = [process.stdout.readline() for _ in range(rng.integers(30, 150))]
                process.kill()
            seen.append(min(int(line) for line in lines if line.strip()))
            assert not (tmp_path / "a" / "image.npy").exists()
        assert seen == sorted(seen) and seen[-1] > 0, "each goes on where the one before stopped"
        write(tmp_path / "a", range(600))
        write(tmp_path / "b", range(600))
        assert written(tmp_path / "a") == written(tmp_path / "b")

    def test_a_torn_line_of_the_journal_is_done_again(self, tmp_path, straight):
        items = [*range(57), "broken", *range(40)]
        with pytest.raises(DataError):
            write(tmp_path, [*items[:40], "later", *items[41:]], batch_size=20)
        with (tmp_path / "image.journal").open("ab") as journal:
            journal.write(b'{"items": "ab", "ke')
        write(tmp_path, items, on_error="skip", batch_size=20)
        assert written(tmp_path) == straight
