from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from masln.errors import ConfigError, DataError
from masln.training import JsonLines, Runtime, TensorBoard, resolve_device
from tests.training.toy import PAIRS, Toy, assert_same, changed, data, learn


def test_the_loss_falls():
    _, result = learn(changed(epochs=15))
    errors = [event["error"] for event in result.history]
    assert errors[-1] < 0.8 * errors[0]
    assert [event["epoch"] for event in result.history] == list(range(1, 16))


def test_adamw_written_out_gives_the_same_weights():
    """The loop against decoupled weight decay and bias-corrected moments by hand (Loshchilov and Hutter, 2019)."""

    class Plain(Toy):
        def __init__(self):
            super().__init__()
            self.map[0].p = 0.0

    plan = changed(epochs=2, batch_size=10, schedule="linear", beta1=0.8)
    torch.manual_seed(plan.seed)
    start = Plain()
    weight, bias = (p.detach().double().clone() for p in start.map[1].parameters())
    trained, _ = learn(plan, network=start)
    image, text = (torch.from_numpy(X).double() for X in (PAIRS.image, PAIRS.text))
    image, text = (torch.nn.functional.normalize(X - X.mean(0), dim=1) for X in (image, text))
    moments = [[torch.zeros_like(p), torch.zeros_like(p)] for p in (weight, bias)]
    step = 0
    for epoch in range(2):
        order = plan.order(len(PAIRS), epoch)
        for start_row in range(0, len(order), 10):
            rows = order[start_row : start_row + 10]
            difference = (image[rows] @ weight.T + bias - text[rows]) * 2 / (len(rows) * 16)
            rate = 0.01 * (1 - step / (2 * math.ceil(len(PAIRS) / 10)))
            step += 1
            for p, g, m in zip((weight, bias), (difference.T @ image[rows], difference.sum(0)), moments, strict=True):
                p *= 1 - rate * 0.01
                m[0] = 0.8 * m[0] + 0.2 * g
                m[1] = 0.999 * m[1] + 0.001 * g * g
                p -= rate * m[0] / (1 - 0.8**step) / ((m[1] / (1 - 0.999**step)).sqrt() + 1e-8)
    torch.testing.assert_close(trained.map[1].weight.detach().double(), weight, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(trained.map[1].bias.detach().double(), bias, rtol=1e-3, atol=1e-5)


def test_every_pair_is_used_once_an_epoch_the_last_partial_batch_too():
    network, _ = learn(changed(epochs=2))  # 27 pairs in batches of 8
    assert [len(batch.labels) for batch in network.batches] == [8, 8, 8, 3] * 2
    scaled = data()
    for epoch in (0, 1):
        seen = torch.cat([batch.image for batch in network.batches[4 * epoch : 4 * epoch + 4]])
        every = scaled.batch(torch.arange(len(PAIRS))).image
        np.testing.assert_array_equal(np.sort(seen.numpy(), axis=0), np.sort(every.numpy(), axis=0))


def test_a_last_batch_below_what_the_network_asks_for_joins_the_one_before_it():
    class Wary(Toy):
        smallest_batch = 5

    network, _ = learn(changed(epochs=1), network=Wary())  # 27 pairs in batches of 8
    assert [len(batch.labels) for batch in network.batches] == [8, 8, 11]
    assert network.progress == [0.0, 1 / 3, 2 / 3]


def test_rows_of_a_batch_belong_together():
    batches = data(scaling="none")
    rows = torch.tensor([20, 3, 11])
    batch = batches.batch(rows)
    np.testing.assert_array_equal(batch.image.numpy(), PAIRS.image[rows])
    np.testing.assert_array_equal(batch.text.numpy(), PAIRS.text[rows])
    np.testing.assert_array_equal(batch.labels.numpy(), PAIRS.labels[rows])
    np.testing.assert_array_equal(batch.class_embeddings.numpy(), PAIRS.class_embeddings[PAIRS.labels[rows]])
    assert batch.teacher is None
    batches.set_teacher(PAIRS.image + 1, PAIRS.text - 1)
    image, text = batches.batch(rows).teacher
    np.testing.assert_array_equal(image.numpy(), PAIRS.image[rows] + 1)
    np.testing.assert_array_equal(text.numpy(), PAIRS.text[rows] - 1)


def test_the_mean_loss_of_an_epoch_weighs_batches_by_their_size():
    fresh = Toy()
    fresh.map[0].p = 0.0
    _, result = learn(changed(epochs=1, learning_rate=1e-12, weight_decay=0.0), network=fresh)
    batch = data().batch(torch.arange(len(PAIRS)))
    expected = (fresh.map(batch.image) - batch.text).square().mean().item()
    assert result.history[0]["error"] == pytest.approx(expected, rel=1e-5)


def test_progress_runs_from_0_to_the_last_step_and_a_stop_epoch_cuts_it():
    network, _ = learn(changed(epochs=3))
    assert network.progress == pytest.approx([step / 12 for step in range(12)])
    cut, result = learn(changed(epochs=3, stop_epoch=1))
    assert cut.progress == network.progress[:4] and len(result.history) == 1
    assert result.best_epoch == 1 and result.best_score is None


def test_a_seed_decides_everything():
    first, history = learn()
    again, history_again = learn()
    assert_same(first, again)
    assert history.history == history_again.history
    other, _ = learn(changed(seed=4))
    assert not torch.equal(first.map[1].weight, other.map[1].weight)


@pytest.mark.parametrize("scaling", ["center-l2", "standardize", "none"])
def test_streamed_features_give_the_weights_of_features_in_memory(scaling):
    in_memory, streamed = data(scaling=scaling), data(scaling=scaling, memory_bytes=0)
    assert in_memory.image.scaled is not None and streamed.image.scaled is None
    assert_same(learn(batches=in_memory)[0], learn(batches=streamed)[0])


def test_projected_features_agree_whether_streamed_or_in_memory():
    first, _ = learn(batches=data(scaling="pca:16", memory_bytes=2**30), network=_projected())
    second, _ = learn(batches=data(scaling="pca:16", memory_bytes=0), network=_projected())
    torch.testing.assert_close(first.map[1].weight, second.map[1].weight, rtol=1e-4, atol=1e-5)


def _projected() -> Toy:
    torch.manual_seed(0)
    return Toy(16, 16)


def test_bf16_trains_nearly_as_fp32_does():
    exact, history = learn(changed(epochs=10))
    rough, rough_history = learn(changed(epochs=10), precision="bf16")
    weight, other = exact.map[1].weight, rough.map[1].weight
    assert other.dtype == torch.float32
    assert torch.isfinite(other).all() and not torch.equal(weight, other)
    torch.testing.assert_close(weight, other, atol=0.03, rtol=0.1)
    assert rough_history.history[-1]["error"] == pytest.approx(history.history[-1]["error"], rel=0.03)


def test_a_loss_that_is_not_finite_stops_the_training():
    network = Toy()
    network.factor = float("inf")
    with pytest.raises(DataError, match=r"the error loss is not finite in epoch 1; lower the learning rate"):
        learn(network=network)


def test_validation_keeps_the_weights_of_the_best_epoch():
    scores = iter([0.1, 0.5, 0.9, 0.3, 0.9, 0.2])
    best: dict[str, torch.Tensor] = {}

    def validate(network: Toy) -> float:
        assert not network.training
        score = next(scores)
        if score == 0.9 and not best:
            best.update({name: value.clone() for name, value in network.state_dict().items()})
        return score

    network, result = learn(changed(epochs=6, patience=9), validate=validate)
    assert (result.best_epoch, result.best_score) == (3, 0.9)
    assert [event["validation_map"] for event in result.history] == [0.1, 0.5, 0.9, 0.3, 0.9, 0.2]
    for name, value in network.state_dict().items():
        assert torch.equal(value, best[name])
    stopped, _ = learn(changed(epochs=6, stop_epoch=3))
    assert_same(network, stopped)


def test_without_patience_validation_is_logged_and_the_last_weights_are_kept():
    scores = iter([0.9, 0.1, 0.2, 0.3])
    network, result = learn(validate=lambda _: next(scores))
    assert_same(network, learn()[0])
    assert [event["validation_map"] for event in result.history] == [0.9, 0.1, 0.2, 0.3]


@pytest.mark.parametrize(("patience", "epochs"), [(1, 3), (2, 4), (3, 8), (0, 8)])
def test_patience_counts_epochs_without_a_better_score(patience, epochs):
    scores = iter([0.1, 0.5, 0.4, 0.3, 0.6, 0.2, 0.6, 0.1])
    _, result = learn(changed(epochs=8, patience=patience), validate=lambda _: next(scores))
    assert len(result.history) == epochs


def test_clip_norm_bounds_the_gradient_of_each_group():
    seen: list[float] = []

    class Watched(Toy):
        def objectives(self, batch, progress):
            for objective in super().objectives(batch, progress):
                yield objective
                grads = [p.grad for p in self.parameter_groups()[objective.group]]
                seen.append(float(torch.cat([g.flatten() for g in grads]).norm()))

    def norms(clip: float) -> list[float]:
        seen.clear()
        network = Watched()
        network.factor = 1000.0
        learn(changed(epochs=1, clip_norm=clip), network=network)
        return list(seen)

    assert max(norms(0.0)) > 1.0
    assert max(norms(0.25)) <= 0.2500001


def test_each_objective_moves_its_own_group_alone():
    class OneSided(Toy):
        def objectives(self, batch, progress):
            for objective in super().objectives(batch, progress):
                before = {name: [p.clone() for p in group] for name, group in self.parameter_groups().items()}
                yield objective
                for name, group in self.parameter_groups().items():
                    moved = any(not torch.equal(a, b) for a, b in zip(group, before[name], strict=True))
                    assert moved == (name == objective.group)

    learn(changed(epochs=1), network=OneSided())


def test_json_lines_hold_the_history(tmp_path):
    path = tmp_path / "events.jsonl"
    _, result = learn(trackers=(JsonLines(path),))
    assert [json.loads(line) for line in path.read_text().splitlines()] == result.history


def test_tensorboard_writes_every_figure(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, result = learn(trackers=(TensorBoard(tmp_path),))
    events = EventAccumulator(str(tmp_path)).Reload()
    assert sorted(events.Tags()["scalars"]) == ["error", "guess"]
    for name in ("error", "guess"):
        written = [(event.step, event.value) for event in events.Scalars(name)]
        assert [step for step, _ in written] == [1, 2, 3, 4]
        assert [value for _, value in written] == pytest.approx([event[name] for event in result.history], rel=1e-6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"precision": "fp16"}, r"unknown precision 'fp16' \(did you mean 'bf16'\?\)"),
        ({"device": "gpu"}, r"unknown device 'gpu'"),
    ],
)
def test_bad_runtimes_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        Runtime(**values)


def test_a_fit_that_serves_another_has_its_own_checkpoint_and_tells_nobody(tmp_path):
    own = Runtime(device="cpu", checkpoint=tmp_path / "a.pt", resume=True, trackers=(print,), progress=True)
    beside = own.beside("teacher")
    assert beside == Runtime(device="cpu", checkpoint=tmp_path / "a-teacher.pt", resume=True)
    assert Runtime().beside("teacher").checkpoint is None


def test_devices():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(ConfigError, match=r"device 'cuda:99' is not available on this machine; use --device auto"):
        resolve_device("cuda:99")


@pytest.mark.parametrize("name", ["auto:0", "cuda:first", "cpu:x"])
def test_malformed_devices_are_refused_in_one_line(name):
    with pytest.raises(ConfigError, match="device"):
        resolve_device(Runtime(device=name).device)
