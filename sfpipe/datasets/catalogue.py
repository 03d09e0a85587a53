"""The data sets that sfpipe knows: where they come from, who made them, how they are split."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sfpipe.datasets.asap import load_asap
from sfpipe.datasets.corpus import corpus
from sfpipe.datasets.dataset import Dataset
from sfpipe.datasets.folder import read_folder
from sfpipe.datasets.melodies import melodies
from sfpipe.datasets.msmd import load_msmd
from sfpipe.datasets.nottingham import read_nottingham
from sfpipe.datasets.vienna import load_vienna
from sfpipe.errors import SfpipeError
from sfpipe.params import FolderParams

# Of its tune books music21's corpus/license.txt says: distributed with the permission of the
# encoders; to the best of music21's knowledge out of copyright in the United States or licensed
# for use, perhaps with restrictions on commercial use. The books themselves name no licence.
_CORPUS = "https://www.music21.org/music21docs/about/referenceCorpus.html"
_SHIPPED = "shipped with music21 (M. S. Cuthbert and C. Ariza, ISMIR 2010)"
_ENCODINGS = "public domain; encodings: music21 corpus licence"
_BOOKS = {
    "ryan": corpus("ryansMammoth"),
    "oneill": corpus("oneills1850", "oneill_"),
    "aird": corpus("airdsAirs", "aird_"),
}


def _book(name: str, title: str, years: str, citation: str) -> Dataset:
    """A tune book of `_BOOKS`."""
    licence = f"tunes of {years}, {_ENCODINGS}"
    cited = f"{citation}, {_SHIPPED}"
    load = melodies(_BOOKS[name])
    return Dataset(name, title, _CORPUS, licence=licence, citation=cited, load=load)


RYAN = _book(
    "ryan",
    "Ryan's Mammoth Collection",
    "1883",
    "W. B. Ryan (ed.), Ryan's Mammoth Collection, Boston: E. Howe, 1883; ABC by J. Chambers, "
    "R. Davies and others",
)
ONEILL = _book(
    "oneill",
    "O'Neill's Music of Ireland",
    "1903",
    "F. O'Neill (ed.), O'Neill's Music of Ireland: eighteen hundred and fifty melodies, "
    "Chicago: Lyon & Healy, 1903; ABC by N. Paap, J. Chambers and others",
)
AIRD = _book(
    "aird",
    "Aird's Airs",
    "1778 to 1801",
    "J. Aird (ed.), A Selection of Scotch, English, Irish and Foreign Airs, six volumes, "
    "Glasgow, 1778-1801; ABC by J. Campin, 2009",
)
FIDDLE = Dataset(
    name="fiddle",
    title="Ryan's, O'Neill's and Aird's collections without the tunes that they share",
    homepage=_CORPUS,
    licence=f"tunes of 1778 to 1903, {_ENCODINGS}",
    citation="; ".join((RYAN.citation, ONEILL.citation, AIRD.citation)),
    load=melodies(*_BOOKS.values()),
    split_rule="each tune as in its own collection; what repeats an earlier one's is left out",
    pieces=None,
)


def _github(repository: str, commit: str) -> dict[str, Any]:
    """Fields of a data set that is one commit of a repository."""
    homepage, name = f"https://github.com/{repository}", repository.partition("/")[2]
    return {
        "homepage": homepage,
        "url": f"{homepage}/archive/{commit}.tar.gz",
        "mirror_file": f"{name}-{commit[:7]}.tar.gz",
        "prefix": f"{name}-{commit}/",
    }


_COMMIT = "0992bb6cd864f6d4b90d6663e08c0ef53ffaa08f"
NOTTINGHAM = Dataset(
    name="nottingham",
    title="Nottingham Database",
    licence="GPL-3.0 (jukedeck edition)",
    citation=(
        "E. Foxley, Nottingham Database, 2011; cleaned by Jukedeck, "
        f"github.com/jukedeck/nottingham-dataset @{_COMMIT[:7]}"
    ),
    **_github("jukedeck/nottingham-dataset", _COMMIT),
    index="nottingham_index.csv",
    load=melodies(read_nottingham),
)

_MUTOPIA = "2144afd6f52d56c5b6995b8b589ef1268b3139f0"
MSMD = Dataset(
    name="msmd",
    title="Multimodal Sheet Music Dataset, rebuilt from its LilyPond sources",
    licence="per piece, from its header: public domain, CC BY or CC BY-SA",
    citation=(
        "M. Dorfer, J. Hajic jr., A. Arzt, H. Frostel, G. Widmer, Learning Audio-Sheet Music "
        "Correspondences for Cross-Modal Retrieval and Piece Identification, TISMIR 1(1), 2018 "
        f"(pieces and split); sources: Mutopia Project @{_MUTOPIA[:7]}"
    ),
    **_github("MutopiaProject/MutopiaProject", _MUTOPIA),
    index="msmd_index.csv",
    load=load_msmd,
    split_rule="354/19/94 (train/valid/test): the cleaned split of MSMD, msmd_split.csv",
    pieces=None,
)

_VIENNA = "decce458a2ae1fa41395fc71117180f91cff4aa4"
VIENNA = Dataset(
    name="vienna4x22",
    title="Vienna 4x22 Piano Corpus",
    licence="for research (see the homepage)",
    citation=(
        "W. Goebl, The Vienna 4x22 Piano Corpus, 1999, doi:10.21939/4X22; match files and scores: "
        f"github.com/CPJKU/vienna4x22 @{_VIENNA[:7]}"
    ),
    **_github("CPJKU/vienna4x22", _VIENNA),
    index="vienna4x22_index.csv",
    load=load_vienna,
    split_rule="all four excerpts are test pieces",
    pieces=None,
)

_ASAP = "4097b45757bed854818cf87e77b92323ebf90615"
ASAP = Dataset(
    name="asap",
    title="(n)ASAP: aligned scores and performances of whole piano pieces",
    licence="CC BY-NC-SA 4.0",
    citation=(
        "S. D. Peter, C. E. Cancino-Chacon, F. Foscarin, A. P. McLeod, F. Henkel, E. Karystinaios, "
        "G. Widmer, Automatic Note-Level Score-to-Performance Alignments in the ASAP Dataset, "
        "TISMIR 6(1), 2023, doi:10.5334/tismir.149; F. Foscarin, A. McLeod, P. Rigaux, "
        "F. Jacquemard, M. Sakai, ASAP: a dataset of aligned scores and performances for piano "
        f"transcription, ISMIR 2020; github.com/CPJKU/asap-dataset @{_ASAP[:7]}"
    ),
    **_github("CPJKU/asap-dataset", _ASAP),
    index="asap_index.csv",
    load=load_asap,
    split_rule="100/20/23 (train/valid/test) by piece, asap_split.csv; variants of one together",
    pieces=None,
)

_ALL = (RYAN, ONEILL, AIRD, FIDDLE, NOTTINGHAM, MSMD, VIENNA, ASAP)
CATALOGUE = {dataset.name: dataset for dataset in _ALL}


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
            load=melodies(read_folder),
        )
    near = difflib.get_close_matches(name, [*CATALOGUE, *folders], n=1, cutoff=0)
    raise SfpipeError(
        f"unknown data set '{name}'",
        remedy=f"did you mean '{near[0]}'? Own folders are declared in download.folders",
    )
