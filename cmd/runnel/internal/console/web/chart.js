// Line charts in SVG, with a scale, times and the value under the pointer.

import { h, svg, write, clock } from './dom.js';

// Series holds the last points of a figure in a ring of fixed size.
export class Series {
  constructor(size = 300) {
    this.t = new Float64Array(size);
    this.v = new Float64Array(size);
    this.size = size;
    this.length = 0;
    this.next = 0;
  }

  // push adds a point. NaN is a gap.
  push(t, v) {
    this.t[this.next] = t;
    this.v[this.next] = v;
    this.next = (this.next + 1) % this.size;
    this.length = Math.min(this.length + 1, this.size);
  }

  // at returns the position of the i-th point, the oldest first.
  at(i) { return (this.next - this.length + i + this.size) % this.size; }

  last() { return this.length ? this.v[this.at(this.length - 1)] : undefined; }
}

// ceiling returns the least of 1, 2, 2.5, 5 and 10 times a power of ten that is not below v.
function ceiling(v) {
  if (!(v > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(v));
  for (const step of [1, 2, 2.5, 5, 10]) if (v <= step * power * 1.0001) return step * power;
  return v;
}

// short removes trailing zeros of a fraction.
const short = (text) => (/^-?[\d\u202f]+\.\d+$/.test(text) ? text.replace(/\.?0+$/, '') : text);

const left = 52, right = 8, top = 8, bottom = 20;
let charts = 0;

// Chart shows a Series over the last span seconds. With fit the scale does not begin at 0.
export class Chart {
  constructor({ title, unit = '', format, series, span = 300, fit = false, height = 132 }) {
    Object.assign(this, { title, unit, format, series, span, fit, height });
    this.width = 320;
    const id = `chart${++charts}`;
    this.value = h('output.now', { 'aria-live': 'off' }, '–');
    this.path = svg('path', { class: 'line' });
    this.area = svg('path', { class: 'area' });
    this.grid = svg('g', { class: 'grid' });
    this.cursor = svg('line', { class: 'cursor', y1: top, y2: height - bottom });
    this.svg = svg('svg', { height, width: '100%', role: 'img', 'aria-labelledby': id, tabindex: 0 }, this.grid, this.area, this.path, this.cursor);
    this.name = h('figcaption', { id }, title);
    this.el = h('figure.chart', null, h('div.head', null, this.name, this.value), this.svg);
    this.svg.addEventListener('pointermove', (e) => this.point(e.offsetX));
    this.svg.addEventListener('pointerleave', () => this.point(undefined));
    this.svg.addEventListener('keydown', (e) => this.key(e));
    this.svg.addEventListener('blur', () => this.point(undefined));
    this.observer = new ResizeObserver(([entry]) => {
      this.width = Math.max(160, entry.contentRect.width);
      this.draw();
    });
    this.observer.observe(this.el);
  }

  end() { this.observer.disconnect(); }

  text(v) { return v === undefined || Number.isNaN(v) ? '–' : this.format(v) + (this.unit && ` ${this.unit}`); }

  // range returns the lowest and highest value of the scale.
  range(from) {
    const { series } = this;
    let low = Infinity, high = -Infinity;
    for (let i = 0; i < series.length; i++) {
      const p = series.at(i), v = series.v[p];
      if (series.t[p] < from || Number.isNaN(v)) continue;
      if (v < low) low = v;
      if (v > high) high = v;
    }
    if (low > high) return [0, 1];
    if (!this.fit) return [Math.min(0, low), low < 0 && high <= 0 ? 0 : ceiling(high)];
    if (low === high) { const around = Math.abs(low) * 0.01 || 1; return [low - around, high + around]; }
    const step = ceiling((high - low) / 4);
    return [Math.floor(low / step) * step, Math.ceil(high / step) * step];
  }

  // seconds returns how much time the chart shows. It begins with half a minute and grows with the series.
  seconds(now) {
    const age = this.series.length ? (now - this.series.t[this.series.at(0)]) / 1000 : 0;
    return Math.min(this.span, Math.max(30, age));
  }

  draw() {
    const { series, width, height } = this;
    const now = Date.now(), from = now - this.seconds(now) * 1000, span = (now - from) / 1000;
    const [low, high] = this.range(from);
    const x = (t) => left + ((t - from) / (span * 1000)) * (width - left - right);
    const y = (v) => top + (1 - (v - low) / (high - low)) * (height - top - bottom);
    this.x = x;
    let line = '', area = '', start = 0, lastX = 0, open = false;
    const close = () => { if (open) area += `L${lastX.toFixed(1)} ${y(low).toFixed(1)}L${start.toFixed(1)} ${y(low).toFixed(1)}Z`; open = false; };
    for (let i = 0; i < series.length; i++) {
      const p = series.at(i), v = series.v[p], t = series.t[p];
      if (t < from) continue;
      if (Number.isNaN(v)) { close(); continue; }
      const at = `${x(t).toFixed(1)} ${y(v).toFixed(1)}`;
      line += (open ? 'L' : 'M') + at;
      area += (open ? 'L' : 'M') + at;
      if (!open) start = x(t);
      open = true;
      lastX = x(t);
    }
    close();
    this.path.setAttribute('d', line);
    this.area.setAttribute('d', area);
    this.scale(low, high, from, now, y);
    this.read();
  }

  scale(low, high, from, now, y) {
    const { width, height } = this;
    const rows = [0, 0.5, 1].map((f) => low + f * (high - low));
    const key = `${rows.join()} ${width} ${Math.floor(now / 1000)}`;
    if (key === this.scaled) return;
    this.scaled = key;
    const items = [];
    for (const v of rows) {
      items.push(svg('line', { x1: left, x2: width - right, y1: y(v), y2: y(v) }), svg('text', { x: left - 6, y: y(v) + 4, 'text-anchor': 'end' }, short(this.format(v))));
    }
    const times = width < 260 ? [0, 1] : [0, 0.5, 1];
    for (const f of times) {
      items.push(svg('text', { x: left + f * (width - left - right), y: height - 4, 'text-anchor': ['start', 'middle', 'end'][f * 2] }, clock(from + f * (now - from))));
    }
    this.grid.replaceChildren(...items);
  }

  point(offset) {
    this.offset = offset;
    this.read();
  }

  key(e) {
    if (e.key !== 'ArrowLeft' && e.key !== 'ArrowRight' && e.key !== 'Escape') return;
    e.preventDefault();
    if (e.key === 'Escape') return this.point(undefined);
    const step = (this.width - left - right) / 60, at = this.offset === undefined ? this.width - right : this.offset;
    this.point(Math.min(this.width - right, Math.max(left, at + (e.key === 'ArrowLeft' ? -step : step))));
  }

  // read shows the value under the pointer, or the last one.
  read() {
    const { series } = this;
    if (this.offset === undefined || !series.length || !this.x) {
      this.cursor.setAttribute('visibility', 'hidden');
      write(this.value, this.text(series.last()));
    } else {
      let best = 0, distance = Infinity;
      for (let i = 0; i < series.length; i++) {
        const d = Math.abs(this.x(series.t[series.at(i)]) - this.offset);
        if (d < distance) { distance = d; best = series.at(i); }
      }
      const at = Math.max(left, this.x(series.t[best]));
      this.cursor.setAttribute('visibility', 'visible');
      this.cursor.setAttribute('x1', at);
      this.cursor.setAttribute('x2', at);
      write(this.value, `${this.text(series.v[best])} at ${clock(series.t[best])}`);
    }
    this.svg.setAttribute('aria-description', `${this.title}: ${this.value.textContent}`);
  }
}
