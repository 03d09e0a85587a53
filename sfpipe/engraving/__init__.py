"""Stage `engrave`: symbolic score -> staff image, note heads in pixels, MIDI."""
