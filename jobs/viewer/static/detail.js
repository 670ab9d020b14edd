// One image: deep zoom by OpenSeadragon. Below the tiles lies an overview, which is there at once and gets finer.

import { ask, askJson, service } from "./api.js";
import { thumbnailUrl } from "./grid.js";
import { showFacts } from "./facts.js";
import { Overlay } from "./overlay.js";

const ASK_AGAIN = 4000;  // milliseconds after a failure
const AT_ONCE = 4e6;  // pixels of an image that needs no overview
const FINE = 4;  // while the overview grows, only tiles of at most this scale factor are asked for

const by = id => document.getElementById(id);

export class Detail {
  constructor() {
    this.variant = "original";
    this.generation = 0;
    this.viewer = OpenSeadragon({
      element: by("viewer"), showNavigationControl: false, showNavigator: false, drawer: "canvas", crossOriginPolicy: false,
      maxZoomPixelRatio: 16, visibilityRatio: 0.5, animationTime: 0.35, imageLoaderLimit: 4, timeout: 300000,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true }, immediateRender: false, placeholderFillStyle: null,
    });
    this.overlay = new Overlay(this.viewer, by("legend"));
    this.viewer.addHandler("tile-load-failed", event => { if (!event.tile?.tilepressGone) this.failed(event.tile?.getUrl?.()); });
    by("variants").addEventListener("click", event => this.choose(event.target.dataset.variant));
    by("overlay").addEventListener("change", event => this.showTiles(event.target.value));
    by("zoom-in").onclick = () => this.zoom(1.6);
    by("zoom-out").onclick = () => this.zoom(1 / 1.6);
    by("zoom-fit").onclick = () => this.viewer.viewport.goHome();
    by("zoom-one").onclick = () => this.onePixel();
    by("facts-toggle").onclick = () => this.toggleFacts();
  }

  async open(image) {
    this.image = image;
    const generation = ++this.generation;
    by("trouble").hidden = true;
    by("progress").hidden = true;
    if (this.variant !== "original" && !image.preview) this.variant = "original";
    this.buttons();
    showFacts(by("facts"), image, () => generation === this.generation).catch(error => this.trouble(error.message));
    this.overlay.kind = "";
    this.viewer.close();
    if (!image.shown) {
      this.trouble(image.reason || "This file holds no image.");
      by("legend").hidden = true;
      return;
    }
    await this.load(true).catch(error => { if (generation === this.generation) this.trouble(error.message); });
    if (generation === this.generation) this.showTiles(by("overlay").value);
  }

  close() {
    this.generation += 1;
    this.viewer.close();
    this.overlay.kind = "";
    this.image = null;
  }

  buttons() {
    for (const button of by("variants").children) {
      button.disabled = button.dataset.variant !== "original" && !this.image.preview;
      button.setAttribute("aria-pressed", String(button.dataset.variant === this.variant));
    }
  }

  choose(variant) {
    if (!variant || !this.image?.shown || variant === this.variant || (variant !== "original" && !this.image.preview)) return;
    this.variant = variant;
    this.generation += 1;
    this.buttons();
    by("trouble").hidden = true;
    this.load(false).catch(error => this.trouble(error.message));
  }

  // Put the image on the stage; the place that is looked at stays unless it is a new one.
  async load(fresh) {
    const { image, variant, generation, viewer } = this;
    const current = () => generation === this.generation;
    const bounds = fresh ? null : viewer.viewport.getBounds();
    const state = { ready: image.width * image.height <= AT_ONCE };
    // The browser has the thumbnail of whoever comes from the grid; that of a large JPEG costs no more than its overview.
    if (fresh && (state.ready || image.eighth)) await this.put(thumbnailUrl(image), state, current, fresh);
    if (!state.ready && current()) await this.overview(state, current, fresh && !state.below);
    if (!current()) return;
    const info = await (await fetch(`${service(image, variant)}/info.json`)).json().catch(() => null);
    if (!current() || !info) return;
    const source = new OpenSeadragon.IIIFTileSource(info);
    const exists = source.tileExists.bind(source);
    source.tileExists = (level, x, y) =>
      (state.ready || 2 ** (source.maxLevel - level) <= FINE) && exists(level, x, y);
    const old = [];
    for (let at = 0; at < viewer.world.getItemCount(); at++) old.push(viewer.world.getItemAt(at));
    const drop = () => { for (const each of old) if (each !== state.below && viewer.world.getIndexOfItem(each) >= 0) viewer.world.removeItem(each); };
    viewer.addTiledImage({
      tileSource: source, width: 1, x: 0, y: 0,
      success: ({ item }) => {
        if (!current()) { viewer.world.removeItem(item); return; }
        if (item.getFullyLoaded()) drop();
        else item.addOnceHandler("fully-loaded-change", drop);
        if (bounds) viewer.viewport.fitBounds(bounds, true);
        else if (!state.below) viewer.viewport.goHome(true);
        this.overlay.draw();
      },
      error: event => this.trouble(event.message),
    });
  }

  // Show the overview; resolves with its first pixels, and goes on until all of it is known.
  async overview(state, current, fresh) {
    const first = await this.look(state, current, fresh);
    if (first >= 1) { this.known(state); return; }
    (async () => {
      for (let known = first; known < 1 && current();) known = await this.look(state, current, false);
      if (current()) this.known(state);
    })().catch(error => { if (current()) this.trouble(error.message); });
  }

  async look(state, current, fresh) {
    const answer = await ask("overview", { path: this.image.path, variant: this.variant });
    const known = Number(answer.headers.get("Tilepress-Known"));
    const url = URL.createObjectURL(await answer.blob());
    if (current()) await this.put(url, state, current, fresh);
    URL.revokeObjectURL(url);
    if (current()) {
      by("progress").hidden = known >= 1;
      by("progress").textContent = `decoding the overview: ${Math.floor(100 * known)} %`;
    }
    return known;
  }

  put(url, state, current, fresh) {
    const { viewer } = this;
    const height = this.image.height / this.image.width;
    return new Promise(resolve => viewer.addTiledImage({
      tileSource: { type: "image", url, buildPyramid: false }, x: 0, y: 0, width: 1, index: 0,
      success: ({ item }) => {
        if (!current()) { viewer.world.removeItem(item); resolve(); return; }
        const old = state.below;
        state.below = item;
        if (fresh) viewer.viewport.fitBounds(new OpenSeadragon.Rect(0, 0, 1, height), true);
        if (fresh) this.overlay.draw();
        const done = () => { if (old && viewer.world.getIndexOfItem(old) >= 0) viewer.world.removeItem(old); resolve(); };
        if (item.getFullyLoaded()) done(); else item.addOnceHandler("fully-loaded-change", done);
        setTimeout(done, 1000);
      },
      error: resolve,
    }));
  }

  known(state) {
    state.ready = true;
    by("progress").hidden = true;
    this.viewer.forceRedraw();
  }

  async failed(url) {
    if (!url || this.told === url) return;
    this.told = url;
    const { generation } = this;
    const answer = await fetch(url).catch(() => null);
    if (generation !== this.generation || !answer || answer.ok) return;
    this.trouble((await answer.text()).trim());
    if (answer.status === 404 || answer.status === 503) setTimeout(() => { if (generation === this.generation) this.again(); }, ASK_AGAIN);
  }

  // Open the image as the archive has it now: it has moved, or storage did not answer.
  async again() {
    const { generation } = this;
    const image = await askJson("image", { path: this.image.path }).catch(() => this.image);
    this.told = "";
    if (generation === this.generation) await this.open(image);
  }

  trouble(text) {
    by("trouble").textContent = text;
    by("trouble").hidden = false;
  }

  showTiles(kind) {
    by("overlay").value = kind;
    if (this.image?.shown) this.overlay.show(this.image, kind).catch(error => this.trouble(error.message));
  }

  nextTiles() {
    const options = [...by("overlay").options].map(option => option.value);
    this.showTiles(options[(options.indexOf(by("overlay").value) + 1) % options.length]);
  }

  zoom(factor) { this.viewer.viewport.zoomBy(factor); this.viewer.viewport.applyConstraints(); }

  onePixel() {
    const item = this.viewer.world.getItemAt(this.viewer.world.getItemCount() - 1);
    if (item) this.viewer.viewport.zoomTo(item.imageToViewportZoom(1 / (window.devicePixelRatio || 1)));
  }

  toggleFacts() { by("facts").hidden = !by("facts").hidden; }
}
