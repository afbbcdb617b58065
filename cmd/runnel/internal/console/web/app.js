// The shell: the connection, signing in, and the view that the address names.

import { Client } from './wamp.js';
import { Status } from './status.js';
import { Doctor } from './doctor.js';
import { h, keyed, write, writeState, plural, notice } from './dom.js';
import { findings } from './health.js';
import * as overview from './overview.js';
import * as live from './live.js';
import * as lines from './lines.js';
import * as links from './links.js';
import * as fleet from './fleet.js';
import * as peers from './peers.js';
import * as attempt from './try.js';

const views = [overview, live, lines, links, fleet, peers, attempt];

const main = document.getElementById('main');
const nav = document.getElementById('nav');
const node = document.getElementById('node');
const connection = document.getElementById('connection');

let facts, app, ended; // ended ends the view that is shown

// start joins a realm. Everything that a session has learned belongs to its app.
function start(realm, credentials) {
  if (app) app.client.close();
  const base = `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}`;
  const client = new Client(base + facts.path, realm, credentials);
  app = { client, status: new Status(client), doctor: new Doctor(client), topics: new Set(), fleet: undefined, signOut };
  client.addEventListener('state', changed);
  app.status.addEventListener('change', renewed);
  app.doctor.addEventListener('change', menu);
  client.connect();
}

function signOut() {
  app.client.close('wamp.close.logout');
  form('You are signed out.');
}

const words = { connecting: ['warn', 'connecting'], open: ['ok', 'connected'], waiting: ['bad', 'disconnected, retrying'], signin: ['idle', 'sign in'], closed: ['idle', 'closed'] };

function changed(e) {
  if (e.target !== app.client) return;
  const { client } = app;
  writeState(connection, ...words[client.state]);
  if (client.state === 'signin') return form(client.credentials ? client.reason : 'This realm requires a name and a password.');
  if (client.state !== 'open') return;
  app.doctor.forget();
  fleet.nodes(app).then((list) => { if (client === app.client) { app.fleet = list; menu(); } });
  menu();
  if (!ended) show();
}

// renewed updates the parts of a new status that every page shows.
function renewed() {
  const s = app.status.latest;
  write(node, s ? s.node : '');
  document.title = s ? `${s.node} · Runnel` : 'Runnel';
  menu();
}

// shown reports whether a view has anything to show here: only a centre has a fleet.
const shown = (v) => v !== fleet || (app.fleet && app.fleet.length > 0);

function menu() {
  const s = app.status.latest;
  const marks = { lines: 0, links: 0, overview: 0 };
  if (s) {
    for (const f of findings(s)) {
      if (f.object.startsWith('line ')) marks.lines++;
      else if (f.object.startsWith('link ')) marks.links++;
      else marks.overview++;
    }
    marks.overview += app.doctor.findings().filter((f) => f.level !== 'idle').length;
  }
  keyed(nav, [...views.filter(shown), 'session'], (v) => v.id || v, (v) => (v === 'session' ? session() : entry(v)), (el, v) => {
    if (v === 'session') return el.update();
    const current = v.id === address();
    if (current) el.setAttribute('aria-current', 'page');
    else el.removeAttribute('aria-current');
    const n = marks[v.id] || 0;
    write(el.mark, n ? String(n) : '');
    el.mark.setAttribute('aria-label', n ? plural(n, 'finding') : '');
    el.mark.hidden = !n;
  });
}

function entry(v) {
  const mark = h('span.mark', { role: 'img' });
  const el = h('a', { href: `#/${v.id}` }, h('span', null, v.title), mark);
  el.mark = mark;
  return el;
}

// session shows the role of the session, with a button to sign in or out.
function session() {
  const who = h('span.who'), realm = h('span.who');
  const out = h('button.small', { type: 'button', onclick: () => (app.client.credentials ? signOut() : form('')) });
  const el = h('div.session', null, who, realm, out);
  el.update = () => {
    const { details, credentials, realm: name } = app.client;
    write(who, details.authrole ? `role ${details.authrole}` : '');
    who.title = details.authid ? `authid ${details.authid}` : '';
    write(realm, `realm ${name}`);
    write(out, credentials ? 'Sign out' : 'Sign in');
  };
  return el;
}

const address = () => location.hash.replace(/^#\/?/, '').split('?')[0] || 'overview';

function leave() {
  if (ended) ended();
  ended = undefined;
}

function show() {
  if (location.hash === '#main') return main.focus();
  if (!app || app.client.state === 'signin' || app.client.state === 'closed') return;
  leave();
  nav.hidden = false;
  const view = views.find((v) => v.id === address()) || overview;
  const root = h(`div.view.${view.id}`, null);
  main.replaceChildren(root);
  ended = view.mount(root, app) || (() => {});
  menu();
}

// form asks for an authid and a secret.
function form(reason) {
  leave();
  nav.hidden = true;
  const authid = h('input', { id: 'authid', autocomplete: 'username', required: true, autocapitalize: 'none', spellcheck: 'false' });
  const secret = h('input', { id: 'secret', type: 'password', autocomplete: 'current-password', required: true });
  const realm = h('input', { id: 'realm', value: app.client.realm, required: true, autocapitalize: 'none', spellcheck: 'false' });
  const submit = (e) => {
    e.preventDefault();
    leave();
    start(realm.value.trim(), { authid: authid.value.trim(), secret: secret.value });
  };
  main.replaceChildren(h('form.signin', { onsubmit: submit },
    h('h1', null, 'Sign in'),
    reason && h(app.client.credentials && app.client.state === 'signin' ? 'p.reason' : 'p.hint', { role: 'alert' }, reason),
    h('label', { for: 'authid' }, 'Name (authid)'), authid,
    h('label', { for: 'secret' }, 'Password or ticket'), secret,
    h('label', { for: 'realm' }, 'Realm'), realm,
    h('div.buttons', null, h('button.primary', { type: 'submit' }, 'Sign in'),
      h('button', { type: 'button', onclick: () => { leave(); start(realm.value.trim()); } }, 'Without a name')),
    !globalThis.isSecureContext && h('p.hint', null, 'This page is not encrypted. Browsers prove a password only on https pages and on pages of their own machine. Configure a certificate, or use ssh -L 8080:127.0.0.1:8080.')));
  authid.focus();
}

addEventListener('hashchange', () => { if (address() !== 'main') show(); else main.focus(); });
addEventListener('unhandledrejection', (e) => { e.preventDefault(); notice(e.reason && e.reason.message || String(e.reason), 'bad'); });

facts = await (await fetch('/console.json')).json();
start(facts.realm);
