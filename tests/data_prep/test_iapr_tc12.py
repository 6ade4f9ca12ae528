"""IAPR TC-12: the two archives read together, classes by area, the rare ones, and damage to every file."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import scipy.io
from click.testing import CliRunner

from data_prep import iapr_tc12
from data_prep.collection import Published
from data_prep.iapr_tc12 import MATRICES, main, read_iapr_tc12
from masln.data import read_bundle
from masln.errors import DataError
from tests.preparation.collection import draw

WORDS = {29: "sky-blue", 30: "church", 31: "llama", 32: "", 33: "hat"}
PATHS = {
    29: "entity->->_landscape-nature->_sky->sky-blue->",
    30: "entity->->_man-made->_edifice->church->",
    31: "entity->->_animal->_mammal->llama->",
    32: "entity",
    33: "entity->->_man-made->hat->",
}
SMALL = Published(12, 0, "SAIAPR", {"train": 6, "validation": 2, "test": 4})
GIVEN = {"published": SMALL, "kinds": {"labels": 3, "branches": 2}, "least": 1}
SPLIT = ("train", "train", "train", "validation", "test", "test")
#: Regions of a picture: label and area.
KINDS = (
    ((29, 0.3), (30, 0.2), (30, 0.25)),  # two pieces of a church are more than the sky
    ((29, 0.5), (30, 0.4), (32, 0.05)),
)


def pictures():
    """Folder, picture, its regions, and part of the split."""
    for number in range(12):
        yield ("00", "01")[number // 6], 100 * (number // 6) + number, KINDS[number % 2], SPLIT[number // 2]


@pytest.fixture
def source(tmp_path):
    texts, benchmark = tmp_path / "iaprtc12", tmp_path / "saiaprtc12ok" / "benchmark"
    for number, (folder, picture, _, _) in enumerate(pictures()):
        draw(texts / "images" / folder / f"{picture}.jpg", colour=number % 2, number=number)
        write_text(texts, folder, picture, f"a llama in Iguaçu {picture};  the sky is  blue ; ")
    write_regions(benchmark, [(folder, str(picture), regions) for folder, picture, regions, _ in pictures()])
    (benchmark / "wlist.txt").write_text("".join(f"{code}\t{word}\n" for code, word in WORDS.items()))
    matlab = tmp_path / "saiaprtc12ok" / "matlab" / "matlab"
    matlab.mkdir(parents=True)
    for part, key in MATRICES.items():
        ids = [[picture] for _, picture, _, own in pictures() if own == part]
        scipy.io.savemat(matlab / f"{key}.mat", {key: np.array(ids, dtype=float)})
    # The archive has pictures too, and 1,000 more pictures than descriptions.
    draw(benchmark / "saiapr_tc-12" / "00" / "images" / "0.jpg", colour=0, number=0)
    draw(texts / "images" / "40" / "999.jpg", colour=0, number=0)
    return tmp_path


def write_text(texts, folder, picture, description):
    file = texts / "annotations_complete_eng" / folder / f"{picture}.eng"
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = (
        "<DOC>",
        f"<DOCNO>annotations/{folder}/{picture}.eng</DOCNO>",
        "<TITLE>Cañón & more</TITLE>",
        f"<DESCRIPTION>{description}</DESCRIPTION>",
        f"<NOTES></NOTES>\n<LOCATION>Perú</LOCATION>\n<DATE>2002</DATE>\n<IMAGE>images/{folder}/{picture}.jpg</IMAGE>",
        "</DOC>",
    )
    file.write_bytes("\r\n".join(lines).encode("cp1252"))


def write_regions(benchmark, rows):
    """The three files of each folder, as published: tabs between columns, runs of blanks between features."""
    written = {}
    for folder, picture, regions in rows:
        for number, (code, area) in enumerate(regions, start=1):
            features = "   ".join([f"{area}", *["0.5"] * 26])
            own = written.setdefault(folder, {"labels.txt": "", "features.txt": "", "ontology_path.txt": ""})
            own["labels.txt"] += f"{picture}\t{number}\t{code}\n"
            own["features.txt"] += f"{picture}\t{number}\t{features}\t{code}\n"
            own["ontology_path.txt"] += f"{picture}\t{number}\t{PATHS[code]}\n"
    for folder, files in written.items():
        (benchmark / "saiapr_tc-12" / folder).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (benchmark / "saiapr_tc-12" / folder / name).write_text(text)


def test_labels_by_area(source):
    read = read_iapr_tc12(source, **GIVEN)
    first, second = read.pairs[:2]
    assert (first.id, first.image, first.split) == ("0", "00/0.jpg", "train")
    assert first.captions == ("a llama in Iguaçu 0", "the sky is blue")
    assert (first.label, first.labels) == ("church", ("church", "sky-blue"))
    assert (second.label, second.labels) == ("sky-blue", ("church", "sky-blue"))
    assert [pair.split for pair in read.pairs[6:8]] == ["validation"] * 2 and read.pairs[8].image == "01/108.jpg"
    assert Counter(pair.split for pair in read.pairs) == SMALL.splits
    assert read.images == source / "iaprtc12" / "images"
    assert read.recipe["without_description"] == [] and read.recipe["labels_that_are_no_class"] == []
    alone = read_iapr_tc12(source, one_class=True, **GIVEN)
    assert [pair.label for pair in alone.pairs] == [pair.label for pair in read.pairs]
    assert not any(pair.labels for pair in alone.pairs) and alone.recipe["one_class"] is True


def test_branches(source):
    read = read_iapr_tc12(source, classes="branches", **GIVEN)
    assert (read.pairs[0].label, read.pairs[0].labels) == ("man-made", ("landscape-nature", "man-made"))
    assert read.pairs[1].label == "landscape-nature" and read.recipe["classes"] == "branches"
    with pytest.raises(DataError, match=r"unknown kind of class 'branch' \(did you mean 'branches'"):
        read_iapr_tc12(source, classes="branch", **GIVEN)


def test_rare_labels_are_no_classes(source):
    """Pictures whose main label is none count under what covers most of the rest, or are left out and recorded."""
    benchmark = source / "saiaprtc12ok" / "benchmark"
    rows = [(folder, str(picture), regions) for folder, picture, regions, _ in pictures()]
    rows[0] = (*rows[0][:2], ((31, 0.6), (29, 0.2)))  # a training picture: a llama before the sky
    rows[8] = (*rows[8][:2], ((33, 0.6), (31, 0.2)))  # a test picture: a hat on a llama
    write_regions(benchmark, rows)
    given = GIVEN | {"kinds": {"labels": 5}}
    read = read_iapr_tc12(source, **given)
    assert read.recipe["labels_that_are_no_class"] == ["hat"] and len(read.pairs) == 12
    by_id = {pair.id: pair for pair in read.pairs}
    assert by_id["0"].label == by_id["108"].label == "llama", "without the hat it is the main one of a test picture"
    assert by_id["108"].labels == ("llama",)
    read = read_iapr_tc12(source, **(given | {"least": 2}))
    assert read.recipe["labels_that_are_no_class"] == ["church", "hat", "llama"] and read.recipe["least"] == 2
    assert (read.pairs[0].label, read.pairs[0].labels) == ("sky-blue", ("sky-blue",))
    assert read.recipe["without_class"] == ["108"] and len(read.pairs) == 11
    for file in source.rglob("*.mat"):
        file.unlink()
    read = read_iapr_tc12(source, **given)
    assert read.recipe["labels_that_are_no_class"] == [], "each is the main one of a picture"
    with pytest.raises(DataError, match="none of the labels is the main one of 13 pairs of each part; lower --least"):
        read_iapr_tc12(source, **(given | {"least": 13}))


def test_without_the_lists_of_the_split_one_is_drawn(source):
    for file in source.rglob("*.mat"):
        file.unlink()
    read = read_iapr_tc12(source, **GIVEN)
    assert not any(pair.split for pair in read.pairs) and len(read.pairs) == 12


def test_one_description_may_be_missing(source):
    texts = source / "iaprtc12"
    (texts / "annotations_complete_eng" / "00" / "0.eng").unlink()
    read = read_iapr_tc12(source, **GIVEN)
    assert len(read.pairs) == 11 and read.recipe["without_description"] == ["0"]
    write_text(texts, "00", 1, " ; ")
    with pytest.raises(
        DataError, match=r"annotations_complete_eng: 2 pictures have no description, 0 first; .*partial"
    ):
        read_iapr_tc12(source, **GIVEN)
    (texts / "images" / "00" / "2.jpg").unlink()
    read = read_iapr_tc12(source, partial=True, **GIVEN)
    assert len(read.pairs) == 9 and read.recipe["without_description"] == ["0", "1"]


def test_texts_in_utf_8_are_read_too(source):
    file = source / "iaprtc12" / "annotations_complete_eng" / "00" / "0.eng"
    file.write_bytes(file.read_bytes().decode("cp1252").encode("utf-8"))
    assert read_iapr_tc12(source, **GIVEN).pairs[0].captions[0] == "a llama in Iguaçu 0"


def test_a_bundle(source, tmp_path):
    command = ["--source", str(source), "--out", str(tmp_path / "b"), "--text-extractor", "word2vec", "--quiet"]
    command += ["--class-vectors", "none", "--one-class", "--least", "1"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 2 and done.stderr.count("\n") == 1 and not (tmp_path / "b").exists()
    assert "3 labels, but SAIAPR TC-12 (Escalante et al. 2010) has 255" in done.stderr
    done = CliRunner().invoke(main, [*command, "--partial"])
    assert done.exit_code == 0, done.output
    bundle = read_bundle(tmp_path / "b", verify=True)
    assert bundle.class_names == ("church", "sky-blue") and len(bundle) == 12
    assert Counter(bundle.split.tolist()) == {"train": 6, "validation": 2, "test": 4}
    assert bundle.texts[0] == "a llama in Iguaçu 0 the sky is blue" and bundle.image_paths[0] == "00/0.jpg"
    recipe = bundle.manifest["recipe"]
    assert (recipe["command"], recipe["main_class"], recipe["least"]) == ("data_prep.iapr_tc12", "largest area", 1)


class TestDamage:
    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("iaprtc12/annotations_complete_eng", "folder"),
            ("iaprtc12/images", "folder"),
            ("saiaprtc12ok/benchmark/saiapr_tc-12", "folder"),
            ("saiaprtc12ok/benchmark/wlist.txt", "file"),
            ("saiaprtc12ok/benchmark/saiapr_tc-12/01/labels.txt", "file"),
            ("saiaprtc12ok/benchmark/saiapr_tc-12/01/features.txt", "file"),
            ("saiaprtc12ok/benchmark/saiapr_tc-12/01/ontology_path.txt", "file"),
        ],
    )
    def test_what_is_missing(self, source, name, kind):
        (source / name).rename(source / "else")
        last = name.split("/")[-1]
        with pytest.raises(DataError, match=f"no {kind} {last} in it; IAPR TC-12 .*https://") as caught:
            read_iapr_tc12(source, classes="branches", **GIVEN)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("file", "old", "new", "message"),
        [
            ("00/labels.txt", "0\t2\t30\n", "0\t2\n", r"labels.txt:2: a picture, a region and 1 more are needed"),
            ("00/labels.txt", "0\t2\t30\n", "0\t2\t99\n", r"labels.txt:2: label 99 is not in wlist.txt"),
            ("00/labels.txt", "0\t2\t30\n", "0\t1\t30\n", r"labels.txt:2: region 1 of picture 0 has a label already"),
            ("01/labels.txt", "107\t2\t30\n", "x7\t2\t30\n", r"labels.txt:\d: a picture, a region"),
            ("00/features.txt", "0\t2\t0.2 ", "0\t9\t0.2 ", r"labels.txt:2: this region has no row in features.txt"),
            ("00/ontology_path.txt", "0\t2\tent", "0\t9\tent", r"labels.txt:2: this region has no path in ontology"),
            ("00/features.txt", "0\t2\t0.2 ", "0\t2\t2.2 ", r"features.txt:2: the area '2.2' is no share"),
            ("00/features.txt", "0\t2\t0.2 ", "0\t2\tNaN ", r"features.txt:2: the area 'NaN' is no share"),
            ("00/features.txt", "0\t2\t0.2 ", "0\t2\tbig ", r"features.txt:2: the area 'big' is no share"),
            ("00/ontology_path.txt", "0\t2\tentity->", "0\t2\tthing->", r"path.txt:2: the path .* with entity"),
        ],
    )
    def test_of_the_regions(self, source, file, old, new, message):
        path = source / "saiaprtc12ok" / "benchmark" / "saiapr_tc-12" / file
        text = path.read_text()
        assert old in text or "107" in old
        path.write_text(text.replace(old, new, 1) if old in text else f"{new}{text}")
        with pytest.raises(DataError, match=message):
            read_iapr_tc12(source, classes="branches", **GIVEN)

    def test_counts(self, source):
        more = GIVEN | {"kinds": {"labels": 5}}
        with pytest.raises(
            DataError, match=r"3 labels, but SAIAPR TC-12 .* has 5; get the whole set again, or .*partial"
        ):
            read_iapr_tc12(source, **more)
        assert len(read_iapr_tc12(source, partial=True, **more).pairs) == 12
        with pytest.raises(DataError, match=r"2 branches, but SAIAPR TC-12 .* has 1; get the whole set again$"):
            read_iapr_tc12(source, classes="branches", partial=True, **(GIVEN | {"kinds": {"branches": 1}}))
        with pytest.raises(DataError, match=r"12 pairs, but SAIAPR TC-12 .* has 20000"):
            read_iapr_tc12(source, **(GIVEN | {"published": iapr_tc12.PUBLISHED}))

    def test_of_the_words(self, source):
        file = source / "saiaprtc12ok" / "benchmark" / "wlist.txt"
        file.write_text("29\tsky\n30 church\n")
        with pytest.raises(DataError, match=r"wlist.txt:2: '30 church' is not NUMBER<TAB>label"):
            read_iapr_tc12(source, **GIVEN)
        file.write_text("29\tsky\n29\tchurch\n")
        with pytest.raises(DataError, match=r"wlist.txt:2: '29\\tchurch' is not .* a number of its own"):
            read_iapr_tc12(source, **GIVEN)

    def test_of_a_description(self, source):
        file = source / "iaprtc12" / "annotations_complete_eng" / "00" / "0.eng"
        content = file.read_bytes()
        file.write_bytes(content[: content.index(b"blue")])
        with pytest.raises(DataError, match=r"0.eng:4: no <DESCRIPTION> that ends; the file may be cut short"):
            read_iapr_tc12(source, **GIVEN)
        file.write_bytes(content.replace(b"blue", b"bl\x81e"))
        with pytest.raises(DataError, match=r"0.eng:4: neither Windows-1252 nor UTF-8"):
            read_iapr_tc12(source, **GIVEN)

    def test_of_the_split(self, source):
        folder = source / "saiaprtc12ok" / "matlab" / "matlab"
        test, train = folder / "testing.mat", folder / "training.mat"
        whole = test.read_bytes()
        scipy.io.savemat(test, {"testing": np.array([[108.0]])})
        with pytest.raises(DataError, match="picture 109 is in no list of the split"):
            read_iapr_tc12(source, **GIVEN)
        scipy.io.savemat(test, {"testing": np.array([[1.0]])})
        with pytest.raises(DataError, match=r"testing.mat: picture 1 is a train picture already"):
            read_iapr_tc12(source, **GIVEN)
        scipy.io.savemat(test, {"testing": np.array([[np.nan]])})
        for content in (test.read_bytes(), whole[: len(whole) // 2], b"text", train.read_bytes()):
            test.write_bytes(content)
            with pytest.raises(DataError, match=r"testing.mat: (no matrix|not a readable MATLAB|no numbers)"):
                read_iapr_tc12(source, **GIVEN)
        test.unlink()
        with pytest.raises(DataError, match=r"no file testing.mat beside the other lists of the split; IAPR"):
            read_iapr_tc12(source, **GIVEN)
