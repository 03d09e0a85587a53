mark = \tempo "Allegro" 4 = 120
