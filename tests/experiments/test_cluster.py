"""A grid on a Ray cluster: the table of local processes, also where a worker is killed in the middle of a run."""

from __future__ import annotations

import dataclasses
import os
import sys

import pytest

from benchmarks.interrupted_grid import figures, one_worker_killed
from masln.errors import ConfigError, MissingExtraError
from masln.experiments import Grid, GridEntry, run_grid
from masln.experiments import cluster as clusters
from masln.experiments.cluster import connect, read_folder, write_folder
from tests.experiments import chores
from tests.experiments.small import TINY, small_config, write_small_bundle


@pytest.fixture(scope="module")
def two_workers():
    """A Ray of two cores on this machine alone."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray = pytest.importorskip("ray")
    ray.init(
        num_cpus=2,
        object_store_memory=80_000_000,
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
    )
    yield ray
    ray.shutdown()


def test_the_table_is_that_of_local_processes_though_a_worker_is_killed(two_workers, tmp_path):
    bundle = write_small_bundle(tmp_path / "bundle")
    config = small_config(bundle, baselines=[], splits=1, select=False, hyperparameters=TINY | {"epochs": 200})
    chance = dataclasses.replace(config, method="chance", hyperparameters={})
    grid = Grid("small", (GridEntry("masln", config), GridEntry("chance", chance)))
    local = run_grid(grid, tmp_path / "local", jobs=2, threads=1)
    with one_worker_killed() as killed:
        far = run_grid(grid, tmp_path / "far", jobs=2, threads=1, cluster="auto")
    assert len(killed) == 1 and figures(far) == figures(local)
    assert [sorted(read_folder(run)) for run in sorted((tmp_path / "far/runs").iterdir())] == [
        sorted(read_folder(run)) for run in sorted((tmp_path / "local/runs").iterdir())
    ]
    assert all(record.facts["threads"] == 1 for record in far.tables[0].records)


def test_a_folder_goes_there_and_back_and_what_goes_wrong_is_one_line(two_workers, tmp_path):
    folders = [tmp_path / name for name in ("counted", "refused")]
    folders[0].mkdir()
    (folders[0] / "count.txt").write_text("41")
    with connect("auto") as cluster:
        outcomes = cluster.run(
            chores.count_or_refuse, [(folder, "in vain") for folder in folders], log="run.log", threads=1
        )
        with pytest.raises(ConfigError, match="a run needs 3 CPUs, but no machine of the cluster has more than 2"):
            cluster.check(threads=3, gpus=0)
        with pytest.raises(ConfigError, match="a run needs 1 GPUs"):
            cluster.check(threads=1, gpus=1)
        cluster.check(threads=2, gpus=0)
        assert [cluster.threads(jobs) for jobs in (None, 1, 2, 5)] == [1, 2, 1, 1]
    assert outcomes == ["", "in vain"]
    assert {name: content.decode() for name, content in read_folder(folders[0]).items()} == {
        "count.txt": "42", "deep/er.txt": "left", "run.log": "counting\n",
    }  # fmt: skip
    assert "Traceback" in (folders[1] / "run.log").read_text()


def test_files_of_a_folder_are_replaced_whole_and_what_tells_of_them_comes_last(tmp_path, monkeypatch):
    files = {"metrics.json": b"1", "a/metrics.json": b"2", "a/model/weights": b"3", "config.yaml": b"4"}
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "checkpoint.pt").write_bytes(b"old")
    written = []
    keep = clusters.write_atomically
    monkeypatch.setattr(clusters, "write_atomically", lambda path, content: (written.append(path), keep(path, content)))
    write_folder(tmp_path, files)
    assert read_folder(tmp_path) == files
    assert written[2:] == [tmp_path / "a/metrics.json", tmp_path / "metrics.json"]


def test_another_version_on_a_worker_is_refused():
    outcome, files = clusters._work(chores.count_or_refuse, {"a": b"1"}, [""], "run.log", "9.9")
    assert "but 9.9 where the grid was begun; install one version" in outcome and files == {"a": b"1"}


def test_without_ray_the_extra_is_named_and_nothing_is_written(tmp_path, monkeypatch):
    bundle = write_small_bundle(tmp_path / "bundle")
    config = small_config(bundle, method="chance", hyperparameters={}, baselines=[])
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'masln\[cluster\]'"):
        run_grid(Grid("small", (GridEntry("chance", config),)), tmp_path / "grid", jobs=1, cluster="auto")
    assert not (tmp_path / "grid").exists()
