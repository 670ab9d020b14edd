// Pairs of images become a viewer: a slider between original and decoded, either alone, or their difference.
//
// The pairs stand in the page as figures of two images; without this script, and on paper, they are shown side by
// side. One stage a section shows the chosen pair. The difference is the browser's own blending of the two images
// (|a - b| of each channel), multiplied by the gain.

const VIEWS = ["slider", "original", "decoded", "difference"];
const ZOOMS = [0, 1, 2, 4, 8, 16, 32]; // pixels of the screen a pixel of the image; 0: as large as fits
const GAINS = [1, 2, 4, 8, 16, 32, 64];

function make(tag, className, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// The samples of an image, to be read at a pixel.
function samplesOf(image) {
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context;
}

class Viewer {
  constructor(root) {
    this.root = root;
    this.pairs = [...root.querySelectorAll(".pair")];
    this.view = "slider";
    this.zoom = 0;
    this.gain = 8;
    this.wipe = 50; // per cent of the width of the image
    this.centre = [0.5, 0.5]; // of the image, that stands in the middle of the stage
    this.build();
    this.choose(0);
    new ResizeObserver(() => this.draw()).observe(this.stage);
  }

  build() {
    this.strip = make("div", "strip", "", { role: "group", "aria-label": "Images, the worst first" });
    this.buttons = this.pairs.map((pair, at) => {
      const name = pair.querySelector(".name").textContent;
      const button = make("button", "", "", { type: "button", title: name });
      const image = make("img", "", "", { alt: "", loading: "lazy", decoding: "async" });
      image.src = pair.querySelector(".original").src;
      button.append(image, make("span", "", pair.querySelector(".badge")?.textContent ?? name));
      button.setAttribute("aria-label", name);
      button.addEventListener("click", () => this.choose(at));
      return button;
    });
    this.strip.append(...this.buttons);
    this.buildTools();
    this.buildStage();
    this.readout = make("p", "readout", "", { "aria-live": "off" });
    const keys = make("p", "keys");
    keys.innerHTML = "<kbd>←</kbd> <kbd>→</kbd> slider · <kbd>[</kbd> <kbd>]</kbd> image · <kbd>1</kbd>–<kbd>4</kbd> view"
      + " · <kbd>+</kbd> <kbd>−</kbd> zoom, or a double click · drag to move";
    this.root.prepend(this.strip, this.tools, this.stage, this.readout, keys);
    this.root.classList.add("live");
  }

  buildTools() {
    this.tools = make("div", "tools");
    const views = make("div", "group", "", { role: "group", "aria-label": "View" });
    this.viewButtons = VIEWS.map((view) => {
      const button = make("button", "", view[0].toUpperCase() + view.slice(1), { type: "button" });
      button.addEventListener("click", () => this.set({ view }));
      return button;
    });
    views.append(...this.viewButtons);
    const zooms = make("div", "group", "", { role: "group", "aria-label": "Zoom" });
    const out = make("button", "", "−", { type: "button", "aria-label": "Zoom out" });
    const into = make("button", "", "+", { type: "button", "aria-label": "Zoom in" });
    this.fit = make("button", "", "Fit", { type: "button", "aria-label": "Fit the whole image" });
    out.addEventListener("click", () => this.step(-1));
    into.addEventListener("click", () => this.step(1));
    this.fit.addEventListener("click", () => this.set({ zoom: 0, centre: [0.5, 0.5] }));
    zooms.append(out, this.fit, into);
    this.gainLabel = make("label", "gain", "Gain ");
    const gain = make("input", "", "", { type: "range", min: 0, max: GAINS.length - 1, step: 1 });
    gain.value = GAINS.indexOf(this.gain);
    this.gainText = make("output", "");
    gain.addEventListener("input", () => this.set({ gain: GAINS[gain.value] }));
    this.gainLabel.append(gain, this.gainText);
    this.tools.append(views, zooms, this.gainLabel);
  }

  buildStage() {
    this.stage = make("div", "stage", "", { tabindex: 0, role: "group", "aria-label": "Image, before and after" });
    this.layers = make("div", "layers");
    this.original = make("img", "original", "", { draggable: "false" });
    this.decoded = make("img", "decoded", "", { draggable: "false" });
    this.layers.append(this.original, this.decoded);
    this.handle = make("div", "wipe", "", {
      role: "slider", tabindex: 0, "aria-label": "Between original and decoded",
      "aria-valuemin": 0, "aria-valuemax": 100,
    });
    this.left = make("span", "side left", "original");
    this.right = make("span", "side right", "decoded");
    this.stage.append(this.layers, this.handle, this.left, this.right);
    this.stage.addEventListener("keydown", (event) => this.onKey(event));
    this.stage.addEventListener("pointerdown", (event) => this.onDown(event));
    this.stage.addEventListener("pointermove", (event) => this.onMove(event));
    this.stage.addEventListener("pointerup", () => { this.dragged = null; });
    this.stage.addEventListener("pointercancel", () => { this.dragged = null; });
    this.stage.addEventListener("pointerleave", () => { this.readout.textContent = ""; });
    this.stage.addEventListener("dblclick", (event) => this.step(event.shiftKey ? -1 : 1, this.at(event)));
    this.stage.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
      event.preventDefault();
      this.step(event.deltaY < 0 ? 1 : -1, this.at(event));
    }, { passive: false });
  }

  choose(at) {
    this.index = (at + this.pairs.length) % this.pairs.length;
    const pair = this.pairs[this.index];
    this.pairs.forEach((each) => each.classList.toggle("chosen", each === pair));
    this.buttons.forEach((each, number) => each.setAttribute("aria-pressed", number === this.index));
    const [original, decoded] = ["original", "decoded"].map((side) => pair.querySelector(`.${side}`));
    [this.original.src, this.decoded.src] = [original.src, decoded.src];
    [this.original.alt, this.decoded.alt] = [original.alt, decoded.alt];
    this.size = [Number(original.getAttribute("width")), Number(original.getAttribute("height"))];
    this.samples = null;
    this.set({ zoom: 0, centre: [0.5, 0.5] });
    const button = this.buttons[this.index];
    this.strip.scrollLeft = button.offsetLeft - this.strip.offsetLeft - this.strip.clientWidth / 2;
  }

  set(changes) {
    Object.assign(this, changes);
    this.draw();
  }

  get room() {
    return [this.stage.clientWidth, this.stage.clientHeight];
  }

  // Screen pixels an image pixel.
  get scale() {
    if (this.zoom) return this.zoom;
    const fit = Math.min(...this.room.map((length, axis) => length / this.size[axis]));
    return fit > 1 ? Math.floor(fit) : fit;
  }

  step(by, at = null) {
    const scale = this.scale;
    const larger = ZOOMS.filter((zoom) => zoom && (by > 0 ? zoom > scale : zoom < scale));
    const zoom = by > 0 ? (larger[0] ?? this.zoom) : (larger.at(-1) ?? 0);
    const fits = zoom && this.size.every((side, axis) => side * zoom <= this.room[axis]);
    const centre = at ? at.map((each, axis) => each / this.size[axis]) : this.centre;
    this.set({ zoom: by < 0 && fits ? 0 : zoom, centre });
  }

  draw() {
    const [width, height] = this.size.map((side) => side * this.scale);
    const room = this.room;
    const place = [width, height].map((length, axis) => {
      if (length <= room[axis]) return (room[axis] - length) / 2;
      return Math.min(0, Math.max(room[axis] - length, room[axis] / 2 - this.centre[axis] * length));
    });
    this.place = place.map(Math.round);
    Object.assign(this.layers.style, {
      left: `${this.place[0]}px`, top: `${this.place[1]}px`, width: `${width}px`, height: `${height}px`,
      filter: this.view === "difference" ? `brightness(${this.gain})` : "",
    });
    this.layers.classList.toggle("sharp", this.scale >= 1);
    this.layers.classList.toggle("difference", this.view === "difference");
    this.stage.classList.toggle("panning", width > room[0] || height > room[1]);
    this.drawView(width, room[0]);
  }

  drawView(width, room) {
    const slider = this.view === "slider";
    const shown = Math.min(Math.max((this.wipe / 100) * width + this.place[0], 0), room); // the handle stays on the stage
    const cut = slider ? (100 * (shown - this.place[0])) / width : 0;
    this.decoded.style.clipPath = slider ? `inset(0 0 0 ${cut}%)` : "";
    this.decoded.style.visibility = this.view === "original" ? "hidden" : "";
    this.handle.hidden = !slider;
    this.handle.style.left = `${shown}px`;
    this.handle.setAttribute("aria-valuenow", Math.round(this.wipe));
    this.handle.setAttribute("aria-valuetext", `${Math.round(this.wipe)} % original`);
    this.left.hidden = this.view === "decoded";
    this.left.textContent = this.view === "difference" ? `difference × ${this.gain}` : "original";
    this.right.hidden = !(slider || this.view === "decoded");
    this.gainLabel.hidden = this.view !== "difference";
    this.gainText.textContent = `× ${this.gain}`;
    this.fit.textContent = this.zoom ? `${this.zoom} ×` : "Fit";
    this.viewButtons.forEach((button, at) => button.setAttribute("aria-pressed", VIEWS[at] === this.view));
  }

  onKey(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const onHandle = event.target === this.handle;
    if (event.key in moves && this.view === "slider" && (onHandle || moves[event.key][0])) {
      const [right, down] = moves[event.key];
      this.set({ wipe: this.bounded(this.wipe + (right - down) * (event.shiftKey ? 10 : 2)) });
    } else if (event.key in moves && this.stage.classList.contains("panning")) {
      this.pan(...moves[event.key].map((each) => each * 40));
    } else if (event.key === "Home" || event.key === "End") this.set({ wipe: event.key === "Home" ? 0 : 100 });
    else if (event.key === "[" || event.key === "PageUp") this.choose(this.index - 1);
    else if (event.key === "]" || event.key === "PageDown") this.choose(this.index + 1);
    else if (event.key === "+" || event.key === "=") this.step(1);
    else if (event.key === "-") this.step(-1);
    else if (event.key === "0") this.set({ zoom: 0 });
    else if (VIEWS[event.key - 1]) this.set({ view: VIEWS[event.key - 1] });
    else return;
    event.preventDefault();
  }

  bounded(share) {
    return Math.min(100, Math.max(0, share));
  }

  // The pixel of the image that is pointed at.
  at(event) {
    const box = this.layers.getBoundingClientRect();
    return [(event.clientX - box.left) / this.scale, (event.clientY - box.top) / this.scale];
  }

  onDown(event) {
    if (event.button) return;
    const wiping = this.view === "slider" && (event.target === this.handle || !this.stage.classList.contains("panning"));
    this.dragged = wiping ? "wipe" : "pan";
    this.stage.setPointerCapture(event.pointerId);
    if (event.target === this.handle) this.handle.focus();
    this.onMove(event);
  }

  onMove(event) {
    if (this.dragged === "wipe") this.set({ wipe: this.bounded((100 * this.at(event)[0]) / this.size[0]) });
    else if (this.dragged === "pan") this.pan(-event.movementX, -event.movementY);
    this.tell(event);
  }

  pan(right, down) {
    const moved = [right, down].map((by, axis) => {
      const half = this.room[axis] / 2 / (this.size[axis] * this.scale);
      const bound = (value) => (half >= 0.5 ? 0.5 : Math.min(1 - half, Math.max(half, value)));
      return bound(bound(this.centre[axis]) + by / (this.size[axis] * this.scale));
    });
    this.set({ centre: moved });
  }

  // Coordinates and samples of the pixel that is pointed at.
  tell(event) {
    const [x, y] = this.at(event).map(Math.floor);
    const inside = x >= 0 && y >= 0 && x < this.size[0] && y < this.size[1];
    if (inside && !this.samples && this.original.complete && this.decoded.complete) {
      this.samples = [samplesOf(this.original), samplesOf(this.decoded)];
    }
    if (!inside || !this.samples) {
      this.readout.textContent = "";
      return;
    }
    const [before, after] = this.samples.map((context) => [...context.getImageData(x, y, 1, 1).data.slice(0, 3)]);
    const signed = (each) => (each > 0 ? `+${each}` : `${each}`.replace("-", "−"));
    const off = after.map((each, channel) => signed(each - before[channel]));
    const told = [["original", before], ["decoded", after], ["difference", off]];
    this.readout.textContent = `x ${x}  y ${y}  ${told.map(([name, values]) => `${name} ${values.join(" ")}`).join("  ")}`;
  }
}

for (const root of document.querySelectorAll("div.compare")) {
  if (root.querySelector(".pair")) new Viewer(root);
}
