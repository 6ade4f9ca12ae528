"""The contract that every registered deep method keeps beside the one of all methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from masln.data import PairedDataset, make_class_split
from masln.evaluation import Protocol, retrieval_map
from masln.experiments import fit_selected
from masln.models import Chance, DeepMethod, Method, make_method, method_resolver
from masln.training import Runtime
from tests.conftest import make_pairs
from tests.models.test_method_contract import SMALL, assert_equal, codes
from tests.training.toy import StopError, assert_same, crash_at

DEEP = sorted(name for name, cls in method_resolver.lookup_dict.items() if issubclass(cls, DeepMethod))
CPU = Runtime(device="cpu")


@pytest.fixture(params=DEEP)
def name(request) -> str:
    return request.param


def make(name: str, **values: Any) -> DeepMethod:
    method = make_method(name, **SMALL[name] | values)
    assert isinstance(method, DeepMethod)
    return method


@pytest.mark.parametrize("patience", [0, 2])
def test_a_resumed_run_equals_the_straight_one_bit_for_bit(name, patience, pairs, tmp_path):
    validation = make_pairs(classes=2, per_class=12, seed=1)
    straight = make(name, epochs=4, patience=patience).fit(pairs, validation, runtime=CPU)
    files: dict[str, Any] = {"device": "cpu", "checkpoint": tmp_path / "c.pt", "checkpoint_seconds": 0.0}
    with pytest.raises(StopError):
        make(name, epochs=4, patience=patience).fit(
            pairs, validation, runtime=Runtime(trackers=(crash_at(2),), **files)
        )
    resumed = make(name, epochs=4, patience=patience).fit(pairs, validation, runtime=Runtime(resume=True, **files))
    assert_same(resumed.network_, straight.network_)
    assert_equal(codes(resumed, pairs), codes(straight, pairs))
    assert resumed.history_ == straight.history_ and resumed.best_epoch_ == straight.best_epoch_


@pytest.mark.parametrize("size", [7, 16, 119, 121, 1000])
def test_batches_that_do_not_divide_the_pairs(name, size, pairs):
    method = make(name, batch_size=size, epochs=1).fit(pairs, runtime=CPU)
    assert all(np.isfinite(values).all() for values in codes(method, pairs))
    assert all(np.isfinite(value) for value in method.history_[0].values())


def test_validation_changes_no_weight(name, pairs):
    """Without patience, pairs to validate on are only scored."""
    alone = make(name).fit(pairs, runtime=CPU)
    watched = make(name).fit(pairs, make_pairs(classes=2, per_class=12, seed=1), runtime=CPU)
    assert_same(watched.network_, alone.network_)


def test_the_kept_epoch_scores_as_it_did(name, pairs):
    """What is set beside the weights, such as a projection, is that of the kept epoch and not of the last."""
    validation = make_pairs(classes=3, per_class=12, seed=1)
    scores: list[float] = []

    def falling(image: np.ndarray, text: np.ndarray, labels: np.ndarray) -> float:
        scores.append(float(np.abs(image).sum() + np.abs(text).sum()))
        return -float(len(scores))  # the first epoch is the best

    method = make(name, epochs=3, patience=3).fit(pairs, validation, runtime=CPU, score=falling)
    assert method.best_epoch_ == 1
    image, text = codes(method, validation)
    assert float(np.abs(image).sum() + np.abs(text).sum()) == pytest.approx(scores[0], rel=1e-5)


def test_bfloat16_gives_finite_codes(name, pairs):
    method = make(name).fit(pairs, runtime=Runtime(device="cpu", precision="bf16"))
    assert all(np.isfinite(values).all() for values in codes(method, pairs))


def test_unseen_classes_are_retrieved_far_above_chance(name):
    pairs = make_pairs(classes=12, per_class=20, seed=3)
    split = make_class_split(pairs.class_names, seed=1)
    values = {"epochs": 40, "batch_size": 32, "learning_rate": 3e-3, "input_scaling": "center-l2"}
    method, _ = fit_selected(
        name, SMALL[name] | values, pairs, split, protocol=Protocol(), runtime=CPU, seed=0, select=False
    )

    def score(fitted: Method, part: PairedDataset) -> float:
        return float(np.mean(retrieval_map(*codes(fitted, part), part.labels)))

    unseen = pairs.of_classes(split.unseen, pairs.rows("test"))
    assert score(method, unseen) > 1.5 * score(Chance().fit(pairs), unseen)
