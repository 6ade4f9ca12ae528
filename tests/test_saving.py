"""State on disk: whole files of JSON and safetensors, digests of arrays."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from masln.errors import CheckpointError
from masln.saving import add_arrays, load_state, save_state


def test_what_is_saved_comes_back(tmp_path):
    arrays = {"b": np.arange(6, dtype=np.int64).reshape(2, 3).T, "a": np.float32([[1.5]]), "none": np.zeros((0, 3))}
    save_state(tmp_path / "new" / "folder", {"k": [1, "é"]}, arrays)
    config, loaded = load_state(tmp_path / "new" / "folder", lambda *both: both, what="thing", remedy="-")
    assert config == {"k": [1, "é"]} and set(loaded) == set(arrays)
    for name, values in arrays.items():
        np.testing.assert_array_equal(loaded[name], values)
        assert loaded[name].dtype == values.dtype


def test_what_does_not_fit_is_one_line_that_says_what_to_do(tmp_path):
    def make(config, arrays):
        raise KeyError("weights")

    save_state(tmp_path, {}, {})
    with pytest.raises(CheckpointError, match=r"saved thing .* cannot be loaded \('weights'\); make it again$"):
        load_state(tmp_path, make, what="thing", remedy="make it again")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot make the folder"):
        save_state(tmp_path / "file" / "folder", {}, {})


def test_a_digest_tells_names_types_shapes_and_values_apart():
    def digest(**arrays):
        made = hashlib.sha256()
        add_arrays(made, arrays)
        return made.hexdigest()

    values = np.arange(6, dtype=np.int32)
    others = [{"b": values}, {"a": values.astype(np.int64)}, {"a": values.reshape(2, 3)}, {"a": values[::-1]}, {}]
    assert len({digest(**other) for other in [{"a": values}, *others]}) == 6
    assert digest(a=values, b=values) == digest(b=values, a=values)
    assert digest(a=np.arange(12, dtype=np.int32)[::2]) == digest(a=np.arange(0, 12, 2, dtype=np.int32))
