"""What the sections of params.yaml have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# Data sets are folders, and words on command lines.
DATASET_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
DatasetName = Annotated[str, Field(pattern=DATASET_NAME)]
TempoFactor = Annotated[float, Field(gt=0, le=10)]


class Section(BaseModel):
    """A frozen section of params.yaml; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
