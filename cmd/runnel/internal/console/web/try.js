// Try: publish an event or call a procedure.

import { h, keyed, write, state, writeState, command, notice, duration, clock } from './dom.js';
import { known } from './known.js';

export const id = 'try';
export const title = 'Try';

const history = []; // the last attempts, newest first
const longest = 20;
const draft = { kind: 'call', uri: '', args: '[]', kwargs: '{}', retain: false };

export function mount(root, app) {
  const kinds = h('div.segments', { role: 'radiogroup', 'aria-label': 'What to try' });
  const uri = h('input.mono', { id: 'uri', list: 'uris', required: true, autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', value: draft.uri });
  const uris = h('datalist', { id: 'uris' });
  const args = area('args', draft.args), kwargs = area('kwargs', draft.kwargs);
  const retain = h('input', { type: 'checkbox', id: 'retain', checked: draft.retain });
  const retainRow = h('label.check', { for: 'retain' }, retain, 'Retain as the last value');
  const go = h('button.primary', { type: 'submit' });
  const stop = h('button', { type: 'button' }, 'Cancel');
  stop.hidden = true;
  const problem = h('p.reason', { role: 'alert' });
  const same = h('div', null);
  const list = h('ol.history', { 'aria-label': 'Results, the newest first' });
  let names = { procedures: [], topics: [] };

  const choose = (kind) => {
    draft.kind = kind;
    for (const b of kinds.children) b.setAttribute('aria-checked', String(b.dataset.kind === kind));
    for (const b of kinds.children) b.tabIndex = b.dataset.kind === kind ? 0 : -1;
    write(go, kind === 'call' ? 'Call' : 'Publish');
    retainRow.hidden = kind === 'call';
    uris.replaceChildren(...(kind === 'call' ? names.procedures : names.topics).map((value) => h('option', { value })));
    changed();
  };
  for (const [kind, name] of [['call', 'Call a procedure'], ['publish', 'Publish an event']]) {
    kinds.append(h('button', { type: 'button', role: 'radio', 'data-kind': kind, onclick: () => choose(kind), onkeydown: (e) => {
      if (!/^Arrow/.test(e.key)) return;
      choose(kind === 'call' ? 'publish' : 'call');
      kinds.querySelector('[aria-checked=true]').focus();
      e.preventDefault();
    } }, name));
  }

  const changed = () => {
    Object.assign(draft, { uri: uri.value.trim(), args: args.value, kwargs: kwargs.value, retain: retain.checked });
    write(problem, '');
    try { same.replaceChildren(command(shell(draft, ...read(draft)))); } catch { same.replaceChildren(); }
  };

  const submit = async (e) => {
    e.preventDefault();
    changed();
    let values;
    try { values = read(draft); } catch (error) { return write(problem, error.message); }
    const entry = { ...draft, at: Date.now(), began: performance.now(), state: ['idle', 'waiting'], lines: [] };
    history.unshift(entry);
    history.length = Math.min(history.length, longest);
    const cancel = new AbortController();
    stop.hidden = false;
    stop.onclick = () => cancel.abort();
    render();
    try {
      if (draft.kind === 'call') {
        const progress = (r) => { entry.lines = [...entry.lines.slice(-49), result(r)]; render(); };
        const r = await app.client.call(entry.uri, ...values, { progress, patience: 0, cancel: cancel.signal });
        entry.lines.push(result(r));
        entry.state = ['ok', 'result'];
      } else {
        const publication = await app.client.publish(entry.uri, ...values, entry.retain ? { retain: true } : {});
        entry.lines.push(`publication ${publication}`);
        entry.state = ['ok', 'published'];
      }
    } catch (error) {
      entry.state = ['bad', error.uri || 'error'];
      entry.lines.push(error.args && error.args.length ? error.args.map((a) => (typeof a === 'string' ? a : JSON.stringify(a))).join('\n') : error.message);
      if (error.kwargs && Object.keys(error.kwargs).length) entry.lines.push(JSON.stringify(error.kwargs, null, 2));
    }
    entry.took = (performance.now() - entry.began) / 1000;
    stop.hidden = true;
    render();
  };

  const render = () => {
    keyed(list, history, (e) => e.began, item, (el, e) => el.update(e));
    none.hidden = history.length > 0;
  };
  const item = (e) => {
    const sign = state(...e.state), took = h('span.dim', null), out = h('pre', { tabindex: 0, role: 'group', 'aria-label': `Result of ${e.uri}` });
    const again = h('button.small', { type: 'button', onclick: () => { Object.assign(draft, { kind: e.kind, uri: e.uri, args: e.args, kwargs: e.kwargs, retain: e.retain });
      uri.value = e.uri; args.value = e.args; kwargs.value = e.kwargs; retain.checked = e.retain; choose(e.kind); uri.focus(); } }, 'Edit');
    const el = h('li', null, h('div.head', null, sign, h('span.mono.grow', null, `${e.kind} ${e.uri}`), took, h('span.dim', null, clock(e.at)), again), out);
    el.update = (now) => {
      writeState(sign, ...now.state);
      write(took, now.took === undefined ? '' : duration(now.took));
      write(out, now.lines.join('\n'));
      out.hidden = !now.lines.length;
    };
    return el;
  };

  const none = h('p.hint', null, 'Results appear here. The page keeps the last 20 until you leave it.');
  root.append(h('h1', null, title), h('div.columns', null,
    h('form.panel', { onsubmit: submit, oninput: changed }, kinds,
      h('label', { for: 'uri' }, 'URI'), uri, uris,
      h('label', { for: 'args' }, 'Arguments, a JSON list'), args,
      h('label', { for: 'kwargs' }, 'Keyword arguments, a JSON object'), kwargs,
      retainRow, problem, h('div.buttons', null, go, stop),
      h('h2', null, 'The same in a shell'), same),
    h('section.panel', null, h('h2', null, 'Results'), none, list)));
  choose(draft.kind);
  render();
  known(app).then((found) => { names = found; choose(draft.kind); }, (e) => notice(e.message, 'warn'));
  return () => {};
}

function area(id, value) {
  return h('textarea.mono', { id, rows: 3, value, spellcheck: 'false', autocapitalize: 'none' });
}

// read returns the arguments of a draft, or throws an error that names the wrong field.
function read({ args, kwargs }) {
  const list = parse(args || '[]', 'The arguments'), object = parse(kwargs || '{}', 'The keyword arguments');
  if (!Array.isArray(list)) throw new Error('The arguments are not a list, such as [21.5, "text"].');
  if (typeof object !== 'object' || object === null || Array.isArray(object)) throw new Error('The keyword arguments are not an object, such as {"unit": "°C"}.');
  return [list, object];
}

function parse(text, name) {
  try { return JSON.parse(text); } catch (e) { throw new Error(`${name} are not JSON: ${e.message}.`); }
}

function result({ args, kwargs }) {
  const texts = args.map((a) => JSON.stringify(a, null, 2));
  if (Object.keys(kwargs).length) texts.push(JSON.stringify(kwargs, null, 2));
  return texts.join('\n') || 'no value';
}

const quote = (text) => (/^[\w.,:/@%+=-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`);

// shell returns the command that does the same as a draft. A string that reads as JSON is quoted twice.
function shell({ kind, uri, retain }, args, kwargs) {
  const word = (v) => {
    if (typeof v !== 'string') return quote(JSON.stringify(v));
    try { JSON.parse(v); return quote(JSON.stringify(v)); } catch { return quote(v); }
  };
  const words = ['runnel', kind === 'call' ? 'call' : 'pub', quote(uri || 'URI'), ...args.map(word)];
  for (const [key, value] of Object.entries(kwargs)) words.push('--kw', quote(`${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`));
  if (kind === 'publish' && retain) words.push('--retain');
  return words.join(' ');
}
