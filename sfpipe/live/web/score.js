// The pages on the stand: cursor, tinted bar, scrolling and turning.

const AHEAD = 0.55;      // of the last system of a page, from which the next page is shown
const SCROLL_AHEAD = 0.6; // of a system, from which it scrolls on
const NARROW = 900, BESIDE = 0.035; // px: on a phone or tablet white margins are out of sight
const LARGE = 1.7;       // times as wide as the screen
const MANUAL_MS = 6000;  // after a hand has turned or scrolled, so long nothing moves by itself

export class ScoreView {
  constructor(stand, onPlace) {
    this.stand = stand;
    this.onPlace = onPlace;
    this.mode = "scroll";
    this.pages = [];
    this.shown = 0;
    this.manualUntil = 0;
    for (const event of ["wheel", "touchmove"])
      stand.addEventListener(event, () => this.byHand(), {passive: true});
    new ResizeObserver(() => this.layout()).observe(stand);
  }

  show(score) {
    this.score = score;
    this.at = null;
    this.target = this.shown = 0;
    this.stand.replaceChildren();
    this.pages = score.pages.map((page, i) => {
      const box = document.createElement("div"), image = document.createElement("img");
      box.className = "page";
      box.style.aspectRatio = `${page.width} / ${page.height}`;
      image.src = page.url;
      image.alt = `Page ${i + 1} of ${score.pages.length}`;
      image.draggable = false;
      box.append(image);
      box.addEventListener("click", event => this.click(event, i));
      this.stand.append(box);
      return box;
    });
    this.cursor = document.createElement("div");
    this.cursor.className = "cursor";
    this.tint = document.createElement("div");
    this.tint.className = "bar-tint";
    this.firstOf = score.systems.map((system, i) =>
      i === 0 || score.systems[i - 1].page !== system.page);
    this.layout();
    this.stand.scrollTop = 0;
    this.move({...score.start, system: 0, strip_x: -1, state: "waiting"});
  }

  // A position as the server sends it.
  move(at) {
    const page = this.score.pages[at.page], previous = this.at;
    const system = this.score.systems[at.system], extra = 0.18 * (system.bottom - system.top);
    const box = this.pages[at.page], style = this.cursor.style;
    const jumps = !previous || previous.system !== at.system;
    this.cursor.classList.toggle("jump", jumps);
    if (this.cursor.parentNode !== box) box.append(this.tint, this.cursor);
    style.left = 100 * at.x / page.width + "%";
    style.top = 100 * (at.y_top - extra) / page.height + "%";
    style.height = 100 * (at.y_bottom - at.y_top + 2 * extra) / page.height + "%";
    this.cursor.dataset.state = at.state;
    const bar = this.bar(at.strip_x);
    this.tint.hidden = !bar || at.state === "lost" || at.state === "waiting";
    if (bar) {
      const [, , , left, right, top, bottom] = bar;
      Object.assign(this.tint.style, {
        left: 100 * left / page.width + "%", width: 100 * (right - left) / page.width + "%",
        top: 100 * (top - extra) / page.height + "%",
        height: 100 * (bottom - top + 2 * extra) / page.height + "%"});
    }
    this.at = at;
    this.follow();
  }

  bar(x) {
    return this.score.bars.find(bar => bar[0] <= x && x < bar[1]);
  }

  // How far into its system the cursor is, 0 to 1.
  along() {
    const system = this.score.systems[this.at.system];
    return (this.at.x - system.left) / Math.max(system.right - system.left, 1);
  }

  follow() {
    if (performance.now() < this.manualUntil) return;
    if (this.paged) this.turn();
    else this.scroll();
  }

  scroll() {
    const systems = this.score.systems;
    let index = this.at.system;
    if (this.along() > SCROLL_AHEAD && index + 1 < systems.length) index += 1;
    const zoomed = this.zoom > 1;
    if (index === this.target && this.scrolled && !zoomed) return;
    this.target = index;
    this.scrolled = true;
    // The one that comes is a third down, unless the one that is played would be out of sight.
    const top = Math.min(this.topOf(systems[index]) - 0.34 * this.stand.clientHeight,
                         this.topOf(systems[this.at.system]) - 0.08 * this.stand.clientHeight);
    const box = this.pages[this.at.page];
    // Of a large page a part is out of sight: what comes next is to the right.
    const x = box.offsetLeft + this.at.x / this.score.pages[this.at.page].width * box.clientWidth;
    const left = zoomed ? Math.max(x - 0.3 * this.stand.clientWidth, 0) : 0;
    const jump = Math.abs(left - this.stand.scrollLeft) < 40;
    this.stand.scrollTo({top: Math.max(top, 0), left, behavior: jump ? "instant" : "smooth"});
  }

  topOf(system) {
    const box = this.pages[system.page];
    return box.offsetTop + system.top * box.clientHeight / this.score.pages[system.page].height;
  }

  turn() {
    const {page, system} = this.at, systems = this.score.systems;
    const last = system + 1 >= systems.length || systems[system + 1].page !== page;
    const there = page + 1 < this.pages.length;
    const height = this.score.pages[page].height;
    const middle = (systems[system].top + systems[system].bottom) / 2;
    if (this.mode === "page") {
      this.turnTo(there && last && this.along() > AHEAD ? page + 1 : page);
    } else {
      // The upper half is the next page's as soon as the music is in the lower one.
      const half = there && (middle > 0.55 * height || (last && this.along() > AHEAD));
      this.turnTo(page, half);
    }
  }

  turnTo(page, half = false) {
    this.shown = Math.min(Math.max(page, 0), this.pages.length - 1);
    this.pages.forEach((box, i) => {
      box.classList.toggle("shown", i === this.shown);
      box.classList.toggle("ahead", half && i === this.shown + 1);
      box.style.setProperty("--cut", 100 * this.cut(i) + "%");
    });
  }

  // Where the upper half of a page ends: between two systems, as share of its height.
  cut(page) {
    const {height} = this.score.pages[page];
    const systems = this.score.systems.filter(system => system.page === page);
    const gaps = systems.slice(1).map((system, i) => (systems[i].bottom + system.top) / 2 / height);
    return Math.max(0.3, ...gaps.filter(gap => gap <= 0.52));
  }

  // A foot pedal, an arrow key.
  step(by) {
    this.byHand();
    if (this.paged) this.turnTo(this.shown + by);
    else this.stand.scrollBy({top: by * 0.8 * this.stand.clientHeight});
  }

  byHand() {
    this.manualUntil = performance.now() + MANUAL_MS;
    this.scrolled = false;
  }

  setMode(mode) {
    this.mode = mode;
    this.manualUntil = 0;
    this.scrolled = false;
    this.layout();
    if (this.at) this.follow();
  }

  get paged() {
    return this.mode === "page" || this.mode === "half";
  }

  layout() {
    const {paged, stand} = this, {clientWidth: width, clientHeight: height} = stand;
    const narrow = width < NARROW;
    this.zoom = this.mode === "large" ? LARGE : 1;
    stand.classList.toggle("paged", paged);
    stand.classList.toggle("narrow", narrow && !paged && this.zoom === 1);
    this.pages.forEach((box, i) => {
      const page = this.score.pages[i], music = narrow ? this.music(i) : [0, page.width];
      const wide = music[1] - music[0];
      let scale = this.zoom * (narrow ? width : Math.min(width - 24, 1000)) / wide;
      let left = -music[0] * scale, top = 0;
      if (paged) {
        scale = Math.min(width / wide, height / page.height);
        left = (width - wide * scale) / 2 - music[0] * scale;
        top = (height - page.height * scale) / 2;
      }
      const px = {width: page.width * scale, height: page.height * scale, left, top};
      if (!paged) Object.assign(px, {left: null, top: null, marginLeft: narrow ? left : null});
      for (const name of ["width", "height", "left", "top", "marginLeft"])
        box.style[name] = px[name] == null ? "" : px[name] + "px";
    });
    if (paged) this.turnTo(this.shown);
    this.scrolled = false;
  }

  // From where to where there is music on a page, and a little beside it.
  music(page) {
    const {width} = this.score.pages[page], beside = BESIDE * width;
    const systems = this.score.systems.filter(system => system.page === page);
    return [Math.max(Math.min(...systems.map(s => s.left)) - beside, 0),
            Math.min(Math.max(...systems.map(s => s.right)) + beside, width)];
  }

  click(event, page) {
    const box = this.pages[page].getBoundingClientRect(), size = this.score.pages[page];
    const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
    const mark = document.createElement("div");
    mark.className = "place";
    mark.style.left = 100 * x + "%";
    mark.style.top = 100 * y + "%";
    this.pages[page].append(mark);
    setTimeout(() => mark.remove(), 700);
    this.manualUntil = 0;
    this.onPlace(page, x * size.width, y * size.height);
  }
}
