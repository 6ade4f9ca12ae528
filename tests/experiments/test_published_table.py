"""The tables that ship: each is read, names methods that there are, and has the figures that were published."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
import yaml

from masln.data import data_sources
from masln.errors import ConfigError
from masln.experiments import RunConfig, published_tables, read_table
from masln.experiments.config import read_config
from masln.models import make_method

TABLES = published_tables()
#: Table to the setting and the beginning of the source that its rows have in the list of published results.
LISTED = {
    "zero-shot-unseen": ("zero_shot_unseen", ""),
    "zero-shot-seen": ("zero_shot_seen", ""),
    "generalized": ("generalized_zero_shot", ""),
    "standard": ("standard", "JFSE"),
    "dscmr-pascal": ("standard", "DSCMR"),
}
SMALL = """
title: two methods
protocol: {setting: seen_unseen, gallery: train, normalize: block}
part: unseen
named_splits: [parity]
unseen_share: 0.5
features: none
datasets:
  wikipedia: {source: wikipedia, classes: 10}
sources: {paper: "A paper, table 1"}
methods:
  CCA:
    settings: cca_hotelling1936
    source: paper
    figures: {wikipedia: [0.2, 0.3, 0.25]}
  Other:
    absent: not here
    source: paper
    figures: {wikipedia: [0.3, 0.3, 0.3]}
"""


def small(tmp_path: Path, old: str = "", new: str = "") -> Path:
    assert old in SMALL
    file = tmp_path / "small_table.yaml"
    file.write_text(SMALL.replace(old, new) if old else SMALL)
    return file


def test_these_tables_ship():
    assert set(TABLES) == set(LISTED)


@pytest.mark.parametrize("name", TABLES)
def test_every_row_names_something_that_runs_or_says_why_not(name):
    table = read_table(name)
    assert table.name == name and table.methods and table.title and table.features
    assert TABLES[name].read_text(encoding="utf-8").startswith("# "), "a comment says which paper"
    for dataset in table.datasets.values():
        assert dataset.source in data_sources()
    for label, method in table.methods.items():
        assert method.figures and set(method.figures) <= set(table.datasets), label
        for figures in method.figures.values():
            assert abs((figures.i2t + figures.t2i) / 2 - figures.average) < 2e-3, "averages are those of the directions"
        if not method.registered:
            assert len(method.absent) > 20, label
            continue
        config = RunConfig.from_dict({**method.run_values(), "protocol": table.protocol, "baselines": ()})
        fitted = make_method(config.method, **config.hyperparameters)
        assert {key: fitted.get_params()[key] for key in config.hyperparameters} == config.hyperparameters
        if method.settings:  # the values stand in one place
            assert config.hyperparameters == read_config(method.settings)["hyperparameters"]


@pytest.mark.parametrize("name", TABLES)
def test_what_no_paper_gives_is_marked(name):
    """Each value of the protocol and each row whose settings are ours has a comment of its own."""
    text = TABLES[name].read_text(encoding="utf-8")
    protocol = re.search(r"^protocol:\n((?:  .*\n)+)", text, flags=re.M).group(1)
    assert {line.split(":")[0].strip() for line in protocol.splitlines()} == {
        "setting", "gallery", "normalize", "similarity",
    }  # fmt: skip
    assert all("  # " in line for line in protocol.splitlines() if "normalize" in line or "similarity" in line)
    if read_table(name).unseen_share:
        assert re.search(r"^unseen_share: .*  # .*ours", text, flags=re.M)
    for label, method in read_table(name).methods.items():
        if method.method:
            assert re.search(rf"^  {label}:\n    method: .*  # ours", text, flags=re.M), label


def test_zero_shot_tables_share_their_runs():
    """Of the same protocol, rules and settings: what one has trained the others need not."""
    unseen, *others = (read_table(name) for name in ("zero-shot-unseen", "zero-shot-seen", "generalized"))
    assert unseen.protocol.gallery == "train"
    for other in others:
        assert (other.protocol, other.named_splits, other.unseen_share) == (
            unseen.protocol, unseen.named_splits, unseen.unseen_share,
        )  # fmt: skip
        for label, method in other.methods.items():
            assert method.run_values() == unseen.methods[label].run_values() if method.registered else method.absent


def test_figures_are_those_of_the_list_each_once(shared_data):
    path = shared_data.parent / "published_results.csv"
    if not path.is_file():
        pytest.skip("published_results.csv is absent")
    with path.open(encoding="utf-8", newline="") as stream:
        listed = list(csv.DictReader(stream))
    directions = ("map_image_to_text", "map_text_to_image", "map_average")
    expected = {
        (name, row["dataset"], row["method"]): (tuple(float(row[key]) for key in directions), row["source"])
        for row in listed
        for name, (setting, source) in LISTED.items()
        if row["setting"] == setting and row["source"].startswith(source)
    }
    assert len(expected) == len(listed), "every row of the list is in exactly one table"
    tables = {name: read_table(name) for name in TABLES}
    ours = {
        (name, dataset, label): (tuple(figures), table.sources[method.source])
        for name, table in tables.items()
        for label, method in table.methods.items()
        for dataset, figures in method.figures.items()
    }
    assert ours == expected


def test_a_table_of_ones_own_is_read_from_its_file(tmp_path):
    table = read_table(small(tmp_path))
    assert (table.name, table.part, table.named_splits) == ("small-table", "unseen", ("parity",))
    assert table.methods["CCA"].registered == "cca" and table.methods["Other"].registered == ""
    assert table.methods["CCA"].figures["wikipedia"].average == 0.25
    assert yaml.safe_load(SMALL)["protocol"].items() <= table.protocol.to_dict().items()


def test_names_are_taken_with_underscores_and_capitals():
    assert read_table("Zero_Shot_Seen").name == "zero-shot-seen"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title:", "titel:", "unknown key 'titel' (did you mean 'title'?)"),
        ("source: wikipedia", "sorce: wikipedia", "datasets: wikipedia: unknown key 'sorce' (did you mean 'source'?)"),
        ("    settings:", "    setting:", "methods: CCA: unknown key 'setting' (did you mean 'settings'?)"),
        ("gallery: train", "galery: train", "unknown protocol key 'galery' (did you mean 'gallery'?)"),
        ("cca_hotelling1936", "cca_hoteling1936", "methods: CCA: unknown published settings 'cca_hoteling1936' (did"),
        ("settings: cca_hotelling1936", "method: ccca", "methods: CCA: unknown method 'ccca' (did you mean 'cca'?)"),
        ("absent: not here", "{absent: x, method: cca}", "cannot be read"),
        ("    absent: not here\n", "", "methods: Other: exactly one of settings, method and absent"),
        ("part: unseen", "part: unsen", "unknown part of the setting seen_unseen 'unsen' (did you mean 'unseen'?)"),
        ("[parity]", "[random]", "unknown named class split 'random'"),
        ("classes: 10", "classes: ten", "datasets: wikipedia: classes must be int, got 'ten'"),
        ("[0.2, 0.3, 0.25]", "[0.2, 0.3]", "methods: CCA: figures: wikipedia must be three figures"),
        ("[0.2, 0.3, 0.25]", "[0.2, 0.3, 25.0]", "methods: CCA: figures: wikipedia must be three figures"),
        ("{wikipedia: [0.3", "{wikipedi: [0.3", "methods: Other: unknown dataset 'wikipedi' (did you mean 'wikipedia'"),
        ("source: paper\n    figures: {wikipedia: [0.3", "source: p\n    figures: {wikipedia: [0.3", "unknown source"),
        ("seen_unseen, gallery: train", "standard", "unknown part of the setting standard"),
        ("features: none\n", "", "features must be given"),
        ("unseen_share: 0.5", "unseen_share: 1.5", "unseen_share must lie between 0 and 1"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_file(tmp_path, old, new, message):
    file = small(tmp_path, old, new)
    with pytest.raises(ConfigError) as error:
        read_table(file)
    assert message in str(error.value) and str(file) in str(error.value) and "\n" not in str(error.value)


def test_an_unknown_table_names_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown table 'zero-shot-unsen' \(did you mean 'zero-shot-unseen'\?\)"):
        read_table("zero-shot-unsen")
