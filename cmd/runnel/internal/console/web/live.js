// Live: events as they arrive, by topic and in order, with a chart of any number in them.

import { h, keyed, write, number, rate, clock, empty } from './dom.js';
import { Chart } from './chart.js';
import { Feed, preview, reading, unitOf, setUnit } from './feed.js';

export const id = 'live';
export const title = 'Live';

const rows = 100; // shown at once
const shownTopics = 100;
const renderEvery = 120; // milliseconds

const own = /^(wamp|runnel)\./;

// The choices of the user stay when the user comes back to the view.
const chosen = { uri: '', match: 'prefix', filter: '', topic: '', path: '', only: false, own: false, span: 300 };

export function mount(root, app) {
  const view = new Live(root, app);
  return () => view.end();
}

class Live {
  constructor(root, app) {
    Object.assign(this, { root, app, feed: new Feed(), paused: false, held: false, rendered: 0, selected: undefined });
    this.build();
    this.listen();
    this.frame = requestAnimationFrame((t) => this.tick(t));
  }

  end() {
    this.ended = true;
    cancelAnimationFrame(this.frame);
    if (this.chart) this.chart.end();
    if (this.stop) this.stop();
  }

  build() {
    const uri = h('input.mono', { id: 'pattern', value: chosen.uri, placeholder: 'everything', spellcheck: 'false', autocapitalize: 'none', list: 'seen' });
    const match = h('select', { id: 'match' }, ...['prefix', 'exact', 'wildcard'].map((m) => h('option', { value: m, selected: m === chosen.match }, m)));
    const filter = h('input', { id: 'filter', type: 'search', value: chosen.filter, placeholder: 'text in topic or payload', oninput: () => { chosen.filter = filter.value; this.dirty = true; } });
    this.pause = h('button', { type: 'button', 'aria-pressed': 'false', onclick: () => this.setPaused(!this.paused) }, 'Pause');
    const apply = (e) => { e.preventDefault(); Object.assign(chosen, { uri: uri.value.trim(), match: match.value, topic: '', path: '' }); this.listen(); };
    this.seen = h('datalist', { id: 'seen' });
    const bar = h('form.bar', { onsubmit: apply },
      h('div.field.wide', null, h('label', { for: 'pattern' }, 'Topic or pattern'), uri, this.seen),
      h('div.field', null, h('label', { for: 'match' }, 'Match'), match),
      h('button', { type: 'submit' }, 'Listen'),
      h('div.field.wide', null, h('label', { for: 'filter' }, 'Filter'), filter),
      this.pause, h('button', { type: 'button', onclick: () => { this.feed.clear(); this.selected = undefined; this.dirty = true; } }, 'Clear'));
    const ownEvents = h('input', { type: 'checkbox', id: 'own', checked: chosen.own, onchange: () => { chosen.own = ownEvents.checked; this.listen(); } });
    bar.append(h('label.check', { for: 'own' }, ownEvents, 'The router\u2019s own events'));
    match.addEventListener('change', () => bar.requestSubmit());

    this.problem = h('p.reason', { role: 'alert' });
    this.topicRows = h('tbody', null);
    const topics = h('section.panel.topics', null, h('h2', null, 'Topics'),
      h('div.scroll.tall', { tabindex: 0, role: 'region', 'aria-label': 'Topics' }, h('table.fixed', null,
        h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'Topic'), h('th', { scope: 'col' }, 'Last value'), h('th.right', { scope: 'col' }, 'Events/s'))), this.topicRows)));

    this.count = h('p.hint.count', null, ' ');
    this.body = h('tbody', null);
    this.pool = Array.from({ length: rows }, () => this.streamRow());
    this.stream = h('div.scroll.tall', { tabindex: 0, role: 'region', 'aria-label': 'Events, the newest first' },
      h('table.stream', null, h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'Time'), h('th', { scope: 'col' }, 'Topic'), h('th', { scope: 'col' }, 'Payload'))), this.body));
    const only = h('input', { type: 'checkbox', id: 'only', checked: chosen.only, onchange: () => { chosen.only = only.checked; this.dirty = true; } });
    const events = h('section.panel', null, h('div.head', null, h('h2.grow', null, 'Events'), h('label.check', { for: 'only' }, only, 'Only the selected topic')), this.count, this.stream);

    this.chartBox = h('section.panel.chartbox', { 'aria-label': 'Chart' }, h('p.hint', null, 'To see a chart, select a topic whose events contain a number.'));
    this.inspector = h('section.panel', { 'aria-label': 'Event', 'aria-live': 'polite' }, h('h2', null, 'Event'), h('p.hint', null, 'Select an event to see its details.'));
    this.nothing = h('section.panel', null, empty('Waiting for events', 'No event has arrived since this page was opened. Publish an event from a shell, or with Try:', 'runnel pub com.example.weather 21.5'));
    this.full = h('div.feed', null, this.chartBox, topics, events, this.inspector);
    this.full.hidden = true;
    this.root.append(h('h1', null, title), bar, this.problem, this.nothing, this.full);
  }

  async listen() {
    if (this.stop) this.stop();
    this.stop = undefined;
    this.feed.clear();
    this.selected = undefined;
    this.dirty = true;
    write(this.problem, '');
    const refused = (e) => write(this.problem, e.uri === 'wamp.error.not_authorized'
      ? `This role may not subscribe to ${chosen.uri ? `${chosen.match} "${chosen.uri}"` : 'everything'}. Enter a topic or a prefix that it may subscribe to.` : e.message);
    const mine = this.listening = {};
    try {
      const stop = await this.app.client.subscribe(chosen.uri, chosen.match, (e) => this.take(e), { retained: true, refused });
      if (this.ended || mine !== this.listening) stop();
      else this.stop = stop;
    } catch (e) { if (mine === this.listening) refused(e); }
  }

  // take keeps an event, except while paused. The router's own events are kept only if the user wants them.
  take(e) {
    if (this.paused || (!chosen.own && own.test(e.topic) && !own.test(chosen.uri))) return;
    this.feed.add(e);
  }

  setPaused(paused) {
    this.paused = paused;
    this.pause.setAttribute('aria-pressed', String(paused));
    write(this.pause, paused ? 'Resume' : 'Pause');
    this.dirty = true;
  }

  // tick runs once a frame, and not at all while the page is hidden.
  tick(now) {
    if (this.ended) return;
    if (this.feed.drain()) this.dirty = true;
    this.feed.measure();
    if (now - this.rendered >= (this.dirty ? renderEvery : 1000)) {
      this.rendered = now;
      this.dirty = false;
      this.render();
    }
    this.frame = requestAnimationFrame((t) => this.tick(t));
  }

  render() {
    const { feed } = this;
    this.nothing.hidden = feed.total > 0;
    this.full.hidden = feed.total === 0;
    if (!feed.total) return;
    const filter = chosen.filter.toLowerCase();
    const wanted = (e) => !filter || e.topic.toLowerCase().includes(filter) || preview(e).toLowerCase().includes(filter);
    this.renderTopics(wanted);
    const list = [];
    for (let i = feed.events.length - 1; i >= 0 && list.length < rows; i--) {
      const e = feed.events[i];
      if ((!chosen.only || e.topic === chosen.topic) && wanted(e)) list.push(e);
    }
    // The list stands still under the pointer and under the keyboard's focus, so that a row can be chosen.
    this.held = this.stream.matches(':hover, :focus-visible') || this.stream.querySelector(':focus-visible') !== null;
    const still = this.paused ? 'paused' : this.held ? 'not updated while you point at the list' : `${rate(feed.rate)} events/s`;
    write(this.count, `The last ${number(list.length)} of ${number(feed.total)} events, ${still}${feed.skipped ? `, ${number(feed.skipped)} not shown because they arrived too fast` : ''}`);
    if (!this.held || this.paused || !this.body.childElementCount) this.renderStream(list);
    if (this.chart) this.chart.draw();
  }

  renderTopics(wanted) {
    const { feed } = this;
    const list = [...feed.topics.values()].filter((t) => wanted(t.last)).sort((a, b) => (a.topic < b.topic ? -1 : 1)).slice(0, shownTopics);
    if (!chosen.topic || !feed.topics.has(chosen.topic)) {
      const first = list.find((t) => t.fields.size);
      if (first) this.choose(first.topic);
    } else if (!this.chart) this.choose(chosen.topic);
    for (const t of list) this.app.topics.size < shownTopics && this.app.topics.add(t.topic);
    if (this.seen.childElementCount !== this.app.topics.size) this.seen.replaceChildren(...[...this.app.topics].map((value) => h('option', { value })));
    keyed(this.topicRows, list, (t) => t.topic, (t) => {
      const button = h('button.link.mono', { type: 'button', onclick: () => this.choose(t.topic) }, t.topic);
      const el = h('tr', null, h('th', { scope: 'row' }, button), h('td.mono.cut', null), h('td.right', null));
      el.button = button;
      return el;
    }, (el, t) => {
      write(el.children[1], preview(t.last));
      write(el.children[2], rate(t.rate));
      const now = String(t.topic === chosen.topic);
      if (el.button.getAttribute('aria-pressed') !== now) el.button.setAttribute('aria-pressed', now);
      el.classList.toggle('selected', t.topic === chosen.topic);
    });
  }

  streamRow() {
    const time = h('td.mono', null), topic = h('td.mono.cut', null), payload = h('td.mono.cut', null);
    const button = h('button.link.mono', { type: 'button', onclick: () => this.inspect(el.event) });
    time.append(button);
    const el = h('tr', { onclick: () => this.inspect(el.event) }, time, topic, payload);
    Object.assign(el, { button, topic, payload });
    return el;
  }

  renderStream(list) {
    const { pool, body } = this;
    list.forEach((e, i) => {
      const el = pool[i];
      if (el.parentNode !== body) body.append(el);
      el.classList.toggle('selected', e === this.selected);
      if (el.event === e) return;
      el.event = e;
      write(el.button, clock(e.at, true));
      write(el.topic, e.topic);
      write(el.payload, preview(e));
    });
    for (let i = list.length; i < pool.length && pool[i].parentNode; i++) { pool[i].remove(); pool[i].event = undefined; }
  }

  inspect(e) {
    if (!e) return;
    this.selected = e;
    this.dirty = true;
    const { topic, ...details } = e.details;
    this.inspector.replaceChildren(h('h2', null, 'Event'),
      h('p.mono.wrap', null, e.topic),
      h('p.hint', null, `Received at ${clock(e.at, true)}, publication ${e.publication}${details.retained ? ', retained' : ''}${details.publisher ? `, publisher ${details.publisher_authid || details.publisher}` : ''}`),
      h('h3', null, 'Arguments'), json(e.args), h('h3', null, 'Keyword arguments'), json(e.kwargs),
      Object.keys(details).length > 0 && h('h3', null, 'Details'), Object.keys(details).length > 0 && json(details));
  }

  // choose shows the chart of a topic.
  choose(topic, path) {
    const t = this.feed.topics.get(topic);
    chosen.topic = topic;
    this.dirty = true;
    if (this.chart) this.chart.end();
    this.chart = undefined;
    if (!t || !t.fields.size) {
      this.chartBox.replaceChildren(h('p.hint', null, `The events of ${topic} contain no number${t && !this.feed.mayChart() ? ', or too many topics have charts: narrow the pattern' : ''}.`));
      return;
    }
    const paths = [...t.fields.keys()];
    chosen.path = path || (paths.includes(chosen.path) ? chosen.path : paths[0]);
    const unit = h('input', { id: 'unit', size: 6, value: unitOf(topic, chosen.path), oninput: () => { setUnit(topic, chosen.path, unit.value.trim()); this.chart.unit = unit.value.trim(); this.chart.draw(); } });
    const field = h('select', { id: 'field', onchange: () => this.choose(topic, field.value) }, ...paths.map((p) => h('option', { value: p, selected: p === chosen.path }, p)));
    const span = h('select', { id: 'span', onchange: () => { chosen.span = Number(span.value); this.chart.span = chosen.span; this.chart.draw(); } },
      ...[[60, '1 min'], [300, '5 min'], [900, '15 min'], [3600, '1 h']].map(([value, name]) => h('option', { value, selected: value === chosen.span }, name)));
    this.chart = new Chart({ title: topic, unit: unit.value, series: t.fields.get(chosen.path), format: reading, span: chosen.span, fit: true, height: 180 });
    this.chartBox.replaceChildren(this.chart.el, h('div.bar', null,
      h('div.field', null, h('label', { for: 'field' }, 'Field'), field), h('div.field', null, h('label', { for: 'unit' }, 'Unit'), unit), h('div.field', null, h('label', { for: 'span' }, 'Time'), span)));
    this.chart.draw();
  }
}

const json = (value) => h('pre', { tabindex: 0, role: 'group', 'aria-label': 'JSON' }, JSON.stringify(value, null, 2));
