\version "2.24.0"
%% Written for the tests: everything in a few bars that can go wrong between image and sound.
\header { title = "Trap" license = "CC0" }
\include "tempo.ily"

right = \relative c'' {
  \key d \major \time 2/4 \mark
  \partial 8 a8                                % pick-up: quarter 0
  \repeat volta 2 { d4 \grace e8 d4 | <fis, g>2~ }  % 0.5, grace before 1.5, 2.5 (a second, tied)
  \alternative { { <fis g>4 r4 } { a4-. b4 } }   % tie ends at 4.5; staccato at 6.5, 7.5
  \ottava #1 d'8 e \ottava #0 \clef bass d,,8 <d a'>8\arpeggio    % 8.5, 9, 9.5, 10
}
left = \relative c {
  \key d \major \clef bass
  \partial 8 r8
  d2 | a2 | d4 r | <d a'>2 |
  d8 \change Staff = "up" fis' \change Staff = "down" d,4
}
\score {
  \new PianoStaff <<
    \new Staff = "up" << \right \\ { s8 s2*4 } >>
    \new Staff = "down" \left
  >>
  \layout { indent = 0 }
  \midi { \tempo 4 = 90 }
}
