// The router's status, read once a second while the page is visible and the session's role may. Rates are kept as series.

import { Series } from './chart.js';

const interval = 1000;

export class Status extends EventTarget {
  constructor(client) {
    super();
    this.client = client;
    this.latest = undefined; // the last runnel.status
    this.denied = undefined; // the error of a role that may not read it
    this.series = new Map();
    this.before = new Map(); // name -> [time, counter]
    client.addEventListener('state', () => this.restart());
    document.addEventListener('visibilitychange', () => this.restart());
    this.restart();
  }

  restart() {
    clearTimeout(this.timer);
    this.before.clear();
    this.denied = undefined;
    this.round = (this.round || 0) + 1;
    if (this.client.state === 'open' && !document.hidden) this.poll(this.round);
  }

  async poll(round) {
    try {
      const { args: [latest] } = await this.client.call('runnel.status');
      if (round !== this.round) return;
      this.latest = latest;
      this.collect(latest);
      this.dispatchEvent(new Event('change'));
    } catch (e) {
      if (round !== this.round) return;
      if (e.uri === 'wamp.error.not_authorized' || e.uri === 'wamp.error.no_such_procedure') {
        this.denied = e;
        this.latest = undefined;
        this.dispatchEvent(new Event('change'));
        return;
      }
    }
    this.timer = setTimeout(() => this.poll(round), interval);
  }

  // of returns the series of a name.
  of(name) {
    if (!this.series.has(name)) this.series.set(name, new Series());
    return this.series.get(name);
  }

  gauge(name, t, v) { this.of(name).push(t, v === undefined ? NaN : v); }

  // counter adds the rate of a counter. A counter that starts again leaves a gap.
  counter(name, t, v) {
    const before = this.before.get(name);
    this.before.set(name, [t, v]);
    if (!before) return this.of(name).length ? this.of(name).push(t, NaN) : undefined;
    this.of(name).push(t, v < before[1] ? NaN : (v - before[1]) / ((t - before[0]) / 1000));
  }

  collect(s) {
    const t = Date.now(), r = s.router;
    this.counter('messages', t, r.messages);
    this.counter('events', t, r.events);
    this.counter('calls', t, r.calls);
    this.counter('publications', t, r.publications);
    if (s.memory) this.gauge('memory', t, s.memory.used);
    for (const u of s.uplinks) {
      this.gauge(`queue ${u.name}`, t, u.queue.events);
      this.gauge(`oldest ${u.name}`, t, u.queue.oldest);
      this.gauge(`trip ${u.name}`, t, u.up ? u.round_trip_ms : undefined);
      this.counter(`up ${u.name}`, t, u.events_up.forwarded);
    }
    for (const l of s.serial) this.counter(`in ${l.name}`, t, l.in);
    const names = new Set([...s.uplinks, ...s.serial].map((p) => p.name));
    for (const key of this.series.keys()) { // parts that a reload has removed
      const space = key.indexOf(' ');
      if (space > 0 && !names.has(key.slice(space + 1))) { this.series.delete(key); this.before.delete(key); }
    }
  }
}
