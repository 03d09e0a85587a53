"""The whole of params.yaml: reading it, checking it, and saying in one line what is wrong."""

from __future__ import annotations

import difflib
import textwrap
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from sfpipe.errors import SfpipeError
from sfpipe.files import read_text
from sfpipe.params.data import (
    CleanParams,
    DownloadParams,
    EngraveParams,
    RealPerformancesParams,
    ScoresParams,
    SpectrogramsParams,
    SynthesizeParams,
)
from sfpipe.params.evaluate import BaselinesParams, EvaluateParams
from sfpipe.params.presets import preset_for
from sfpipe.params.renamed import new_key
from sfpipe.params.section import DatasetName, Section
from sfpipe.params.train import TrainParams

MOST_CHARACTERS = 1 << 20
MOST_ALIASES = 100  # aliases of aliases multiply
AnySection = TypeVar("AnySection", bound="Section")


class Params(Section):
    """The whole of params.yaml."""

    dataset: DatasetName
    algo: Literal["reinforce", "a2c", "ppo", "dagger", "belief"]
    seed: int = Field(ge=0, lt=2**31)
    download: DownloadParams = DownloadParams()
    engrave: EngraveParams = EngraveParams()
    clean: CleanParams = CleanParams()
    synthesize: SynthesizeParams = SynthesizeParams()
    spectrograms: SpectrogramsParams = SpectrogramsParams()
    scores: ScoresParams = ScoresParams()
    real_performances: RealPerformancesParams = RealPerformancesParams()
    train: TrainParams = TrainParams()
    evaluate: EvaluateParams = EvaluateParams()
    baselines: BaselinesParams = BaselinesParams()

    @model_validator(mode="before")
    @classmethod
    def _choose_preset(cls, data: Any) -> Any:
        """Puts the preset that suits `algo` in place of `auto`, or of none."""
        if not isinstance(data, dict) or not isinstance(data.get("algo"), str):
            return data
        train = data.get("train", {})
        if not isinstance(train, dict) or train.get("preset", "auto") != "auto":
            return data
        return data | {"train": train | {"preset": preset_for(data["algo"])}}


def load_params(path: str | Path = "params.yaml") -> Params:
    """Read and check params.yaml.

    Raises
    ------
    SfpipeError
        If the file is missing, cannot be read or is not YAML, a key is unknown (with its nearest
        neighbour), or a value is out of range (with the range).
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.tokens import AliasToken

    try:
        text = read_text(path)
        if len(text) > MOST_CHARACTERS:
            raise ValueError(f"it has more than {MOST_CHARACTERS:,} characters")
        tokens = YAML(typ="safe").scan(text)
        if sum(isinstance(token, AliasToken) for token in tokens) > MOST_ALIASES:
            raise ValueError(f"it has more than {MOST_ALIASES} aliases")
        data = YAML(typ="safe").load(text)
    except FileNotFoundError:
        raise SfpipeError(
            "no such file", file=path, remedy="run in the project folder, or give --params FILE"
        ) from None
    except OSError as error:
        raise SfpipeError(
            f"cannot be read ({error.strerror})", file=path, remedy="give --params FILE"
        ) from None
    except (YAMLError, ValueError) as error:
        raise SfpipeError(f"is not valid YAML ({error})", file=path, remedy="correct it") from None
    except RecursionError:
        raise SfpipeError("is nested too deeply", file=path, remedy="correct it") from None
    return parse_params(data, source=str(path))


def parse_params(data: Any, *, source: str = "params") -> Params:
    """Check plain data (as read from YAML) against the schema.

    Raises
    ------
    SfpipeError
        As `load_params`.
    """
    if not isinstance(data, dict):
        raise SfpipeError(
            "does not consist of keys and values", file=source, remedy="see the shipped params.yaml"
        )
    # Sections may be written empty in YAML, which reads as None.
    data = {k: ({} if v is None and k in _SECTIONS else v) for k, v in data.items()}
    try:
        return Params.model_validate(data)
    except ValidationError as error:
        raise _explained(error, data, source) from None


def override(section: AnySection, **changes: Any) -> AnySection:
    """A section with some values changed; those that are None stay.

    Raises
    ------
    SfpipeError
        If a value is out of range.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    try:
        return type(section)(**section.model_dump() | given)
    except ValidationError as error:
        raise _explained(error, given, None) from None


def _explained(error: ValidationError, data: dict[str, Any], source: str | None) -> SfpipeError:
    """The first of the errors, in one line with a remedy."""
    first = error.errors()[0]
    key = ".".join(_place(first["loc"], data))
    if first["type"] == "extra_forbidden":
        if renamed := new_key(key, first.get("input"), data.get("algo")):
            old, new = renamed
            return SfpipeError(f"unknown key '{old}'", file=source, remedy=f"it is '{new}' now")
        near = difflib.get_close_matches(key, _known_keys(Params, data), n=1, cutoff=0)
        return SfpipeError(f"unknown key '{key}'", file=source, remedy=f"did you mean '{near[0]}'?")
    given = textwrap.shorten(repr(first.get("input")), 60, placeholder="...")
    message = first["msg"].removeprefix("Value error, ")
    return SfpipeError(
        f"'{key}': {message} (found {given})", file=source, remedy="correct the value"
    )


def _place(location: tuple[int | str, ...], data: Any) -> list[str]:
    """The keys that lead to an error; pydantic adds which of several types it tried."""
    keys = []
    for i, part in enumerate(location):
        nested = isinstance(data, (dict, list))
        if not nested:
            break
        if isinstance(data, dict) and part not in data and i + 1 < len(location):
            continue
        keys.append(str(part))
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            data = {}  # a key that is missing
    return keys


_SECTIONS = {
    name
    for name, field in Params.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}


def _known_keys(model: type[BaseModel], data: Any, prefix: str = "") -> list[str]:
    """All keys of the schema; of tables with free names (folders), under the names in `data`."""
    keys: list[str] = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        kind, inside = field.annotation, data.get(name) if isinstance(data, dict) else None
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys += _known_keys(kind, inside, f"{prefix}{name}.")
        for entry in get_args(kind):
            if isinstance(entry, type) and issubclass(entry, Section) and name == "filter":
                keys += _known_keys(entry, inside, f"{prefix}{name}.")
            elif isinstance(entry, type) and issubclass(entry, BaseModel):
                for own, value in inside.items() if isinstance(inside, dict) else ():
                    keys += _known_keys(entry, value, f"{prefix}{name}.{own}.")
    return keys
