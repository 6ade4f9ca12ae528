from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler, StandardScaler, normalize

from masln.errors import ConfigError, DataError
from masln.nn import SCALINGS, InputScaling, scaling_of

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(60, 9)) @ RNG.normal(size=(9, 9)) + 3).astype(np.float64)
NEW = (RNG.normal(size=(11, 9)) + 1).astype(np.float64)


def scaled(kind: str, fitted: np.ndarray = X, new: np.ndarray = NEW) -> np.ndarray:
    return InputScaling(kind, fitted.shape[1]).fit(fitted)(torch.from_numpy(new)).numpy()


def test_none_leaves_features_alone():
    np.testing.assert_array_equal(scaled("none"), NEW)


def test_standardize_equals_scikit_learn():
    np.testing.assert_allclose(scaled("standardize"), StandardScaler().fit(X).transform(NEW), rtol=1e-10)


def test_min_max_equals_scikit_learn_and_is_that_of_the_training_features():
    np.testing.assert_allclose(scaled("min-max"), MinMaxScaler().fit(X).transform(NEW), rtol=1e-10)
    own = scaled("min-max", X, X)
    np.testing.assert_allclose([own.min(0), own.max(0)], [np.zeros(9), np.ones(9)], atol=1e-12)


def test_l2_equals_scikit_learn():
    np.testing.assert_allclose(scaled("l2"), normalize(NEW), rtol=1e-10)


def test_center_l2_uses_the_training_mean():
    np.testing.assert_allclose(scaled("center-l2"), normalize(NEW - X.mean(axis=0)), rtol=1e-10)


@pytest.mark.parametrize("k", [1, 4, 9])
def test_pca_equals_scikit_learn_up_to_sign(k):
    ours, theirs = scaled(f"pca:{k}"), PCA(k).fit(X).transform(NEW)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), rtol=1e-8, atol=1e-10)


def test_whiten_equals_scikit_learn_up_to_sign_and_the_divisor_of_the_variance():
    theirs = PCA(4, whiten=True).fit(X).transform(NEW) * np.sqrt(len(X) / (len(X) - 1))
    np.testing.assert_allclose(np.abs(scaled("whiten:4")), np.abs(theirs), rtol=1e-8)
    own = scaled("whiten:4", X, X)
    np.testing.assert_allclose(own.T @ own / len(X), np.eye(4), atol=1e-9)


def test_k_above_the_rank_is_lowered_to_it():
    low = RNG.normal(size=(40, 3)) @ RNG.normal(size=(3, 9))
    for kind in ("pca:8", "whiten:8"):
        scaling = InputScaling(kind, 9).fit(low)
        assert scaling.d_out == 3
        out = scaling(torch.from_numpy(low)).numpy()
        assert out.shape == (40, 3) and np.isfinite(out).all()
    few = InputScaling("pca:8", 9).fit(X[:4])
    assert few.d_out == 3


def test_constant_features_give_zero_or_finite_values():
    constant = X.copy()
    constant[:, 2] = 1234.567
    new = NEW.copy()
    new[:, 2] = 1234.567
    for kind in ("standardize", "min-max"):
        out = scaled(kind, constant.astype(np.float32), new)
        assert np.isfinite(out).all() and np.abs(out[:, 2]).max() == 0, kind
    all_constant = np.full((10, 9), 0.1)
    for kind in ("none", "standardize", "min-max", "l2", "center-l2", "pca:4", "whiten:4"):
        assert np.isfinite(scaled(kind, all_constant, np.full((3, 9), 0.1))).all(), kind
        assert np.isfinite(scaled(kind, np.zeros((10, 9)), np.zeros((3, 9)))).all(), kind


@pytest.mark.parametrize("kind", ["standardize", "min-max", "center-l2", "pca:4", "whiten:4"])
def test_memory_mapped_blocks_give_what_the_whole_gives(kind, tmp_path, monkeypatch):
    path = tmp_path / "features.npy"
    np.save(path, X.astype(np.float16))
    whole = scaled(kind, X.astype(np.float16).astype(np.float64))
    monkeypatch.setattr("masln.nn.scaling._BLOCK", 7)
    np.testing.assert_allclose(scaled(kind, np.load(path, mmap_mode="r")), whole, rtol=1e-9)


def test_statistics_of_float16_features_are_gathered_in_float64():
    """Squares of float16 features beyond 256 overflow their own type."""
    big = (RNG.normal(size=(50, 3)) * 1000 + 5000).astype(np.float16)
    expected = StandardScaler().fit_transform(big.astype(np.float64))
    np.testing.assert_allclose(scaled("standardize", big, big.astype(np.float64)), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("standardise", r"unknown input scaling 'standardise' \(did you mean 'standardize'\?\)"),
        ("pca", "write pca:K with K a positive integer"),
        ("pca:0", "write pca:K"),
        ("whiten:-3", "write whiten:K"),
        ("pca:x", "write pca:K"),
        ("l2:3", "unknown input scaling 'l2:3'"),
        (None, "unknown input scaling"),
    ],
)
def test_bad_kinds_are_refused(kind, message):
    with pytest.raises(ConfigError, match=message):
        InputScaling(kind, 9)


def test_features_of_another_width_are_refused():
    with pytest.raises(DataError, match=r"made for width 9 but the features are \(60, 8\)"):
        InputScaling("standardize", 9).fit(X[:, :8])


def test_fitted_state_is_loaded_back():
    for kind in ("standardize", "min-max", "center-l2", "pca:4", "whiten:8"):
        fitted = InputScaling(kind, 9).fit(X)
        loaded = InputScaling(kind, 9, fitted.d_out)
        loaded.load_state_dict(fitted.state_dict())
        new = torch.from_numpy(NEW)
        assert torch.equal(loaded(new), fitted(new))


def test_the_type_of_the_features_is_kept():
    for kind in ("none", "standardize", "min-max", "l2", "center-l2", "pca:4"):
        assert InputScaling(kind, 9).fit(X)(torch.from_numpy(NEW).float()).dtype == torch.float32
    assert len(SCALINGS) == 7


def test_one_kind_serves_both_modalities_or_each_has_its_own():
    assert (scaling_of("l2", "image"), scaling_of("l2", "text")) == ("l2", "l2")
    assert (scaling_of("center-l2/whiten:4", "image"), scaling_of("center-l2/whiten:4", "text")) == (
        "center-l2",
        "whiten:4",
    )
    with pytest.raises(ConfigError, match="write one kind, or IMAGE/TEXT"):
        scaling_of("l2/l2/l2", "image")


@pytest.mark.parametrize("kind", ["standardize", "min-max", "l2", "center-l2", "pca:4", "whiten:4"])
def test_sequences_are_scaled_by_the_statistics_of_their_valid_positions(kind, monkeypatch):
    mask = np.arange(6) < RNG.integers(1, 7, size=(10, 1))
    sequences = X.reshape(10, 6, 9).copy()
    valid = sequences[mask]
    sequences[~mask] = np.nan
    monkeypatch.setattr("masln.nn.scaling._BLOCK", 15)
    by_mask = InputScaling(kind, 9).fit(sequences, mask)(torch.from_numpy(NEW)).numpy()
    np.testing.assert_allclose(by_mask, scaled(kind, valid), rtol=1e-9)
    both = InputScaling(kind, 9).fit(X)
    of_sequence = both(torch.from_numpy(NEW[:10].reshape(5, 2, 9)))
    np.testing.assert_allclose(of_sequence.reshape(10, -1), both(torch.from_numpy(NEW[:10])), rtol=1e-12)
