"""ABC 2.1: what sounds, derived by hand from the standard."""

import pytest

from sfpipe.errors import SfpipeError
from sfpipe.notation.abc import read_abc
from sfpipe.notation.playback import TICKS, heads, sounding_notes, tempo_map, unfold

HEAD = "X:1\nT:t\nM:4/4\nL:1/4\n"


def played(tune: str) -> list[tuple[float, int]]:
    """(onset in quarters, MIDI pitch) of all that is struck, grace notes left out."""
    score = unfold(read_abc(tune))
    printed = heads(score, tempo_map(score, 100)[0])
    graces = {h.onset for h in printed if h.grace}
    # a grace note delays its main note, whose written place is meant here
    written = {h.onset: h.written for h in printed if not h.grace}
    struck = [s for s in sounding_notes(printed) if s.onset not in graces]
    return [(written[s.onset] / TICKS, s.midi_pitch) for s in struck]


def pitches(body: str, key: str = "C", head: str = HEAD) -> list[int]:
    return [p for _, p in played(f"{head}K:{key}\n{body}\n")]


def onsets(body: str, key: str = "C", head: str = HEAD) -> list[float]:
    return [t for t, _ in played(f"{head}K:{key}\n{body}\n")]


@pytest.mark.parametrize(
    ("key", "sharps"),
    [
        ("C", 0),
        ("G", 1),
        ("Bb", -2),
        ("F#m", 3),
        ("Ador", 1),
        ("E Dorian", 2),
        ("g", 1),
        ("Amix", 2),
        ("AMIXOLYDIAN", 2),
        ("EM", 1),
        ("F Lydian", 0),
        ("E Phr", 0),
        ("F# loc", 1),
        ("Bb Ionian", -2),
        ("Db aeolian", -8),
        ("none", 0),
        ("", 0),
        ("clef=bass", 0),
        ("G clef=bass", 1),
        ("C#", 7),
    ],
)
def test_sharps_of_a_key(key, sharps):
    bar = read_abc(f"{HEAD}K:{key}\nC|]\n").bars[0]
    assert bar.key.fifths == sharps


def test_accidentals_of_a_key():
    assert pitches("DEFGABcd", "D Phr ^f") == [62, 63, 66, 67, 69, 70, 72, 74]
    assert pitches("DEFGABcd", "D exp _b _e ^f") == [62, 63, 66, 67, 69, 70, 72, 74]
    assert pitches("CFc", "Dmix=c") == [60, 66, 72]
    assert pitches("CFGcfg", "HP") == pitches("CFGcfg", "Hp") == [61, 66, 67, 73, 78, 79]
    assert pitches("BE", "C middle=d") == [71, 64]


def test_accidentals_hold_in_their_bar_and_over_ties():
    assert pitches("^C C =c c|^F f F, F|F") == [61, 61, 72, 72, 66, 78, 54, 66, 65]
    assert pitches("^F3 F-|F f F2") == [66, 66, 77, 65]
    assert pitches("^^F __B _E =E") == [67, 69, 63, 64]
    octave = "%%propagate-accidentals octave\n^F f F f"
    assert pitches(octave) == [66, 77, 66, 77]
    assert pitches("[I:propagate-accidentals not]^F F") == [66, 65]
    assert pitches("{^c}d c2", "C") == [74, 73]
    assert pitches("|: C D E ^F-|1 F2 z2 :|2 F2 F2 |]")[3:] == [66, 60, 62, 64, 66, 65]


def test_clefs_octaves_and_transpositions():
    assert pitches("C", "C bass") == [60]
    assert pitches("C", "C clef=bass-8") == pitches("C", "C treble_8") == [48]
    assert pitches("C", "C treble+8") == [72] and pitches("C", "clef=treble^15") == [84]
    assert pitches("C", "C octave=-2") == [36]
    assert pitches("C", "C transpose=-3") == [57]
    assert pitches("[V:1 clef=treble-8]C") == [48]
    assert pitches("%%MIDI transpose 2\nC") == [62]
    assert pitches("C [K:G octave=1] F") == [60, 78]


def test_fields_in_the_music():
    assert pitches("B|[K:Eb]B|\nK:none\nB") == [71, 70, 71]
    assert onsets("C C|[L:1/8]C C|[M:3/4][L:1/4]Z|C") == [0, 1, 2, 2.5, 6]
    score = unfold(read_abc(f"{HEAD}Q:1/4=60\nK:C\nC C [Q:1/2=60] C|]\n"))
    assert tempo_map(score, 100)[0].changes == ((0, 1_000_000), (2 * TICKS, 500_000))


@pytest.mark.parametrize(
    ("field", "quarters"),
    [
        ("1/4=90", 90),
        ('"Lively" 3/8=60', 90),
        ('1/2=50 "Allegro"', 100),
        ("3/8 1/4=40", 100),
        ("1/4 3/8 1/4 3/8=40", 200),
        ("120", 120),
        ("C=100", 100),
        ("C3=40", 120),
        ("1/4 = 72.5", 72.5),
    ],
)
def test_tempo(field, quarters):
    score = unfold(read_abc(f"{HEAD}Q:{field}\nK:C\nC|]\n"))
    tempo, marked = tempo_map(score, 100)
    assert marked and tempo.changes == ((0, round(60e6 / quarters)),)


def test_words_alone_are_no_tempo():
    score = unfold(read_abc(f'{HEAD}Q:"Allegro"\nK:C\nC|]\n'))
    assert tempo_map(score, 100) == (tempo_map(score, 100)[0], False)


def test_lengths():
    assert onsets("C/C/ C//C// C3/2C/2 C/4C/4C C") == [0, 0.5, 1, 1.25, 1.5, 3, 3.5, 3.75, 4, 5]
    assert onsets("CC", head="X:1\nM:6/8\n") == [0, 0.5]
    assert onsets("CC", head="X:1\nM:2/4\n") == [0, 0.25]
    assert onsets("CC", head="X:1\nM:C|\n") == onsets("CC", head="X:1\nM:none\n") == [0, 0.5]
    assert onsets("z C x2 C y2 C Z C") == [1, 4, 5, 10]
    assert onsets("C`D``E") == [0, 1, 2]


def test_broken_rhythm():
    assert onsets("C>D E<F|C>>D E<<<F") == [0, 1.5, 2, 2.5, 4, 5.75, 6, 6.125]
    assert onsets("C>{e}D C>!trill!.D C > D [CE]<[DF]") == [0, 1.5, 2, 3.5, 4, 5.5, 6, 6, 6.5, 6.5]
    assert onsets("(3C>DE F") == [0, 1, pytest.approx(4 / 3, abs=1e-3), 2]


def test_tuplets():
    third = pytest.approx(2 / 3, abs=1e-3), pytest.approx(4 / 3, abs=1e-3)
    assert onsets("(3CDE F") == [0, *third, 2]
    assert onsets("(3:2:2 CD E") == [0, third[0], third[1]]
    assert onsets("(5CDEFG C") == [0, 0.4, 0.8, 1.2, 1.6, 2]
    assert onsets("(2CD E", head="X:1\nM:6/8\nL:1/8\n") == [0, 0.75, 1.5]
    assert onsets("(5CDEFG C", head="X:1\nM:6/8\nL:1/8\n")[-1] == 1.5
    assert onsets("(3::2 CD E") == onsets("(3:2:2 CD E")
    assert onsets("((3CDE) (FG)")[-1] == 3
    assert onsets("(3(3CDE F") == onsets("(3CDE F")  # a slip
    nested = onsets("(3:2:5C(3D/E/F/ G C")
    assert nested[-1] == 2 and nested[2] - nested[1] == pytest.approx(2 / 9, abs=1e-3)


REPEATS = [
    ("CD:|", "CDCD"),
    ("|:CD:|EF:|", "CDCDEFEF"),
    ("CD||EF:|", "CDEFEF"),
    ("|:CD||EF:|", "CDEFCDEF"),
    ("C|:DE:|", "CDEDE"),
    ("|:CD::EF:|", "CDCDEFEF"),
    ("|:CD:||:EF:|", "CDCDEFEF"),
    ("|:CD:|:EF:|", "CDCDEFEF"),
    ("||:CD:||EF", "CDCDEF"),
    ("|::CD::|E", "CDCDCDE"),
    ("|:::CD:::|E", "CDCDCDCDE"),
    ("|:C|1D:|2E|]F", "CDCEF"),
    ("|:C|1D:|2E:|F", "CDCEF"),
    ("|:C[1D:|[2E|]", "CDCE"),
    ("|:C|1,3D:|2E:|4F|]", "CDCECDCF"),
    ("|:C|1-3D:|4E|]", "CDCDCDCE"),
    ("|:C|1D:|2E:|3F|]G", "CDCECFG"),
    ("|:C|1,2D:|E", "CDCDCE"),
    ("|:C|1D:|E", "CDCE"),
    ("C|1D:|2E||F|1G:|2A|]", "CDCEFGFA"),
    ("|:C|\\\n1D:|2E|]", "CDCE"),
    ("|:C:|\n|:D:|", "CCDD"),
    ("|:C|D:[|]|]", "CDCD"),
    ("C|| :D:|", "CDD"),
    ("|:C| 1D:| 2E|]", "CDCE"),
    ("C!fine!|D!D.C.!|", "CDC"),
    ("C|!segno!D!fine!|E!D.S.!|", "CDED"),
    ("C|!segno!D!tocoda!|E!D.S.!|!coda!F|", "CDEDF"),
    ("C|SD|OE!D.S.!|OF", "CDEF"[:3] + "DEF"),
    ("SC|OD|TE", "CDE"),
]


@pytest.mark.parametrize(("body", "wanted"), REPEATS)
def test_repeats(body, wanted):
    names = dict(zip((60, 62, 64, 65, 67, 69, 71), "CDEFGAB", strict=True))
    assert "".join(names[p] for p in pitches(body)) == wanted


def test_parts():
    body = "P:A\nC|\nP:B\n|:D:|\nP:C\nE|]\n"
    assert pitches(body, head=HEAD + "P:A(BC)2A\n") == [60, 62, 62, 64, 62, 62, 64, 60]
    assert pitches(body, head=HEAD + "P:A.B2\n") == [60, 62, 62, 62, 62]
    assert pitches(body) == [60, 62, 62, 64]
    with pytest.raises(SfpipeError, match="part D"):
        pitches(body, head=HEAD + "P:AD\n")


def test_what_is_not_music():
    assert pitches('"Am7"C "^bad cafe"E "<("G') == [60, 64, 67]
    assert pitches("C E % bad\nw:cab a bad\n+:face\nr:deaf\nG [r:bad]C") == [60, 64, 67, 60]
    assert pitches("C\n%%begintext\nfeed\n%%endtext\n%%text bead\nE") == [60, 64]
    assert pitches("C E|]\n\nFaded cabbage, add a bead.") == [60, 64]
    assert pitches("HC uD vE TF ~G .A MB PC SD OE JF RG LA WB") == [
        *(60, 62, 64, 65, 67, 69, 71),
        *(60, 62, 64, 65, 67, 69, 71),
    ]
    assert pitches("!trill!C !crescendo(!D !1!E +fermata+F !xyz!G") == [60, 62, 64, 65, 67]
    assert pitches("C D E!\nF G!A B!c2 d") == [60, 62, 64, 65, 67, 69, 71, 72, 74]
    assert pitches("[I:linebreak !]\nC!D!E") == [60, 62, 64]
    assert pitches("U:T=!trill!\nU:n=!nil!\nTC nD") == [60, 62]


def test_macros():
    assert pitches("~G2 C", head=HEAD + "m:~G2 = GAG\n") == [67, 69, 67, 60]
    assert pitches("~g3 ~C3 C3", head=HEAD + "m: ~n3 = n/o/m/\n") == [79, 81, 77, 60, 62, 59, 60]


def test_ties():
    assert onsets("C- C D|D- |D2") == [0, 2, 3]
    assert onsets("C -C C-D") == [0, 2, 3]
    assert onsets("[C-E] [CE] C") == [0, 0, 1, 2]
    assert onsets("[CE]-[CE]") == [0, 0]
    assert onsets("A-{B}A B") == [0, 2]
    assert onsets("A(3-ABc", head=HEAD)[:1] == [0]


def test_chords_and_voices():
    assert played(HEAD + "K:C\n[CEG]2 [C2E]D|]\n") == [
        (0, 60),
        (0, 64),
        (0, 67),
        (2, 60),
        (2, 64),
        (4, 62),
    ]
    assert onsets("C2 D2 & E4|F") == [0, 0, 2, 4]
    score = read_abc(HEAD + "K:C\nC2 D2 & E4|F\n")
    assert score.not_monophonic() == "2 voices"
    assert read_abc(HEAD + "K:C\n[CE]\n").not_monophonic() == "chords"
    assert pitches('V:1 name="Fiddle"\nC D\nV:1\nE') == [60, 62, 64]


def test_mail_and_old_encodings():
    assert pitches("C =\nD |=20\n=3DF|", "G") == [60, 62, 65]


@pytest.mark.parametrize(
    ("tune", "why"),
    [
        ("X:1\nM:4/4\nCDEF|\n", "no K: field"),
        (f"{HEAD}K:C\nz4|]\n", "holds no notes"),
        (f"{HEAD}K:C\nC|]\nV:2\nE|]\n", "2 voices, expected 1"),
        (f"{HEAD}K:C\nV:1\nC|]\nV:2\nE|]\n", "2 voices, expected 1"),
        (f"{HEAD}K:C\n|:C|1D:|3E|]\n", "cannot be unfolded .bar 2 has no ending for time 2"),
        (f"{HEAD}K:C\nC!D.S.!|]\n", "jumps to a sign"),
        (f"{HEAD}K:C\n^/C|]\n", "quarter tones"),
        (f"{HEAD}K:C\n(&C&D&)|]\n", "overlays of several bars"),
        (f"{HEAD}K:C\n+CEG+|]\n", "ABC 1.0"),
        (f"{HEAD}K:C perc\nC|]\n", "percussion"),
        (f"{HEAD}K:Q\nC|]\n", "no key"),
        (f"{HEAD}K:C\nC/0|]\n", "no length"),
        (f"{HEAD}K:C\nC0|]\n", "no length"),
        (f"{HEAD}K:C\n>C|]\n", "follows no note"),
        (f"{HEAD}K:C\nC|D ^ E|]\n", "bar 2: '\\^' is no music"),
        (f"{HEAD}Q:1/4=99999\nK:C\nC|]\n", "quarters a minute"),
        (f"{HEAD}M:4/0\nK:C\nC|]\n", "no metre"),
        (f"{HEAD}L:1/0\nK:C\nC|]\n", "no length"),
        (f"{HEAD}K:C\n(99999:1:1C|]\n", "no tuplet"),
        (f"{HEAD}K:C\nZ999|]\n", "no number of bars"),
        (f"{HEAD}K:C\nC,,,,,,,,|]\n", "range of MIDI"),
        (f"{HEAD}P:(((A)9999)9999)9999\nK:C\nP:A\nC|]\n", "500 parts"),
        (f"{HEAD}K:C\n" + "C" * 20_001, "more than 20,000 notes"),
        (f"{HEAD}K:C\n" + "|:" + "C" * 700 + "|1-32 D:|E|]", "more than 20,000 notes when"),
        (f"{HEAD}K:C\n" + " " * 200_001, "200,000 are read"),
        (f"{HEAD}K:C\n" + "(2(3" * 25 + "C|]\n", "nested too deep"),
    ],
)
def test_what_is_refused_is_named(tune, why):
    with pytest.raises(SfpipeError, match=why):
        unfold(read_abc(tune))
