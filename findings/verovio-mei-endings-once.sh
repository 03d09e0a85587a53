#!/bin/bash
# Verovio 6.4.1: repeats of an MEI file are played, but not those with endings.
#
# Guess beforehand: C | D :| is played twice, and so is C | 1. D :| 2. E, as both are from MusicXML.
# Seen: the first is C D C D. The second is C D E in MIDI and timemap: without an <expansion>
# that lists the sections, a repeat with endings is played straight through.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv env
env/bin/pip install --quiet verovio==6.4.1
env/bin/python - <<'PY'
import verovio

DOCUMENT = """<?xml version="1.0"?>
<mei xmlns="http://www.music-encoding.org/ns/mei" meiversion="5.0"><meiHead><fileDesc><titleStmt>
<title>x</title></titleStmt><pubStmt/></fileDesc></meiHead><music><body><mdiv><score>
<scoreDef meter.count="4" meter.unit="4"><staffGrp><staffDef n="1" lines="5" clef.shape="G"
clef.line="2"/></staffGrp></scoreDef><section>{}</section></score></mdiv></body></music></mei>"""


def bar(name, attributes=""):
    note = f'<note pname="{name}" oct="5" dur="1"/>'
    return f'<measure {attributes}><staff n="1"><layer n="1">{note}</layer></staff></measure>'


def played(bars):
    toolkit = verovio.toolkit()
    toolkit.loadData(DOCUMENT.format(bars))
    begun = [note for row in toolkit.renderToTimemap() for note in row.get("on", [])]
    return [toolkit.getMIDIValuesForElement(note)["pitch"] for note in begun]


start = bar("c", 'left="rptstart"')
plain = start + bar("d", 'right="rptend"') + bar("e")
first, second = bar("d", 'right="rptend"'), bar("e")
endings = f'{start}<ending n="1">{first}</ending><ending n="2">{second}</ending>'
print("C | D :| E:", played(plain))
print("C | 1. D :| 2. E:", played(endings))
assert played(plain) == [72, 74, 72, 74, 76], "changed"
assert played(endings) == [72, 74, 76], "changed"
PY
