% ein altes Stück (Latin-1), zweimal notiert: einmal zum Sehen, einmal zum Hören
\version "2.6.0"
\header { title = "Alt" copyright = "Public Domain" }
melody = \relative c' { \time 2/4 \repeat volta 2 { c8[ d] e f } \override Score.RehearsalMark #'padding = #1 g4 g }
accompaniment = \relative c { \clef bass c2 g c }
\score { \new PianoStaff << \new Staff \melody \new Staff \accompaniment >> \layout { } }
\score { \unfoldRepeats \new PianoStaff << \new Staff \melody \new Staff \accompaniment >> \midi { \tempo 4=150 } }
\score { \new Staff \transpose c d \melody \layout { } \midi { \tempo 4=75 } }
