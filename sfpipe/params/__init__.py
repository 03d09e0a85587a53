"""params.yaml as frozen, validated models: one section per stage, and how a file is read."""

from sfpipe.params.data import (
    AugmentParams,
    CleanParams,
    DownloadParams,
    EngraveParams,
    FolderParams,
    RealPerformancesParams,
    RoomParams,
    ScoresParams,
    SpectrogramsParams,
    SynthesizeParams,
    VariantParams,
)
from sfpipe.params.evaluate import (
    BaselinesParams,
    EvaluateParams,
    MmLocParams,
    OdtwParams,
    OmrParams,
)
from sfpipe.params.loading import Params, load_params, override, parse_params
from sfpipe.params.section import DATASET_NAME, Section
from sfpipe.params.train import (
    BeliefFilterParams,
    BeliefParams,
    DaggerParams,
    PPOParams,
    Schedule,
    StudyParams,
    TrainParams,
)

__all__ = [
    "DATASET_NAME",
    "AugmentParams",
    "BaselinesParams",
    "BeliefFilterParams",
    "BeliefParams",
    "CleanParams",
    "DaggerParams",
    "DownloadParams",
    "EngraveParams",
    "EvaluateParams",
    "FolderParams",
    "MmLocParams",
    "OdtwParams",
    "OmrParams",
    "PPOParams",
    "Params",
    "RealPerformancesParams",
    "RoomParams",
    "Schedule",
    "ScoresParams",
    "Section",
    "SpectrogramsParams",
    "StudyParams",
    "SynthesizeParams",
    "TrainParams",
    "VariantParams",
    "load_params",
    "override",
    "parse_params",
]
