"""params.yaml: what is wrong with it is said in one line; what is shipped is complete."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from sfpipe.errors import SfpipeError
from sfpipe.params import Params, Schedule, load_params, parse_params
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
        ({"train": {"devise": "cpu"}}, "train.devise", "train.device"),
        ({"clean": {"min_onset": 3}}, "clean.min_onset", "clean.min_onsets"),
        (
            {"synthesize": {"train": {"tempo_factor": [1.0]}}},
            "synthesize.train.tempo_factor",
            "synthesize.train.tempo_factors",
        ),
        (
            {"train": {"schedules": {"paper": {"gama": 0.9}}}},
            "train.schedules.paper.gama",
            "train.schedules.paper.gamma",
        ),
        (
            {"train": {"schedules": {"paper": {"ppo": {"clp": 0.1}}}}},
            "train.schedules.paper.ppo.clp",
            "train.schedules.paper.ppo.clip",
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
        ({"train": {"window": "wide"}}, "train.window", "'wide'"),
        ({"train": {"schedules": {"paper": {"gamma": 1.5}}}}, "train.schedules.paper.gamma", "1.5"),
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
        {"train": {"schedules": {"paper": {"learning_rate": float("nan")}}}},
        {"train": {"schedules": {"paper": {"max_minutes": float("inf")}}}},
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


def test_unknown_schedule():
    error = error_of(train={"schedule": "papre"})
    assert "schedule 'papre' is none of paper" in error.what


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


def test_sections_may_be_left_out_or_empty():
    assert parse_params(LEAST) == parse_params(LEAST | {"clean": None, "train": {}})
    assert parse_params(LEAST).train.chosen == Schedule()


def test_a_partial_schedule_takes_the_rest_from_the_paper():
    loaded = parse_params(
        LEAST | {"train": {"schedule": "mine", "schedules": {"mine": {"n_games": 3}}}}
    )
    assert loaded.train.chosen == Schedule(n_games=3)


def test_parameters_cannot_be_changed():
    loaded = parse_params(LEAST)
    with pytest.raises(ValueError, match="frozen"):
        loaded.seed = 3
    with pytest.raises(ValueError, match="frozen"):
        loaded.train.window = "msmd"


def test_table_5_is_the_default():
    s = Schedule()
    assert (s.learning_rate, s.gamma, s.gae_lambda, s.t_max, s.n_games) == (1e-4, 0.9, 0.95, 15, 8)
    assert (s.entropy, s.value_loss, s.max_grad_norm, s.dropout) == (0.05, 0.5, 0.5, 0.2)
    assert (s.ppo.clip, s.ppo.epochs, s.ppo.batch) == (0.2, 1, 120)
    assert (s.evaluate_every, s.patience, s.refinements, s.refinement_factor) == (5000, 50, 2, 0.1)


def test_shipped_params_load():
    loaded = load_params(SHIPPED)
    assert loaded.dataset == "ryan"
    assert {"demo", "paper"} <= set(loaded.train.schedules)
    for name in loaded.train.schedules:
        data = shipped()
        data["train"]["schedule"] = name
        assert parse_params(data).train.chosen == loaded.train.schedules[name]


def test_shipped_paper_schedule_is_table_5():
    assert load_params(SHIPPED).train.schedules["paper"] == Schedule()


def test_the_schema_has_the_defaults_that_are_shipped():
    """Whoever leaves a key out gets what the shipped file says."""
    least = {key: shipped()[key] for key in LEAST}
    ours, theirs = load_params(SHIPPED), parse_params(least)
    sections = set(Params.model_fields) - {"train", "baselines"}
    assert {name: getattr(ours, name) for name in sections} == {
        name: getattr(theirs, name) for name in sections
    }


def test_the_shipped_file_is_short_and_has_every_section():
    """`dvc exp run -S section.key` and the stages of dvc.yaml need the section."""
    assert set(shipped()) == set(Params.model_fields)


@pytest.mark.parametrize(
    ("changes", "old", "new"), [({"performances": {}}, "performances", "real_performances")]
)
def test_old_keys_are_answered_by_the_new_ones(changes, old, new):
    error = error_of(**changes)
    assert error.what == f"unknown key '{old}'"
    assert f"'{new}'" in error.remedy
