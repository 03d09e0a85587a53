"""What `follow` and `serve` say of odd input."""

import shutil

import pytest

from sfpipe.live.server import EXAMPLE_SCORE, EXAMPLE_SOUND


@pytest.fixture
def music(project):
    (project / "folder").mkdir()
    shutil.copy(EXAMPLE_SCORE, project / "score.musicxml")
    shutil.copy(EXAMPLE_SOUND, project / "sound.mp3")
    shutil.copy(EXAMPLE_SOUND, project / "sound.musicxml")
    shutil.copy(EXAMPLE_SCORE, project / "score.wav")


@pytest.mark.parametrize(
    ("arguments", "file", "says"),
    [
        (["score.musicxml"], "", "what is to be followed? -> name --audio FILE, --midi FILE"),
        (["score.musicxml", "--audio", "sound.mp3", "--mic"], "", "at once -> name --audio"),
        (["sound.mp3", "--audio", "score.musicxml"], "sound.mp3", "is a recording, not a score"),
        (["sound.musicxml", "--audio", "sound.mp3"], "sound.musicxml", "not readable as MusicXML"),
        (["score.musicxml", "--audio", "score.wav"], "score.wav", "cannot be read as audio"),
        (["score.musicxml", "--midi", "none.mid"], "none.mid", "no such file"),
        (["score.musicxml", "--midi", "sound.mp3"], "sound.mp3", "is not a readable MIDI file"),
        (["score.musicxml", "--midi", "a.mid", "--mic"], "", "at once -> name --audio"),
        (["score.musicxml", "--audio", "folder"], "folder", "is a folder -> "),
        (["folder", "--audio", "sound.mp3"], "folder", "is a folder -> name one file"),
    ],
)
def test_follow_of_odd_files(music, refuses, arguments, file, says):
    refuses("follow", *arguments, file=file, says=says)


def test_follow_of_no_staves(music, sfpipe):
    code, _, err = sfpipe("follow", "score.musicxml", "--audio", "sound.mp3", "--staves", "0")
    assert code == 2 and "staves" in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "file", "says"),
    [
        (["sound.mp3"], "sound.mp3", "'.mp3' is not read -> use one of .abc"),
        (["--port", "99999"], "", "cannot listen on 127.0.0.1 port 99999"),
        (["--agent", "nobody"], "nobody/agent.json", "no such file"),
        (["--certificate", "none.pem"], "none.pem", "cannot be used as a certificate"),
        (["--certificate", "score.wav"], "score.wav", "cannot be used as a certificate"),
        (["--key", "score.wav"], "score.wav", "a key without its certificate"),
    ],
)
def test_serve_of_odd_options(music, refuses, arguments, file, says):
    refuses("serve", *arguments, file=file, says=says)
