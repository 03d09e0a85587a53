"""The data sets that sfpipe knows: where they come from, who made them, how they are split."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass

from sfpipe.errors import SfpipeError
from sfpipe.params import FolderParams

SPLIT_RULE = (
    "monophonic tunes in groups of near-duplicates (title or melody); seeded; "
    "187/63/46 (train/valid/test); see sfpipe/datasets/split.py"
)


@dataclass(frozen=True)
class Dataset:
    """The declaration of one data set.

    `url` and `mirror_file` are None where nothing is downloaded; `prefix` is the folder inside
    the archive; `index` names the CSV of per-file SHA-256 beside this module. `pieces` is how many
    are taken unless a number is asked for; None: all.
    """

    name: str
    title: str
    homepage: str
    licence: str
    citation: str
    url: str | None = None
    mirror_file: str | None = None
    prefix: str = ""
    index: str | None = None
    split_rule: str = SPLIT_RULE
    pieces: int | None = 240


RYAN = Dataset(
    name="ryan",
    title="Ryan's Mammoth Collection",
    homepage="https://www.music21.org/music21docs/about/referenceCorpus.html",
    licence="tunes of 1883, public domain; encodings: music21 corpus licence",
    citation=(
        "W. B. Ryan (ed.), Ryan's Mammoth Collection, Boston: E. Howe, 1883; ABC by J. Chambers, "
        "R. Davies and others, shipped with music21 (M. S. Cuthbert and C. Ariza, ISMIR 2010)"
    ),
)

_COMMIT = "0992bb6cd864f6d4b90d6663e08c0ef53ffaa08f"
NOTTINGHAM = Dataset(
    name="nottingham",
    title="Nottingham Database",
    homepage="https://github.com/jukedeck/nottingham-dataset",
    licence="GPL-3.0 (jukedeck edition)",
    citation=(
        "E. Foxley, Nottingham Database, 2011; cleaned by Jukedeck, "
        f"github.com/jukedeck/nottingham-dataset @{_COMMIT[:7]}"
    ),
    url=f"https://github.com/jukedeck/nottingham-dataset/archive/{_COMMIT}.tar.gz",
    mirror_file="nottingham-dataset-0992bb6.tar.gz",
    prefix=f"nottingham-dataset-{_COMMIT}/",
    index="nottingham_index.csv",
)

_MUTOPIA = "2144afd6f52d56c5b6995b8b589ef1268b3139f0"
MSMD = Dataset(
    name="msmd",
    title="Multimodal Sheet Music Dataset, rebuilt from its LilyPond sources",
    homepage="https://github.com/MutopiaProject/MutopiaProject",
    licence="per piece, from its header: public domain, CC BY or CC BY-SA",
    citation=(
        "M. Dorfer, J. Hajic jr., A. Arzt, H. Frostel, G. Widmer, Learning Audio-Sheet Music "
        "Correspondences for Cross-Modal Retrieval and Piece Identification, TISMIR 1(1), 2018 "
        f"(pieces and split); sources: Mutopia Project @{_MUTOPIA[:7]}"
    ),
    url=f"https://github.com/MutopiaProject/MutopiaProject/archive/{_MUTOPIA}.tar.gz",
    mirror_file=f"MutopiaProject-{_MUTOPIA[:7]}.tar.gz",
    prefix=f"MutopiaProject-{_MUTOPIA}/",
    index="msmd_index.csv",
    split_rule="354/19/94 (train/valid/test): the cleaned split of MSMD, msmd_split.csv",
    pieces=None,
)

_VIENNA = "decce458a2ae1fa41395fc71117180f91cff4aa4"
VIENNA = Dataset(
    name="vienna4x22",
    title="Vienna 4x22 Piano Corpus",
    homepage="https://github.com/CPJKU/vienna4x22",
    licence="for research (see the homepage)",
    citation=(
        "W. Goebl, The Vienna 4x22 Piano Corpus, 1999, doi:10.21939/4X22; match files and scores: "
        f"github.com/CPJKU/vienna4x22 @{_VIENNA[:7]}"
    ),
    url=f"https://github.com/CPJKU/vienna4x22/archive/{_VIENNA}.tar.gz",
    mirror_file=f"vienna4x22-{_VIENNA[:7]}.tar.gz",
    prefix=f"vienna4x22-{_VIENNA}/",
    index="vienna4x22_index.csv",
    split_rule="all four excerpts are test pieces",
    pieces=None,
)

CATALOGUE = {dataset.name: dataset for dataset in (RYAN, NOTTINGHAM, MSMD, VIENNA)}


@dataclass(frozen=True)
class Archive:
    """Preprocessed data that others distribute: not fetched by sfpipe, but known to it.

    `layout`: patterns of the paths inside, with the archive's own top folder. `use`: what can be
    done with it here.
    """

    name: str
    url: str
    licence: str
    citation: str
    layout: tuple[str, ...]
    use: str


_DORFER = MSMD.citation.split(" (pieces")[0]
ARCHIVES = (
    Archive(
        name="the 2019 authors' preprocessed data",
        url="https://www.cp.jku.at/resources/2019_RLScoFo_TISMIR/data.tar.gz",
        licence="MIT (the repository's); pieces as in MSMD and the Nottingham Database",
        citation=(
            "F. Henkel, S. Balke, M. Dorfer, G. Widmer, Score Following as a Multi-Modal "
            "Reinforcement Learning Problem, TISMIR 2(1), 2019"
        ),
        layout=("*score/*.npz", "*performance/*"),
        use="sfpipe import-tismir FOLDER, the one that holds 'score' and 'performance'",
    ),
    Archive(
        name="MSMD v1.1 (pages, note heads as (y, x) in page pixels, MIDI; no audio)",
        url="https://zenodo.org/record/2597505/files/msmd_aug_v1-1_no-audio.zip",
        licence="CC BY-NC-SA 4.0",
        citation=_DORFER,
        layout=("*/scores/*_ly/img/*.png", "*/scores/*_ly/coords/*.npy"),
        use="sfpipe import-msmd FOLDER (dataset msmd makes the same pieces, aligned exactly)",
    ),
    Archive(
        name="MSMD, page version (page images with annotations, audio)",
        url="https://zenodo.org/record/4745838/files/msmd.zip",
        licence="CC BY-NC-SA 4.0",
        citation=(
            "F. Henkel, G. Widmer, Multi-modal Conditional Bounding Box Regression for Music Score "
            "Following, EUSIPCO 2021"
        ),
        layout=("*msmd_train/*.npz", "*msmd_valid/*.npz", "*msmd_test/*.npz"),
        use="sfpipe import-msmd FOLDER (its systems are cut from the pages)",
    ),
)


def recognise(paths: Iterable[str]) -> Archive | None:
    """The archive in whose layout files lie, by their paths; None if it is none of the known."""
    listed = list(paths)
    for archive in ARCHIVES:
        if any(fnmatch.filter(listed, archive.layout[0])):
            return archive
    return None


def find_dataset(name: str, folders: dict[str, FolderParams]) -> Dataset:
    """The declaration of data set `name`: built in, or an entry of `download.folders`.

    Raises
    ------
    SfpipeError
        If there is no such data set (naming the nearest one), or a folder takes a built-in name.
    """
    clash = sorted(set(folders) & set(CATALOGUE))
    if clash:
        raise SfpipeError(
            f"download.folders: '{clash[0]}' is the name of a built-in data set",
            remedy="choose another name",
        )
    if name in CATALOGUE:
        return CATALOGUE[name]
    if name in folders:
        entry = folders[name]
        return Dataset(
            name=name,
            title=name,
            homepage=entry.path,
            licence=entry.licence,
            citation=entry.citation,
        )
    near = difflib.get_close_matches(name, [*CATALOGUE, *folders], n=1, cutoff=0)
    raise SfpipeError(
        f"unknown data set '{name}'",
        remedy=f"did you mean '{near[0]}'? Own folders are declared in download.folders",
    )
