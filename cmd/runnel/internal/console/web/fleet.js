// Fleet: the nodes that have enrolled at this centre.

import { h, keyed, write, state, writeState, empty, facts, number, since } from './dom.js';

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
  const none = empty('No nodes yet', 'A node enrols with a token. Make a token here, then run the printed command on the gateway:', 'runnel token new --role gateway');
  const table = h('div.scroll', { tabindex: 0, role: 'region', 'aria-label': 'Nodes' }, h('table', null,
    h('thead', null, h('tr', null, ...['Node', 'State', 'Version', 'Board', 'Role', 'Address', 'Enrolled'].map((t) => h('th', { scope: 'col' }, t)))), rows));
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
    keyed(tiles, shown, (n) => n.id, (n) => h('li', null, state('idle', n.id)), (el, n) => {
      writeState(el.firstChild, ...sign(n, n.id));
      el.title = `${n.id}: ${word(n)}`;
    });
    keyed(rows, shown, (n) => n.id, (n) => h('tr', null, h('th.mono', { scope: 'row' }, n.id), h('td', null, state('idle', '')), ...Array.from({ length: 5 }, () => h('td', null))), (el, n) => {
      writeState(el.children[1].firstChild, ...sign(n, word(n)));
      [n.version, n.board, n.role, n.address, n.enrolled && `${since(n.enrolled)} ago`].forEach((text, i) => write(el.children[i + 2], text || '–'));
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
const word = (n) => (n.up ? 'online' : n.last_seen ? `offline for ${since(n.last_seen)}` : 'offline');
