\version "2.24.0"
%% The hook for pages as LilyPond itself makes them: several systems, titles, page numbers.
\include "sfpipe-hook.ily"

#(define (sfpipe:paper)
   (let ((paper (ly:output-def-clone (ly:parser-lookup '$defaultpaper))))
     (ly:output-def-set-variable! paper 'page-breaking sfpipe:breaking)
     paper))
