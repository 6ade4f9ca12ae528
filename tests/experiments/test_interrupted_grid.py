"""A grid that is interrupted or killed goes on to the table of a straight run."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from benchmarks.interrupted_grid import figures, kill_at, make_grid, state
from masln.experiments import Grid, GridEntry, run_grid
from masln.training import TrainingInterruptedError
from tests.experiments.small import TINY, small_config, write_small_bundle


def test_after_ctrl_c_finished_runs_are_kept_and_a_begun_one_goes_on(tmp_path):
    bundle = write_small_bundle(tmp_path / "bundle")
    config = small_config(bundle, baselines=[], seeds=2, splits=1, select=False)
    slow = {**config.to_dict(), "hyperparameters": TINY | {"epochs": 150}}
    grid = Grid("small", (GridEntry("quick", config), GridEntry("slow", type(config).from_dict(slow))))
    straight = run_grid(grid, tmp_path / "straight", jobs=1, threads=1)

    over = threading.Event()

    def interrupt_the_slow() -> None:
        while not over.wait(0.01):
            if state(tmp_path / "grid")["epochs"] > 2 * TINY["epochs"]:
                os.kill(os.getpid(), signal.SIGINT)
                return

    watcher = threading.Thread(target=interrupt_the_slow)
    watcher.start()
    try:
        with pytest.raises(TrainingInterruptedError, match=r"interrupted: 2 of 4 runs are finished.* --resume --out "):
            run_grid(grid, tmp_path / "grid", jobs=1, threads=1)
    finally:
        over.set()
        watcher.join()
    left = state(tmp_path / "grid")
    assert (left["finished"], left["begun"], left["checkpoints"]) == (2, 1, 1)
    assert figures(run_grid(grid, tmp_path / "grid", jobs=2, threads=1)) == figures(straight)
    assert len({path.parent for path in (tmp_path / "grid").rglob("metrics.json")}) == 8


def test_after_kill_9_of_all_its_processes_the_table_is_that_of_a_straight_run(tmp_path):
    bundle = str(write_small_bundle(tmp_path / "bundle"))
    killed = kill_at(tmp_path / "grid", bundle, 5)
    assert not killed["had_ended"] and killed["begun"] >= 1
    grid = make_grid(bundle)
    straight = run_grid(grid, tmp_path / "straight", jobs=2, threads=1)
    assert figures(run_grid(grid, tmp_path / "grid", jobs=2, threads=1)) == figures(straight)
