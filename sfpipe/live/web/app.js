import {ScoreView} from "/score.js";
import {Sound} from "/sound.js";

const $ = id => document.getElementById(id);
const WORDS = {
  empty: "No score", loading: "Getting ready", ready: "Ready",
  waiting: "Waiting for music", following: "Following",
  unsure: "Not sure", relocated: "Here again", lost: "Lost: tap where you are",
  finished: "Finished", broken: "Reconnecting",
};
const PATIENCE_MS = 20000; // for a server that does not answer
const MOST_AHEAD_S = 2; // of sound that was sent and not answered yet
let score = null, socket = null, ready = false, sound = null, recording = null, starting = false;
const view = new ScoreView($("stand"), place);
// What it takes to go on after the connection broke: since when, the sound, the latest positions.
let brokenAt = 0, stream = null, trail = [], lost = 0;
// Of the stream, in seconds: until when it was sent and answered, and what was not sent since.
let sent = 0, answered = 0, skipped = 0, ahead = false;

function say(state) {
  if ($("state").dataset.state === state) return;
  $("state").dataset.state = state;
  $("state").textContent = WORDS[state];
}

function notice(text) {
  $("notice").textContent = text || "";
  $("notice").hidden = !text;
}

// ---- The score

async function load(request) {
  stop();
  notice("");
  $("busy").hidden = false;
  try {
    const answer = await request;
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.error || "The score could not be read.");
    if (found) show(found);
  } catch (error) {
    notice(error instanceof TypeError ? "The program sfpipe does not answer any more." : error.message);
  } finally {
    $("busy").hidden = true;
  }
}

function upload(file) {
  load(fetch("/scores?name=" + encodeURIComponent(file.name), {method: "POST", body: file}));
}

function show(found) {
  score = found;
  $("welcome").hidden = true;
  document.title = `${score.name} · sfpipe`;
  $("name").textContent = score.name.replace(/\.\w+$/, "");
  view.show(score);
  const example = score.name === "minuet.musicxml";
  $("source").querySelector("[value=example]").hidden = !example;
  $("source").value = example ? "example" : "microphone";
  $("source").disabled = false;
  if (score.notes.length) notice(score.notes.join(" "));
  connect();
}

// ---- The connection

function connect() {
  socket?.close();
  brokenAt = 0;
  pitchTold = null;
  open();
}

function open() {
  ready = false;
  $("start").disabled = $("restart").disabled = $("pitch").disabled = true;
  say(brokenAt ? "broken" : "loading");
  const mine = socket = new WebSocket(`${location.origin.replace("http", "ws")}/follow/${score.key}`);
  mine.binaryType = "arraybuffer";
  mine.onmessage = ({data}) => mine === socket && take(JSON.parse(data));
  mine.onclose = ({reason}) => {
    if (mine !== socket) return;
    socket = null;
    ready = false;
    brokenAt ||= performance.now();
    if (!reason && performance.now() - brokenAt < PATIENCE_MS) {
      say("broken");
      const asked = score;
      setTimeout(() => { if (!socket && score === asked) open(); }, 300);
      return;
    }
    stop();
    $("start").disabled = true;
    notice(reason || "The connection is gone. Is the program sfpipe still running?");
    say("empty");
  };
}

function take(message) {
  if (message.type === "ready") {
    ready = true;
    $("start").disabled = $("restart").disabled = $("pitch").disabled = false;
    say("ready");
    sounding(message.pitch_words);
    listInstruments(message.instruments);
    if (pitchTold) tell(pitchTold);
    if (brokenAt && sound) goOn();
    brokenAt = 0;
  } else if (message.type === "at") {
    view.move(message);
    answered = Math.min(Math.max(answered, message.time_s), sent);
    say(sound ? message.state : "ready");
    const now = performance.now();
    trail = [...trail.filter(at => now - at.ms < 3000), {ms: now, ...message}];
    if (message.lost_s > lost + 0.5) {
      lost = message.lost_s;
      notice(`The machine is too slow: ${lost.toFixed(0)} s of sound left out so far.`);
    }
    sure(message.confidence);
    sounding(message.pitch_words);
    window.sfpipe.last = message;
    window.sfpipe.count += 1;
    window.sfpipe.onposition?.(message);
  } else if (message.type === "done") {
    stop();
  } else if (message.type === "refused") {
    notice(message.text);
  } else if (message.type === "error") {
    notice(message.text);
  }
}

// Another process may answer now: it is told where the music was, and how fast it went.
function goOn() {
  const [first, last] = [trail[0], trail.at(-1)];
  begin(0);
  if (!last || last.state === "waiting") return tell({type: "open", ...stream});
  const gap = (performance.now() - last.ms) / 1000;
  const speed = Math.max(last.strip_x - first.strip_x, 0) / Math.max((last.ms - first.ms) / 1000, 1);
  lost = last.lost_s + gap;
  begin(last.time_s + gap);
  tell({type: "open", ...stream, time_s: last.time_s + gap, lost_s: lost,
        strip_x: last.strip_x + (last.state === "following" ? speed * gap : 0)});
}

function sure(confidence) {
  const percent = Math.round(100 * (confidence ?? 0));
  $("sure").textContent = confidence === null ? "" : `${percent} % sure`;
  $("sure").setAttribute("aria-valuenow", percent);
}

// ---- How much higher it sounds than it is written

function sounding(words) {
  const text = words[0].toUpperCase() + words.slice(1);
  if ($("pitch").textContent !== text) $("pitch").textContent = text;
}

let pitchTold = null; // by hand, and told again where a broken connection goes on

function listInstruments(semitones) {
  const list = $("instrument");
  if (list.options.length > 2) return;
  for (const [name, n] of Object.entries(semitones)) {
    const called = name.replace(/ in ([a-g])/, (_, key) => ` in ${key.toUpperCase()}`);
    const way = n ? `${Math.abs(n)} ${n < 0 ? "lower" : "higher"}` : "as written";
    list.add(new Option(`${called} (${way})`, n), list.options[list.options.length - 1]);
  }
}

function openPitch() {
  const at = window.sfpipe.last;
  const known = at && (at.pitch !== "finding" || at.pitch_confidence > 0);
  $("semitones").value = known ? at.semitones : "";
  $("a4").value = at?.pitch === "told" ? (440 * 2 ** (at.cents / 1200)).toFixed(1) : "";
  $("pitch-now").textContent = $("pitch").textContent;
  chooseInstrument();
  $("pitch-dialog").returnValue = "cancel";
  $("pitch-dialog").showModal();
}

// The list says what the number says, and "another" where no instrument is so.
function chooseInstrument() {
  const list = $("instrument"), value = $("semitones").value;
  if (list.value !== value) list.value = [...list.options].some(o => o.value === value) ? value : "";
}

function closePitch() {
  const asked = $("pitch-dialog").returnValue;
  const number = id => $(id).value === "" ? null : Number($(id).value);
  notice("");
  if (asked === "set") pitchTold = {type: "pitch", a4: number("a4"), semitones: number("semitones")};
  else if (asked === "find") pitchTold = {type: "pitch", a4: null, semitones: null};
  else return;
  tell(pitchTold);
}

function tell(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

// ---- Following

async function start() {
  if (!ready || sound || starting) return;
  let source = $("source").value;
  if (source === "file") {
    if (!recording) return $("sound-file").click();
    source = recording;
  } else if (source === "example") source = "/example.mp3";
  notice("");
  starting = true;
  const one = new Sound(block => {
    if (sound !== one || !ready || socket?.readyState !== WebSocket.OPEN) return;
    send(block);
    window.sfpipe.onblock?.(block);
  });
  try {
    const {rate, channels, play} = await one.start(source, () => ready ? tell({type: "end"}) : stop());
    stream = {rate, channels};
    trail = [];
    lost = 0;
    begin(0);
    tell({type: "open", ...stream});
    sound = one;
    document.body.classList.add("on");
    $("start").querySelector("span").textContent = "Stop";
    say("waiting");
    await play();
    meter();
  } catch (error) {
    notice(error.message);
    stop();
  } finally {
    starting = false;
  }
}

function begin(time) {
  sent = answered = time;
  skipped = 0;
  ahead = false;
}

// A slow server or line would be ever later: what it cannot follow is left out. One second at least
// is sent after that, so that an answer comes.
function send(block) {
  const seconds = block.length / stream.channels / stream.rate;
  ahead = sent - answered > (ahead ? MOST_AHEAD_S / 2 : MOST_AHEAD_S);
  if (ahead) {
    skipped += seconds;
    return;
  }
  if (skipped) {
    tell({type: "skip", seconds: skipped});
    sent += skipped;
    answered += skipped;
    skipped = 0;
  }
  sent += seconds;
  socket.send(block);
}

function stop() {
  sound?.stop();
  sound = null;
  document.body.classList.remove("on");
  $("start").querySelector("span").textContent = "Start";
  if (ready && socket) say($("state").dataset.state === "finished" ? "finished" : "ready");
}

function meter() {
  if (!sound) return;
  $("level").firstElementChild.style.transform = `scaleX(${(sound.level + 60) / 60})`;
  $("level").setAttribute("aria-valuenow", Math.round(sound.level));
  requestAnimationFrame(meter);
}

function place(page, x, y) {
  tell({type: "place", page, x, y});
}

// ---- Hands and feet

$("start").onclick = () => sound ? stop() : start();
$("restart").onclick = () => { view.manualUntil = 0; tell({type: "restart"}); };
$("pitch").onclick = openPitch;
$("pitch-dialog").onclose = closePitch;
$("semitones").oninput = chooseInstrument;
$("instrument").onchange = ({target}) => { $("semitones").value = target.value; };
$("open").onclick = $("choose").onclick = () => $("score-file").click();
$("example").onclick = () => load(fetch("/scores/example", {method: "POST"}));
$("score-file").onchange = ({target}) => {
  if (target.files.length) upload(target.files[0]);
  target.value = "";
};
$("sound-file").onchange = ({target}) => {
  if (!target.files.length) return;
  if (recording) URL.revokeObjectURL(recording);
  recording = URL.createObjectURL(target.files[0]);
  target.value = "";
  start();
};
$("source").onchange = ({target}) => {
  stop();
  if (target.value === "file") { recording = null; $("sound-file").click(); }
};
$("mode").onchange = ({target}) => {
  view.setMode(target.value);
  try { localStorage.setItem("mode", target.value); } catch { /* private windows */ }
};
document.addEventListener("keydown", event => {
  if (event.target.closest("select, input, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
  const by = {ArrowRight: 1, ArrowDown: 1, PageDown: 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1}[event.key];
  if (event.key === " ") {
    if (event.target.closest("button")) return;
    sound ? stop() : start();
  } else if (event.key === "Home" && ready) $("restart").click();
  else if (by && score) view.step(by);
  else return;
  event.preventDefault();
});
for (const name of ["dragover", "dragleave", "drop"])
  document.addEventListener(name, event => {
    event.preventDefault();
    document.body.classList.toggle("over", name === "dragover");
    if (name === "drop" && event.dataTransfer.files.length) upload(event.dataTransfer.files[0]);
  });

// For tests and other scripts.
window.sfpipe = {last: null, count: 0, view, say, get ready() { return ready; }, get on() { return !!sound; }};
try {
  const mode = localStorage.getItem("mode");
  if (mode) { $("mode").value = mode; view.setMode(mode); }
} catch { /* private windows */ }
load(fetch("/scores"));
