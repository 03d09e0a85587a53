"""Both layouts of the original MSMD, written here as the archives have them."""

import json
from pathlib import Path

import cv2
import h5py
import mido
import numpy as np
import pytest
import soundfile

from sfpipe.audio.soundfonts import DECLARED, find_soundfont
from sfpipe.audio.spectrogram import spectrogram
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.datasets.catalogue import ARCHIVES
from sfpipe.datasets.msmd import SPLIT
from sfpipe.datasets.split import read_split
from sfpipe.errors import SfpipeError
from sfpipe.importers import msmd_v1
from sfpipe.importers.msmd_archive import import_msmd

LES_GRACES = "Anonymous__lesgraces__lesgraces"  # train
SONATINE = "AndreJ__O34__andre-sonatine"  # test

pytestmark = pytest.mark.skipif(
    find_soundfont(DECLARED["TimGM6mb"]) is None,
    reason="the sound font TimGM6mb is not on this machine: see `sfpipe doctor`",
)

# Two pages; the second system of page 1 begins lower and further left. (x, y of the centre, page,
# system on the page, s at tempo 1000, tied); the chord's heads are at 100, 102 and 110.
SYSTEMS = {0: [(50, 100, 400, 80), (40, 400, 300, 80)], 1: [(60, 20, 200, 60)]}
HEADS = [
    (100, 120, 0, 0, 0.0, 0),
    (102, 130, 0, 0, 0.0, 0),
    (110, 140, 0, 0, 0.0, 0),
    (200, 120, 0, 0, 0.5, 0),
    (230, 120, 0, 0, 0.5, 1),  # tied: no onset of its own
    (90, 430, 0, 1, 1.0, 0),
    (100, 40, 1, 0, 1.5, 0),
]
# Left edges of the systems in the strip: 0, 400, 700.
X = [102 - 50, 200 - 50, 400 + 90 - 40, 700 + 100 - 60]
Y = [130 - 40, 120 - 40, 430 - 340, 40 + 50]  # the strips begin at page rows 40, 340, -50


def page(number: int) -> np.ndarray:
    rng = np.random.default_rng(number)
    return rng.integers(0, 256, (600, 500)).astype(np.uint8)


def midi(path: Path, factor: float) -> None:
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=round(500_000 / factor)))
    for note in (60, 62, 64, 65):
        track.append(mido.Message("note_on", note=note, velocity=80))
        track.append(mido.Message("note_off", note=note, time=480))
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(track)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save(str(path))


def write_v1(root: Path, piece: str = LES_GRACES, late: float = 0.0) -> Path:
    """A piece folder of v1.1 with two tempi and two synthesisers."""
    names = {
        f"{piece}_tempo-{tempo}_{synth}": tempo / 1000
        for tempo in (800, 1000)
        for synth in ("ElectricPiano", "YamahaGrandPiano")
    }
    score = root / piece / "scores" / f"{piece}_ly"
    for folder in ("img", "mung", "coords"):
        (score / folder).mkdir(parents=True)
    for name, factor in names.items():
        folder = root / piece / "performances" / name
        midi(folder / f"{name}.mid", factor)
        (folder / "features").mkdir()
    for number, systems in SYSTEMS.items():
        cv2.imwrite(str(score / "img" / f"{number + 1:02}.png"), page(number))
        objects = []
        # Systems are listed from the lowest up: their order is that of the page, not of the file.
        for i, (left, top, width, height) in reversed(list(enumerate(systems))):
            objects.append((1000 + 10 * number + i, "staff", left, top, width, height, "", {}))
        for k, (x, y, on, system, second, tied) in enumerate(HEADS):
            if on == number:
                data = {f"{n}_onset_seconds": late + second / f for n, f in names.items()}
                data |= {"tied": tied, "midi_pitch_code": 60}
                link = 1000 + 10 * number + system
                objects.append((k, "notehead-full", x - 5, y - 4, 10, 8, link, data))
        (score / "mung" / f"{number + 1:02}.xml").write_text(mung(objects))
    return root


def mung(objects) -> str:
    text = ['<?xml version="1.0" encoding="utf-8"?>', "<CropObjectList><CropObjects>"]
    for number, kind, left, top, width, height, link, data in objects:
        items = "".join(f'<DataItem key="{k}" type="float">{v}</DataItem>' for k, v in data.items())
        text.append(
            f'<CropObject xml:id="msmd_aug___x-P00___{number}"><Id>{number}</Id>'
            f"<ClassName>{kind}</ClassName><Top>{top}</Top><Left>{left}</Left>"
            f"<Width>{width}</Width><Height>{height}</Height><Mask>0:0 1:80</Mask>"
            f"<Outlinks>{link}</Outlinks><Data>{items}</Data></CropObject>"
        )
    return "\n".join([*text, "</CropObjects></CropObjectList>"])


def write_npz(root: Path, piece: str = LES_GRACES, split: str = "valid") -> Path:
    """A piece of the page version."""
    systems, at = [], {}
    for number, boxes in SYSTEMS.items():
        for i, (x, y, w, h) in enumerate(boxes):
            at[number, i] = len(systems)
            one = {"x": x + w / 2, "y": y + h / 2, "w": w, "h": h, "page_nr": number}
            systems.append({k: np.float64(v) for k, v in one.items()})
    notes = [
        {"note_x": x, "note_y": y, "onset": s, "system_idx": at[p, i], "page_nr": p}
        for x, y, p, i, s, tied in HEADS
        if not tied
    ]
    folder = root / f"msmd_{split}"
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / f"{piece}.npz",
        sheets=np.stack([page(0), page(1)]),
        systems=np.array(systems, dtype=object),
        coords=np.array(notes, dtype=object),
        synthesized=np.array(True, dtype=object),
    )
    soundfile.write(folder / f"{piece}.wav", noise(), 22_050)
    return root


def noise() -> np.ndarray:
    return np.random.default_rng(5).integers(-9000, 9000, 44_100).astype(np.int16)


def expected_strip() -> np.ndarray:
    top = np.full((50, 200), 255, np.uint8)  # the page begins below the strip's first row
    return np.hstack(
        [
            page(0)[40:240, 50:450],
            page(0)[340:540, 40:340],
            np.vstack([top, page(1)[:150, 60:260]]),
        ]
    )


def run(folder: Path, out: Path, **options):
    options = {"soundfont": "TimGM6mb", "jobs": 1, **options}
    return import_msmd(folder, "toy", out / "scores.h5", out / "specs.h5", **options)


def check_score(out: Path, split: str) -> None:
    with h5py.File(out / "scores.h5") as scores:
        score = scores[LES_GRACES]
        np.testing.assert_array_equal(score["strip"], expected_strip())
        assert score["onset_x_px"][:].tolist() == X
        assert score["onset_y_px"][:].tolist() == Y
        assert score["onset_quarter"][:].tolist() == [0, 1, 2, 3]
        assert score.attrs["split"] == split


def test_v1_by_hand(tmp_path):
    folder = write_v1(tmp_path / "in" / "msmd_aug_v1-1_no-audio")
    assert run(folder.parent, tmp_path, tempi=(800, 1000)).done == [LES_GRACES]
    check_score(tmp_path, "train")
    with h5py.File(tmp_path / "specs.h5") as specs:
        assert sorted(specs[LES_GRACES]) == ["TimGM6mb-x0.80", "TimGM6mb-x1.00"]
        slow, plain = (specs[LES_GRACES][name] for name in sorted(specs[LES_GRACES]))
        assert plain["onset_s"][:].tolist() == [0, 0.5, 1, 1.5]
        np.testing.assert_allclose(slow["onset_s"], [0, 0.625, 1.25, 1.875])
        assert slow.attrs["tempo_factor"] == 0.8
        name = f"{LES_GRACES}_tempo-1000_ElectricPiano"
        audio = synthesize_midi(
            folder / LES_GRACES / "performances" / name / f"{name}.mid",
            find_soundfont(DECLARED["TimGM6mb"]),
        )
        np.testing.assert_array_equal(plain["spectrogram"], spectrogram(audio, 22_050))


def test_page_version_by_hand(tmp_path):
    folder = write_npz(tmp_path / "in")
    assert run(folder, tmp_path).done == [LES_GRACES]
    check_score(tmp_path, "valid")  # the archive's own split
    with h5py.File(tmp_path / "specs.h5") as specs:
        played = specs[LES_GRACES]["recording"]
        np.testing.assert_array_equal(played["spectrogram"], spectrogram(noise(), 22_050))
        assert played["onset_s"][:].tolist() == [0, 0.5, 1, 1.5]


def test_unusable_pieces_of_v1_are_listed_with_their_reasons(tmp_path):
    folder = write_v1(tmp_path / "in")
    write_v1(folder, "Nobody__x__x")
    write_v1(folder, SONATINE, late=0.2)
    split = sorted(row["piece"] for row in read_split(SPLIT))
    others = [p for p in split if p not in (LES_GRACES, SONATINE)][:3]
    for piece in others:
        write_v1(folder, piece)
    score = [folder / p / "scores" / f"{p}_ly" for p in others]
    (score[0] / "img" / "02.png").unlink()
    (score[1] / "mung" / "01.xml").write_text("<CropObjectList><Crop")
    for midi_file in (folder / others[2] / "performances").glob("*1000*/*.mid"):
        midi_file.unlink()
    report = run(folder, tmp_path)
    assert report.done == [LES_GRACES]
    for piece, reason in {
        "Nobody__x__x": "not in MSMD's cleaned split",
        SONATINE: "has a note at only 0% of the aligned onsets",
        others[0]: "no such file",
        others[1]: "is not a notation graph",
        others[2]: "no performance at tempo 1000",
    }.items():
        assert reason in report.skipped[piece], piece
    for store in ("scores.h5", "specs.h5"):
        with h5py.File(tmp_path / store) as file:
            assert json.loads(file.attrs["skipped"]) == report.skipped


def test_unusable_pieces_of_the_page_version(tmp_path):
    folder = write_npz(tmp_path / "in")
    for name in ("silent", "short", "cut", "other"):
        write_npz(folder, name, "test")
    test = folder / "msmd_test"
    (test / "silent.wav").unlink()
    soundfile.write(test / "short.wav", np.zeros(500), 22_050)
    (test / "cut.npz").write_bytes((test / "cut.npz").read_bytes()[:300])
    np.savez(test / "other.npz", sheets=np.zeros(3))
    report = run(folder, tmp_path)
    assert report.done == [LES_GRACES]
    assert "behind the end of the audio" in report.skipped["short"]
    for name in ("cut", "other"):
        assert "is not a score of the page version" in report.skipped[name]
    assert "silent.wav" in report.skipped["silent"]


def test_nothing_usable_leaves_no_store(tmp_path):
    folder = write_npz(tmp_path / "in")
    for path in folder.rglob("*.npz"):
        path.write_bytes(b"")
    with pytest.raises(SfpipeError, match=r"not one piece is usable .* -> give an original"):
        run(folder, tmp_path)
    assert not list(tmp_path.glob("*.h5"))


def test_neither_layout(tmp_path):
    (tmp_path / "in/score").mkdir(parents=True)
    with pytest.raises(SfpipeError, match=r"expected <piece>/scores/ \(MSMD v1\.1\)"):
        run(tmp_path / "in", tmp_path)
    np.savez(tmp_path / "in/score/x.npz", a=1)
    with pytest.raises(SfpipeError, match="found the 2019 authors'") as told:
        run(tmp_path / "in", tmp_path)
    assert told.value.remedy.startswith("sfpipe import-tismir")


def test_the_catalogue_names_the_command_that_reads_each_archive():
    for archive in ARCHIVES:
        assert archive.use.startswith("sfpipe import-")
    zenodo = [a for a in ARCHIVES if "zenodo" in a.url]
    assert {a.url.split("/")[4] for a in zenodo} == {"2597505", "4745838"}
    assert {a.licence for a in zenodo} == {"CC BY-NC-SA 4.0"}


@pytest.mark.parametrize(
    "text", ['<?xml version="1.0" encoding="nothing"?><a/>', "<a><CropObject/></a>", "<a>"]
)
def test_a_graph_that_is_none_is_told(tmp_path, text):
    write_v1(tmp_path, "piece")
    [graph, *_] = sorted((tmp_path / "piece").rglob("mung/*.xml"))
    graph.write_text(text)
    with pytest.raises(SfpipeError, match="is not a notation graph"):
        msmd_v1.read_pages(tmp_path / "piece", [])
