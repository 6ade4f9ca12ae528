"""Each task has a process of its own, and what becomes of one touches no other."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from masln.experiments.processes import available_cores, peak_memory, run_in_processes
from tests.experiments import chores


def files_of(folder: Path, count: int) -> list[Path]:
    return [folder / "logs" / f"{number}.log" for number in range(count)]


def call(chore, file: Path) -> None:
    chore(file)


def test_each_task_runs_in_a_process_of_its_own(tmp_path):
    files = [tmp_path / str(number) for number in range(3)]
    assert run_in_processes(
        chores.write_pid, [(file,) for file in files], jobs=2, logs=files_of(tmp_path, len(files))
    ) == ["", "", ""]
    pids = {int(file.read_text()) for file in files}
    assert len(pids) == 3 and os.getpid() not in pids


@pytest.mark.parametrize(
    ("chore", "expected"),
    [
        (chores.refuse, "FILE: two lines"),
        (chores.break_down, "ValueError: broken"),
        (chores.be_killed, "its process ended with exit code -9 (killed: out of memory?)"),
        (chores.leave, "its process ended with exit code 7"),
    ],
)
def test_what_goes_wrong_is_one_line_and_the_others_go_on(tmp_path, chore, expected):
    tasks = [(chore, tmp_path / "a"), (chores.write_pid, tmp_path / "b")]
    assert run_in_processes(call, tasks, jobs=1, logs=files_of(tmp_path, 2)) == [
        expected.replace("FILE", str(tmp_path / "a")),
        "",
    ]
    assert (tmp_path / "b").is_file()


def test_what_a_task_prints_goes_to_the_end_of_its_log(tmp_path, capfd):
    logs = files_of(tmp_path, 2)
    logs[0].parent.mkdir()
    logs[0].write_text("before\n")
    tasks = [(chores.print_everywhere, tmp_path / "a"), (chores.break_down, tmp_path / "b")]
    assert run_in_processes(call, tasks, jobs=1, logs=logs) == ["", "ValueError: broken"]
    assert sorted(logs[0].read_text().split()) == ["before", "error", "library", "output"]
    assert "Traceback" in logs[1].read_text() and logs[1].read_text().rstrip().endswith("ValueError: broken")
    assert capfd.readouterr() == ("", "")


def test_a_log_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "logs").write_text("in the way")
    (outcome,) = run_in_processes(call, [(chores.write_pid, tmp_path / "a")], jobs=1, logs=files_of(tmp_path, 1))
    assert outcome.startswith("FileExistsError: ") and not (tmp_path / "a").exists()


def test_peak_memory_is_that_of_the_process_alone(tmp_path):
    if peak_memory() is None:
        pytest.skip("this system does not tell a process's peak memory")
    held = bytearray(os.urandom(1)) * 600_000_000  # what the process that starts the others holds
    assert run_in_processes(chores.hold_memory, [(tmp_path / "a",)], jobs=1, logs=files_of(tmp_path, 1)) == [""]
    before, after = map(int, (tmp_path / "a").read_text().split())
    assert 190e6 < after - before < 220e6 and after < len(held)


def test_an_interrupt_reaches_the_processes_and_waits_for_them(tmp_path):
    files = [tmp_path / "a", tmp_path / "b"]

    def interrupt_once_all_run() -> None:
        while not all(file.is_file() and file.read_text() for file in files):
            threading.Event().wait(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    watcher = threading.Thread(target=interrupt_once_all_run)
    watcher.start()
    with pytest.raises(KeyboardInterrupt):
        run_in_processes(
            chores.wait_for_interrupt, [(file,) for file in files], jobs=2, logs=files_of(tmp_path, len(files))
        )
    watcher.join()
    assert [file.read_text() for file in files] == ["told", "told"]


def test_there_is_a_core():
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
