"""What the base class promises, on toy extractors: checks, streaming, saving, the hash."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from masln.errors import CheckpointError, ConfigError, DataError
from masln.features.base import (
    FeatureBatch,
    extractor_names,
    extractor_resolver,
    load_extractor,
    make_extractor,
)
from masln.features.pipeline import in_order
from tests.features.tiny_models import Tally, Words

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def registered():
    """The toys are registered for one test alone."""
    before = dict(extractor_resolver.lookup_dict)
    for cls in (Tally, Words):
        extractor_resolver.register(cls)
    yield
    extractor_resolver.lookup_dict.clear()
    extractor_resolver.lookup_dict.update(before)


class TestRegistry:
    def test_names_are_forgiving_and_unknown_ones_name_the_nearest(self):
        assert isinstance(make_extractor("Tally", scale=2.0), Tally)
        with pytest.raises(ConfigError, match=r"unknown extractor 'taly' \(did you mean 'tally'\?\)"):
            make_extractor("taly")
        with pytest.raises(ConfigError, match=r"unknown hyper-parameter of tally 'scal'.*'scale'"):
            make_extractor("tally", scal=1.0)

    def test_names_of_a_modality(self):
        assert "tally" in extractor_names("image") and "tally" not in extractor_names("text")
        assert set(extractor_names()) == set(extractor_names("image")) | set(extractor_names("text"))

    @pytest.mark.parametrize(
        ("values", "reason"),
        [({"scale": "2"}, "scale must be float"), ({"layout": "tokens"}, "one of global, regions, got 'tokens'")],
    )
    def test_bad_hyper_parameters(self, values, reason):
        for use in (lambda e: e.transform([1]), lambda e: e.fit([1]), lambda e: e.hash, lambda e: e.check()):
            with pytest.raises(ConfigError, match=reason):
                use(Tally(**values))


class TestTransform:
    def test_values_and_layouts(self):
        values = Tally(scale=3.0).transform([1, 2, 6], batch_size=2)
        np.testing.assert_array_equal(values, [[1, 3, 1.5], [2, 6, 1.5], [6, 18, 6]])
        assert values.dtype == np.float32 and values.flags.c_contiguous
        assert Tally(layout="regions").transform([1, 2, 6]).shape == (3, 2, 3)

    def test_batches_stream_an_endless_iterable(self):
        for workers in (1, 3):
            stream = Tally().batches(itertools.count(), batch_size=4, workers=workers)
            first = [next(stream).values[:, 0].tolist() for _ in range(3)]
            assert first == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
            stream.close()

    def test_masks(self):
        words = Words().fit(["abc", "cd"])
        values, mask = words.extract(["ad", "", "abcdabcd"], batch_size=2)
        np.testing.assert_array_equal(mask.sum(axis=1), [2, 0, 5])
        np.testing.assert_array_equal(values[0, :, 0], [0, 3, 0, 0, 0])
        np.testing.assert_array_equal(values, words.transform(["ad", "", "abcdabcd"]))
        assert words.masked and not Tally(layout="regions").masked

    @pytest.mark.parametrize("items", [[], iter(())])
    def test_no_items(self, items):
        with pytest.raises(DataError, match="no items"):
            Tally().transform(items)

    def test_one_item_that_is_not_in_a_list(self):
        for item in ("photo.jpg", b"photo"):
            with pytest.raises(DataError, match="give a list"):
                Tally().transform(item)

    def test_batch_size_and_workers_are_checked(self):
        with pytest.raises(ConfigError, match="batch_size must be at least 1"):
            Tally().transform([1], batch_size=0)
        with pytest.raises(ConfigError, match="workers must be at least 1"):
            next(Tally().batches([1], workers=0))

    def test_a_feature_that_is_not_finite_is_named(self):
        with pytest.raises(DataError, match="item 5 is not finite"):
            Tally().transform([0, 1, 2, 3, 4, float("nan")], batch_size=5)

    @pytest.mark.parametrize("workers", [1, 2])
    def test_an_item_that_cannot_be_read_is_named(self, workers):
        with pytest.raises(DataError, match=r"item 7: x\.jpg: no number"):
            list(Tally().batches([*range(7), "x.jpg", "y.jpg"], batch_size=5, workers=workers))

    def test_an_extractor_with_a_bug_is_told_so(self, monkeypatch):
        monkeypatch.setattr(Tally, "dim", 4)
        with pytest.raises(DataError, match=r"expected \(2, 4\)"):
            Tally().transform([1, 2])
        monkeypatch.undo()
        monkeypatch.setattr(Tally, "_extract", lambda self, items: FeatureBatch(np.ones((2, 3)), np.ones((2, 5))))
        with pytest.raises(DataError, match=r"mask \(2, 5\)"):
            Tally().transform([1, 2])

    def test_one_that_learns_must_be_fitted(self):
        for use in (lambda e: e.transform(["a"]), lambda e: e.hash, lambda e: e.save("never")):
            with pytest.raises(NotFittedError, match="words is not fitted"):
                use(Words())
        assert Tally().fit(iter([])).transform([1]).shape == (1, 3)


class TestSaved:
    def test_what_is_loaded_gives_the_same_features(self, tmp_path):
        for number, (extractor, items) in enumerate(
            [(Tally(scale=2.5, layout="regions"), [1, 2]), (Words().fit(["hello"]), ["oh", "hell"])]
        ):
            extractor.save(tmp_path / f"{number}")
            loaded = load_extractor(tmp_path / f"{number}")
            assert loaded.hash == extractor.hash and loaded.get_params() == extractor.get_params()
            np.testing.assert_array_equal(loaded.transform(items), extractor.transform(items))
            assert sorted(p.name for p in (tmp_path / f"{number}").iterdir()) == ["config.json", "model.safetensors"]

    def test_clones_are_not_fitted(self):
        with pytest.raises(NotFittedError):
            clone(Words().fit(["a"])).transform(["a"])

    def test_the_hash_tells_names_parameters_and_what_was_learned_apart(self):
        class Other(Tally):
            name = "other"

        hashes = [
            extractor.hash
            for extractor in (
                Tally(),
                Tally(scale=2.0),
                Tally(layout="regions"),
                Other(),
                Words().fit(["ab"]),
                Words().fit(["ac"]),
            )
        ]
        assert len(set(hashes)) == len(hashes) and all(len(value) == 64 for value in hashes)
        assert Tally(scale=2.0).hash == Tally(scale=2.0).hash == Tally(scale=np.float64(2.0)).hash

    @pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
    def test_a_damaged_save_is_refused(self, tmp_path, name):
        for number, damage in enumerate([lambda path: path.unlink(), lambda path: path.write_bytes(b"{")]):
            folder = tmp_path / str(number)
            Words().fit(["ab"]).save(folder)
            damage(folder / name)
            with pytest.raises(CheckpointError, match=r"saved extractor .* cannot be loaded .*; make it again"):
                load_extractor(folder)

    def test_a_save_that_has_been_changed_is_refused(self, tmp_path):
        Tally(scale=2.0).save(tmp_path)
        config = json.loads((tmp_path / "config.json").read_text())
        config["hyperparameters"]["scale"] = 3.0
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(CheckpointError, match="other features than when it was saved"):
            load_extractor(tmp_path)


class TestPipeline:
    @pytest.mark.parametrize("workers", [1, 2, 5])
    def test_results_come_in_order(self, workers):
        assert list(in_order(lambda x: x * x, range(40), workers=workers)) == [x * x for x in range(40)]

    @pytest.mark.parametrize("workers", [1, 2, 5])
    def test_it_reads_no_further_ahead_than_its_workers(self, workers):
        """Else memory would grow with the number of items."""
        taken = []
        results = in_order(lambda x: x, (taken.append(x) or x for x in range(100)), workers=workers)
        for done in range(1, 50):
            next(results)
            assert len(taken) - done <= workers
        results.close()

    @pytest.mark.parametrize("workers", [1, 3])
    def test_the_first_error_in_order_is_raised(self, workers):
        def odd(number):
            if number in (5, 6):
                raise DataError(f"number {number}")
            return number

        results = in_order(odd, range(20), workers=workers)
        assert [next(results) for _ in range(5)] == list(range(5))
        with pytest.raises(DataError, match="number 5"):
            next(results)

    def test_each_thread_computes_with_one_torch_thread(self):
        """In a process of its own, as threads begin with the number that the environment gave the process."""
        program = (
            "import torch; torch.set_num_threads(2)\n"
            "from masln.features.pipeline import in_order, worker_count\n"
            "print(set(in_order(lambda _: torch.get_num_threads(), range(8), workers=2)), torch.get_num_threads())\n"
            "print(*(worker_count(n, concurrent=c) for n, c in ((None, True), (None, False), (7, False), (7, True))))\n"
        )
        environment = os.environ | {"OMP_NUM_THREADS": "2"}
        call = [sys.executable, "-c", program]
        done = subprocess.run(call, capture_output=True, text=True, cwd=ROOT, env=environment)
        assert done.stdout.split("\n")[:2] == ["{1} 2", "2 1 1 7"], done.stderr
