// Overview: the parts of the router, their health, and the rates of their traffic.

import { h, keyed, write, state, writeState, command, facts, number, rate, size, duration, plural } from './dom.js';
import { Chart } from './chart.js';
import { findings, lineState, linkState } from './health.js';
import { whenKnown } from './denied.js';

export const id = 'overview';
export const title = 'Overview';

export function mount(root, app) {
  root.append(h('h1', null, title));
  const body = h('div.stack', null);
  root.append(body);
  const counts = h('div', null);
  const end = whenKnown(body, app, (inner) => build(inner, app));
  const asked = () => { if (app.status.denied) withoutStatus(counts, app); };
  app.status.addEventListener('change', asked);
  root.append(counts);
  asked();
  return () => { end(); app.status.removeEventListener('change', asked); body.ended && body.ended(); };
}

function build(root, app) {
  const { status } = app;
  const health = h('section.panel.health', { 'aria-label': 'Health' });
  const verdict = state('idle', 'reading the status');
  const list = h('ul.findings', null);
  health.append(h('h2', null, verdict), list);

  const figures = facts({ version: 'Version', uptime: 'Running for', connections: 'Connections', sessions: 'Sessions', events: 'Events delivered', drops: 'Events dropped', memory: 'Buffers and tables' });

  const perSecond = { format: rate, span: 300 };
  const charts = [
    new Chart({ title: 'Events delivered', unit: 'events/s', series: status.of('events'), ...perSecond }),
    new Chart({ title: 'Messages', unit: 'messages/s', series: status.of('messages'), ...perSecond }),
    new Chart({ title: 'Calls', unit: 'calls/s', series: status.of('calls'), ...perSecond }),
  ];
  if (status.latest.memory) charts.push(new Chart({ title: 'Buffers and tables', series: status.of('memory'), format: size, span: 300 }));

  const rows = h('tbody', null);
  const table = h('table', null,
    h('thead', null, h('tr', null, ...['Part', 'State', 'Traffic'].map((t) => h('th', { scope: 'col' }, t)))), rows);

  root.append(health, h('section.panel', { 'aria-label': 'Figures' }, figures.el),
    h('section.charts', { 'aria-label': 'Rates' }, ...charts.map((c) => c.el)),
    h('section.panel', null, h('h2', null, 'What runs here'), h('div.scroll', { tabindex: 0, role: 'region', 'aria-label': 'What runs here' }, table)));
  root.ended = () => charts.forEach((c) => c.end());

  return (s) => {
    const found = findings(s);
    writeState(verdict, found.some((f) => f.level === 'bad') ? 'bad' : found.length ? 'warn' : 'ok',
      found.length ? `${plural(found.length, 'thing')} to look at` : 'All is well');
    keyed(list, found, (f) => f.object + f.text, finding, () => {});
    figures.write('version', s.version);
    figures.write('uptime', duration(s.uptime));
    figures.write('connections', number(s.router.connections));
    figures.write('sessions', number((s.router.realms || []).reduce((n, r) => n + r.sessions, 0)));
    figures.write('events', number(s.router.events));
    figures.write('drops', number(s.router.drops));
    figures.write('memory', s.memory ? size(s.memory.used) : '–');
    keyed(rows, running(s), (r) => r.key, row, (el, r) => el.update(r));
    charts.forEach((c) => c.draw());
  };
}

function finding(f) {
  return h('li', null, h('div', null, state(f.level, f.object), h('span', null, ` ${f.text}`)),
    f.remedy && h('p.hint', null, f.remedy), f.command && command(f.command));
}

// running lists the parts of a router.
function running(s) {
  return [
    ...(s.router.realms || []).map((r) => ({ key: `realm ${r.name}`, kind: 'Realm', name: r.name, href: '#/peers', state: r.trouble ? ['bad', 'disk trouble'] : ['ok', 'serving'],
      traffic: `${plural(r.sessions, 'session')}, ${plural(r.subscriptions, 'subscription')}, ${plural(r.registrations, 'procedure')}` })),
    ...s.listeners.map((l) => ({ key: `listener ${l.url}`, kind: 'Listener', name: l.url, state: l.certificate && l.certificate.alarm ? ['bad', 'certificate'] : ['ok', 'listening'],
      traffic: `${number(l.connections)} open, ${size(l.octets_in)} in, ${size(l.octets_out)} out` })),
    ...s.serial.map((l) => ({ key: `line ${l.name}`, kind: 'Line', name: l.name, href: '#/lines', state: lineState(l), traffic: `${size(l.in)} in, ${size(l.out)} out` })),
    ...s.uplinks.map((u) => ({ key: `link ${u.name}`, kind: 'Link', name: u.name, href: '#/links', state: linkState(u),
      traffic: `${number(u.queue.events)} queued, ${number(u.events_up.forwarded)} events up, ${number(u.events_down.forwarded)} down` })),
  ];
}

function row(r) {
  const now = state(...r.state), traffic = h('td', null);
  const el = h('tr', null, h('th', { scope: 'row' }, h('span.kind', null, r.kind), r.href ? h('a', { href: r.href }, r.name) : h('span.mono', null, r.name)), h('td', null, now), traffic);
  el.update = (next) => { writeState(now, ...next.state); write(traffic, next.traffic); };
  return el;
}

// withoutStatus shows what the meta API tells to a role that may not read the status.
async function withoutStatus(root, { client }) {
  if (root.childElementCount) return;
  const figures = facts({ sessions: 'Sessions', subscriptions: 'Subscriptions', procedures: 'Procedures' });
  root.append(h('section.panel', { 'aria-label': 'Figures' }, h('h2', null, `Realm ${client.realm}`), figures.el));
  const count = async (name, procedure) => {
    try {
      const { args: [result] } = await client.call(procedure);
      figures.write(name, number(typeof result === 'number' ? result : Object.values(result).reduce((n, ids) => n + ids.length, 0)));
    } catch { figures.write(name, 'not allowed'); }
  };
  await Promise.all([count('sessions', 'wamp.session.count'), count('subscriptions', 'wamp.subscription.list'), count('procedures', 'wamp.registration.list')]);
}
