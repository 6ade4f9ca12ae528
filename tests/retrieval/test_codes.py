"""Folders of codes: from files and from features alike, whole or not at all, and gone on with after a kill."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from masln.data import read_bundle
from masln.errors import CheckpointError, ConfigError, DataError
from masln.experiments import RunConfig, bundle_items, image_items, open_encoder, run_experiment, text_items
from masln.models import load_method
from masln.retrieval import read_codes, write_codes
from tests.experiments.small import write_small_bundle


@pytest.fixture(scope="module")
def encoder(trained):
    return open_encoder(trained.run)


def written(encoder, items, out, **options):
    return write_codes(items.collections, out, model=encoder.facts, facts=items.facts, **options)


def test_codes_of_files_are_those_of_the_bundle_made_of_them(trained, encoder, tmp_path):
    dataset = read_bundle(trained.bundle)
    method = load_method(trained.run / "cca" / "split0-seed0" / "model")
    from_features = written(encoder, bundle_items(encoder, trained.bundle), tmp_path / "features")
    pictures = written(encoder, image_items(encoder, trained.photos), tmp_path / "pictures")
    captions = text_items(
        encoder, trained.table, text_columns=("caption_1", "caption_2"), class_column="class", id_column="image"
    )
    texts = written(encoder, captions, tmp_path / "texts")
    expected = {"image": method.encode_image(dataset.image), "text": method.encode_text(dataset.text)}
    for modality, raw in (("image", pictures), ("text", texts)):
        own = from_features.sets[modality]
        np.testing.assert_allclose(own.values, expected[modality], atol=1e-5)
        row_of = {item.id: row for row, item in enumerate(own.items)}
        rows = [row_of[item.id] for item in raw.sets[modality].items]
        assert sorted(rows) == list(range(len(dataset)))
        np.testing.assert_allclose(raw.sets[modality].values, own.values[rows], atol=1e-5)
        assert isinstance(own.values, np.memmap)
    first = next(iter(from_features.sets["image"].items))
    assert (first.id, first.label, first.image) == (dataset.ids[0], "cat", dataset.image_paths[0])
    assert [item.label for item in texts.sets["text"].items] == [str(dataset.class_names[k]) for k in dataset.labels]


def test_items_are_read_singly_as_they_were_written(trained, encoder, tmp_path):
    items = written(encoder, bundle_items(encoder, trained.bundle), tmp_path / "codes").sets["text"].items
    everything = list(items)
    assert items.take([5, 0, 23]) == [everything[5], everything[0], everything[23]] and len(everything) == 24


def test_a_part_of_a_bundle_has_no_rows_to_look_features_up_by(trained, encoder, tmp_path):
    test = written(encoder, bundle_items(encoder, trained.bundle, part="test"), tmp_path / "test")
    assert len(test.sets["image"].values) == int((read_bundle(trained.bundle).split == "test").sum())
    assert "bundle" not in test.facts and "images" in test.facts


def test_work_that_was_cut_short_is_gone_on_with(trained, encoder, tmp_path, monkeypatch):
    straight = written(encoder, image_items(encoder, trained.photos, batch_size=4), tmp_path / "straight")
    items = image_items(encoder, trained.photos, batch_size=4)
    extractor, read = items.collections["image"].extractor, []
    inner = type(extractor)._read

    def broken(self, item):
        read.append(item)
        if len(read) == 14:
            raise KeyboardInterrupt
        return inner(self, item)

    monkeypatch.setattr(type(extractor), "_read", broken)
    with pytest.raises(KeyboardInterrupt):
        written(encoder, items, tmp_path / "resumed", workers=1)
    assert not (tmp_path / "resumed").exists()
    read.clear()
    read.extend(range(100))
    resumed = written(encoder, items, tmp_path / "resumed", workers=1)
    assert len(read) == 100 + 24 - 12, "three batches of four were done"
    for name in ("image.npy", "image.jsonl"):
        assert (resumed.folder / name).read_bytes() == (straight.folder / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["resumed", "straight"]
    assert not list(resumed.folder.glob("*.journal"))


def test_what_is_there_is_not_written_over(trained, encoder, tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(DataError, match="there exists"):
        written(encoder, image_items(encoder, trained.photos), tmp_path / "there")


def test_broken_pictures_stop_or_are_skipped_and_told(trained, encoder, tmp_path):
    shutil.copytree(trained.photos, tmp_path / "photos")
    (tmp_path / "photos" / "cat3.png").write_bytes(b"no picture")
    items = image_items(encoder, tmp_path / "photos")
    with pytest.raises(DataError, match="cat3"):
        written(encoder, items, tmp_path / "codes")
    codes = written(encoder, items, tmp_path / "codes", on_error="skip")
    assert len(codes.skipped) == 1 and "cat3.png" in codes.skipped[0]
    assert "cat3.png" not in [item.id for item in codes.sets["image"].items] and len(codes.sets["image"].values) == 23


def test_classes_of_pictures_are_told_or_those_of_their_folders(trained, encoder, tmp_path):
    (tmp_path / "top" / "zebra").mkdir(parents=True)
    shutil.copy(trained.photos / "cat0.png", tmp_path / "top" / "zebra" / "one.png")
    found = image_items(encoder, tmp_path / "top", folders_are_classes=True).collections["image"].items
    assert [(item.id, item.label) for item in found] == [("zebra/one.png", "zebra")]
    assert image_items(encoder, trained.photos, label="zoo").collections["image"].items[3].label == "zoo"
    with pytest.raises(DataError, match="lies in no folder of a class"):
        image_items(encoder, trained.photos, folders_are_classes=True)


def test_captions_are_brought_together_as_in_training(trained, encoder):
    two = text_items(encoder, trained.table, text_columns=("caption_1", "caption_2"), id_column="image")
    extractor, plain = two.collections["text"].extractor, encoder.extractor("text")
    inputs = two.collections["text"].inputs[0]
    mean = plain.transform(inputs).astype(np.float64).mean(axis=0, keepdims=True)
    expected = encoder.method.encode_text(mean.astype(np.float32))
    np.testing.assert_allclose(extractor.transform([inputs]), expected, atol=1e-5)
    with pytest.raises(DataError, match="no column 'kind'"):
        text_items(encoder, trained.table, text_columns=("caption_1",), class_column="kind")


def test_texts_of_unknown_words_are_counted(encoder, tmp_path):
    (tmp_path / "texts.csv").write_text("id,text\na,a horse\nb,qqqzx wwwqz\n", encoding="utf-8")
    assert "1 texts have no word" in text_items(encoder, tmp_path / "texts.csv").notes[0]


def test_features_of_another_extractor_are_refused(trained, encoder, tmp_path):
    shutil.copytree(trained.bundle, tmp_path / "bundle")
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text(encoding="utf-8"))
    manifest["recipe"]["image_extractor"] |= {"name": "vgg19-fc7", "hash": "0" * 64}
    (tmp_path / "bundle" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(DataError, match="its image features are of another extractor"):
        bundle_items(encoder, tmp_path / "bundle")


def test_a_run_is_named_by_its_folder_or_its_experiments(trained, encoder):
    single = open_encoder(trained.run / "cca" / "split0-seed0")
    assert single.facts == encoder.facts and len(encoder.facts.hash) == 64
    assert open_encoder(trained.other_run).facts.hash != encoder.facts.hash
    with pytest.raises(ConfigError, match="is no run directory"):
        open_encoder(trained.photos)


def test_raw_items_need_saved_extractors(tmp_path):
    bundle = write_small_bundle(tmp_path / "bundle")
    run_experiment(
        RunConfig(method="cca", data=str(bundle), baselines=(), select=False, device="cpu"), tmp_path / "run"
    )
    encoder = open_encoder(tmp_path / "run")
    with pytest.raises(DataError, match="cannot read raw images: no extractor was saved with its data, synthetic"):
        image_items(encoder, tmp_path)
    assert len(bundle_items(encoder, bundle).collections["text"].items) == 64


def test_damaged_codes_are_told(trained, encoder, tmp_path):
    codes = written(encoder, image_items(encoder, trained.photos), tmp_path / "codes")
    with pytest.raises(DataError, match="holds no codes"):
        read_codes(tmp_path)
    (codes.folder / "image.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"is damaged .*1 items, expected 24"):
        read_codes(codes.folder)


def test_a_row_that_is_not_finite_is_told(encoder, trained):
    extractor = encoder.of_raw("image")
    features = extractor.features([trained.photos / "cat0.png", trained.photos / "cat1.png"])
    features.values[1, 3] = np.nan
    codes = encoder.codes("image", features)
    assert np.isfinite(codes[0]).all() and np.isnan(codes[1]).all()
