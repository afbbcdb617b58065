// The raw view of a serial line: what crosses its port while the view is open. The router keeps bytes only meanwhile.

import { h, write, command } from './dom.js';

const mostRows = 100;

export class Raw {
  constructor(line, app) {
    this.app = app;
    this.name = line.name;
    this.next = 0;
    this.rows = h('tbody', null);
    this.hint = h('p.hint', null, 'No bytes have been received or sent yet.');
    this.hold = h('button.small', { type: 'button', 'aria-pressed': 'false', onclick: () => this.hold.setAttribute('aria-pressed', String(!this.held())) }, 'Pause');
    this.list = h('div.scroll.tall', { tabindex: 0, role: 'region', 'aria-label': `Raw bytes of ${line.name}` }, h('table.bytes', null,
      h('thead', null, h('tr', null, ...['Time', 'Direction', 'Text', 'Bytes'].map((t) => h('th', { scope: 'col' }, t)))), this.rows));
    this.el = h('details', { ontoggle: () => this.update() }, h('summary', null, 'Raw bytes'),
      h('div.head', null, h('p.hint.grow', null, 'Bytes that the device sends (in) and receives (out), the newest first.'), this.hold), this.hint, this.list,
      line.device && h('p.hint', null, 'While the port is free, this command shows the same bytes on the router\u2019s machine:'), line.device && command(`sudo runnel serial sniff ${line.device}`));
    this.list.hidden = true;
  }

  held() { return this.hold.getAttribute('aria-pressed') === 'true'; }

  // update asks for the next bytes. It is called with each status.
  async update() {
    if (!this.el.open || this.asking || this.held()) return;
    this.asking = true;
    try {
      const { args: [{ next, pieces }] } = await this.app.client.call('runnel.serial.raw', [this.name, this.next]);
      this.next = next;
      this.rows.prepend(...pieces.slice(-mostRows).flatMap(split).slice(-mostRows).reverse().map(row));
      while (this.rows.children.length > mostRows) this.rows.lastChild.remove();
      this.hint.hidden = this.rows.children.length > 0;
      this.list.hidden = !this.hint.hidden;
    } catch (e) {
      write(this.hint, e.uri === 'wamp.error.not_authorized' ? 'This role may not call runnel.serial.raw.' : e.message);
      this.hint.hidden = false;
    }
    this.asking = false;
  }
}

// split cuts a long piece into rows.
function split(piece) {
  return piece.hex.match(/.{1,256}/g).map((hex) => ({ ...piece, hex }));
}

const names = { 9: '\\t', 10: '\\n', 13: '\\r', 92: '\\\\' };

function row(piece) {
  const bytes = piece.hex.match(/../g);
  const text = bytes.map((two) => parseInt(two, 16)).map((b) => names[b] || (b < 32 || b > 126 ? `\\x${b.toString(16).padStart(2, '0')}` : String.fromCharCode(b))).join('');
  const at = new Date(piece.at);
  return h('tr', null, h('td.mono', null, `${at.toTimeString().slice(0, 8)}.${String(at.getMilliseconds()).padStart(3, '0')}`), h('td', null, piece.out ? 'out' : 'in'),
    h('td.mono.wrap', null, text), h('td.mono.wrap.dim', null, bytes.join(' ')));
}
