"""What cannot become a bundle is refused in one line, and nothing is left half-written."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from masln.data import read_bundle
from masln.errors import ConfigError, DataError, MaslnError, SplitError
from masln.preparation import prepare
from masln.preparation.prepare import work_folder
from tests.preparation.collection import PER_CLASS, draw, hashes, make_collection, settings_of


@pytest.fixture
def rows(tmp_path):
    return make_collection(tmp_path)


class TestErrors:
    """Every bad input ends in one line that says where, before a picture is encoded; or in a recorded skip."""

    def broken(self, tmp_path, rows, **change):
        return settings_of(tmp_path, [rows[0], rows[1] | change, *rows[2:]])

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"image": "nowhere.png"}, "table.csv:3: no image 'nowhere.png' under"),
            ({"image": ""}, "table.csv:3: 'image' is empty"),
            ({"class": " "}, "table.csv:3: 'class' is empty"),
            ({"caption_1": " ", "caption_2": ""}, "table.csv:3: no text"),
            ({"caption_1": "b'bytes'"}, "table.csv:3: the text is bytes written as text"),
            ({"image": "../table.csv"}, "table.csv:3: the image '../table.csv' leads out of"),
        ],
    )
    def test_a_bad_row_fails_or_is_skipped(self, tmp_path, rows, change, message):
        settings = self.broken(tmp_path, rows, **change)
        with pytest.raises(DataError) as caught:
            prepare(settings, tmp_path / "b")
        assert message in str(caught.value) and "\n" not in str(caught.value)
        assert not (tmp_path / "b").exists() and not work_folder(tmp_path / "b").exists()
        done = prepare(dataclasses.replace(settings, on_error="skip"), tmp_path / "b")
        bundle = read_bundle(tmp_path / "b")
        assert len(bundle) == len(rows) - 1 and rows[1]["image"] not in bundle.ids
        (line,) = bundle.manifest["recipe"]["skipped"]
        assert message in line and done.skipped == (line,)

    def test_a_corrupt_picture_fails_and_mended_goes_on_or_is_skipped(self, tmp_path, rows):
        picture = tmp_path / "photos" / rows[1]["image"]
        whole = picture.read_bytes()
        picture.write_bytes(whole[: len(whole) // 2])
        settings = settings_of(tmp_path, rows, batch_size=1)
        with pytest.raises(DataError, match=r"cat1.png: damaged or truncated image"):
            prepare(settings, tmp_path / "b")
        prepare(dataclasses.replace(settings, on_error="skip"), tmp_path / "skipped")
        bundle = read_bundle(tmp_path / "skipped")
        (line,) = bundle.manifest["recipe"]["skipped"]
        assert "table.csv:3: " in line and "damaged or truncated image" in line
        picture.write_bytes(whole)
        prepare(settings, tmp_path / "b")
        prepare(settings, tmp_path / "straight")
        assert hashes(tmp_path / "b") == hashes(tmp_path / "straight")
        kept = read_bundle(tmp_path / "b")
        others = kept.ids != rows[1]["image"]
        np.testing.assert_array_equal(bundle.image, kept.image[others])
        assert (bundle.split == kept.split[others]).all(), "a skipped picture moves no other pair"

    def test_a_class_whose_test_pictures_are_all_skipped(self, tmp_path, rows):
        rows = [row | {"split": "test" if n % PER_CLASS == 0 else "train"} for n, row in enumerate(rows)]
        (tmp_path / "photos" / rows[0]["image"]).write_bytes(b"not a picture")
        with pytest.raises(SplitError, match=r"table\.csv: no test pair of class cat"):
            prepare(settings_of(tmp_path, rows, on_error="skip"), tmp_path / "b")

    @pytest.mark.parametrize(
        ("values", "kind", "message"),
        [
            ({"table": "nowhere.csv"}, DataError, "no such file or folder of texts: nowhere.csv"),
            ({"images": "nowhere"}, DataError, "no such folder of images: nowhere"),
            ({"image_extractor": "resnet-1"}, ConfigError, "unknown extractor 'resnet-1'"),
            ({"image_extractor": "tfidf"}, ConfigError, "extracts features of texts; of images: efficientnet-lite0"),
            ({"text_extractor": "efficientnet-lite0"}, ConfigError, "extracts features of images; of texts: "),
            ({"text_settings": {"poling": "sif"}}, ConfigError, "'poling' (did you mean 'pooling'?)"),
            ({"image_settings": {"layout": "rows"}}, ConfigError, "layout of efficientnet-lite0 must be one of"),
            ({"class_vectors": "nowhere.txt"}, DataError, "class vectors 'nowhere.txt': no such file"),
            ({"synonyms": "nowhere.csv"}, ConfigError, "no such file of synonyms: nowhere.csv"),
            ({"class_split": "listed"}, SplitError, "the listed rule needs the names"),
            ({"class_split": "listed", "listed": ("cta",)}, SplitError, "unknown class 'cta' (did you mean 'cat'?)"),
            ({"class_column": "clas"}, DataError, "unknown column 'clas'"),
            ({"split_column": "class"}, DataError, "for two things"),
        ],
    )
    def test_a_bad_setting(self, tmp_path, rows, values, kind, message):
        if "split_column" in values:
            values = values | {"class_column": "class"}
        with pytest.raises(kind) as caught:
            prepare(settings_of(tmp_path, rows, **values), tmp_path / "b")
        assert message in str(caught.value) and "\n" not in str(caught.value)
        assert not work_folder(tmp_path / "b").exists()

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"captions": "median"}, "unknown caption policy 'median'"),
            ({"dtype": "float64"}, "unknown dtype 'float64'"),
            ({"on_error": "ignore"}, "unknown way with errors 'ignore'"),
            ({"class_split": "randm"}, "unknown class split rule 'randm' (did you mean 'random'?)"),
            ({"batch_size": 0}, "batch_size must be at least 1"),
            ({"test_share": 1.5}, "test share 1.5 must lie between"),
        ],
    )
    def test_a_value_out_of_range(self, values, message):
        with pytest.raises(MaslnError) as caught:
            settings_of(Path("x"), **values)
        assert message in str(caught.value)

    def test_a_table_without_rows_or_a_folder(self, tmp_path, rows):
        (tmp_path / "table.csv").write_text("image,class,text\n")
        with pytest.raises(DataError, match=r"table.csv: no rows; one for each pair is needed"):
            prepare(settings_of(tmp_path), tmp_path / "b")
        with pytest.raises(DataError, match="photos: a folder; a table is needed"):
            prepare(settings_of(tmp_path, table=tmp_path / "photos"), tmp_path / "b")

    def test_one_class(self, tmp_path, rows):
        with pytest.raises(SplitError, match=r"table\.csv: only one class \(cat\)"):
            prepare(settings_of(tmp_path, rows[:PER_CLASS]), tmp_path / "b")

    def test_a_split_that_means_nothing(self, tmp_path, rows):
        rows = [row | {"split": "1"} for row in rows]
        with pytest.raises(DataError, match=r"table.csv:2: 'split' is '1'; write train, validation or test"):
            prepare(settings_of(tmp_path, rows), tmp_path / "b")
        prepare(settings_of(tmp_path, rows, split_column=""), tmp_path / "b", overwrite=True)

    def test_a_folder_that_is_there(self, tmp_path, rows):
        (tmp_path / "b").mkdir()
        with pytest.raises(DataError, match="exists; choose another folder"):
            prepare(settings_of(tmp_path, rows), tmp_path / "b")
        with pytest.raises(DataError, match="exists and is no bundle"):
            prepare(settings_of(tmp_path, rows), tmp_path / "b", overwrite=True)

    def test_texts_of_class_words_alone(self, tmp_path, rows):
        rows[0] |= {"caption_1": "cats", "caption_2": "Cat!"}
        settings = settings_of(tmp_path, rows, mask_class_words=True)
        with pytest.raises(DataError, match=r"table.csv:2: nothing is left of the text without class words"):
            prepare(settings, tmp_path / "b")
        done = prepare(dataclasses.replace(settings, on_error="skip"), tmp_path / "b")
        assert len(done.skipped) == 1

    def test_a_changed_picture_between_kill_and_resume_is_told(self, tmp_path, rows):
        (tmp_path / "photos" / rows[-1]["image"]).write_bytes(b"broken")
        with pytest.raises(DataError):
            prepare(settings_of(tmp_path, rows, batch_size=1), tmp_path / "b")
        draw(tmp_path / "photos" / rows[0]["image"], colour=2, number=77)
        with pytest.raises(MaslnError, match="were made from other items, or their files have changed"):
            prepare(settings_of(tmp_path, rows, batch_size=1), tmp_path / "b")
