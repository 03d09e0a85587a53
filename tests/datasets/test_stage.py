import json

import pytest

from sfpipe.datasets.corpus import corpus_folder
from sfpipe.datasets.folder import folder_tunes
from sfpipe.datasets.index import read_index, validate
from sfpipe.datasets.stage import download
from sfpipe.errors import SfpipeError
from sfpipe.params import DownloadParams, FolderParams
from tests.datasets.test_tunes import XML
from tests.notation.midi import midi_bytes
from tests.tunes import CHORDS, PLAIN, RICH, WALTZ


def folder_params(path, **more) -> DownloadParams:
    return DownloadParams(folders={"mine": FolderParams(path=str(path), licence="CC0")}, **more)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "tunes"
    (path / "sub").mkdir(parents=True)
    (path / "book.abc").write_text(RICH + "\n" + PLAIN)
    (path / "sub" / "waltz.ABC").write_text(WALTZ)
    (path / "drone.abc").write_text(CHORDS)
    (path / "step.musicxml").write_text(XML)
    (path / "run.mid").write_bytes(midi_bytes([(i * 480, 60 + i * i % 13) for i in range(20)]))
    (path / "readme.txt").write_text("not a tune")
    return path


def test_ryan_needs_no_network_and_splits_without_leaks(tmp_path):
    report = download("ryan", DownloadParams(max_pieces=30), 4711, tmp_path / "ryan")
    index = read_index(tmp_path / "ryan")
    assert len(report.done) == len(index.pieces) == 30
    assert [sum(p.split == s for p in index.pieces) for s in ("train", "valid", "test")] == [
        19,
        6,
        5,
    ]
    assert validate(tmp_path / "ryan")
    assert "chords" in next(iter(report.skipped.values()))
    assert index.rejected == report.skipped


def test_growing_max_pieces_keeps_every_tune_in_its_split(tmp_path):
    splits = []
    for n in (12, 40):
        download("ryan", DownloadParams(max_pieces=n), 1, tmp_path / str(n))
        splits.append({p.id: p.split for p in read_index(tmp_path / str(n)).pieces})
    assert splits[0].items() <= splits[1].items()


def test_a_users_folder_of_all_formats(folder, tmp_path):
    report = download("mine", folder_params(folder), 0, tmp_path / "out")
    index = read_index(tmp_path / "out")
    assert sorted(report.done) == ["book-1", "book-2", "run", "step", "sub_waltz"]
    assert list(report.skipped) == ["drone"]
    assert {p.title for p in index.pieces} >= {"A Rich Tune", "Plain Scale", "Little Waltz"}
    assert {p.licence for p in index.pieces} == {"CC0"}
    assert validate(tmp_path / "out")


def test_chords_are_taken_on_request(folder, tmp_path):
    report = download("mine", folder_params(folder, monophonic=False), 0, tmp_path / "out")
    assert "drone" in report.done


def test_an_unreadable_file_is_listed_and_the_rest_goes_on(folder, tmp_path):
    (folder / "broken.mid").write_bytes(b"MThd nonsense")
    (folder / "empty.abc").write_text("")
    report = download("mine", folder_params(folder), 0, tmp_path / "out")
    assert "not readable as MIDI" in report.skipped["broken.mid"]
    assert "no tune" in report.skipped["empty.abc"]
    assert len(report.done) == 5


def test_no_folder_an_empty_folder_and_too_few_tunes(tmp_path):
    with pytest.raises(SfpipeError, match="no such folder"):
        download("mine", folder_params(tmp_path / "none"), 0, tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SfpipeError, match="holds no melodies"):
        download("mine", folder_params(tmp_path / "empty"), 0, tmp_path / "out")
    (tmp_path / "empty" / "x.abc").write_text(CHORDS)
    with pytest.raises(SfpipeError, match=r"has 0 usable tunes, .*chords"):
        download("mine", folder_params(tmp_path / "empty"), 0, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_data_set(tmp_path):
    with pytest.raises(SfpipeError, match="did you mean 'ryan'"):
        download("rayn", DownloadParams(), 0, tmp_path / "out")


def test_a_second_run_replaces_the_first_and_a_failed_one_does_not(folder, tmp_path):
    out = tmp_path / "out"
    download("mine", folder_params(folder), 0, out)
    (out / "stray").write_text("of an older run")
    download("mine", folder_params(folder), 0, out)
    assert not (out / "stray").exists()
    before = (out / "index.json").read_text()
    with pytest.raises(SfpipeError):
        download("mine", folder_params(tmp_path / "none"), 0, out)
    assert (out / "index.json").read_text() == before


def test_an_output_that_cannot_be_written(folder, tmp_path):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    with pytest.raises(SfpipeError, match="cannot be written"):
        download("mine", folder_params(folder), 0, blocked / "out")


def test_ryan_is_all_there():
    tunes, unreadable = folder_tunes(corpus_folder("ryansMammoth"))
    assert unreadable == {  # slips of the pen in the collection's files
        "CosmopolitanHornpipe.abc": "bar 15: '=' is no music of ABC",
        "HeadlightJig.abc": "bar 4: '^' is no music of ABC",
        "LillibulleroOrProtestantBoys.abc": "bar 17: ']' is no music of ABC",
        "MyLadysGoonHasGairsOntStrathspey.abc": "bar 19: '[' is no music of ABC",
        "PaddyNowWontYouBeEasyJig.abc": "bar 9: '}' is no music of ABC",
    }
    assert len(tunes) + len(unreadable) == 1059 == len({t.id for t in tunes}) + 5
    assert all(t.pitches for t in tunes)


@pytest.mark.slow  # 4,200 tunes are compared with each other
def test_the_fiddlers_tunes_stay_in_the_splits_of_their_own_books(tmp_path):
    splits, rejected = {}, {}
    for name in ("ryan", "oneill", "aird", "fiddle"):
        download(name, DownloadParams(max_pieces=None), 4711, tmp_path / name)
        index = read_index(tmp_path / name)
        splits[name] = {p.id: p.split for p in index.pieces}
        rejected[name] = index.rejected
    own = splits["ryan"] | splits["oneill"] | splits["aird"]
    fiddle = splits["fiddle"]
    assert len(own) == sum(len(splits[name]) for name in ("ryan", "oneill", "aird"))
    assert fiddle.items() <= own.items() and splits["ryan"].items() <= fiddle.items()
    assert len(fiddle) > 2500
    repeated = {k: v for k, v in rejected["fiddle"].items() if v.startswith("repeats ")}
    assert set(own) - set(fiddle) == set(repeated)
    assert repeated["oneill_1376-1475-1382"] == "repeats SmashTheWindowsJig"
    assert repeated["aird_book4-0629"] == "repeats RocksOfCashelReel"


def test_nottingham_from_the_mirror(mirror, tmp_path):
    out = tmp_path / "nottingham"
    report = download("nottingham", DownloadParams(max_pieces=12), 3, out, mirror=str(mirror))
    assert len(report.done) == 12 and len(report.skipped) == 20
    piece = json.loads((out / "index.json").read_text())["pieces"][0]
    assert piece["source"].endswith(".mid") and piece["header"].endswith(".abc")
    assert (out / piece["header"]).read_text().startswith("X:")
    assert validate(out)


def test_too_many_tunes_that_are_the_same(tmp_path):
    (tmp_path / "tunes").mkdir()
    for i in range(6):
        (tmp_path / "tunes" / f"same{i}.abc").write_text(PLAIN)
    with pytest.raises(SfpipeError, match="of its 6 none is left for test and valid"):
        download("mine", folder_params(tmp_path / "tunes"), 0, tmp_path / "out")
    assert not (tmp_path / "out").exists()
