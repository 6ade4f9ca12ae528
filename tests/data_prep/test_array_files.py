"""Arrays named on a command line are read without pickle, and every wrong name says what there is."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.array_files import as_feature, as_text, read_array, read_mat
from masln.errors import DataError


def test_each_form_of_reference(tmp_path):
    matrix = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.save(tmp_path / "a.npy", matrix)
    folder = tmp_path / "odd.npz:name"  # a colon in a folder's name is no key
    folder.mkdir()
    np.savez(folder / "b.npz", image=matrix, names=np.array(["x", "y", "z"]))
    np.savez(tmp_path / "one.npz", only=matrix)
    (tmp_path / "c.csv").write_text("id,u,v,title\na,1,2.5,NA\nb,3,4,größe\n", encoding="utf-8")
    np.testing.assert_array_equal(read_array(tmp_path / "a.npy"), matrix)
    assert isinstance(read_array(tmp_path / "a.npy"), np.memmap)
    np.testing.assert_array_equal(read_array(f"{folder}/b.npz:image"), matrix)
    np.testing.assert_array_equal(read_array(tmp_path / "one.npz"), matrix)
    assert read_array(f"{tmp_path}/c.csv:title").tolist() == ["NA", "größe"]
    np.testing.assert_array_equal(read_array(f"{tmp_path}/c.csv:u,v"), [[1, 2.5], [3, 4]])


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("absent.npy", "no such file"),
        ("b.npz:imge", "did you mean 'image'"),
        ("b.npz", r"FILE.npz:key; it holds: image, names"),
        ("c.csv:titel", "did you mean 'title'"),
        ("c.csv", "FILE.csv:column"),
        ("a.npy:key", "has no key 'key'"),
        ("d.txt", "unknown kind of file"),
        ("pickled.npy", "without pickle"),
        ("pickled.npz:o", "without pickle"),
        ("cut.npy", "not readable"),
        ("cut.npz:image", "not a readable .npz"),
        ("renamed.npy", "holds several arrays"),
    ],
)
def test_a_wrong_reference_is_one_clear_line(tmp_path, reference, message):
    np.save(tmp_path / "a.npy", np.zeros(3))
    np.savez(tmp_path / "b.npz", image=np.zeros((3, 2)), names=np.array(["x"]))
    objects = np.array([{"a": 1}, None], dtype=object)
    np.save(tmp_path / "pickled.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "pickled.npz", o=objects)
    (tmp_path / "c.csv").write_text("id,title\na,b\n", encoding="utf-8")
    (tmp_path / "d.txt").write_text("x", encoding="utf-8")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-5])
    (tmp_path / "cut.npz").write_bytes((tmp_path / "b.npz").read_bytes()[:40])
    (tmp_path / "renamed.npy").write_bytes((tmp_path / "b.npz").read_bytes())
    with pytest.raises(DataError, match=message) as caught:
        read_array(f"{tmp_path}/{reference}")
    assert "\n" not in str(caught.value)


def test_features_keep_their_values():
    half, single = np.ones((2, 3), np.float16), np.ones((2, 3), np.float32)
    assert as_feature(half, "x") is half and as_feature(single, "x") is single
    counts = np.array([[0, 255]], dtype=np.uint8)
    assert as_feature(counts, "x").dtype == np.float16
    np.testing.assert_array_equal(as_feature(counts, "x"), counts)
    assert as_feature(np.array([[70_000]]), "x").dtype == np.float32
    assert as_feature(np.ones((2, 2)), "x").dtype == np.float32
    with pytest.raises(DataError, match="x: row 1 overflows float16"):
        as_feature(np.array([[1.0], [1e6]]), "x", dtype="float16")
    with pytest.raises(DataError, match="must be numbers"):
        as_feature(np.array([["a"]]), "x")


def test_text_is_never_bytes():
    assert as_text(np.array(["a", "b"], dtype=object), "ids").tolist() == ["a", "b"]
    assert as_text(np.array([3, 4]), "ids").tolist() == ["3", "4"]
    for bad in (np.array([b"a"]), np.array([b"a"], dtype=object)):
        with pytest.raises(DataError, match="ids: bytes where text"):
            as_text(bad, "ids")
    with pytest.raises(DataError, match="text or whole numbers"):
        as_text(np.array([0.5]), "ids")


def test_matlab_matrices_by_name(tmp_path):
    import scipy.io

    file = tmp_path / "a.mat"
    scipy.io.savemat(file, {"x": np.eye(2), "y": np.ones((1, 3)), "z": 1})
    read = read_mat(file, "x", "y")
    assert list(read) == ["x", "y"] and np.array_equal(read["x"], np.eye(2)) and read["y"].shape == (1, 3)
    with pytest.raises(DataError, match=r"a.mat: no matrix u, v; get"):
        read_mat(file, "u", "x", "v")
    with pytest.raises(DataError, match=r"no such file: .*b.mat"):
        read_mat(tmp_path / "b.mat", "x")
