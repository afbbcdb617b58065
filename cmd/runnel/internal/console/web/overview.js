// Overview: the parts of the router, their health, and the rates of their traffic.

import { h, keyed, write, state, writeState, command, facts, number, rate, size, duration, since, plural, notice } from './dom.js';
import { Chart } from './chart.js';
import { findings, doctorCommand, lineState, linkState } from './health.js';
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

const pause = 10000; // milliseconds between two checks of the installation, unless the user asks for one

function build(root, app) {
  const { status, doctor } = app;
  const health = h('section.panel.health', { 'aria-label': 'Health' });
  const verdict = state('idle', 'Reading the status');
  const list = h('ul.findings', null), notes = h('ul.findings', null), count = h('summary', null, '');
  const more = h('details', null, count, notes);
  more.hidden = true;
  const checked = h('p.hint.grow', null, doctor.summary(''));
  const again = h('button.small', { type: 'button', onclick: async () => { await doctor.check(); notice(doctor.error ? doctor.summary('') : verdict.dataset.word, doctor.error ? 'bad' : verdict.dataset.kind); } }, 'Check again');
  const byHand = h('div', null, command(doctorCommand));
  byHand.hidden = true;
  health.append(h('h2', null, verdict), list, h('div.checked', null, checked, again), more, byHand);
  let seen; // the findings of the status at the last check

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
  const checks = () => { if (status.latest) update(status.latest); };
  doctor.addEventListener('change', checks);
  root.ended = () => { charts.forEach((c) => c.end()); doctor.removeEventListener('change', checks); };

  // examine checks the installation if the findings have changed since the last check.
  const examine = (found) => {
    const now = found.map((f) => f.object + f.text).join();
    if (doctor.busy || doctor.denied || (doctor.at && (seen === now || Date.now() - doctor.at < pause))) return;
    seen = now;
    doctor.check();
  };

  const update = (s) => {
    const live = findings(s), checks = doctor.findings();
    const found = [...(doctor.report ? live.map(checkedHere) : live), ...checks.filter((f) => f.level !== 'idle')], noted = checks.filter((f) => f.level === 'idle');
    writeState(verdict, found.some((f) => f.level === 'bad') ? 'bad' : found.length ? 'warn' : 'ok',
      found.length ? plural(found.length, 'finding') : 'All is well');
    write(checked, doctor.summary(since(doctor.at)));
    again.disabled = doctor.busy;
    byHand.hidden = !doctor.error;
    keyed(list, found, (f) => f.object + f.text + f.command, finding, () => {});
    keyed(notes, noted, (f) => f.object + f.text, finding, () => {});
    write(count, plural(noted.length, 'note'));
    more.hidden = !noted.length;
    figures.write('version', s.version);
    figures.write('uptime', duration(s.uptime));
    figures.write('connections', number(s.router.connections));
    figures.write('sessions', number((s.router.realms || []).reduce((n, r) => n + r.sessions, 0)));
    figures.write('events', number(s.router.events));
    figures.write('drops', number(s.router.drops));
    figures.write('memory', s.memory ? size(s.memory.used) : '–');
    keyed(rows, running(s), (r) => r.key, row, (el, r) => el.update(r));
    charts.forEach((c) => c.draw());
    examine(live);
  };
  return update;
}

// checkedHere leaves out of a finding the command that checks the installation: the page has done that.
const checkedHere = (f) => (f.command === doctorCommand ? { ...f, command: undefined, remedy: f.remedy.endsWith(':') ? undefined : f.remedy } : f);

// finding shows a finding. A remedy of several lines is folded.
export function finding(f) {
  const long = f.command && f.command.includes('\n');
  return h('li', null, h('div', null, state(f.level, f.object), h('span', null, ` ${f.text}`)), f.remedy && h('p.hint', null, f.remedy),
    f.command && (long ? h('details', null, h('summary', { 'aria-label': `Show the remedy for ${f.object}` }, 'Show the remedy'), command(f.command)) : command(f.command)));
}

// running lists the parts of a router.
function running(s) {
  return [
    ...(s.router.realms || []).map((r) => ({ key: `realm ${r.name}`, kind: 'Realm', name: r.name, href: '#/peers', state: r.trouble ? ['bad', 'disk fault'] : ['ok', 'serving'],
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

// withoutStatus shows the figures of the meta API to a role that may not read the status.
async function withoutStatus(root, { client }) {
  if (root.childElementCount) return;
  const figures = facts({ sessions: 'Sessions', subscriptions: 'Subscriptions', procedures: 'Procedures' });
  root.append(h('section.panel', { 'aria-label': 'Figures' }, h('h2', null, `Realm ${client.realm}`), figures.el));
  const count = async (name, procedure) => {
    try {
      const { args: [result] } = await client.call(procedure);
      figures.write(name, number(typeof result === 'number' ? result : Object.values(result).reduce((n, ids) => n + ids.length, 0)));
    } catch { figures.write(name, 'not permitted'); }
  };
  await Promise.all([count('sessions', 'wamp.session.count'), count('subscriptions', 'wamp.subscription.list'), count('procedures', 'wamp.registration.list')]);
}
