"""Several seeds in one pass: each must be the fit that it would have been alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from masln.errors import ConfigError
from masln.models import MASLN, Method, fit_seeds, load_method, make_method, why_seeds_run_apart
from masln.training import Runtime, TrainingInterruptedError
from tests.conftest import make_pairs, make_sequences
from tests.models.test_deep_contract import DEEP
from tests.models.test_method_contract import SMALL, codes
from tests.training.toy import assert_same

CPU = Runtime(device="cpu")
SEEDS = (3, 0, 7)
TOGETHER = {"masln", "acmr", "cadavae", "corrae", "dadn", "deepsm", "dscmr", "featuregan", "infonce", "siglip"}
VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "reversal": {"adversary": "reversal"},
    "no reconstruction": {"reconstruction": 0.0},
    "no correlation": {"correlation": 0.0},
    "no classification": {"classification": 0.0},
    "no adversary": {"adversarial": 0.0},
    "no canonical block": {"canonical_width": 0},
    "no class embedding": {"class_embedding": False},
    "dropout": {"dropout": 0.4, "hidden": (12, 8)},
    "no dropout": {"input_dropout": 0.0, "encoder": "mlp"},
    "linear": {"encoder": "linear", "input_scaling": "whiten:5"},
    "clipped": {"clip_norm": 0.3},
    "warmed up": {"warmup": 0.3, "schedule": "linear", "stop_epoch": 3},
}


def alone(name: str, seed: int, pairs: Any, validation: Any = None, **values: Any) -> Method:
    return make_method(name, **SMALL[name] | values, seed=seed).fit(pairs, validation, runtime=CPU)


def assert_close(ours: Method, reference: Method, pairs: Any, tolerance: float = 1e-4) -> None:
    for mine, theirs in zip(codes(ours, pairs), codes(reference, pairs), strict=True):
        assert np.abs(mine - theirs).max() <= tolerance
    assert len(ours.history_) == len(reference.history_)
    for mine, theirs in zip(ours.history_, reference.history_, strict=True):
        assert mine.keys() == theirs.keys()
        for key in mine.keys() - {"discriminator_accuracy", "validation_map"}:  # a rank may turn by rounding
            assert mine[key] == pytest.approx(theirs[key], rel=1e-4, abs=1e-4), key


@pytest.mark.parametrize("variant", VARIANTS)
def test_seeds_of_masln_are_those_of_fits_alone(variant, pairs):
    values = {"epochs": 4} | VARIANTS[variant]
    together = fit_seeds(make_method("masln", **SMALL["masln"] | values), SEEDS, pairs, runtime=CPU)
    assert not together.apart
    for seed, method in zip(SEEDS, together.methods, strict=True):
        assert method.seed == seed
        assert_close(method, alone("masln", seed, pairs, **values), pairs)
    first, second = (codes(method, pairs)[0] for method in together.methods[:2])
    if "encoder" not in values:
        assert np.abs(first - second).max() > 1e-2, "seeds must differ"


@pytest.mark.parametrize("name", DEEP)
def test_a_method_trains_its_seeds_together_or_says_why_not(name, pairs):
    validation = make_pairs(classes=2, per_class=12, seed=1)
    found = fit_seeds(make_method(name, **SMALL[name]), SEEDS[:2], pairs, validation, runtime=CPU)
    assert (not found.apart) == (name in TOGETHER), found.apart
    for seed, method in zip(SEEDS[:2], found.methods, strict=True):
        reference = alone(name, seed, pairs, validation)
        if name in TOGETHER:
            assert_close(method, reference, pairs)
        else:
            assert "\n" not in found.apart
            assert_same(method.network_, reference.network_)


def test_each_seed_has_a_patience_of_its_own(pairs):
    validation = make_pairs(classes=3, per_class=12, seed=5)
    values = {"epochs": 12, "patience": 2, "learning_rate": 3e-3}
    together = fit_seeds(make_method("masln", **SMALL["masln"] | values), range(4), pairs, validation, runtime=CPU)
    assert not together.apart
    references = [alone("masln", seed, pairs, validation, **values) for seed in range(4)]
    assert len({len(method.history_) for method in references}) > 1
    for method, reference in zip(together.methods, references, strict=True):
        assert method.best_epoch_ == reference.best_epoch_
        assert_close(method, reference, pairs)


def test_the_same_pass_twice_is_the_same_bit_for_bit_and_touches_no_one_elses_draws(pairs):
    method = make_method("masln", **SMALL["masln"])
    before = torch.get_rng_state()
    first, second = (fit_seeds(method, SEEDS, pairs, runtime=CPU).methods for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    for one, other in zip(first, second, strict=True):
        assert_same(one.network_, other.network_)
    assert not hasattr(method, "network_")


def test_every_seed_tells_its_own_trackers_and_can_be_saved(pairs, tmp_path):
    events: list[list[Mapping[str, Any]]] = [[] for _ in SEEDS]
    runtimes = [Runtime(device="cpu", trackers=(own.append,)) for own in events]
    methods = fit_seeds(make_method("masln", **SMALL["masln"]), SEEDS, pairs, runtime=runtimes).methods
    for number, (method, own) in enumerate(zip(methods, events, strict=True)):
        assert own == [{"restart": 0}, *method.history_]
        method.save(tmp_path / str(number))
        loaded = load_method(tmp_path / str(number))
        for mine, theirs in zip(codes(loaded, pairs), codes(method, pairs), strict=True):
            assert np.array_equal(mine, theirs)
        largest = max(p.untyped_storage().nbytes() for p in method.network_.parameters())
        assert largest == max(p.numel() * 4 for p in method.network_.parameters()), "the stack is let go"


def test_ctrl_c_ends_a_pass_and_says_that_it_starts_anew(pairs):
    def interrupt(event: Mapping[str, Any]) -> None:
        if event.get("epoch") == 1:
            os.kill(os.getpid(), signal.SIGINT)

    runtimes = [Runtime(device="cpu", trackers=(interrupt,)), CPU, CPU]
    with pytest.raises(TrainingInterruptedError, match=r"epoch 2: .* start anew"):
        fit_seeds(make_method("masln", **SMALL["masln"]), SEEDS, pairs, runtime=runtimes)


def test_what_cannot_be_batched_is_known_or_found_and_done_all_the_same(pairs):
    assert why_seeds_run_apart(make_method("cca")) == "CCA trains no network"
    assert "rounding" in why_seeds_run_apart(make_method("mdvae"))
    assert "bf16" in why_seeds_run_apart(MASLN(), precision="bf16")
    assert why_seeds_run_apart(MASLN()) == ""
    sequences = make_sequences()
    found = fit_seeds(make_method("infonce", **SMALL["infonce"], context="bilstm"), SEEDS[:2], sequences, runtime=CPU)
    assert found.apart.startswith("InfoNCENetwork runs alone: ")
    assert len(found.methods[1].history_) == SMALL["infonce"]["epochs"]
    assert fit_seeds(make_method("masln", **SMALL["masln"]), [5], pairs, runtime=CPU).apart == "there is one seed"


def test_what_cannot_be_asked_for(pairs):
    with pytest.raises(ConfigError, match="CCA has no seed"):
        fit_seeds(make_method("cca"), SEEDS, pairs)
    with pytest.raises(ConfigError, match="3 seeds need as many runtimes, got 1"):
        fit_seeds(MASLN(), SEEDS, pairs, runtime=[CPU])
