\version "2.24.0"
%% Read by LilyPond before a piece's own source (-dinclude-settings), which stays as it is.
%%
%% All \score blocks of the source are collected instead of printed. At its end each one that has
%% an image is set again as a book of its own, without titles, one system per page, and with ONE
%% music expression for both image and MIDI: repeats are unfolded in both or in neither. For the
%% n-th score (from 00) this leaves
%%   score-NN-page*.png (or score-NN.png), score-NN.midi, and
%%   score-NN.json  where the systems, staves and note heads lie (see sfpipe/.../placement.py).
%% Lengths are in units of `output_scale` mm; y points upwards within a system.

%%% Words of old LilyPond versions that convert-ly leaves behind. Only beaming is affected.
#(define (override-auto-beam-setting . ignored) (make-music 'SequentialMusic 'elements '()))
#(define (revert-auto-beam-setting . ignored) (make-music 'SequentialMusic 'elements '()))
#(define (unfold-repeats . arguments) (last arguments)) % each written bar is played once
unfoldRepeats =
#(define-music-function (types music) ((symbol-list-or-symbol? '()) ly:music?) music)

#(define sfpipe:scores '())    % of the source, latest first
%% Of the score that is being set, latest first:
#(define sfpipe:heads '())     % (grob moment midi-pitch length)
#(define sfpipe:staves '())    % StaffSymbol grobs
#(define sfpipe:ties '())      % Tie grobs
#(define sfpipe:start #f)      % first moment
#(define sfpipe:placement "")  % JSON of all systems

%%% While the score is set: remember the grobs

#(define (sfpipe:midi-pitch pitch context)
   (let* ((shift (ly:context-property context 'instrumentTransposition))
          (sounding (if (ly:pitch? shift) (ly:pitch-transpose shift pitch) pitch)))
     (+ 60 (* 2 (ly:pitch-tones sounding)))))

#(define (sfpipe:remember-head grob context)
   (let* ((event (event-cause grob))
          (pitch (and event (ly:event-property event 'pitch #f)))
          (duration (and event (ly:event-property event 'duration #f))))
     (if (ly:pitch? pitch)
         (set! sfpipe:heads
               (cons (list grob (ly:context-current-moment context)
                           (sfpipe:midi-pitch pitch context)
                           (if (ly:duration? duration) (ly:duration-length duration) ZERO-MOMENT))
                     sfpipe:heads)))))

#(define (sfpipe:engraver context)
   (make-engraver
    ((process-music engraver)
     (if (not sfpipe:start)
         (set! sfpipe:start (ly:context-current-moment context))))
    (acknowledgers
     ((note-head-interface engraver grob source)
      (if (eq? (grob::name grob) 'NoteHead)
          (sfpipe:remember-head grob (ly:translator-context source))))
     ((staff-symbol-interface engraver grob source)
      (set! sfpipe:staves (cons grob sfpipe:staves)))
     ((tie-interface engraver grob source)
      (if (eq? (grob::name grob) 'Tie)
          (set! sfpipe:ties (cons grob sfpipe:ties)))))))

\layout { \context { \Score \consists #sfpipe:engraver } }

%%% When the pages are made: read the places off the grobs

#(define (sfpipe:number x)
   (if (and (real? x) (finite? x)) (number->string (exact->inexact x)) "null"))
#(define (sfpipe:truth x) (if x "true" "false"))
#(define (sfpipe:array items) (string-append "[" (string-join items ",") "]"))
#(define (sfpipe:moment m)
   (map number->string
        (list (ly:moment-main-numerator m) (ly:moment-main-denominator m)
              (ly:moment-grace-numerator m) (ly:moment-grace-denominator m))))

#(define (sfpipe:whole-number x) (number->string (inexact->exact (round x))))

#(define (sfpipe:head-json head system tied)
   (let* ((grob (first head))
          (staff (ly:grob-object grob 'staff-symbol #f))
          (x (ly:grob-extent grob system X))
          (visible (and (ly:stencil? (ly:grob-property grob 'stencil #f))
                        (not (eq? #t (ly:grob-property grob 'transparent #f))))))
     (sfpipe:array
      (append
       (list (sfpipe:number (car x)) (sfpipe:number (cdr x))
             (sfpipe:number (ly:grob-relative-coordinate grob system Y))
             (sfpipe:number (if (ly:grob? staff)
                                (ly:grob-relative-coordinate staff system Y) +inf.0))
             (sfpipe:number (third head))
             (sfpipe:whole-number (ly:grob-property grob 'duration-log 2))
             (sfpipe:truth (hashq-ref tied grob #f))
             (sfpipe:truth visible))
       (sfpipe:moment (second head))
       (list-head (sfpipe:moment (fourth head)) 2)))))

#(define (sfpipe:pieces spanner)
   (let ((broken (ly:spanner-broken-into spanner))) (if (pair? broken) broken (list spanner))))

#(define (sfpipe:staff-json staff system)
   (let ((x (ly:grob-extent staff system X)) (y (ly:grob-extent staff system Y)))
     (sfpipe:array
      (map sfpipe:number
           (list (car x) (cdr x) (car y) (cdr y)
                 (ly:grob-relative-coordinate staff system Y)
                 (ly:staff-symbol-staff-space staff))))))

#(define (sfpipe:system-json line page number offset heads-of tied)
   (let ((system (ly:prob-property line 'system-grob #f)))
     (format #f "{\"page\":~a,\"x\":~a,\"y\":~a,\"staves\":~a,\n\"heads\":~a}"
             number
             (sfpipe:number (+ (ly:prob-property page 'left-margin 0)
                               (ly:prob-property line 'X-offset 0)))
             (sfpipe:number offset)
             (sfpipe:array
              (map (lambda (staff) (sfpipe:staff-json staff system))
                   (filter (lambda (staff) (eq? (ly:grob-system staff) system))
                           (append-map sfpipe:pieces sfpipe:staves))))
             (sfpipe:array
              (map (lambda (head) (sfpipe:head-json head system tied))
                   (hashq-ref heads-of system '()))))))

#(define (sfpipe:read-places pages paper)
   (let ((heads-of (make-hash-table)) (tied (make-hash-table)) (number 0))
     (for-each
      (lambda (head)
        (let ((system (ly:grob-system (first head))))
          (if (ly:grob? system)
              (hashq-set! heads-of system (cons head (hashq-ref heads-of system '()))))))
      sfpipe:heads)
     (for-each
      (lambda (tie)
        (let ((end (ly:spanner-bound tie RIGHT)))
          (if (ly:grob? end) (hashq-set! tied end #t))))
      sfpipe:ties)
     (set! sfpipe:placement
           (format #f "{\"output_scale\":~a,\"top_margin\":~a,\"start\":~a,\"systems\":~a}\n"
                   (sfpipe:number (ly:output-def-lookup paper 'output-scale))
                   (sfpipe:number (ly:output-def-lookup paper 'top-margin))
                   (sfpipe:array (sfpipe:moment (or sfpipe:start ZERO-MOMENT)))
                   (sfpipe:array
                    (append-map
                     (lambda (page)
                       (set! number (1+ number))
                       (filter-map
                        (lambda (line offset)
                          (and (ly:grob? (ly:prob-property line 'system-grob #f))
                               (sfpipe:system-json line page number offset heads-of tied)))
                        (ly:prob-property page 'lines '())
                        (ly:prob-property page 'configuration '())))
                     pages))))))

#(define (sfpipe:breaking paper-book)
   (let ((pages (ly:optimal-breaking paper-book)))
     (sfpipe:read-places pages (ly:paper-book-paper paper-book))
     pages))

%%% Collecting the scores, and setting them at the end

#(define (sfpipe:collect item)
   (if (ly:score? item) (set! sfpipe:scores (cons item sfpipe:scores)))
   ;; LilyPond calls the handler at the end of the file only if there is something to print.
   (set! toplevel-scores (list item)))

#(define toplevel-score-handler sfpipe:collect)
#(define (toplevel-music-handler music) (collect-music-aux sfpipe:collect music))
#(define (book-score-handler book score) (sfpipe:collect score))
#(define (book-music-handler book music) (collect-music-aux sfpipe:collect music))
#(define (bookpart-score-handler part score) (sfpipe:collect score))
#(define (bookpart-music-handler part music) (collect-music-aux sfpipe:collect music))
#(define (toplevel-text-handler . ignored) #f)
#(define (book-text-handler . ignored) #f)
#(define (bookpart-text-handler . ignored) #f)
#(define (toplevel-bookpart-handler part) #f)
#(define (book-bookpart-handler book part) #f)
#(define (toplevel-book-handler book) #f)

#(define (sfpipe:definition score kind)
   (find (lambda (def) (eq? kind (ly:output-def-lookup def 'output-def-kind #f)))
         (ly:score-output-defs score)))

#(define (sfpipe:only-sounds? score)
   (and (sfpipe:definition score 'midi) (not (sfpipe:definition score 'layout))))

%% A score's own MIDI block sets its tempo. One that has none may have a twin that is only heard.
#(define (sfpipe:midi-for score printed heard all)
   (or (sfpipe:definition score 'midi)
       (and (= (length printed) (length heard))
            (sfpipe:definition (list-ref heard (list-index (lambda (s) (eq? s score)) printed))
                               'midi))
       (any (lambda (s) (sfpipe:definition s 'midi)) all)
       (ly:output-def-clone (ly:parser-lookup '$defaultmidi))))

#(define (sfpipe:paper)
   (let ((paper (ly:output-def-clone (ly:parser-lookup '$defaultpaper)))
         (tight '((basic-distance . 1) (minimum-distance . 0) (padding . 1)
                  (stretchability . 0))))
     (for-each
      (lambda (setting) (ly:output-def-set-variable! paper (car setting) (cdr setting)))
      `((page-breaking . ,sfpipe:breaking)
        (systems-per-page . 1) (max-systems-per-page . #f) (min-systems-per-page . #f)
        (system-count . #f) (page-count . #f)
        ;; A source's own spacing would stretch staves or push them off the page.
        (ragged-bottom . #t) (ragged-last-bottom . #t)
        (top-system-spacing . ,tight) (top-markup-spacing . ,tight)
        (oddHeaderMarkup . #f) (evenHeaderMarkup . #f)
        (oddFooterMarkup . #f) (evenFooterMarkup . #f)
        (bookTitleMarkup . #f) (scoreTitleMarkup . #f)))
     paper))

#(define (sfpipe:set-score score midi name)
   (let* ((paper (sfpipe:paper))
          (book (ly:make-book paper (ly:parser-lookup '$defaultheader)))
          (copy (ly:make-score (ly:score-music score))))
     (set! sfpipe:heads '()) (set! sfpipe:staves '()) (set! sfpipe:ties '())
     (set! sfpipe:start #f) (set! sfpipe:placement "")
     (ly:score-add-output-def! copy (or (sfpipe:definition score 'layout)
                                        (ly:parser-lookup '$defaultlayout)))
     (ly:score-add-output-def! copy midi)
     (ly:book-add-score! book copy)
     (ly:book-process book paper (ly:parser-lookup '$defaultlayout) name)
     (call-with-output-file (string-append name ".json")
       (lambda (port) (display sfpipe:placement port)))))

#(define (default-toplevel-book-handler book)
   (let* ((all (reverse sfpipe:scores))
          (printed (remove sfpipe:only-sounds? all))
          (heard (filter sfpipe:only-sounds? all))
          (number -1))
     (for-each
      (lambda (score)
        (set! number (1+ number))
        (sfpipe:set-score score (sfpipe:midi-for score printed heard all)
                          (format #f "score-~2,'0d" number)))
      printed)))
