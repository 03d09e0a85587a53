"""params.yaml: what is wrong with it is said in one line; what is shipped is complete."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from sfpipe.errors import SfpipeError
from sfpipe.params import Params, PPOParams, TrainParams, load_params, parse_params
from sfpipe.params.presets import PRESETS
from sfpipe.params.renamed import RENAMED
from sfpipe.paths import Paths

SHIPPED = Path(__file__).parents[1] / "params.yaml"
LEAST = {"dataset": "ryan", "algo": "ppo", "seed": 1}


def shipped() -> dict:
    return YAML(typ="safe").load(SHIPPED.read_text("utf-8"))


def error_of(**changes) -> SfpipeError:
    with pytest.raises(SfpipeError) as caught:
        parse_params(LEAST | changes, source="params.yaml")
    text = str(caught.value)
    assert text.startswith("params.yaml: ")
    assert "\n" not in text
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize(
    ("changes", "unknown", "nearest"),
    [
        ({"sead": 1}, "sead", "seed"),
        ({"trian": {}}, "trian", "train"),
        ({"train": {"common": {"devise": "cpu"}}}, "train.common.devise", "train.common.device"),
        ({"clean": {"min_onset": 3}}, "clean.min_onset", "clean.min_onsets"),
        (
            {"synthesize": {"train": {"tempo_factor": [1.0]}}},
            "synthesize.train.tempo_factor",
            "synthesize.train.tempo_factors",
        ),
        (
            {"train": {"ppo": {"gama": 0.9}}},
            "train.ppo.gama",
            "train.ppo.gamma",
        ),
        (
            {"evaluate": {"filter": {"tempo_sdt": 0.1}}},
            "evaluate.filter.tempo_sdt",
            "evaluate.filter.tempo_std",
        ),
        (
            {"download": {"folders": {"mine": {"path": "x", "license": "CC0"}}}},
            "download.folders.mine.license",
            "download.folders.mine.licence",
        ),
        ({"spectrograms": {"fps": 20}}, "spectrograms.fps", "spectrograms"),
    ],
)
def test_unknown_key_names_its_nearest_neighbour(changes, unknown, nearest):
    error = error_of(**changes)
    assert error.what == f"unknown key '{unknown}'"
    assert error.remedy == f"did you mean '{nearest}'?"


@pytest.mark.parametrize(
    ("changes", "key", "found"),
    [
        ({"seed": -1}, "seed", "-1"),
        ({"seed": "x"}, "seed", "'x'"),
        ({"algo": "dqn"}, "algo", "'dqn'"),
        ({"dataset": None}, "dataset", "None"),
        ({"download": {"max_pieces": 2}}, "download.max_pieces", "2"),
        ({"scores": {"height_px": "high"}}, "scores.height_px", "'high'"),
        ({"synthesize": {"gain": 0}}, "synthesize.gain", "0"),
        ({"synthesize": {"train": {"soundfonts": []}}}, "synthesize.train.soundfonts", "[]"),
        ({"train": {"common": {"window": "wide"}}}, "train.common.window", "'wide'"),
        ({"train": {"ppo": {"gamma": 1.5}}}, "train.ppo.gamma", "1.5"),
        ({"evaluate": {"filter": {"tempo_std": 2}}}, "evaluate.filter.tempo_std", "2"),
        ({"evaluate": {"trials": 0.5}}, "evaluate.trials", "0.5"),
        ({"clean": [1]}, "clean", "[1]"),
    ],
)
def test_wrong_value_names_key_and_value(changes, key, found):
    error = error_of(**changes)
    assert error.what.startswith(f"'{key}': ")
    assert error.what.endswith(f"(found {found})")


def test_out_of_range_names_the_range():
    assert "less than or equal to 127" in error_of(synthesize={"program": 128}).what
    assert "'reinforce', 'a2c', 'ppo', 'dagger' or 'belief'" in error_of(algo="dqn").what


@pytest.mark.parametrize("value", [[0.5, -1.0], [0.0], [float("nan")], [float("inf")]])
def test_tempo_factors_must_be_positive(value):
    error = error_of(synthesize={"train": {"tempo_factors": value}})
    assert error.what.startswith("'synthesize.train.tempo_factors.")


@pytest.mark.parametrize(
    "changes",
    [
        {"train": {"a2c": {"learning_rate": float("nan")}}},
        {"train": {"common": {"max_minutes": float("inf")}}},
        {"engrave": {"notes_per_minute": float("nan")}},
    ],
)
def test_numbers_must_be_finite(changes):
    assert "finite" in error_of(**changes).what


@pytest.mark.parametrize("name", ["../elsewhere", "a/b", "", ".", "..", "a b", "-x", "a\n"])
def test_data_set_name_must_be_a_folder_name(name):
    error_of(dataset=name)
    error_of(download={"folders": {name: {"path": "x"}}})
    with pytest.raises(SfpipeError, match="is no name of a data set"):
        Paths(name)


def test_paths_are_named_after_the_data_set():
    paths = Paths("my-tunes_2.0")
    assert paths.raw == Path("data/raw/my-tunes_2.0")
    assert paths.scores == Path("data/scores/my-tunes_2.0.h5")


def test_seeds_must_fit_every_generator():
    assert parse_params(LEAST | {"seed": 2**31 - 1}).seed == 2**31 - 1
    assert error_of(seed=2**31).what.startswith("'seed': ")


def test_limits_must_not_cross():
    error = error_of(clean={"min_onsets": 20, "max_onsets": 10})
    assert "max_onsets" in error.what
    assert "min_onsets" in error.what


def test_unknown_preset():
    error = error_of(train={"preset": "papre"})
    assert "preset 'papre' is none of demo, scratch, paper" in error.what


def test_long_values_do_not_flood_the_line():
    assert len(str(error_of(clean=list(range(10_000))))) < 400


@pytest.mark.parametrize("missing", LEAST)
def test_missing_key(missing):
    with pytest.raises(SfpipeError, match=f"params.yaml: '{missing}': Field required") as caught:
        parse_params({k: v for k, v in LEAST.items() if k != missing}, source="params.yaml")
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("text", ["", "- 1\n- 2\n", "just words"])
def test_no_mapping(tmp_path, text):
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(SfpipeError, match=r"p\.yaml: ") as caught:
        load_params(tmp_path / "p.yaml")
    assert "keys and values" in caught.value.what


def test_missing_file(tmp_path):
    with pytest.raises(SfpipeError) as caught:
        load_params(tmp_path / "p.yaml")
    assert str(caught.value).startswith(f"{tmp_path / 'p.yaml'}: no such file -> ")
    with pytest.raises(SfpipeError, match="cannot be read"):
        load_params(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"seed: [1\nalgo: ppo\n", b"a: 1\na: 2\n", b"\xff\xfe\x00x", b"a: !!python/object:x {}\n"],
)
def test_bad_yaml(tmp_path, content):
    (tmp_path / "p.yaml").write_bytes(content)
    with pytest.raises(SfpipeError, match=r"p\.yaml: ") as caught:
        load_params(tmp_path / "p.yaml")
    assert "\n" not in str(caught.value)
    assert "YAML" in caught.value.what


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a 1\nb: [" + "*a, " * 101 + "1]\n", "more than 100 aliases"),
        ("#" * (1 << 20) + "\n\n", "more than 1,048,576 characters"),
        ("a: " + "[" * 2000 + "]" * 2000, "is nested too deeply"),
        ("seed: 1" + "0" * 400 + "\n", "seed"),
    ],
)
def test_yaml_that_would_grow_or_has_no_end(tmp_path, text, message):
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(SfpipeError, match=message) as caught:
        load_params(tmp_path / "p.yaml")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1200


def test_sections_may_be_left_out_or_empty():
    assert parse_params(LEAST) == parse_params(LEAST | {"clean": None, "train": {}})
    assert parse_params(LEAST | {"train": {"ppo": None}}) == parse_params(LEAST)


def test_a_value_takes_the_place_of_the_presets():
    scratch, ours = (
        parse_params(LEAST | {"train": train}).train
        for train in ({}, {"ppo": {"num_envs": 3, "max_frames": "auto"}, "common": {}})
    )
    assert scratch.ppo.num_envs == 128
    assert ours.ppo == scratch.ppo.model_copy(update={"num_envs": 3})
    assert (ours.common, ours.a2c) == (scratch.common, scratch.a2c)
    assert TrainParams(preset="paper").ppo == PPOParams()
    assert TrainParams(**ours.model_dump()) == ours


def test_the_preset_follows_the_algorithm_unless_it_is_named():
    def preset(**changes):
        return parse_params(LEAST | changes).train.preset

    for algo in ("reinforce", "a2c", "ppo"):
        assert preset(algo=algo) == preset(algo=algo, train={"preset": "auto"}) == "scratch"
        assert preset(algo=algo, train={"preset": "paper"}) == "paper"
    for algo in ("dagger", "belief"):
        assert preset(algo=algo) == preset(algo=algo, train={"ppo": {}}) == "demo"


def test_parameters_cannot_be_changed():
    loaded = parse_params(LEAST)
    with pytest.raises(ValueError, match="frozen"):
        loaded.seed = 3
    with pytest.raises(ValueError, match="frozen"):
        loaded.train.common.window = "msmd"


def test_the_paper_preset_is_table_5():
    paper = TrainParams(preset="paper")
    for p in (paper.reinforce, paper.a2c, paper.ppo):
        assert (p.learning_rate, p.gamma, p.ent_coef, p.vf_coef) == (1e-4, 0.9, 0.05, 0.5)
        assert p.max_grad_norm == 0.5 and p.max_frames is None
    assert (paper.reinforce.num_envs, paper.a2c.num_envs, paper.ppo.num_envs) == (1, 8, 8)
    assert paper.a2c.num_steps == paper.ppo.num_steps == 15
    p = paper.ppo
    assert (p.gae_lambda, p.clip_coef, p.update_epochs, p.minibatch_size) == (0.95, 0.2, 1, 120)
    c = paper.common
    assert (c.evaluate_every, c.patience, c.lr_reductions) == (5000, 50, 2)
    assert (c.lr_reduction_factor, c.dropout, c.warm_start) == (0.1, 0.2, None)
    assert paper.pretraining.max_frames == 0


def test_shipped_params_load_under_every_preset():
    assert load_params(SHIPPED).dataset == "ryan"
    for name in PRESETS:
        data = shipped()
        data["train"]["preset"] = name
        machine = data["train"]["common"]
        common = parse_params(data).train.common
        expected = TrainParams(preset=name).common
        assert common.model_dump(exclude=set(machine)) == expected.model_dump(exclude=set(machine))
        assert parse_params(data).train.ppo == TrainParams(preset=name).ppo


@pytest.mark.parametrize("algo", ["reinforce", "a2c", "ppo"])
def test_scratch_is_reinforcement_learning_alone(algo):
    train = TrainParams(preset="scratch")
    assert train.common.warm_start is None
    assert train.common.start_from is None
    assert train.pretraining.max_frames == 0
    section = getattr(train, algo)
    assert getattr(section, "localisation_coef", 0.0) == 0.0
    # Decays need an end to decay to.
    assert section.max_frames is not None
    assert section.final_learning_rate < section.learning_rate
    assert section.final_ent_coef < section.ent_coef
    assert section.gamma == 0.9  # the paper's


def test_the_training_that_is_shipped_ends_without_a_clock():
    train = load_params(SHIPPED).train
    assert train.common.max_minutes is None
    for section in (train.pretraining, train.dagger, train.reinforce, train.a2c, train.ppo):
        assert section.max_frames is not None


def test_the_schema_has_the_defaults_that_are_shipped():
    """Whoever leaves a key out gets what the shipped file says."""
    least = {key: shipped()[key] for key in LEAST}
    ours, theirs = load_params(SHIPPED), parse_params(least)
    assert ours == theirs


def test_the_shipped_file_is_short_and_has_every_section():
    """`dvc exp run -S section.key` and the stages of dvc.yaml need the section."""
    assert set(shipped()) == set(Params.model_fields)
    assert len(SHIPPED.read_text("utf-8").splitlines()) <= 120


def nested(key: str) -> dict:
    value: object = 1
    for part in reversed(key.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("old", RENAMED)
def test_old_keys_are_answered_by_the_new_ones(old):
    """In a file that has this key alone, below the name of a schedule if it had one."""
    key = old.replace("schedules.*", "schedules.demo").replace("*", "learning_rate")
    error = error_of(**nested(key))
    assert error.what == f"unknown key '{key}'"
    new = RENAMED[old].replace("*", "learning_rate").replace("ALGO", "ppo")
    assert error.remedy == f"it is '{new}' now"
    if key != "performances":
        section: object = parse_params(LEAST)
        *parents, name = new.split(".")
        if parents[-1] != "filter":
            for part in parents:
                section = getattr(section, part)
            assert hasattr(section, name), new


def test_a_training_uses_the_sections_of_its_own_phases():
    demo = TrainParams()  # pretraining, then imitation
    assert demo.phases("ppo") == ["pretraining", "dagger", "ppo"]
    assert set(demo.used("ppo")) == {"common", "pretraining", "dagger", "ppo"}
    assert demo.phases("dagger") == ["pretraining", "dagger"]
    assert set(demo.used("belief")) == {"common", "belief"}
    alone = TrainParams(common={"warm_start": None}, pretraining={"max_frames": 0})
    assert set(alone.used("a2c")) == {"common", "a2c"}
    # Pretraining takes its horizon and temperature from dagger's section.
    assert set(TrainParams(common={"warm_start": None}).used("a2c")) == {
        "common",
        "pretraining",
        "dagger",
        "a2c",
    }
    assert not {"threads", "checkpoint_seconds"} & set(demo.used("ppo")["common"])
