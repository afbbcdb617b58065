// Links: each uplink with its way to the centre, its queue, and the topics that the centre rejects.

import { h, keyed, write, state, writeState, command, empty, facts, notice, number, size, duration, since, plural } from './dom.js';
import { Chart } from './chart.js';
import { linkState } from './health.js';
import { whenKnown } from './denied.js';

export const id = 'links';
export const title = 'Links';

export function mount(root, app) {
  const body = h('div.stack', null), cards = [];
  root.append(h('h1', null, title), body);
  const end = whenKnown(body, app, (inner) => {
    const none = h('section.panel', null, empty('No links yet', 'A link connects this realm to a central router, an MQTT broker or NATS servers. For a central Runnel, this command asks for the details and writes the configuration:', 'sudo runnel init gateway'));
    const list = h('div.cards', null);
    inner.append(none, list);
    return (s) => {
      none.hidden = s.uplinks.length > 0;
      keyed(list, s.uplinks, (u) => u.name, (u) => { const c = new Card(u, app); cards.push(c); return c.el; }, (el, u) => el.card.update(u));
    };
  });
  return () => { end(); cards.forEach((c) => c.end()); };
}

const figures = {
  trip: ['Round trip', (u) => (u.up && u.round_trip_ms ? `${number(u.round_trip_ms)} ms` : '–')],
  queued: ['Events queued', (u) => number(u.queue.events)],
  oldest: ['Age of the oldest', (u) => (u.queue.events ? duration(u.queue.oldest) : '–')],
  disk: ['Queue on disk', (u) => size(u.queue.files)],
  up: ['Events up', (u) => number(u.events_up.forwarded)],
  down: ['Events down', (u) => number(u.events_down.forwarded)],
  calls: ['Calls up and down', (u) => `${number(u.calls_up.forwarded)} / ${number(u.calls_down.forwarded)}`],
  dropped: ['Events dropped', (u) => number(u.queue.dropped + u.events_up.dropped + u.events_down.dropped)],
  bytes: ['Bytes up and down', (u) => `${size(u.octets_out)} / ${size(u.octets_in)}`],
  reconnects: ['Reconnects', (u) => number(u.reconnects)],
};

class Card {
  constructor(u, app) {
    this.app = app;
    this.name = u.name;
    this.facts = facts(Object.fromEntries(Object.entries(figures).map(([key, [name]]) => [key, name])));
    this.state = state(...linkState(u));
    this.since = h('span.dim', null);
    this.url = h('span.mono.dim.grow', null);
    this.error = h('p.wrap', null);
    this.alarms = h('ul.findings', null);
    const { status } = app;
    this.charts = [
      new Chart({ title: 'Events queued', series: status.of(`queue ${u.name}`), format: number }),
      new Chart({ title: 'Age of the oldest', unit: '', series: status.of(`oldest ${u.name}`), format: duration }),
      new Chart({ title: 'Round trip', unit: 'ms', series: status.of(`trip ${u.name}`), format: number }),
      new Chart({ title: 'Events up', unit: 'events/s', series: status.of(`up ${u.name}`), format: number }),
    ];
    this.rows = h('tbody', null);
    this.retry = h('button', { type: 'button', onclick: () => this.again() }, 'Retry now');
    this.total = h('span.dim.grow', null);
    this.held = h('div.stack.tight', null,
      h('div.head', null, h('h3', null, 'Held: the centre rejects these events'), this.total, this.retry),
      h('div.scroll', { tabindex: 0, role: 'region', 'aria-label': `Held topics of ${u.name}` }, h('table', null,
        h('thead', null, h('tr', null, ...['Topic', 'Events', 'Since', 'Reason'].map((t) => h('th', { scope: 'col' }, t)))), this.rows)),
      h('p.hint', null, 'The router keeps these events until the centre accepts them. Permit the topics at the centre, then retry. Or drop the events:'), command(`runnel queue drop ${u.name} --held`));
    this.el = h('section.panel.stack', { 'aria-label': `Link ${u.name}` },
      h('div.head', null, h('h2', null, u.name), this.state, this.since, this.url), this.error, this.alarms, this.facts.el,
      h('div.charts', null, ...this.charts.map((c) => c.el)), this.held);
    this.el.card = this;
  }

  end() { this.charts.forEach((c) => c.end()); }

  update(u) {
    writeState(this.state, ...linkState(u));
    write(this.since, `for ${since(u.since)}`);
    write(this.url, u.url || '');
    this.error.hidden = u.up || !u.error;
    write(this.error, u.error ? `${u.error}, ${since(u.error_at)} ago` : '');
    const alarms = [u.clash, u.queue.alarm, u.certificate && u.certificate.alarm, ...(u.refused || []).map((r) => `rejected: ${r}`)].filter(Boolean).map((text) => ({ text }));
    keyed(this.alarms, alarms, (a) => a.text, (a) => h('li', null, state('bad', a.text)), () => {});
    for (const key in figures) this.facts.write(key, figures[key][1](u));
    this.charts.forEach((c) => c.draw());
    const { queue } = u;
    this.held.hidden = !queue.held_events;
    write(this.total, `${plural(queue.held_events, 'event')} of ${plural(queue.held_topics, 'topic')}`);
    keyed(this.rows, queue.held || [], (t) => t.topic, (t) => h('tr', null, h('th.mono.wrap', { scope: 'row' }, t.topic), h('td', null), h('td', null), h('td.wrap', null)), (el, t) => {
      write(el.children[1], number(t.events));
      write(el.children[2], `${since(t.since)} ago`);
      write(el.children[3], t.reason);
    });
  }

  async again() {
    this.retry.disabled = true;
    try {
      const { args: [events] } = await this.app.client.call('runnel.queue.retry', [this.name]);
      notice(`retrying ${plural(events, 'held event')} of ${this.name}`);
    } catch (e) {
      notice(e.uri === 'wamp.error.not_authorized' ? 'This role may not call runnel.queue.retry.' : e.message, 'bad');
    }
    this.retry.disabled = false;
  }
}
