"""Teachers: found by name or folder, their rows aligned with the pairs, and refused where they know too much."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from masln.data import PairedDataset, write_bundle
from masln.errors import CheckpointError, ConfigError, DataError, SplitError
from masln.models import CCA, make_method
from masln.models.teachers import FeatureFiles, FittedTeacher, SavedTeacher, find_teacher
from masln.training import Runtime
from tests.conftest import make_pairs

CPU = Runtime(device="cpu")


def write_files(folder: Path, pairs: PairedDataset, *, width: int = 5) -> PairedDataset:
    """Feature files whose every row says which pair it is of: twice the first values of its features."""
    folder.mkdir(exist_ok=True)
    np.save(folder / "image.npy", 2 * pairs.image[:, :width])
    np.save(folder / "text.npy", 2 * pairs.text[:, :width])
    with (folder / "pairs.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "id"])
        writer.writerows(["a caption", name] for name in pairs.ids.tolist())
    return pairs


def shuffled(pairs: PairedDataset, *, seed: int = 0) -> PairedDataset:
    return pairs.take(np.random.default_rng(seed).permutation(len(pairs)))


class TestFindTeacher:
    def test_a_registered_name_goes_before_a_folder_of_that_name(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("masln").mkdir()
        assert isinstance(find_teacher("masln", student="distillation"), FittedTeacher)
        assert isinstance(find_teacher("Barlow-Twins", student="distillation"), FittedTeacher)
        with pytest.raises(ConfigError, match="holds neither a saved method"):
            find_teacher("./masln", student="distillation")

    def test_a_folder_is_what_it_holds(self, pairs, tmp_path):
        write_files(tmp_path / "files", pairs)
        CCA().fit(pairs).save(tmp_path / "run" / "model")
        assert isinstance(find_teacher(str(tmp_path / "files"), student="distillation"), FeatureFiles)
        for folder in (tmp_path / "run", tmp_path / "run" / "model"):
            assert isinstance(find_teacher(str(folder), student="distillation"), SavedTeacher)

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("maslm", r"unknown teacher 'maslm' \(did you mean 'masln'\?\); known: .*; and no folder of that name"),
            ("distillation", "teacher 'distillation' would need a teacher itself"),
            ("Distillation", "would need a teacher itself"),
            (".", r"holds neither a saved method, as the folder of a run does \(such as RUN/masln/split0-seed0\)"),
        ],
    )
    def test_what_is_nothing_is_refused_in_one_line(self, name, message, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ConfigError, match=message) as caught:
            find_teacher(name, student="distillation")
        assert "\n" not in str(caught.value)


class TestFittedTeacher:
    def test_is_the_method_with_its_defaults_and_the_seed_of_the_student(self, pairs):
        found = FittedTeacher("chance").codes(pairs, seed=7, runtime=CPU)
        expected = make_method("chance", seed=7).fit(pairs)
        np.testing.assert_array_equal(found.image, expected.encode_image(pairs.image))
        np.testing.assert_array_equal(found.text, expected.encode_text(pairs.text))
        assert found.remark == ""

    def test_refuses_what_its_method_refuses(self, pairs):
        with pytest.raises(DataError, match="SAE maps to class embeddings and synthetic has none"):
            FittedTeacher("sae").check(dataclasses.replace(pairs, class_embeddings=None))

    def test_a_resumed_run_takes_the_codes_that_were_kept(self, pairs, tmp_path):
        runtime = Runtime(device="cpu", checkpoint=tmp_path / "checkpoint.pt")
        FittedTeacher("cca").codes(pairs, seed=0, runtime=runtime)
        kept = tmp_path / "checkpoint-teacher-codes.pt"
        saved = torch.load(kept, weights_only=True)
        torch.save(saved | {"image": saved["image"] + 1}, kept)
        resumed = FittedTeacher("cca").codes(pairs, seed=0, runtime=dataclasses.replace(runtime, resume=True))
        np.testing.assert_array_equal(resumed.image, saved["image"].numpy() + 1)
        anew = FittedTeacher("cca").codes(pairs, seed=0, runtime=runtime)
        np.testing.assert_array_equal(anew.image, saved["image"].numpy())
        with pytest.raises(CheckpointError, match="belongs to another configuration"):
            FittedTeacher("cca").codes(shuffled(pairs), seed=0, runtime=dataclasses.replace(runtime, resume=True))

    def test_a_deep_one_that_was_interrupted_goes_on(self, pairs, tmp_path):
        """Its checkpoint stands beside the student's."""
        runtime = Runtime(device="cpu", checkpoint=tmp_path / "checkpoint.pt", resume=True)

        def crash(event):
            if event.get("epoch") == 2:
                raise InterruptedError

        stopped = dataclasses.replace(runtime.beside("teacher"), checkpoint_seconds=0.0, trackers=(crash,))
        with pytest.raises(InterruptedError):
            make_method("softcca", seed=1).fit(pairs, runtime=stopped)
        kept = tmp_path / "checkpoint-teacher.pt"
        begun = kept.read_bytes()
        kept.write_bytes(b"broken")
        with pytest.raises(CheckpointError, match=r"checkpoint-teacher.pt cannot be read"):
            FittedTeacher("softcca").codes(pairs, seed=1, runtime=runtime)
        kept.write_bytes(begun)
        resumed = FittedTeacher("softcca").codes(pairs, seed=1, runtime=runtime)
        straight = FittedTeacher("softcca").codes(pairs, seed=1, runtime=CPU)
        np.testing.assert_array_equal(resumed.image, straight.image)


class TestSavedTeacher:
    @pytest.fixture
    def folder(self, pairs, tmp_path) -> Path:
        CCA().fit(pairs.of_classes((0, 1, 2))).save(tmp_path / "run" / "model")
        return tmp_path / "run" / "model"

    def test_encodes_the_features_of_the_student(self, folder, pairs):
        found = SavedTeacher(folder).codes(shuffled(pairs), seed=0, runtime=CPU)
        expected = CCA().fit(pairs.of_classes((0, 1, 2)))
        np.testing.assert_array_equal(found.image, expected.encode_image(shuffled(pairs).image))
        np.testing.assert_array_equal(found.text, expected.encode_text(shuffled(pairs).text))
        assert found.remark == ""

    def test_that_knows_a_class_which_is_held_out_is_refused_in_one_line(self, folder, pairs):
        teacher = SavedTeacher(folder)
        teacher.check(pairs.of_classes((2, 0, 1)))
        teacher.check(pairs)
        with pytest.raises(SplitError, match="was fitted on class1, which this fit holds out") as caught:
            teacher.check(pairs.of_classes((0, 2, 3, 4)))
        assert "\n" not in str(caught.value) and str(folder) in str(caught.value)
        with pytest.raises(SplitError, match="was fitted on class0, class1, class2, which"):
            teacher.check_classes(["class3"])

    def test_many_classes_are_counted(self, tmp_path):
        CCA().fit(make_pairs(classes=9, per_class=4)).save(tmp_path)
        with pytest.raises(SplitError, match="was fitted on class1, class2, class3 and 5 more, which"):
            SavedTeacher(tmp_path).check_classes(["class0"])

    def test_whose_classes_are_unknown_is_remarked_upon(self, folder, pairs):
        config = json.loads((folder / "config.json").read_text())
        assert config.pop("class_names") == ["class0", "class1", "class2"]
        (folder / "config.json").write_text(json.dumps(config))
        teacher = SavedTeacher(folder)
        teacher.check(pairs.of_classes((5,)))
        assert "was fitted on is unknown" in teacher.codes(pairs, seed=0, runtime=CPU).remark

    def test_of_other_features_is_refused(self, folder):
        with pytest.raises(DataError, match=r"takes image and text features of 24 and 16 dimensions.* has 24 and 10"):
            SavedTeacher(folder).check(make_pairs(d_text=10))

    def test_that_is_broken_is_refused(self, folder):
        (folder / "model.safetensors").unlink()
        with pytest.raises(CheckpointError, match="cannot be loaded"):
            find_teacher(str(folder), student="distillation")


class TestFeatureFiles:
    def test_each_pair_finds_its_own_row_whatever_the_order(self, pairs, tmp_path):
        names = np.array([f"photo {i}" for i in range(len(pairs))])
        named = dataclasses.replace(pairs, ids=names)
        write_files(tmp_path, shuffled(named, seed=1))
        part = shuffled(named.of_classes((4, 2)), seed=2)
        found = FeatureFiles(tmp_path).codes(part, seed=0, runtime=CPU)
        np.testing.assert_array_equal(found.image, 2 * part.image[:, :5])
        np.testing.assert_array_equal(found.text, 2 * part.text[:, :5])
        assert "trained on is unknown" in found.remark and str(tmp_path) in found.remark

    def test_a_bundle_of_the_same_pairs_is_such_a_folder(self, pairs, tmp_path):
        write_bundle(tmp_path / "b", pairs, licence="CC0", source="drawn", recipe={})
        part = shuffled(pairs.of_classes((4, 2)))
        found = FeatureFiles(tmp_path / "b").codes(part, seed=0, runtime=CPU)
        np.testing.assert_array_equal(found.text, part.text)

    def test_rows_of_other_pairs_are_not_read(self, pairs, tmp_path):
        write_files(tmp_path, pairs)
        for name in ("image", "text"):
            values = np.load(tmp_path / f"{name}.npy")
            values[pairs.labels != 3] = np.nan
            np.save(tmp_path / f"{name}.npy", values)
        teacher = FeatureFiles(tmp_path)
        assert np.isfinite(teacher.codes(pairs.of_classes((3,)), seed=0, runtime=CPU).image).all()
        with pytest.raises(DataError, match=r"image.npy row 0 is not finite"):
            teacher.codes(pairs, seed=0, runtime=CPU)

    def test_training_pairs_alone_need_a_row(self, pairs, tmp_path):
        train = pairs.take(pairs.rows("train"))
        write_files(tmp_path, train)
        FeatureFiles(tmp_path).check(pairs)
        write_files(tmp_path, train.take(np.arange(2, len(train))))
        with pytest.raises(DataError, match=r"has no row for 2 of 90 training pairs, such as '0'") as caught:
            FeatureFiles(tmp_path).check(pairs)
        assert "\n" not in str(caught.value)
        with pytest.raises(DataError, match="has no row for 2 of 4 training pairs"):
            FeatureFiles(tmp_path).codes(pairs.take(np.array([0, 1, 4, 5])), seed=0, runtime=CPU)

    @pytest.mark.parametrize(
        ("file", "content", "message"),
        [
            ("image.npy", np.zeros((119, 5)), r"image.npy is float64 \(119, 5\), but \(120, d\) floating-point"),
            ("text.npy", np.zeros((120, 3, 5)), r"text.npy is float64 \(120, 3, 5\), but \(120, d\)"),
            ("text.npy", np.zeros((120, 5), dtype=int), r"text.npy is int64"),
            ("image.npy", "no array", "image.npy cannot be read"),
            ("pairs.csv", "name\na\n", "pairs.csv has no column id"),
            ("pairs.csv", "id\na\nb\na\n", "pairs.csv has the id 'a' more than once"),
            ("pairs.csv", b"id\n\xff\n", "pairs.csv cannot be read as UTF-8 CSV"),
        ],
    )
    def test_files_that_do_not_go_together_are_refused(self, pairs, tmp_path, file, content, message):
        write_files(tmp_path, pairs)
        if isinstance(content, np.ndarray):
            np.save(tmp_path / file, content)
        else:
            (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(DataError, match=message):
            FeatureFiles(tmp_path)
