"""A run that was stopped, however rudely, goes on to the same end, bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from masln.errors import CheckpointError
from masln.models import MASLN
from masln.training import JsonLines, Runtime, TrainingInterruptedError, write_atomically
from tests.conftest import ROOT, make_pairs
from tests.training.toy import StopError, assert_same, changed, crash_at, learn

LONG = {"epochs": 30, "batch_size": 8, "hidden": (16,), "decoder_hidden": (16,), "code_width": 8, "dropout": 0.2}
PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, ".")
from masln.errors import MaslnError
from tests.training.test_resume import fit_long
try:
    fit_long(Path(sys.argv[1]), checkpoint_seconds=0.0)
except MaslnError as error:
    print(error)
    sys.exit(3)
"""


def fit_long(folder: Path, *, resume: bool = False, checkpoint_seconds: float = 1e9) -> MASLN:
    """A fit with everything that has a state: two optimisers, dropout, validation, a schedule."""
    runtime = Runtime(
        device="cpu",
        checkpoint=folder / "checkpoint.pt",
        checkpoint_seconds=checkpoint_seconds,
        resume=resume,
        trackers=(JsonLines(folder / "events.jsonl"),),
    )
    validation = make_pairs(classes=2, per_class=10, seed=1)
    return MASLN(**LONG).fit(make_pairs(classes=4, per_class=9), validation, runtime=runtime)


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> tuple[MASLN, str]:
    folder = tmp_path_factory.mktemp("straight")
    return fit_long(folder), (folder / "events.jsonl").read_text()


def assert_straight(method: MASLN, folder: Path, straight: tuple[MASLN, str]) -> None:
    expected, events = straight
    assert_same(method.network_, expected.network_)
    assert method.history_ == expected.history_
    assert (method.best_epoch_, method.best_score_) == (expected.best_epoch_, expected.best_score_)
    assert (folder / "events.jsonl").read_text() == events


def stop(folder: Path, number: int) -> subprocess.CompletedProcess[str]:
    """Start the long fit in a process of its own and send it a signal once it has told of a few epochs."""
    events = folder / "events.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE"},
    )
    deadline = time.monotonic() + 120
    while not ((folder / "checkpoint.pt").exists() and events.exists() and events.read_text().count("\n") >= 3):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.005)  # polled, not waited out: the test ends as soon as the process gets there
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert 3 <= events.read_text().count("\n") < LONG["epochs"], "stopped too late to prove anything"
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_resume_after_kill_9_equals_the_straight_run(tmp_path, straight):
    assert stop(tmp_path, signal.SIGKILL).returncode == -signal.SIGKILL
    assert_straight(fit_long(tmp_path, resume=True), tmp_path, straight)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a child")
def test_ctrl_c_saves_says_how_to_resume_and_resume_equals_the_straight_run(tmp_path, straight):
    done = stop(tmp_path, signal.SIGINT)
    assert done.returncode == 3 and done.stderr == ""
    assert done.stdout.startswith("interrupted in epoch ") and done.stdout.count("\n") == 1
    assert f"saved to {tmp_path / 'checkpoint.pt'}; add --resume to go on" in done.stdout
    assert_straight(fit_long(tmp_path, resume=True), tmp_path, straight)


def test_ctrl_c_without_a_checkpoint_says_that_nothing_was_saved():
    def press(event: Mapping[str, Any]) -> None:
        if "epoch" in event:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(TrainingInterruptedError, match="nothing was to be saved"):
        learn(trackers=(press,))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("epoch", [1, 3])
def test_resume_after_a_crash_equals_the_straight_run(tmp_path, epoch):
    straight, history = learn(trackers=(JsonLines(tmp_path / "straight.jsonl"),))
    files = {"checkpoint": tmp_path / "c.pt", "checkpoint_seconds": 0.0}
    tracker = JsonLines(tmp_path / "resumed.jsonl")
    with pytest.raises(StopError):
        learn(trackers=(tracker, crash_at(epoch)), **files)
    torch.manual_seed(99)
    resumed, resumed_history = learn(trackers=(tracker,), resume=True, **files)
    assert_same(resumed, straight)
    assert resumed_history.history == history.history
    assert (tmp_path / "resumed.jsonl").read_text() == (tmp_path / "straight.jsonl").read_text()


def test_resume_of_a_bf16_run_and_of_streamed_features(tmp_path):
    for precision in ("fp32", "bf16"):
        options = {"precision": precision, "memory_bytes": 0}
        straight, _ = learn(**options)
        files = {"checkpoint": tmp_path / f"{precision}.pt", "checkpoint_seconds": 0.0}
        with pytest.raises(StopError):
            learn(trackers=(crash_at(2),), **files, **options)
        assert_same(learn(resume=True, **files, **options)[0], straight)


def test_resume_keeps_the_best_weights_and_the_patience(tmp_path):
    scores = [0.1, 0.9, 0.3, 0.2, 0.1, 0.0]
    plan = changed(epochs=6, patience=3)
    following = iter(scores)
    straight, expected = learn(plan, validate=lambda _: next(following))
    files = {"checkpoint": tmp_path / "c.pt", "checkpoint_seconds": 0.0}
    following = iter(scores)
    with pytest.raises(StopError):
        learn(plan, validate=lambda _: next(following), trackers=(crash_at(4),), **files)
    following = iter(scores[3:])
    resumed, result = learn(plan, validate=lambda _: next(following), resume=True, **files)
    assert result == expected and result.best_epoch == 2 and len(result.history) == 5
    assert_same(resumed, straight)


def test_resume_of_a_finished_run_trains_no_further(tmp_path):
    files = {"checkpoint": tmp_path / "c.pt", "checkpoint_seconds": 0.0}
    straight, expected = learn(**files)
    resumed, result = learn(resume=True, **files)
    assert resumed.batches == [] and result == expected
    assert_same(resumed, straight)


def test_without_resume_a_checkpoint_is_not_looked_at(tmp_path):
    straight, _ = learn()
    path = tmp_path / "c.pt"
    path.write_bytes(b"of something else")
    again, _ = learn(checkpoint=path, checkpoint_seconds=0.0)
    assert_same(again, straight)
    assert path.read_bytes() != b"of something else"


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    files = {"checkpoint": tmp_path / "c.pt", "checkpoint_seconds": 0.0}
    learn(fingerprint="first", **files)
    with pytest.raises(
        CheckpointError, match=r"c\.pt belongs to another configuration.*fingerprint first, this run has second"
    ):
        learn(fingerprint="second", resume=True, **files)


@pytest.mark.parametrize(
    "change",
    [{"learning_rate": 0.01}, {"hidden": (8,)}, {"seed": 1}, {"correlation": 0.4}],
)
def test_any_other_hyper_parameter_is_another_configuration(tmp_path, change):
    small = {"epochs": 1, "batch_size": 8, "hidden": (4,), "decoder_hidden": (4,), "code_width": 4}
    runtime = {"device": "cpu", "checkpoint": tmp_path / "c.pt", "checkpoint_seconds": 0.0}
    pairs = make_pairs(classes=2, per_class=6)
    MASLN(**small).fit(pairs, runtime=Runtime(**runtime))
    with pytest.raises(CheckpointError, match="belongs to another configuration"):
        MASLN(**small | change).fit(pairs, runtime=Runtime(resume=True, **runtime))
    with pytest.raises(CheckpointError, match="belongs to another configuration"):
        MASLN(**small).fit(make_pairs(classes=2, per_class=6, seed=1), runtime=Runtime(resume=True, **runtime))
    with pytest.raises(CheckpointError, match="belongs to another configuration"):
        MASLN(**small).fit(pairs, runtime=Runtime(resume=True, precision="bf16", **runtime))
    MASLN(**small).fit(pairs, runtime=Runtime(resume=True, **runtime))


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_truncated_checkpoint_is_refused(tmp_path, keep):
    path = tmp_path / "c.pt"
    learn(checkpoint=path, checkpoint_seconds=0.0)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"c\.pt cannot be read \(.+\); delete it") as caught:
        learn(checkpoint=path, resume=True)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    class Intruder:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "intruded",))

    torch.save({"fingerprint": "toy", "state": Intruder()}, tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match="cannot be read"):
        learn(checkpoint=tmp_path / "c.pt", resume=True)
    assert not (tmp_path / "intruded").exists()


def test_a_full_disk_keeps_the_previous_checkpoint(tmp_path):
    """A process that after its second epoch may write no large file: the checkpoint really fails."""
    program = (
        "import resource, sys; sys.path.insert(0, '.')\n"
        "from pathlib import Path\n"
        "from masln.errors import CheckpointError\n"
        "from tests.training.toy import learn\n"
        "path = Path(sys.argv[1])\n"
        "def fill(event):\n"
        "    if event.get('epoch') == 2:\n"
        "        (path.parent / 'before').write_bytes(path.read_bytes())\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))\n"
        "try:\n"
        "    learn(checkpoint=path, checkpoint_seconds=0.0, trackers=(fill,))\n"
        "except CheckpointError as error:\n"
        "    print(error)\n"
    )
    path = tmp_path / "c.pt"
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.startswith(f"cannot write {path}: "), done.stderr
    assert "what was saved before is intact" in done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["before", "c.pt"]
    assert path.read_bytes() == (tmp_path / "before").read_bytes()
    assert_same(learn(checkpoint=path, resume=True)[0], learn()[0])


def test_write_atomically_replaces_whole_files(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"first")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(CheckpointError, match="cannot write"):
        write_atomically(tmp_path / "missing" / "file", b"")


def test_json_lines_are_cut_back_to_what_the_checkpoint_knows(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"epoch": 1}\n{"epoch": 2}\n{"epo')
    tracker = JsonLines(path)
    tracker({"restart": 1})
    tracker({"epoch": 2, "loss": 0.1})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"epoch": 1}, {"epoch": 2, "loss": 0.1}]


def test_tensorboard_of_a_resumed_run_shows_each_epoch_once(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from masln.training import TensorBoard

    files = {"checkpoint": tmp_path / "c.pt", "checkpoint_seconds": 0.0}
    with pytest.raises(StopError):
        learn(trackers=(TensorBoard(tmp_path / "board"), crash_at(2)), **files)
    _, result = learn(trackers=(TensorBoard(tmp_path / "board"),), resume=True, **files)
    events = EventAccumulator(str(tmp_path / "board")).Reload().Scalars("error")
    assert [event.step for event in events] == [1, 2, 3, 4]
    np.testing.assert_allclose([event.value for event in events], [e["error"] for e in result.history], rtol=1e-6)
