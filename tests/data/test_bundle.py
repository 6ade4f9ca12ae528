from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from masln.data import PairedDataset, bundle_hash, load_dataset, read_bundle, write_bundle
from masln.errors import DataError
from tests.conftest import add_label_sets, make_pairs

FACTS = {"licence": "CC0", "source": "drawn at random", "recipe": {"seed": 0}}


@pytest.fixture
def bundle(pairs, tmp_path) -> Path:
    texts = np.array([f"text, of pair {i}\nwith a “quote”" for i in range(len(pairs))])
    return write_bundle(tmp_path / "bundle", dataclasses.replace(pairs, texts=texts), **FACTS)


def test_what_is_written_is_read_back(pairs, bundle):
    back = read_bundle(bundle, verify=True)
    for name in ("image", "text", "labels", "class_embeddings", "split", "ids"):
        np.testing.assert_array_equal(getattr(back, name), getattr(pairs, name))
    assert back.texts[3] == "text, of pair 3\nwith a “quote”"
    assert back.class_names == pairs.class_names
    assert back.manifest["licence"] == "CC0"
    assert isinstance(back.image, np.memmap)


def test_sequences_with_mask_are_read_back(tmp_path):
    base = make_pairs(classes=2, per_class=3)
    rng = np.random.default_rng(0)
    sequences = dataclasses.replace(
        base,
        image=rng.normal(size=(6, 49, 8)).astype(np.float16),
        text=rng.normal(size=(6, 5, 4)).astype(np.float32),
        text_mask=rng.random((6, 5)) < np.array([1.0, 0.5, 0.5, 0.5, 0.5]),
    )
    back = read_bundle(write_bundle(tmp_path / "b", sequences, **FACTS))
    np.testing.assert_array_equal(back.text_mask, sequences.text_mask)
    assert back.image.shape == (6, 49, 8)


def test_label_sets_are_read_back_and_are_part_of_the_hash(pairs, tmp_path):
    several = add_label_sets(pairs)
    bundle = write_bundle(tmp_path / "several", several, **FACTS)
    back = read_bundle(bundle, verify=True)
    np.testing.assert_array_equal(back.label_sets, several.label_sets)
    assert back.manifest["files"]["label_sets.npy"]["shape"] == [120, 6]
    plain = read_bundle(write_bundle(tmp_path / "plain", pairs, **FACTS))
    assert plain.label_sets is None and not (tmp_path / "plain" / "label_sets.npy").exists()
    other = read_bundle(write_bundle(tmp_path / "other", add_label_sets(pairs, seed=1), **FACTS))
    assert len({bundle_hash(dataset) for dataset in (back, plain, other, several, pairs)}) == 5
    sets = np.load(bundle / "label_sets.npy")
    np.save(bundle / "label_sets.npy", ~sets)
    with pytest.raises(DataError, match=r"label_sets\.npy does not match its hash"):
        read_bundle(bundle, verify=True)
    with pytest.raises(DataError, match="lacks the pair's own main class"):
        read_bundle(bundle)
    np.save(bundle / "label_sets.npy", sets[:, :5])
    with pytest.raises(DataError, match=r"label_sets\.npy is bool \(120, 5\) but manifest\.json says bool \(120, 6\)"):
        read_bundle(bundle)


def test_the_hash_of_data_with_one_label_a_pair_never_drifts(tmp_path):
    """Saved runs are bound to these values, which were taken before there were label sets."""
    plain = PairedDataset(
        name="plain",
        image=np.arange(12, dtype=np.float32).reshape(4, 3),
        text=np.arange(8, dtype=np.float32).reshape(4, 2),
        labels=np.array([0, 1, 0, 1]),
        class_names=("a", "b"),
        split=np.array(["train", "train", "test", "test"]),
    )
    assert bundle_hash(plain) == "edbeb8e11297"
    assert bundle_hash(read_bundle(write_bundle(tmp_path / "plain", plain, **FACTS))) == "f623c251c911"


def test_same_content_gives_same_bytes_and_hash(pairs, tmp_path):
    first, second = (write_bundle(tmp_path / name, pairs, **FACTS) for name in ("a", "b"))
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()
    assert bundle_hash(read_bundle(first)) == bundle_hash(read_bundle(second))
    other = dataclasses.replace(pairs, labels=(pairs.labels + 1) % 6)
    assert bundle_hash(read_bundle(write_bundle(tmp_path / "c", other, **FACTS))) != bundle_hash(read_bundle(first))


def test_truncated_array_is_refused(bundle):
    path = bundle / "image.npy"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"image\.npy is truncated or not an array.*make the bundle again"):
        read_bundle(bundle)


def test_changed_bytes_are_found_on_request_only(bundle):
    path = bundle / "text.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    read_bundle(bundle)
    with pytest.raises(DataError, match=r"text\.npy does not match its hash"):
        read_bundle(bundle, verify=True)


def test_missing_parts_are_named(bundle, tmp_path):
    (bundle / "labels.npy").unlink()
    with pytest.raises(DataError, match=r"labels\.npy is missing"):
        read_bundle(bundle)
    with pytest.raises(DataError, match=r"is no bundle: it has no manifest\.json"):
        read_bundle(tmp_path)
    manifest = bundle / "manifest.json"
    manifest.write_text(manifest.read_text()[:50])
    with pytest.raises(DataError, match=r"manifest\.json cannot be read"):
        read_bundle(bundle)


def test_pickled_arrays_are_refused(bundle):
    np.save(bundle / "labels.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"labels\.npy is truncated or not an array"):
        read_bundle(bundle)


def test_format_of_another_version_is_refused(bundle):
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(DataError, match="not of bundle format 1"):
        read_bundle(bundle)


def test_an_existing_folder_is_kept_unless_asked(pairs, bundle, tmp_path):
    with pytest.raises(DataError, match="exists; choose another folder"):
        write_bundle(bundle, pairs, **FACTS)
    write_bundle(bundle, pairs.take(np.arange(50)), **FACTS, overwrite=True)
    assert len(read_bundle(bundle)) == 50
    stranger = tmp_path / "thesis"
    stranger.mkdir()
    with pytest.raises(DataError, match="is no bundle; it is left as it is"):
        write_bundle(stranger, pairs, **FACTS, overwrite=True)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["bundle", "thesis"]


def test_non_finite_data_leave_nothing_behind(pairs, tmp_path):
    pairs.image[0, 0] = np.nan
    with pytest.raises(DataError, match="not finite"):
        write_bundle(tmp_path / "bundle", pairs, **FACTS)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    """A process that may write no file above 4 KiB: the write really fails, as on a full disk."""
    program = (
        "import resource, sys; sys.path.insert(0, '.')\n"
        "from tests.conftest import add_label_sets, make_pairs\n"
        "from masln.data import write_bundle\n"
        "from masln.errors import DataError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        f"    write_bundle({str(tmp_path / 'bundle')!r}, make_pairs(), licence='', source='', recipe={{}})\n"
        "except DataError as error:\n"
        "    print(error)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root)
    assert "cannot write the bundle" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_unknown_dataset_names_the_bundled_ones():
    with pytest.raises(DataError, match=r"unknown dataset 'emojis' \(did you mean 'emoji'\?\)"):
        load_dataset("emojis")
