from __future__ import annotations

import pytest
import yaml

from masln.errors import ConfigError, MaslnError, SplitError
from masln.evaluation import Protocol
from masln.experiments import RunConfig, apply_settings, make_config, read_config


def test_a_configuration_survives_yaml(tmp_path):
    config = RunConfig(
        method="cca",
        hyperparameters={"ridge": 0.1, "input_scaling": "l2"},
        protocol=Protocol(gallery="train", normalize="block", cutoffs=(1, 3)),
        class_split="listed",
        listed=("mammal", "über"),
        unseen_share=0.3,
        seed=7,
        seeds=2,
    )
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config.to_dict(), allow_unicode=True), encoding="utf-8")
    assert RunConfig.from_dict(read_config(path)) == config
    assert RunConfig.from_dict({}) == RunConfig()
    assert RunConfig.from_dict({"unseen_share": 1}).unseen_share == 1.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"metod": "cca"}, r"unknown configuration key 'metod' \(did you mean 'method'\?\)"),
        ({"protocol": {"galery": "test"}}, r"unknown protocol key 'galery' \(did you mean 'gallery'\?\)"),
        ({"protocol": {"gallery": "tests"}}, r"unknown protocol gallery 'tests' \(did you mean 'test'\?\)"),
        ({"class_split": "parety"}, r"unknown class split rule 'parety' \(did you mean 'parity'\?\)"),
        ({"seed": "3"}, "'seed' must be int, got '3'"),
        ({"seed": True}, "'seed' must be int, got True"),
        ({"splits": 1.5}, "'splits' must be int"),
        ({"select": "no"}, "'select' must be bool"),
        ({"data": 3}, "'data' must be str"),
        ({"unseen_share": "half"}, "'unseen_share' must be float"),
        ({"baselines": "cca"}, "'baselines' must be a list of names"),
        ({"baselines": 3}, "'baselines' must be a list of names"),
        ({"listed": None}, "'listed' must be a list of names"),
        ({"listed": [3]}, "'listed' must be a list of names"),
        ({"hyperparameters": [1]}, "'hyperparameters' must be a mapping"),
        ({"protocol": "strict"}, "'protocol' must be a mapping"),
        ({"splits": 0}, "splits must be at least 1"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"seed": -1}, "seed must not be negative"),
        ({"splits": 2, "class_split": "parity"}, "several splits need the random class split"),
        ({"splits": 2, "protocol": {"setting": "standard"}}, "several splits need the random class split"),
        ({"validation_share": -0.5}, "validation_share|validation share"),
        ({"validation_share": 1.5}, "validation_share|validation share"),
        ({"precision": "fp8"}, "unknown precision 'fp8'"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
    ],
)
def test_what_is_not_understood_is_refused_in_one_line(values, message):
    with pytest.raises(MaslnError, match=message) as caught:
        RunConfig.from_dict(values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "3: x\n", "a: [1\n", "just words", "a: !!python/object:os.x {}"])
def test_files_that_are_no_mapping_are_refused_in_one_line(tmp_path, content):
    path = tmp_path / "c.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"configuration .*c\.yaml") as caught:
        read_config(path)
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "absent.yaml")
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "c.yaml")


def test_json_is_read_too(tmp_path):
    (tmp_path / "c.json").write_text('{"method": "cca", "hyperparameters": {"ridge": 0.1}}')
    assert RunConfig.from_dict(read_config(tmp_path / "c.json")).hyperparameters == {"ridge": 0.1}


def test_settings_reach_keys_parts_and_hyper_parameters():
    values = apply_settings(
        {"seed": 1, "hyperparameters": {"ridge": 1.0}},
        [
            "seed=5",
            "protocol.gallery=train",
            "ridge=0.5",
            "hyperparameters.n_components=8",
            "hidden=[64, 32]",
            "select=false",
            "input_scaling=pca:8",
            "data=a=b",
        ],
    )
    assert values == {
        "seed": 5,
        "protocol": {"gallery": "train"},
        "hyperparameters": {"ridge": 0.5, "n_components": 8, "hidden": [64, 32], "input_scaling": "pca:8"},
        "select": False,
        "data": "a=b",
    }


def test_settings_leave_what_they_were_given_alone():
    given = {"hyperparameters": {"ridge": 1.0}, "protocol": {}}
    apply_settings(given, ["ridge=2", "protocol.gallery=train"])
    assert given == {"hyperparameters": {"ridge": 1.0}, "protocol": {}}


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1e3", "0.001", "1.0e-3"])
def test_numbers_are_numbers_however_they_are_written(tmp_path, text):
    """YAML 1.1 reads 1e-3, as every paper writes a learning rate, as text."""
    assert apply_settings({}, [f"learning_rate={text}"])["hyperparameters"]["learning_rate"] == float(text)
    path = tmp_path / "c.yaml"
    path.write_text(f"hyperparameters:\n  learning_rate: {text}\n")
    assert read_config(path)["hyperparameters"]["learning_rate"] == float(text)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs", "write key=value"),
        ("=3", "write key=value"),
        ("protocl.gallery=test", r"unknown configuration part 'protocl' \(did you mean 'protocol'\?\)"),
        ("hidden=[1", "cannot be read as YAML"),
    ],
)
def test_malformed_settings_are_refused(setting, message):
    with pytest.raises(ConfigError, match=message):
        apply_settings({}, [setting])


@pytest.mark.parametrize("values", [{"hyperparameters": None}, {"protocol": None}, {"hyperparameters": [1]}])
def test_settings_on_top_of_an_empty_part(values):
    """``hyperparameters:`` with every line below it commented out is None in YAML."""
    try:
        RunConfig.from_dict(apply_settings(values, ["epochs=3", "protocol.gallery=train"]))
    except ConfigError as error:
        assert "\n" not in str(error)


def test_options_win_over_the_file_and_settings_over_both(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "method: cca\nseed: 3\nunseen_share: 0.25\nprotocol: {gallery: train, normalize: block}\nbaselines: []\n"
    )
    options = {
        "config": str(path),
        "method": "masln",
        "seed": 9,
        "gallery": "test",
        "normalize": "none",
        "settings": (),
    }
    config = make_config(options, given=set())
    assert (config.method, config.seed, config.unseen_share, config.baselines) == ("cca", 3, 0.25, ())
    assert config.protocol == Protocol(gallery="train", normalize="block")
    config = make_config(options, given={"method", "gallery"})
    assert (config.method, config.seed) == ("masln", 3)
    assert config.protocol == Protocol(gallery="test", normalize="block")
    config = make_config(options | {"settings": ("method=chance", "seed=4")}, given={"method", "seed"})
    assert (config.method, config.seed) == ("chance", 4)


def test_class_lists_come_from_a_file(tmp_path):
    path = tmp_path / "unseen.txt"
    path.write_text("class1\nclass3\n")
    config = make_config({"class_split": f"listed:{path}", "settings": ()}, given={"class_split"})
    assert config.listed == ("class1", "class3")
    assert config.make_split(["class0", "class1", "class2", "class3"], 0).unseen == (1, 3)
    with pytest.raises(SplitError, match="listed rule needs the names"):
        make_config({"class_split": "listed", "settings": ()}, {"class_split"}).make_split(["a", "b", "c"], 0)


def test_each_split_has_a_seed_of_its_own_and_the_standard_setting_sees_all():
    config, names = RunConfig(splits=3, seed=5), [f"c{i}" for i in range(12)]
    splits = [config.make_split(names, number) for number in range(3)]
    assert len({split.unseen for split in splits}) == 3
    assert splits[1] == RunConfig(seed=6).make_split(names, 0)
    assert RunConfig(protocol=Protocol(setting="standard")).make_split(names, 0).unseen == ()
