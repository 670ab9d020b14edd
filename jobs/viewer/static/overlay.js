// The quality of each tile, painted over the image: bits a pixel, PSNR of the base, or the codec.

import { askJson, element, whole } from "./api.js";

const CODEC_COLOURS = ["#2f6fed", "#f2a33a", "#2ca58d", "#d1495b", "#8e6bbf", "#7a8594"];

// From blue over yellow to red; 0 to 1.
function colour(share) {
  const stops = [[43, 97, 214], [64, 178, 178], [240, 205, 80], [224, 92, 48]];
  const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const from = Math.min(Math.floor(at), stops.length - 2);
  return `rgb(${stops[from].map((value, c) => Math.round(value + (stops[from + 1][c] - value) * (at - from))).join(",")})`;
}

export class Overlay {
  constructor(viewer, legend) {
    Object.assign(this, { viewer, legend, kind: "", tiles: [], image: null });
    this.canvas = element("canvas");
    this.canvas.style.cssText = "position:absolute;inset:0;width:100%;height:100%;pointer-events:none";
    viewer.canvas.append(this.canvas);
    for (const event of ["update-viewport", "resize", "open"]) viewer.addHandler(event, () => this.draw());
  }

  async show(image, kind) {
    this.kind = kind;
    if (kind && this.image !== image) {
      this.image = image;
      this.tiles = [];
      const { columns, rows, all } = await askJson("tiles", { path: image.path });
      if (this.image !== image) return;
      this.tiles = rows.map(row => Object.fromEntries(row.map((value, at) => [columns[at], value])));
      this.all = all;
      for (const tile of this.tiles) tile.bpp = 8 * (tile.latents + tile.residual) / (tile.w * tile.h);
    }
    this.scale();
    this.draw();
  }

  scale() {
    const values = this.tiles.map(tile => tile[this.kind]).filter(value => value !== null && value !== undefined);
    this.legend.hidden = !this.kind;
    this.legend.replaceChildren();
    if (!this.kind) return;
    if (!this.tiles.length) {
      this.legend.textContent = "This image is held in one piece, without tiles.";
      return;
    }
    const some = this.all > this.tiles.length ? `, the first ${whole(this.tiles.length)} of ${whole(this.all)}` : "";
    if (this.kind === "codec") {
      this.names = [...new Set(values)];
      for (const name of this.names) {
        const patch = element("i");
        patch.style.background = this.codecColour(name);
        this.legend.append(patch, name);
      }
      this.legend.append(some);
      return;
    }
    if (!values.length) {
      this.legend.textContent = "The base of every tile is exact.";
      return;
    }
    this.least = values.reduce((a, b) => Math.min(a, b));
    this.most = values.reduce((a, b) => Math.max(a, b));
    const [name, digits] = this.kind === "bpp" ? ["Bits a pixel", 2] : ["PSNR of the base in dB", 1];
    const line = element("div", "scale"), ramp = element("canvas");
    ramp.width = 120;
    ramp.height = 10;
    const context = ramp.getContext("2d");
    for (let x = 0; x < 120; x++) { context.fillStyle = this.shade(x / 119); context.fillRect(x, 0, 1, 10); }
    line.append(this.least.toFixed(digits), ramp, this.most.toFixed(digits));
    this.legend.append(`${name}${some}`, line);
  }

  shade(share) { return colour(this.kind === "psnr" ? 1 - share : share); }

  codecColour(name) { return CODEC_COLOURS[this.names.indexOf(name) % CODEC_COLOURS.length]; }

  draw() {
    const { canvas, viewer } = this, ratio = window.devicePixelRatio || 1;
    const width = viewer.container.clientWidth, height = viewer.container.clientHeight;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const item = viewer.world.getItemAt(viewer.world.getItemCount() - 1);
    if (!this.kind || !item || !this.tiles.length) return;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const corner = item.imageToViewerElementCoordinates(new OpenSeadragon.Point(0, 0));
    const other = item.imageToViewerElementCoordinates(new OpenSeadragon.Point(this.image.width, 0));
    const scale = (other.x - corner.x) / this.image.width;
    context.font = "12px system-ui, sans-serif";
    for (const tile of this.tiles) {
      const x = corner.x + tile.x * scale, y = corner.y + tile.y * scale, w = tile.w * scale, h = tile.h * scale;
      if (x > width || y > height || x + w < 0 || y + h < 0) continue;
      this.paint(context, tile, x, y, w, h);
    }
  }

  paint(context, tile, x, y, w, h) {
    const value = tile[this.kind];
    const share = this.most > this.least ? (value - this.least) / (this.most - this.least) : 0.5;
    context.globalAlpha = 0.42;
    context.fillStyle = this.kind === "codec" ? this.codecColour(value) : value === null ? "#888" : this.shade(share);
    context.fillRect(x, y, w, h);
    context.globalAlpha = 0.8;
    context.strokeStyle = "#fff";
    if (w > 12) context.strokeRect(x + 0.5, y + 0.5, w - 1, h - 1);
    if (w < 64 || h < 24) return;
    const text = this.kind === "codec" ? value : value === null ? "exact" : value.toFixed(this.kind === "bpp" ? 2 : 1);
    context.globalAlpha = 1;
    context.lineWidth = 3;
    context.strokeStyle = "rgba(0,0,0,.65)";
    context.strokeText(text, x + 6, y + 17);
    context.lineWidth = 1;
    context.fillStyle = "#fff";
    context.fillText(text, x + 6, y + 17);
  }
}
