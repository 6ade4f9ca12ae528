"""The contract that every registered method keeps, linear or deep."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from masln.data import PairedDataset, make_class_split
from masln.errors import CheckpointError, ConfigError, DataError
from masln.evaluation import Protocol
from masln.experiments import fit_selected
from masln.models import Method, load_method, make_method, method_resolver
from masln.training import Runtime
from tests.conftest import add_label_sets, make_pairs

SMALL: dict[str, dict[str, Any]] = {
    "masln": {
        "epochs": 2,
        "batch_size": 16,
        "code_width": 4,
        "canonical_width": 2,
        "hidden": (12,),
        "decoder_hidden": (12,),
    },
    "cca": {"n_components": 6},
    "chance": {"code_width": 6},
    "clustercca": {"n_components": 6},
    "eszsl": {},
    "gmlda": {"coupling": 0.5, "n_components": 6},
    "kcca": {"n_components": 6},
    "pls": {"n_components": 6},
    "sae": {},
    "scm": {"n_components": 4},
    "acmr": {"epochs": 2, "batch_size": 16, "image_hidden": (12, 8), "text_hidden": (8, 12), "code_width": 6},
    "deepsm": {"epochs": 2, "batch_size": 16, "image_hidden": (12,), "text_hidden": (12,)},
    "dscmr": {"epochs": 2, "batch_size": 16, "hidden_width": 12, "code_width": 6},
    "distillation": {"teacher": "cca", "epochs": 2, "batch_size": 16, "hidden": (12,), "code_width": 6},
    "featuregan": {"epochs": 2, "batch_size": 16, "hidden": (12,), "code_width": 6},
    "dadn": {"epochs": 2, "batch_size": 16, "hidden": (12,), "discriminator_hidden": (12, 6)},
    "jfse": {"epochs": 2, "batch_size": 16, "hidden": (12,), "noise_width": 4, "discriminator_hidden": (8,)},
    "cadavae": {
        "epochs": 2,
        "batch_size": 16,
        "code_width": 6,
        "hidden": (12,),
        "class_hidden": (8,),
        "decoder_hidden": (12,),
    },
    "mdvae": {
        "epochs": 2,
        "batch_size": 16,
        "code_width": 6,
        "specific_width": 3,
        "hidden": (12,),
        "decoder_hidden": (12,),
        "fusion_hidden": (12,),
        "fusion_width": 8,
        "prior_hidden": (10,),
    },
    "dcca": {"epochs": 2, "batch_size": 16, "code_width": 6, "hidden": (12,)},
    "dccae": {"epochs": 2, "batch_size": 16, "code_width": 6, "hidden": (12,), "decoder_hidden": (12,)},
    "corrae": {"epochs": 2, "batch_size": 16, "code_width": 6, "hidden": (12,), "decoder_hidden": (12,)},
    "softcca": {"epochs": 2, "batch_size": 16, "code_width": 6, "hidden": (12,)},
    "barlowtwins": {"epochs": 2, "batch_size": 16, "code_width": 6, "hidden": (12,)},
    "attentionmatching": {"epochs": 2, "batch_size": 16, "code_width": 6, "heads": 2},
    "infonce": {"epochs": 2, "batch_size": 16, "code_width": 6, "hidden": (12,), "learn_temperature": True},
    "siglip": {"epochs": 2, "batch_size": 16, "code_width": 6, "hidden": (12,), "bias": -5.0},
    "supcon": {"epochs": 2, "batch_size": 16, "code_width": 6, "hidden": (12,), "memory": 40},
    "triplet": {"epochs": 2, "batch_size": 16, "code_width": 6, "hidden": (12,), "memory": 40},
    "fusionembedding": {"epochs": 2, "batch_size": 16, "code_width": 6, "width": 8, "heads": 2},
}
# A hyper-parameter, another value for it, and the width of the codes with it.
OTHER: dict[str, tuple[str, Any, int]] = {
    "masln": ("code_width", 3, 5),
    "cca": ("n_components", 5, 5),
    "chance": ("code_width", 5, 5),
    "clustercca": ("n_components", 4, 4),
    "eszsl": ("class_ridge", 0.1, 10),
    "gmlda": ("coupling", 10.0, 5),
    "kcca": ("n_components", 5, 5),
    "pls": ("n_components", 5, 5),
    "sae": ("encoding", 0.1, 10),
    "scm": ("n_components", 5, 6),
    "acmr": ("code_width", 5, 5),
    "deepsm": ("text_hidden", (10,), 6),  # as wide as there are classes
    "dscmr": ("code_width", 5, 5),
    "distillation": ("code_width", 5, 5),
    "featuregan": ("code_width", 5, 5),
    "dadn": ("pull", 10.0, 10),
    "jfse": ("noise_width", 5, 10),
    "cadavae": ("code_width", 5, 5),
    "mdvae": ("code_width", 5, 5),
    "dcca": ("code_width", 5, 5),
    "dccae": ("code_width", 5, 5),
    "corrae": ("code_width", 5, 5),
    "softcca": ("code_width", 5, 5),
    "barlowtwins": ("code_width", 5, 5),
    "attentionmatching": ("code_width", 4, 4),
    "infonce": ("code_width", 5, 5),
    "siglip": ("code_width", 5, 5),
    "supcon": ("code_width", 5, 5),
    "triplet": ("code_width", 5, 5),
    "fusionembedding": ("code_width", 5, 5),
}
# Code widths that the pairs decide: six classes have five directions, their embeddings ten dimensions.
WIDTH = {"clustercca": 5, "dadn": 10, "eszsl": 10, "jfse": 10, "sae": 10}
# What six or seven pairs ask for.
FEW: dict[str, dict[str, Any]] = {
    "dcca": {"code_width": 3},
    "dccae": {"code_width": 3},
}
RUNTIME = Runtime(device="cpu")


@pytest.fixture(params=sorted(method_resolver.lookup_dict))
def name(request) -> str:
    return request.param


def fitted(name: str, pairs: PairedDataset, **values: Any) -> Method:
    return make_method(name, **SMALL[name] | values).fit(pairs, runtime=RUNTIME)


def codes(method: Method, pairs: PairedDataset) -> tuple[np.ndarray, np.ndarray]:
    return method.encode_image(pairs.image), method.encode_text(pairs.text)


def assert_equal(first: tuple[np.ndarray, ...], second: tuple[np.ndarray, ...]) -> None:
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(ours, theirs)


class TestEveryMethod:
    def test_is_listed_with_its_source(self, name):
        cls = method_resolver.lookup_dict[name]
        assert cls.summary and cls.reference and "\n" not in cls.summary
        assert set(cls.search_space) <= set(cls._get_param_names())
        assert set(cls.budget_space) <= set(cls._get_param_names()) - set(cls.search_space)
        for key, values in (cls.search_space | cls.budget_space).items():
            assert values[0] == cls().get_params()[key], "the first value of a search space is the default"
        configurations = math.prod(map(len, (cls.search_space | cls.budget_space).values()))
        assert configurations >= 18 or name == "chance", "a budget that others can spend would be spent on fewer"

    def test_has_scikit_learn_parameters(self, name, pairs):
        method = fitted(name, pairs)
        copy = clone(method)
        assert copy.get_params() == method.get_params() and type(copy) is type(method)
        with pytest.raises(NotFittedError):
            copy.encode_image(pairs.image)
        key, value, width = OTHER[name]
        assert copy.set_params(**{key: value}) is copy and copy.get_params()[key] == value
        assert method.get_params()[key] != value
        with pytest.raises(ValueError, match="nonsense"):
            copy.set_params(nonsense=1)
        assert copy.fit(pairs, runtime=RUNTIME).encode_image(pairs.image).shape == (len(pairs), width)

    def test_fit_returns_itself_and_changes_no_hyper_parameter_and_no_data(self, name, pairs):
        method = make_method(name, **SMALL[name])
        before, kept = method.get_params(), dataclasses.replace(pairs, image=pairs.image.copy())
        assert method.fit(pairs, runtime=RUNTIME) is method
        assert method.get_params() == before
        np.testing.assert_array_equal(pairs.image, kept.image)

    def test_codes_are_float32_of_one_width(self, name, pairs):
        image, text = codes(fitted(name, pairs), pairs)
        assert image.dtype == text.dtype == np.float32
        assert image.shape == text.shape == (len(pairs), WIDTH.get(name, 6))
        assert np.isfinite(image).all() and np.isfinite(text).all()

    def test_a_seed_gives_the_same_codes_whatever_was_drawn_before(self, name, pairs):
        import torch

        first = codes(fitted(name, pairs), pairs)
        torch.manual_seed(123)
        np.random.seed(123)
        state = torch.get_rng_state()
        assert_equal(codes(fitted(name, pairs), pairs), first)
        assert torch.equal(torch.get_rng_state(), state), "fit must leave the caller's random state alone"
        if "seed" in make_method(name).get_params():
            assert not np.array_equal(fitted(name, pairs, seed=1).encode_image(pairs.image), first[0])

    def test_save_and_load_give_equal_codes_without_pickles(self, name, pairs, tmp_path):
        method = fitted(name, pairs)
        method.save(tmp_path / "deep" / "model")
        assert sorted(p.name for p in (tmp_path / "deep" / "model").iterdir()) == ["config.json", "model.safetensors"]
        loaded = load_method(tmp_path / "deep" / "model")
        assert type(loaded) is type(method)
        assert {k: _plain(v) for k, v in loaded.get_params().items()} == {
            k: _plain(v) for k, v in method.get_params().items()
        }
        assert_equal(codes(loaded, pairs), codes(method, pairs))
        assert loaded.class_names_ == method.class_names_ == pairs.class_names
        loaded.save(tmp_path / "again")
        assert_equal(codes(load_method(tmp_path / "again"), pairs), codes(method, pairs))

    @pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
    def test_broken_files_are_refused_in_one_line(self, name, pairs, tmp_path, file):
        fitted(name, pairs).save(tmp_path)
        path = tmp_path / file
        content = path.read_bytes()
        for broken in (content[: len(content) // 2], b"", None):
            path.unlink() if broken is None else path.write_bytes(broken)
            with pytest.raises(CheckpointError, match=r"cannot be loaded .*train it again") as caught:
                load_method(tmp_path)
            assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)

    def test_weights_of_another_model_are_refused(self, name, pairs, tmp_path):
        if name == "chance":
            pytest.skip("chance has no weights")
        fitted(name, pairs).save(tmp_path / "a")
        fitted(name, make_pairs(d_text=10)).save(tmp_path / "b")
        (tmp_path / "b" / "model.safetensors").replace(tmp_path / "a" / "model.safetensors")
        with pytest.raises(CheckpointError, match="cannot be loaded"):
            load_method(tmp_path / "a")

    def test_sequence_features_are_refused_in_one_line(self, name, pairs):
        if method_resolver.lookup_dict[name].takes_sequences:
            pytest.skip("takes them: see test_sequence_contract.py")
        regions = dataclasses.replace(pairs, image=np.zeros((len(pairs), 3, 24), dtype=np.float32))
        with pytest.raises(DataError, match=r"takes global features \(n, d\).*pool the sequences first") as caught:
            fitted(name, regions)
        assert "\n" not in str(caught.value)
        with pytest.raises(DataError, match=r"must be \(n, 24\) as in training, got \(120, 3, 24\)"):
            fitted(name, pairs).encode_image(regions.image)

    def test_another_width_is_refused(self, name, pairs):
        method = fitted(name, pairs)
        with pytest.raises(DataError, match=r"image features must be \(n, 24\).* as in training, got \(120, 16\)"):
            method.encode_image(pairs.text)
        with pytest.raises(DataError, match=r"text features must be \(n, 16\)"):
            method.encode_text(pairs.image)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_rows_that_are_not_finite_are_refused_by_number(self, name, pairs, value):
        method = fitted(name, pairs)
        for encode, features in ((method.encode_image, pairs.image), (method.encode_text, pairs.text)):
            broken = features.copy()
            broken[7, 2] = value
            with pytest.raises(DataError, match="feature row 7 is not finite"):
                encode(broken)
        for field in ("image", "text"):
            broken = getattr(pairs, field).copy()
            broken[3, 0] = value
            with pytest.raises(DataError, match=rf"{field} of pair '3' \(row 3\) is not finite"):
                fitted(name, dataclasses.replace(pairs, **{field: broken}))

    def test_encoding_before_fitting_is_refused(self, name, pairs):
        with pytest.raises(NotFittedError, match="is not fitted; call fit"):
            make_method(name).encode_text(pairs.text)

    def test_a_single_pair_is_refused(self, name, pairs):
        with pytest.raises(DataError, match="1 training pairs; at least two are needed"):
            fitted(name, pairs.take(np.array([0])))

    def test_unknown_hyper_parameter_names_the_nearest(self, name):
        key = OTHER[name][0]
        with pytest.raises(ConfigError, match=rf"'{key[:-1]}' \(did you mean '{key}'\?\)"):
            make_method(name, **{key[:-1]: 1})

    def test_codes_of_a_row_do_not_depend_on_its_company(self, name, pairs):
        if name == "chance":
            pytest.skip("chance draws codes by position")
        method = fitted(name, pairs)
        together = method.encode_image(pairs.image)
        alone = np.concatenate([method.encode_image(pairs.image[i : i + 1]) for i in range(5)])
        np.testing.assert_allclose(alone, together[:5], rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize(("d_image", "d_text"), [(5, 30), (30, 5), (150, 200), (1, 40)])
    def test_widths_of_all_proportions(self, name, d_image, d_text):
        pairs = make_pairs(classes=3, per_class=8, d_image=d_image, d_text=d_text)
        image, text = codes(fitted(name, pairs), pairs)
        assert image.shape == text.shape and np.isfinite(image).all() and np.isfinite(text).all()

    def test_constant_features(self, name, pairs):
        image, text = pairs.image.copy(), pairs.text.copy()
        image[:, :5] = 3.0
        text[:, :] = 0.5
        for scaling in ("center-l2", "standardize", "none"):
            values = {"input_scaling": scaling} if "input_scaling" in make_method(name).get_params() else {}
            found = codes(fitted(name, dataclasses.replace(pairs, image=image, text=text), **values), pairs)
            assert np.isfinite(found[0]).all()

    @pytest.mark.parametrize(("classes", "per_class"), [(2, 3), (7, 1), (2, 11)])
    def test_few_classes_and_few_pairs(self, name, classes, per_class):
        pairs = make_pairs(classes=classes, per_class=per_class)
        assert np.isfinite(codes(fitted(name, pairs, **FEW.get(name, {})), pairs)[0]).all()

    def test_one_pair_in_a_class(self, name, pairs):
        lonely = pairs.take(np.concatenate([np.arange(100), [119]]))
        assert lonely.labels.tolist().count(5) == 1
        assert np.isfinite(codes(fitted(name, lonely), lonely)[0]).all()

    def test_float16_and_memory_mapped_features(self, name, pairs, tmp_path):
        half = {field: getattr(pairs, field).astype(np.float16) for field in ("image", "text")}
        mapped = {}
        for field, values in half.items():
            np.save(tmp_path / f"{field}.npy", values)
            mapped[field] = np.load(tmp_path / f"{field}.npy", mmap_mode="r")
        widened = {field: values.astype(np.float32) for field, values in half.items()}
        expected = codes(fitted(name, dataclasses.replace(pairs, **widened)), dataclasses.replace(pairs, **widened))
        for variant in (half, mapped):
            same = dataclasses.replace(pairs, **variant)
            assert_equal(codes(fitted(name, same), same), expected)
            streamed = make_method(name, **SMALL[name]).fit(same, runtime=Runtime(device="cpu", memory_bytes=0))
            assert_equal(codes(streamed, same), expected)

    def test_unseen_classes_never_reach_a_fit(self, name, pairs):
        """NaN in every unseen pair and class vector, in every test pair, and other unseen labels: nothing moves."""
        split = make_class_split(pairs.class_names, seed=2)
        options = {"protocol": Protocol(), "runtime": RUNTIME, "seed": 0}
        fixed = {key: value for key, value in SMALL[name].items()}
        clean, chosen = fit_selected(name, fixed, pairs, split, **options)
        hidden = np.isin(pairs.labels, split.unseen) | (pairs.split == "test")
        poisoned = {field: getattr(pairs, field).copy() for field in ("image", "text", "class_embeddings")}
        poisoned["image"][hidden] = np.nan
        poisoned["text"][hidden] = np.nan
        poisoned["class_embeddings"][list(split.unseen)] = np.nan
        names = tuple(f"hidden{i}" if i in split.unseen else n for i, n in enumerate(pairs.class_names))
        poisoned_pairs = dataclasses.replace(pairs, class_names=names, **poisoned)
        blind, chosen_blind = fit_selected(name, fixed, poisoned_pairs, split, **options)
        assert chosen_blind == chosen
        assert_equal(codes(blind, pairs), codes(clean, pairs))

    def test_pairs_that_also_carry_an_unseen_class_never_reach_a_fit(self, name, pairs):
        """NaN in every pair that carries an unseen class, whatever its main one, and another set of such classes."""
        several = add_label_sets(pairs, share=0.4)
        split = make_class_split(pairs.class_names, seed=2)
        options = {"protocol": Protocol(relevance="shared-label"), "runtime": RUNTIME, "seed": 0}
        clean, chosen = fit_selected(name, dict(SMALL[name]), several, split, **options)
        hidden = several.label_sets[:, split.unseen].any(axis=1) | (pairs.split == "test")
        assert (hidden & np.isin(pairs.labels, split.seen) & (pairs.split == "train")).any(), "some pairs are mixed"
        poisoned = {field: getattr(pairs, field).copy() for field in ("image", "text", "class_embeddings")}
        for values in (poisoned["image"], poisoned["text"]):
            values[hidden] = np.nan
        poisoned["class_embeddings"][list(split.unseen)] = np.nan
        sets = several.label_sets.copy()
        sets[np.ix_(hidden, split.unseen)] = True
        blind, chosen_blind = fit_selected(
            name, dict(SMALL[name]), dataclasses.replace(several, label_sets=sets, **poisoned), split, **options
        )
        assert chosen_blind == chosen
        assert_equal(codes(blind, pairs), codes(clean, pairs))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def test_a_checkpoint_belongs_to_its_label_sets(pairs):
    method = make_method("masln")
    validation = (pairs, add_label_sets(pairs), add_label_sets(pairs, seed=1))
    assert len({method.fingerprint(pairs, own, RUNTIME) for own in validation}) == 3


def test_unknown_method_names_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown method 'maslm' \(did you mean 'masln'\?\); known: .*cca"):
        make_method("maslm")
