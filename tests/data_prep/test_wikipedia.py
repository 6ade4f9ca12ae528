"""The canonical Wikipedia files become a bundle; a file that is not the canonical one is refused."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io
from click.testing import CliRunner

from data_prep.wikipedia import LISTS, main, wikipedia_bundle
from masln.data import read_bundle
from masln.errors import DataError

EXPECTED = (4, 3, 2)


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "wikipedia"
    folder.mkdir()
    (folder / "categories.list").write_text("art\nbiology\n", encoding="utf-8")
    for part, size in (("train", 4), ("test", 3)):
        lines = [f"{part}-text-{i}\t{part}-image-{i}\t{i % 2 + 1}\n" for i in range(size)]
        (folder / LISTS[part]).write_text("".join(lines), encoding="utf-8")
    save_matrices(folder)
    return folder


def save_matrices(folder, **changed):
    sizes = {"I_tr": (4, 6), "T_tr": (4, 3), "I_te": (3, 6), "T_te": (3, 3)}
    matrices = {key: np.arange(np.prod(shape), dtype=float).reshape(shape) for key, shape in sizes.items()}
    matrices = {key: value for key, value in {**matrices, **changed}.items() if value is not None}
    scipy.io.savemat(folder / "raw_features.mat", matrices)


def test_lists_and_matrices_are_put_together(tmp_path, source):
    read = read_bundle(wikipedia_bundle(source, tmp_path / "out", expected=EXPECTED), verify=True)
    assert read.class_names == ("art", "biology")
    assert read.labels.tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert read.split.tolist() == ["train"] * 4 + ["test"] * 3
    assert read.ids[4] == "test-text-0" and read.image_paths[1] == "train-image-1.jpg"
    np.testing.assert_array_equal(read.image[:4], np.arange(24).reshape(4, 6))
    np.testing.assert_array_equal(read.text[4:], np.arange(9).reshape(3, 3))


def test_other_features_for_the_same_rows(tmp_path, source):
    image = np.random.default_rng(0).standard_normal((7, 9)).astype(np.float32)
    np.savez(tmp_path / "f.npz", cnn=image, vectors=np.eye(2))
    np.save(tmp_path / "t.npy", image[:, :2])
    (source / "raw_features.mat").unlink()  # not needed when both are given
    out = wikipedia_bundle(
        source,
        tmp_path / "out",
        image_features=f"{tmp_path}/f.npz:cnn",
        text_features=tmp_path / "t.npy",
        class_vectors=f"{tmp_path}/f.npz:vectors",
        expected=EXPECTED,
    )
    read = read_bundle(out)
    np.testing.assert_array_equal(read.image, image)
    np.testing.assert_array_equal(read.text, image[:, :2])
    np.testing.assert_array_equal(read.class_embeddings, np.eye(2))
    np.save(tmp_path / "t.npy", image[:6, :2])
    with pytest.raises(DataError, match=r"t.npy: 6 text rows but the lists have 7 pairs"):
        given = {"image_features": f"{tmp_path}/f.npz:cnn", "text_features": tmp_path / "t.npy"}
        wikipedia_bundle(source, tmp_path / "b", **given, expected=EXPECTED)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"I_te": np.ones((2, 6))}, "I_te has 2 rows but testset_txt_img_cat.list has 3 pairs"),
        ({"T_tr": np.ones((5, 3))}, "T_tr has 5 rows but trainset"),
        ({"T_te": None}, "no matrix T_te"),
    ],
)
def test_matrices_that_do_not_fit_the_lists(tmp_path, source, changed, message):
    save_matrices(source, **changed)
    with pytest.raises(DataError, match=message):
        wikipedia_bundle(source, tmp_path / "out", expected=EXPECTED)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("line", ["a\tb", "a\tb\t0", "a\tb\t3", "a\tb\tart"])
def test_a_bad_list_line_is_named(tmp_path, source, line):
    with (source / LISTS["test"]).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    with pytest.raises(DataError, match=r"testset_txt_img_cat.list:4: .* class of 1 to 2"):
        wikipedia_bundle(source, tmp_path / "out", expected=EXPECTED)


def test_a_set_of_other_size_is_not_the_canonical_one(tmp_path, source):
    done = CliRunner().invoke(main, ["--source", str(source), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "4 training pairs, 3 test pairs and 2 classes; the canonical set has 2173, 693 and 10" in done.stderr


@pytest.mark.parametrize("missing", ["categories.list", *LISTS.values(), "raw_features.mat"])
def test_a_missing_file_is_named(tmp_path, source, missing):
    (source / missing).unlink()
    with pytest.raises(DataError, match=f"no such file: .*{missing}"):
        wikipedia_bundle(source, tmp_path / "out", expected=EXPECTED)


def test_a_broken_matrix_file_is_named(tmp_path, source):
    (source / "raw_features.mat").write_bytes(b"no matrix")
    with pytest.raises(DataError, match="not a readable MATLAB file"):
        wikipedia_bundle(source, tmp_path / "out", expected=EXPECTED)


def test_the_real_set(tmp_path, shared_data):
    folder = shared_data / "wikipedia"
    done = CliRunner().invoke(main, ["--source", str(folder), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    read = read_bundle(tmp_path / "out", verify=True)
    with np.load(folder / "wikipedia.npz", allow_pickle=False) as known:
        np.testing.assert_array_equal(read.labels, known["label"])
        assert read.ids.tolist() == known["text_id"].tolist()
        assert read.class_names == tuple(known["class_names"].tolist())
        np.testing.assert_allclose(read.image, known["image"], rtol=1e-6)
        np.testing.assert_allclose(read.text, known["text_lda10"], rtol=1e-6)
    assert (len(read.rows("train")), len(read.rows("test"))) == (2173, 693)
