// Lines: each serial line with its state, its last readings, and the lines that could not be read.

import { h, keyed, write, state, writeState, empty, facts, number, size, since, plural } from './dom.js';
import { Chart } from './chart.js';
import { Feed, preview, reading, unitOf } from './feed.js';
import { lineState } from './health.js';
import { whenKnown } from './denied.js';
import { Raw } from './raw.js';

export const id = 'lines';
export const title = 'Lines';

const mostTopics = 16; // of a line

export function mount(root, app) {
  const body = h('div.stack', null), cards = [];
  root.append(h('h1', null, title), body);
  const end = whenKnown(body, app, (inner) => {
    const none = h('section.panel', null, empty('No serial lines yet', 'Plug in a device. This command detects its format and adds its line:', 'sudo runnel serial add /dev/ttyUSB0'));
    const list = h('div.cards', null);
    inner.append(none, list);
    return (s) => {
      none.hidden = s.serial.length > 0;
      keyed(list, s.serial, (l) => l.name, (l) => { const c = new Card(l, app); cards.push(c); return c.el; }, (el, l) => el.card.update(l));
    };
  });
  return () => { end(); cards.forEach((c) => c.end()); };
}

// The figures of a line, as far as it has them.
const figures = {
  last: ['Last good reading', (l) => (l.sensor && l.sensor.last_good ? `${since(l.sensor.last_good)} ago` : undefined)],
  published: ['Readings published', (l) => l.sensor && number(l.sensor.published)],
  refused: ['Readings rejected', (l) => l.sensor && number(l.sensor.refused + l.sensor.dropped)],
  good: ['Good lines', (l) => l.lines && number(l.lines.good)],
  bad: ['Bad lines', (l) => l.lines && number(l.lines.bad)],
  checks: ['Wrong checksums', (l) => l.lines && number(l.lines.check_errors)],
  frames: ['Frames in and out', (l) => l.link && `${number(l.link.frames_in)} / ${number(l.link.frames_out)}`],
  resent: ['Frames sent again', (l) => l.link && number(l.link.resent)],
  fcs: ['Frames with wrong checksums', (l) => l.link && number(l.link.fcs_errors)],
  bytes: ['Bytes in and out', (l) => `${size(l.in)} / ${size(l.out)}`],
  losses: ['Device losses', (l) => number(l.losses)],
  uart: ['UART errors', (l) => l.uart && number(l.uart.framing_errors + l.uart.parity_errors + l.uart.overruns)],
};

class Card {
  constructor(line, app) {
    this.app = app;
    this.feed = new Feed();
    this.topics = new Map(); // topic -> ends the subscription
    const shown = Object.fromEntries(Object.entries(figures).filter(([, [, of]]) => of(line) !== undefined).map(([key, [name]]) => [key, name]));
    this.facts = facts(shown);
    this.state = state(...lineState(line));
    this.since = h('span.dim', null);
    this.alarms = h('ul.findings', null);
    this.rows = h('tbody', null);
    this.readings = h('div.scroll', { tabindex: 0, role: 'region', 'aria-label': `Last readings of ${line.name}` }, h('table.fixed', null,
      h('thead', null, h('tr', null, ...['Topic', 'Last reading', 'Age'].map((t) => h('th', { scope: 'col' }, t)))), this.rows));
    this.waiting = h('p.hint', null, 'No reading has arrived since this page was opened.');
    this.chartBox = h('div', null);
    this.badText = h('pre', { tabindex: 0, role: 'group', 'aria-label': 'The last bad line' });
    this.badWhy = h('p.hint', null);
    this.bad = h('div.stack.tight', null, h('h3', null, 'The last bad line'), this.badText, this.badWhy);
    this.slaves = line.modbus && h('tbody', null);
    this.raw = new Raw(line, app);
    const reads = line.sensor !== undefined;
    this.el = h('section.panel.stack', { 'aria-label': `Line ${line.name}` },
      h('div.head', null, h('h2', null, line.name), this.state, this.since, h('span.mono.dim.grow', null, `${line.device || 'no device'} · ${line.mode}`)),
      this.alarms, this.facts.el,
      reads && h('div.stack.tight', null, this.waiting, this.readings, this.chartBox),
      this.slaves && table(`Slaves of ${line.name}`, ['Slave', 'State', 'Requests', 'Answers', 'Timeouts', 'Broken answers', 'Last answer'], this.slaves),
      this.bad,
      this.raw.el);
    this.el.card = this;
  }

  end() {
    for (const stop of this.topics.values()) Promise.resolve(stop).then((f) => f && f());
    if (this.chart) this.chart.end();
  }

  update(line) {
    writeState(this.state, ...lineState(line));
    write(this.since, `for ${since(line.since)}`);
    keyed(this.alarms, (line.alarms || []).map((text) => ({ text })), (a) => a.text, (a) => h('li', null, state('bad', a.text)), () => {});
    for (const key in this.facts.values) this.facts.write(key, figures[key][1](line) || '–');
    const { lines } = line;
    this.bad.hidden = !(lines && lines.bad_reason);
    if (!this.bad.hidden) {
      write(this.badText, lines.bad_line || '(no readable text)');
      write(this.badWhy, `${lines.bad_reason}, ${since(lines.last_bad)} ago${lines.bad_in_a_row ? `, ${plural(lines.bad_in_a_row, 'bad line')} in a row` : ''}`);
    }
    if (this.slaves) this.bus(line.modbus.slaves || []);
    if (line.sensor && line.sensor.topic) this.listen(line.sensor.topic);
    this.read();
    this.raw.update();
  }

  // listen follows a topic of the line, if the role may.
  listen(topic) {
    if (this.topics.has(topic) || this.topics.size >= mostTopics) return;
    this.topics.set(topic, this.app.client.subscribe(topic, 'exact', (e) => this.feed.add(e), { retained: true }).catch((e) => {
      write(this.waiting, `The readings on ${topic} are not shown: ${e.uri === 'wamp.error.not_authorized' ? 'this role may not subscribe to them' : e.message}.`);
    }));
  }

  // read shows the readings that have arrived since the last call.
  read() {
    this.feed.drain();
    const list = [...this.feed.topics.values()].sort((a, b) => (a.topic < b.topic ? -1 : 1));
    this.waiting.hidden = list.length > 0;
    this.readings.hidden = !list.length;
    keyed(this.rows, list, (t) => t.topic, (t) => h('tr', null, h('th.mono.wrap', { scope: 'row' }, t.topic), h('td.mono.wrap', null), h('td', null)), (el, t) => {
      write(el.children[1], preview(t.last));
      write(el.children[2], since(t.last.at));
    });
    const charted = list.find((t) => t.fields.size);
    if (!this.chart && charted) {
      const [path, series] = charted.fields.entries().next().value;
      this.chart = new Chart({ title: path.startsWith('[') ? charted.topic : path, unit: unitOf(charted.topic, path), series, format: reading, span: 600, fit: true });
      this.chartBox.append(this.chart.el);
    }
    if (this.chart) this.chart.draw();
  }

  bus(slaves) {
    keyed(this.slaves, slaves, (s) => s.slave, (s) => h('tr', null, h('th', { scope: 'row' }, String(s.slave)), h('td', null, state('idle', '')), ...Array.from({ length: 5 }, () => h('td', null))), (el, s) => {
      const [, now, requests, answers, timeouts, broken, last] = el.children;
      writeState(now.firstChild, s.silent ? 'bad' : 'ok', s.silent ? 'silent' : 'answers');
      now.title = s.error || '';
      [[requests, number(s.requests)], [answers, number(s.answers)], [timeouts, number(s.timeouts)], [broken, number(s.broken)], [last, s.last_answer ? `${since(s.last_answer)} ago` : '–']].forEach(([cell, text]) => write(cell, text));
    });
  }
}

function table(name, columns, rows) {
  return h('div.scroll', { tabindex: 0, role: 'region', 'aria-label': name }, h('table', null, h('thead', null, h('tr', null, ...columns.map((c) => h('th', { scope: 'col' }, c)))), rows));
}
