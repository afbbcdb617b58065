// The events that a page has received: bounded lists of events and topics, with a series for each number in them.

import { Series } from './chart.js';
import { number } from './dom.js';

const bounds = { queue: 5000, events: 1000, topics: 500, charted: 64, fields: 8, points: 600, depth: 3 };

export class Feed {
  constructor() {
    this.clear();
  }

  clear() {
    this.queue = []; // received, and not looked at yet
    this.skipped = 0;
    this.total = 0;
    this.events = []; // the oldest first
    this.topics = new Map(); // the one that was heard longest ago first
    this.rate = 0;
    this.measured = { at: performance.now(), total: 0 };
  }

  // add takes an event. It is cheap: the work is done by drain, once a frame.
  add(e) {
    this.queue.push(e);
    if (this.queue.length > bounds.queue) {
      this.skipped += this.queue.length - bounds.queue / 2;
      this.queue = this.queue.slice(-bounds.queue / 2);
    }
  }

  // drain sorts in the events that have arrived, and reports whether there were any.
  drain() {
    const { queue } = this;
    if (!queue.length) return false;
    this.queue = [];
    this.total += queue.length;
    for (const e of queue) this.note(e);
    this.events = this.events.concat(queue).slice(-bounds.events);
    return true;
  }

  note(e) {
    let t = this.topics.get(e.topic);
    if (t) this.topics.delete(e.topic);
    else t = { topic: e.topic, count: 0, rate: 0, before: 0, fields: new Map() };
    this.topics.set(e.topic, t); // the newest is last
    if (this.topics.size > bounds.topics) this.topics.delete(this.topics.keys().next().value);
    t.count++;
    t.last = e;
    for (const [path, value] of numbers(e)) {
      let series = t.fields.get(path);
      if (!series) {
        if (t.fields.size >= bounds.fields || (!t.fields.size && !this.mayChart())) continue;
        t.fields.set(path, series = new Series(bounds.points));
      }
      series.push(e.at, value);
    }
  }

  // mayChart reports whether one more topic may have series.
  mayChart() {
    let charted = 0;
    for (const t of this.topics.values()) if (t.fields.size) charted++;
    return charted < bounds.charted;
  }

  // measure computes the rates, once a second.
  measure(now = performance.now()) {
    const seconds = (now - this.measured.at) / 1000;
    if (seconds < 1) return;
    this.rate = (this.total - this.measured.total) / seconds;
    this.measured = { at: now, total: this.total };
    for (const t of this.topics.values()) {
      t.rate = (t.count - t.before) / seconds;
      t.before = t.count;
    }
  }
}

// numbers yields the numeric fields of an event with their paths, such as "temperature" or "[0].rain".
function* numbers(e) {
  yield* walk(e.kwargs, '', bounds.depth);
  for (let i = 0; i < e.args.length && i < bounds.fields; i++) yield* walk(e.args[i], `[${i}]`, bounds.depth);
}

function* walk(value, path, depth) {
  if (typeof value === 'number') yield [path, value];
  else if (typeof value === 'boolean') yield [path, value ? 1 : 0];
  else if (value && typeof value === 'object' && depth > 0 && !Array.isArray(value)) {
    let left = bounds.fields;
    for (const key in value) {
      if (left-- === 0) return;
      yield* walk(value[key], path ? `${path}.${key}` : key, depth - 1);
    }
  }
}

// reading writes a value as the device has sent it, unless the text is long.
export const reading = (v) => (String(v).length <= 8 ? String(v) : number(v));

// preview returns an event's payload in one line.
export function preview(e) {
  if (e.text === undefined) {
    const kwargs = Object.keys(e.kwargs).length > 0;
    const text = e.args.length === 1 && !kwargs ? JSON.stringify(e.args[0])
      : [...e.args.map((a) => JSON.stringify(a)), ...Object.entries(e.kwargs).map(([k, v]) => `${k}=${JSON.stringify(v)}`)].join('  ');
    e.text = text.length > 300 ? `${text.slice(0, 300)}…` : text;
  }
  return e.text;
}

const units = [[/temp|_c$|celsius|dew/i, '°C'], [/humid|percent|_pct$|soc$/i, '%'], [/hpa$|pressure/i, 'hPa'], [/(^|_)volt|_v$|voltage/i, 'V'], [/_ma$/i, 'mA'],
  [/current|_a$|amp/i, 'A'], [/kwh|energy/i, 'kWh'], [/power|_w$|watt/i, 'W'], [/co2|ppm/i, 'ppm'], [/freq|_hz$/i, 'Hz'], [/lux|_lx$/i, 'lx'], [/_mm$|rain/i, 'mm'], [/_ms$/i, 'ms']];

const key = (topic, path) => `runnel unit ${topic} ${path}`;

// unitOf returns the unit that the user has given a field, or else the one that its name suggests.
export function unitOf(topic, path) {
  try {
    const own = localStorage.getItem(key(topic, path));
    if (own !== null) return own;
  } catch { /* no storage: only the suggestion */ }
  const name = path.split('.').pop();
  const found = units.find(([pattern]) => pattern.test(/^\[/.test(name) ? topic.split('.').pop() : name));
  return found ? found[1] : '';
}

export function setUnit(topic, path, unit) {
  try { localStorage.setItem(key(topic, path), unit); } catch { /* it holds until the page is left */ }
}
