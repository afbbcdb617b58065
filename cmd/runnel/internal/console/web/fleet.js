// Fleet: the nodes that link to this centre, and the status of one of them through its link.

import { h, keyed, write, state, writeState, empty, facts, command, number, duration, plural, since } from './dom.js';
import { findings, lineState, linkState } from './health.js';
import { Doctor } from './doctor.js';
import { finding } from './overview.js';

export const id = 'fleet';
export const title = 'Fleet';

const interval = 5000; // milliseconds between two readings of the list

// nodes resolves to the nodes, or to undefined if the role may not see them.
export async function nodes({ client }) {
  try { return (await client.call('runnel.fleet.ls')).args[0] || []; } catch { return undefined; }
}

export function mount(root, app) {
  let ended = false, timer;
  const filter = h('input', { id: 'find', type: 'search', placeholder: 'node, role, version or board', oninput: () => render() });
  const counts = facts({ online: 'Online', offline: 'Offline', all: 'Nodes' });
  const tiles = h('ul.tiles', { 'aria-label': 'Nodes as tiles' });
  const rows = h('tbody', null);
  const none = empty('No nodes yet', 'A gateway enrols with a token: run "sudo runnel init gateway --token TOKEN" there. This command creates a token here:', 'runnel token new --role gateway');
  const table = h('div.scroll', { tabindex: 0, role: 'region', 'aria-label': 'Nodes' }, h('table', null,
    h('thead', null, h('tr', null, ...['Node', 'State', 'Queue', 'Alarms', 'Version', 'Board', 'Role', 'Address'].map((t) => h('th', { scope: 'col' }, t)))), rows));
  root.append(h('h1', null, title), h('div.bar', null, h('div.field.wide', null, h('label', { for: 'find' }, 'Filter'), filter)),
    h('section.panel.stack', null, counts.el, none, tiles), h('section.panel', null, table));

  const render = () => {
    const list = app.fleet || [], text = filter.value.toLowerCase();
    const shown = list.filter((n) => !text || [n.id, n.role, n.version, n.board, n.address].join(' ').toLowerCase().includes(text));
    const online = list.filter((n) => n.up).length;
    counts.write('online', number(online));
    counts.write('offline', number(list.length - online));
    counts.write('all', number(list.length));
    none.hidden = list.length > 0;
    table.parentNode.hidden = !list.length;
    keyed(tiles, shown, (n) => n.id, (n) => h('li', null, opener(app, n.id, state('idle', n.id))), (el, n) => {
      writeState(el.firstChild.firstChild, ...sign(n, n.id));
      el.title = `${n.id}: ${word(n)}`;
    });
    keyed(rows, shown, (n) => n.id, (n) => h('tr', null, h('th.mono', { scope: 'row' }, opener(app, n.id, n.id)), h('td', null, state('idle', '')), ...Array.from({ length: 6 }, () => h('td', null))), (el, n) => {
      writeState(el.children[1].firstChild, ...sign(n, word(n)));
      [number(n.queue || 0), (n.alarms || []).length ? String(n.alarms.length) : '', n.version, n.board, n.role, n.address].forEach((text, i) => write(el.children[i + 2], text || '–'));
    });
  };
  const load = async () => {
    const list = document.hidden ? app.fleet : await nodes(app);
    if (ended) return;
    if (list) app.fleet = list;
    render();
    timer = setTimeout(load, interval);
  };
  render();
  load();
  return () => { ended = true; clearTimeout(timer); };
}

const sign = (n, text) => [n.up ? (n.alarms && n.alarms.length ? 'warn' : 'ok') : 'bad', text];
const word = (n) => (n.up ? 'online' : n.offline_since ? `offline for ${since(n.offline_since)}` : 'offline');

// opener makes the button that shows a node.
const opener = (app, id, label) => h('button.link', { type: 'button', 'aria-haspopup': 'dialog', onclick: () => open(app, id) }, label);

// open shows what a node has reported and, through its link, its own status.
function open(app, id) {
  const n = (app.fleet || []).find((other) => other.id === id);
  if (!n) return;
  const about = facts({ began: 'Router started', seen: 'Last seen', queue: 'Events queued', version: 'Version', board: 'Board', address: 'Address' });
  about.write('began', n.began ? `${since(n.began)} ago` : '–');
  about.write('seen', n.up ? 'now' : n.last_seen ? `${since(n.last_seen)} ago` : 'never');
  about.write('queue', number(n.queue || 0));
  for (const key of ['version', 'board', 'address']) about.write(key, n[key] || '–');
  const own = h('div.stack.tight', { 'aria-live': 'polite' });
  const dialog = h('dialog.wide', { 'aria-label': `Node ${id}`, onclose: () => dialog.remove() },
    h('div.head', null, h('h2', null, id), state(...sign(n, word(n)))), about.el,
    h('ul.findings', null, (n.alarms || []).map((text) => h('li', null, state('warn', text)))),
    list('Serial lines', (n.lines || []).map((l) => [lineState(l), l.name])),
    list('Queues', (n.queues || []).map((q) => [[q.held ? 'bad' : 'ok', q.held ? `${plural(q.held, 'event')} held` : 'no event held'], `${q.uplink}: ${plural(q.events, 'event')}`])),
    own, h('div.buttons', null, h('button', { type: 'button', onclick: () => dialog.close() }, 'Close')));
  document.body.append(dialog);
  dialog.showModal();
  ask(app, n, own);
}

const list = (title, rows) => rows.length > 0 && h('div', null, h('h3', null, title), h('ul.findings', null, rows.map(([sign, text]) => h('li', null, state(...sign), ' ', text))));

// ask adds the node's own status.
async function ask(app, n, own) {
  if (!n.up) return;
  if (!n.remote) return own.append(h('p.hint', null, 'This node does not answer through its link. Write remote = true in its [[uplink]], then reload its router there:'), command('sudo runnel reload'));
  own.append(h('p.hint', null, 'Asking the node …'));
  try {
    const [s, prefix] = await statusOf(app.client, n.id);
    const found = findings(s);
    own.replaceChildren(h('h3', null, `Status of the node: ${plural(s.router.connections, 'connection')}, up ${duration(s.uptime)}`),
      h('ul.findings', null, found.length ? found.map((f) => h('li', null, state(f.level, `${f.object} ${f.text}`))) : h('li', null, state('ok', 'healthy'))),
      list('Links', s.uplinks.map((u) => [linkState(u), `${u.name}: ${plural(u.queue.events, 'event')} queued, ${number(u.events_up.forwarded)} sent`])) || '',
      list('Serial lines', s.serial.map((l) => [lineState(l), l.name])) || '',
      check(app, `${prefix}doctor`));
  } catch (e) {
    own.replaceChildren(h('p.hint', null, e.uri === 'wamp.error.not_authorized' ? `This role may not call runnel.node.${n.id}.status.` : e.message));
  }
}

// statusOf resolves to the status of a node and the prefix of its procedures. In a realm with strict URIs, the prefix differs.
async function statusOf(client, id) {
  const read = async (name) => { const prefix = `runnel.node.${name}.`; return [(await client.call(`${prefix}status`)).args[0], prefix]; };
  try { return await read(id); } catch (e) {
    if (e.uri !== 'wamp.error.invalid_uri') throw e;
    return read(id.toLowerCase().replace(/[^a-z0-9]/gu, '_'));
  }
}

// check makes the button with which a node checks its installation.
function check(app, procedure) {
  const doctor = new Doctor(app.client, procedure), result = h('ul.findings', null), line = h('p.hint.grow', null, 'The node can check its files, ports, clock, disk and links.');
  const button = h('button.small', { type: 'button', onclick: () => doctor.check() }, 'Check this node');
  doctor.addEventListener('change', () => {
    button.disabled = doctor.busy;
    write(line, doctor.summary(since(doctor.at)));
    const found = doctor.findings(true);
    result.replaceChildren(...found.map(finding), ...(doctor.report && !found.length ? [h('li', null, state('ok', 'no findings'))] : []));
  });
  return h('div', null, h('div.checked', null, line, button), result);
}
