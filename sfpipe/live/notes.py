"""A follower that knows the notes of the score, and does not look at its picture: MIDI-ODTW."""

from __future__ import annotations

from sfpipe.audio.soundfonts import resolve_soundfont
from sfpipe.audio.spectrogram import spectrogram
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.baselines.odtw import OdtwFollower
from sfpipe.baselines.score_sound import ScoreSound, score_sound
from sfpipe.errors import SfpipeError
from sfpipe.following.loaded import LoadedFollower
from sfpipe.pages.page_set import PageSet
from sfpipe.params import SynthesizeParams
from sfpipe.store.reader import ScoreRecord
from sfpipe.store.schema import SAMPLE_RATE

NOTES = "midi-odtw"  # in place of an agent's name


def follow_notes(page_set: PageSet) -> LoadedFollower:
    """MIDI-ODTW on the notes that a score says.

    Raises
    ------
    SfpipeError
        If it does not: pictures are followed by agents.
    """
    if page_set.sounding is None or page_set.onsets is None:
        raise SfpipeError(
            f"'{NOTES}' needs the notes of the score, not its picture",
            file=page_set.source,
            remedy="name MusicXML, MEI, ABC or MIDI, or leave out --agent",
        )
    midi, onsets = page_set.sounding, page_set.onsets
    params = SynthesizeParams()
    font = resolve_soundfont(params.train.soundfonts[0]).path

    def sound_of(_: ScoreRecord) -> ScoreSound:
        samples = synthesize_midi(midi, font, gain=params.gain, program=params.program)
        return score_sound(spectrogram(samples, SAMPLE_RATE), onsets.seconds, onsets.strip_x)

    return LoadedFollower(NOTES, "MIDI-ODTW", page_set.window, lambda: OdtwFollower(sound_of))
