// Elements, and how numbers, sizes and times are written.

// h makes an element: h('td.number', {title: '...'}, children). A property that begins with "on" is a listener.
export function h(tag, props, ...children) {
  const [name, ...classes] = tag.split('.');
  const el = document.createElement(name || 'div');
  if (classes.length) el.className = classes.join(' ');
  set(el, props);
  el.append(...children.flat().filter((c) => c !== undefined && c !== null && c !== false));
  return el;
}

function set(el, props) {
  for (const [key, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) el.addEventListener(key.slice(2), value);
    else if (key === 'value' || key === 'checked' || key === 'className') el[key] = value;
    else el.setAttribute(key, value === true ? '' : value);
  }
}

// svg makes an element of SVG.
export function svg(name, attributes, ...children) {
  const el = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes || {})) el.setAttribute(key, value);
  el.append(...children);
  return el;
}

// write changes an element's text only if it differs, so that nothing is laid out again without need.
export function write(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

// keyed makes the children of parent those of items, in their order. Elements of the same key stay, with their focus.
export function keyed(parent, items, keyOf, make, update) {
  const old = parent.keyed || new Map();
  const now = new Map();
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    if (now.has(key)) continue;
    const el = old.get(key) || make(item);
    now.set(key, el);
    if (el === place) place = place.nextElementSibling;
    else parent.insertBefore(el, place);
    update(el, item);
  }
  for (const [key, el] of old) if (!now.has(key)) el.remove();
  parent.keyed = now;
}

// parts collects the elements that are written to later: const p = parts(); p('up', h('span')).
export function parts() {
  const all = {};
  return Object.assign((name, el) => (all[name] = el), { all });
}

const shapes = { ok: '●', warn: '▲', bad: '■', idle: '○' };

// state makes a state's sign: its shape, colour and word say the same.
export function state(kind, word) {
  const el = h('span.state');
  writeState(el, kind, word);
  return el;
}

export function writeState(el, kind, word) {
  if (el.dataset.kind === kind && el.dataset.word === word) return;
  el.dataset.kind = kind;
  el.dataset.word = word;
  el.replaceChildren(h('span.shape', { 'aria-hidden': 'true' }, shapes[kind]), word);
}

// command shows something to type, with a button that copies it.
export function command(text) {
  const button = h('button.small', { type: 'button', 'aria-label': `Copy ${text.split('\n')[0]}`, onclick: () => copy(text, button) }, 'Copy');
  return h('div.command', null, h('pre', { tabindex: 0, role: 'group', 'aria-label': 'Command' }, text), button);
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    write(button, 'Copied');
  } catch {
    const range = document.createRange(); // without a clipboard, select the text
    range.selectNodeContents(button.previousElementSibling);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    write(button, 'Selected');
  }
  setTimeout(() => write(button, 'Copy'), 2000);
}

// empty tells the user what to do in a view without content.
export function empty(title, text, type) {
  return h('section.empty', null, h('h2', null, title), text && h('p', null, text), type && command(type));
}

// notice shows a line for a moment, and reads it out.
export function notice(text, kind = 'ok') {
  const el = document.getElementById('notice');
  el.replaceChildren(state(kind, text));
  el.className = 'shown';
  clearTimeout(el.timer);
  el.timer = setTimeout(() => { el.className = ''; }, 5000);
}

// number writes a number with four significant digits, in groups of three.
export function number(n) {
  if (n === undefined || n === null || Number.isNaN(n)) return '–';
  if (Number.isInteger(n)) return group(String(n));
  const digits = Math.abs(n) >= 1000 ? 0 : Math.abs(n) >= 100 ? 1 : Math.abs(n) >= 10 ? 2 : 3;
  return group(n.toFixed(digits));
}

function group(text) {
  const [whole, fraction] = text.split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

export function rate(n) {
  return n === undefined ? '–' : n >= 100 || n === 0 ? group(String(Math.round(n))) : n.toFixed(1);
}

export function size(n) {
  if (n === undefined || n === null) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let i = 0;
  while (Math.abs(n) >= 1000 && i < units.length - 1) { n /= 1000; i++; }
  return `${i === 0 || Math.abs(n) >= 100 ? Math.round(n) : n.toFixed(1)}\u00a0${units[i]}`;
}

// duration writes seconds with the two largest units.
export function duration(seconds) {
  if (seconds === undefined || seconds === null || Number.isNaN(seconds)) return '–';
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  const s = Math.floor(seconds);
  const days = Math.floor(s / 86400), hours = Math.floor(s / 3600) % 24, minutes = Math.floor(s / 60) % 60;
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  if (minutes) return `${minutes} min ${s % 60} s`;
  return `${s} s`;
}

// since writes how long ago a time was, in whole seconds: smaller figures would only flicker.
export function since(time) {
  const seconds = Math.floor((Date.now() - new Date(time)) / 1000);
  return !time ? '–' : seconds < 1 ? '0 s' : duration(seconds);
}

export function clock(t, fraction) {
  const d = new Date(t), two = (n) => String(n).padStart(2, '0');
  const text = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  return fraction ? `${text}.${String(d.getMilliseconds()).padStart(3, '0')}` : text;
}

// plural writes a count with its noun.
export const plural = (n, noun) => `${number(n)} ${noun}${n === 1 ? '' : 's'}`;

// facts makes a list of names and values; update(name, text) changes one.
export function facts(names) {
  const values = {};
  const el = h('dl.facts', null, Object.entries(names).map(([key, name]) => h('div', null, h('dt', null, name), (values[key] = h('dd', null, '–')))));
  return { el, write: (key, text) => write(values[key], text), values };
}
