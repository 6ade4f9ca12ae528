from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.linalg
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from masln.data import PairedDataset
from masln.errors import ConfigError, DataError
from masln.models import GMLDA
from tests.conftest import make_pairs


def plain(**values: object) -> GMLDA:
    return GMLDA(**{"input_scaling": "none"} | values)


def uneven(**shape: int) -> PairedDataset:
    pairs = make_pairs(classes=4, per_class=12, **shape)
    return pairs.take(np.concatenate([np.arange(12 * c, 12 * c + 3 * (c + 1)) for c in range(4)]))


def naive(pairs: PairedDataset, *, ridge: float, coupling: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The eigenproblem of the docstring, written out in the features' own space."""
    A, B, Z, n = [], [], [], len(pairs)
    for X in (pairs.image.astype(float), pairs.text.astype(float)):
        X = X - X.mean(0)
        X /= np.sqrt(np.square(X).sum() / n)
        p = X.shape[1]
        between, within, columns = np.zeros((p, p)), np.zeros((p, p)), []
        for c in np.unique(pairs.labels):
            rows = X[pairs.labels == c]
            between += len(rows) / n * np.outer(rows.mean(0), rows.mean(0))
            within += (rows - rows.mean(0)).T @ (rows - rows.mean(0)) / n
            columns.append(np.sqrt(len(rows) / n) * rows.mean(0))
        A.append(between)
        B.append(within + ridge / p * np.eye(p))
        Z.append(np.stack(columns, axis=1))
    cross = coupling * Z[0] @ Z[1].T
    gamma = np.trace(B[0]) / np.trace(B[1])
    values, vectors = scipy.linalg.eigh(
        np.block([[A[0], cross], [cross.T, A[1]]]), scipy.linalg.block_diag(B[0], gamma * B[1])
    )
    return values[::-1], *np.split(vectors[:, ::-1], [pairs.image.shape[1]])


@pytest.mark.parametrize("coupling", [0.0, 0.3, 10.0])
@pytest.mark.parametrize("ridge", [0.01, 1.0])
@pytest.mark.parametrize("shape", [{}, {"d_image": 60}, {"d_image": 5, "d_text": 50}])
def test_directions_are_those_of_the_eigenproblem_written_out(coupling, ridge, shape):
    pairs = uneven(**shape)
    values, left, right = naive(pairs, ridge=ridge, coupling=coupling)
    k = int((values > 1e-9 * values[0]).sum())
    assert k == (6 if coupling < 1 else 3)
    ours = plain(ridge=ridge, coupling=coupling).fit(pairs)
    X, Y = pairs.image - pairs.image.mean(0), pairs.text - pairs.text.mean(0)
    mine = np.concatenate([X @ ours.weights_["image"].numpy(), Y @ ours.weights_["text"].numpy()])
    theirs = np.concatenate([X @ left[:, :k] / rms(X), Y @ right[:, :k] / rms(Y)])
    signs = np.sign((mine * theirs).sum(0))
    np.testing.assert_allclose(mine, theirs * signs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())


def rms(X: np.ndarray) -> float:
    return float(np.sqrt(np.square(X).sum() / len(X)))


def test_without_coupling_it_is_the_discriminant_analysis_of_each_view():
    pairs = make_pairs(classes=4, per_class=30)
    ours = plain(ridge=0.0, coupling=0.0).fit(pairs)
    for name, features in (("image", pairs.image), ("text", pairs.text)):
        theirs = LinearDiscriminantAnalysis(solver="eigen").fit(features.astype(float), pairs.labels).scalings_[:, :3]
        weights = ours.weights_[name].numpy()
        own = weights[:, np.linalg.norm(weights, axis=0) > 1e-6 * np.linalg.norm(weights, axis=0).max()]
        assert own.shape[1] == 3
        for mine, other in zip(own.T, theirs.T, strict=True):
            cosine = mine @ other / np.linalg.norm(mine) / np.linalg.norm(other)
            assert abs(cosine) == pytest.approx(1, abs=1e-6)


def test_coupling_brings_the_class_means_of_the_modalities_together():
    pairs = make_pairs(classes=5, per_class=20)

    def distance(coupling: float) -> float:
        method = plain(coupling=coupling, n_components=4).fit(pairs)
        codes = [method.encode_image(pairs.image), method.encode_text(pairs.text)]
        means = [np.stack([code[pairs.labels == c].mean(0) for c in range(5)]).ravel() for code in codes]
        return 1 - float(np.dot(*means) / np.linalg.norm(means[0]) / np.linalg.norm(means[1]))

    assert distance(10.0) < 0.05 < distance(0.0)


@pytest.mark.parametrize("factors", [(1e-4, 1.0), (1.0, 1e4)])
def test_the_units_of_a_modality_change_nothing_but_the_scale_of_its_weights(factors):
    pairs = make_pairs()
    scaled = dataclasses.replace(
        pairs, image=pairs.image * np.float32(factors[0]), text=pairs.text * np.float32(factors[1])
    )
    first, second = plain(coupling=2.0).fit(pairs), plain(coupling=2.0).fit(scaled)
    np.testing.assert_allclose(first.encode_image(pairs.image), second.encode_image(scaled.image), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(first.encode_text(pairs.text), second.encode_text(scaled.text), rtol=1e-3, atol=1e-4)


def test_one_pair_a_class_leaves_the_ridge_alone_on_the_right():
    pairs = make_pairs(classes=7, per_class=1)
    for ridge in (0.0, 1.0):
        assert np.isfinite(plain(ridge=ridge).fit(pairs).encode_image(pairs.image)).all()


def test_a_single_class_and_values_out_of_range_are_refused():
    with pytest.raises(DataError, match="GMLDA needs training pairs of at least 2 classes"):
        plain().fit(make_pairs(classes=1))
    with pytest.raises(ConfigError, match=r"GMLDA needs coupling >= 0 and ridge >= 0 and n_components >= 1, got -1.0"):
        plain(coupling=-1.0).fit(make_pairs())
