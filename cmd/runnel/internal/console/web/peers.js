// Sessions, procedures and subscriptions of the realm, by the meta API.

import { h, keyed, write, notice, number } from './dom.js';
import { details } from './known.js';

export const id = 'peers';
export const title = 'Sessions';

const most = 300; // of each kind
const settle = 400; // milliseconds that changes are collected before the lists are read again

export function mount(root, app) {
  const view = new Peers(root, app);
  return () => view.end();
}

class Peers {
  constructor(root, app) {
    Object.assign(this, { root, app, stops: [], found: { sessions: [], procedures: [], subscriptions: [] } });
    this.filter = h('input', { id: 'find', type: 'search', placeholder: 'authid, role, URI or address', oninput: () => this.render() });
    this.problem = h('p.reason', { role: 'alert' });
    this.sessions = new List('Sessions', ['Session', 'Role', 'From', 'Method and protocol', 'Offers', 'Subscribes to', '']);
    this.procedures = new List('Procedures', ['Procedure', 'Match', 'Invocation', 'Offered by']);
    this.subscriptions = new List('Subscriptions', ['Topic', 'Match', 'Subscribers']);
    this.lists = h('div.stack', { hidden: true }, this.sessions.el, this.procedures.el, this.subscriptions.el); // until they have content, so that none moves
    root.append(h('h1', null, title), h('div.bar', null, h('div.field.wide', null, h('label', { for: 'find' }, 'Filter'), this.filter),
      h('button', { type: 'button', onclick: () => this.load() }, 'Refresh')), this.problem, this.lists);
    this.follow();
  }

  end() {
    this.ended = true;
    clearTimeout(this.timer);
    for (const stop of this.stops) stop();
  }

  // follow reads the lists, and again when something has changed, if the role may subscribe to the changes. The subscriptions
  // come first: a change between the lists and them would be missed.
  async follow() {
    for (const prefix of ['wamp.session.', 'wamp.registration.', 'wamp.subscription.']) {
      try {
        const stop = await this.app.client.subscribe(prefix, 'prefix', () => this.later());
        if (this.ended) stop();
        else this.stops.push(stop);
      } catch { /* the button reads them */ }
    }
    if (!this.ended) this.load();
  }

  later() {
    if (!this.timer) this.timer = setTimeout(() => { this.timer = undefined; this.load(); }, settle);
  }

  async load() {
    if (this.loading) return this.later();
    this.loading = true;
    try {
      const [sessions, procedures, subscriptions] = await Promise.all([this.list('session'), this.list('registration'), this.list('subscription')]);
      this.found = { sessions, procedures, subscriptions };
      write(this.problem, '');
    } catch (e) {
      write(this.problem, e.uri === 'wamp.error.not_authorized' ? 'This role may not read the meta API. It needs permission to call wamp.session., wamp.registration. and wamp.subscription.' : e.message);
    }
    this.loading = false;
    if (this.ended) return;
    this.render();
    this.lists.hidden = false;
  }

  // list reads the entries of a kind, with the members of registrations and subscriptions.
  async list(kind) {
    const { client } = this.app;
    const { args: [ids] } = await client.call(`wamp.${kind}.list`);
    if (kind === 'session') return Object.assign(await details(client, 'wamp.session.get', ids.slice(0, most)), { total: ids.length });
    const all = [...ids.exact, ...ids.prefix, ...ids.wildcard];
    const members = kind === 'registration' ? 'list_callees' : 'list_subscribers';
    const list = (await details(client, `wamp.${kind}.get`, all.slice(0, most))).filter((e) => !/^wamp\./.test(e.uri));
    await Promise.all(list.map(async (e) => {
      try { e.members = (await client.call(`wamp.${kind}.${members}`, [e.id])).args[0]; } catch { e.members = []; }
    }));
    return Object.assign(list.sort((a, b) => ownLast(a.uri) - ownLast(b.uri) || (a.uri < b.uri ? -1 : 1)), { total: all.length });
  }

  render() {
    const { sessions, procedures, subscriptions } = this.found;
    const own = this.app.client.session;
    const names = new Map(sessions.map((s) => [s.session, s.authid]));
    const offers = collect(procedures), hears = collect(subscriptions);
    const all = sessions.length === sessions.total; // then the others are the router's own, which the meta API does not list
    const who = (ids) => [...new Set(ids.map((id) => names.get(id) || (all ? 'the router' : `session ${id}`)))].join(', ') || '–';
    const text = this.filter.value.toLowerCase();
    const wanted = (cells) => !text || cells.join(' ').toLowerCase().includes(text);
    this.sessions.show(sessions.map((s) => ({
      key: s.session, session: s.session, mine: s.session === own,
      cells: [`${s.authid}\n${s.session}${s.session === own ? ' (this page)' : ''}`, s.authrole, from(s.transport), `${s.authmethod}, ${s.transport.protocol || ''} ${s.transport.serializer || ''}`, brief(offers.get(s.session)), brief(hears.get(s.session))],
    })).filter((r) => wanted(r.cells)), sessions.total, (r) => this.kill(r));
    this.procedures.show(procedures.map((p) => ({ key: p.id, cells: [p.uri || '(every procedure)', p.match, p.invoke, who(p.members)] })).filter((r) => wanted(r.cells)), procedures.total);
    this.subscriptions.show(subscriptions.map((p) => ({ key: p.id, cells: [p.uri || '(every topic)', p.match, who(p.members)] })).filter((r) => wanted(r.cells)), subscriptions.total);
  }

  async kill(row) {
    const { client } = this.app;
    if (!await confirmed(`End the session of ${row.cells[0].split('\n')[0]}?`, 'The router sends GOODBYE. A program that reconnects joins again.', 'End the session')) return;
    try {
      await client.call('wamp.session.kill', [row.session], { reason: 'wamp.close.killed', message: 'ended from the console' });
      notice('The session has ended.');
    } catch (e) {
      notice(e.uri === 'wamp.error.not_authorized' ? 'This role may not call wamp.session.kill.' : e.message, 'bad');
    }
    this.load();
  }
}

// ownLast sorts the router's own URIs after those of applications.
const ownLast = (uri) => (uri.startsWith('runnel.') ? 1 : 0);

// collect returns the URIs of entries by their members.
function collect(entries) {
  const by = new Map();
  for (const e of entries) {
    for (const m of e.members || []) {
      if (!by.has(m)) by.set(m, []);
      by.get(m).push(e.match === 'prefix' ? `${e.uri}…` : e.uri);
    }
  }
  return by;
}

const brief = (uris = []) => (uris.length > 4 ? `${uris.slice(0, 4).join(', ')} and ${number(uris.length - 4)} more` : uris.join(', ')) || '–';
const from = (t = {}) => t.peer || t.listener || t.network || '–';

class List {
  constructor(name, columns) {
    this.name = name;
    this.columns = columns;
    this.title = h('h2', null, name);
    this.rows = h('tbody', null);
    this.none = h('p.hint', null, 'None.');
    this.body = h('div.scroll', { tabindex: 0, role: 'region', 'aria-label': name }, h('table.sheet', null,
      h('thead', null, h('tr', null, ...columns.map((c) => (c ? h('th', { scope: 'col' }, c) : h('td', null))))), this.rows));
    this.el = h('section.panel', null, this.title, this.none, this.body);
  }

  show(rows, total = rows.length, kill) {
    write(this.title, `${this.name} (${number(total)})`);
    this.none.hidden = rows.length > 0;
    this.body.hidden = !rows.length;
    write(this.none, total ? 'Nothing matches the filter.' : 'None.');
    keyed(this.rows, rows.slice(0, most), (r) => r.key, (r) => this.row(r, kill), (el, r) => {
      r.cells.forEach((text, i) => write(el.children[i].lastChild, text));
    });
  }

  row(r, kill) {
    const el = h('tr', null, ...r.cells.map((text, i) => h(i ? 'td' : 'th', i ? null : { scope: 'row' }, h('span.label', { 'aria-hidden': 'true' }, this.columns[i]), h('span.mono.wrap', null, text))));
    if (kill) el.append(h('td.right', null, !r.mine && h('button.small.danger', { type: 'button', 'aria-label': `End the session ${r.cells[0].replace('\n', ' ')}`, onclick: () => kill(r) }, 'End')));
    return el;
  }
}

// confirmed asks before something that cannot be undone.
function confirmed(question, text, yes) {
  return new Promise((resolve) => {
    const box = h('dialog', { 'aria-label': question }, h('h2', null, question), h('p.hint', null, text), h('div.buttons', null,
      h('button', { type: 'button', onclick: () => box.close() }, 'Cancel'),
      h('button.danger', { type: 'button', onclick: () => { box.returnValue = 'yes'; box.close('yes'); } }, yes)));
    box.addEventListener('close', () => { resolve(box.returnValue === 'yes'); box.remove(); });
    document.body.append(box);
    box.showModal();
  });
}

