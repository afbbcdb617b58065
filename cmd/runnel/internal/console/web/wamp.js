// A WAMP client over WebSocket with the JSON serializer. It reconnects, and then subscribes again.

import { Login } from './auth.js';

const HELLO = 1, WELCOME = 2, ABORT = 3, CHALLENGE = 4, AUTHENTICATE = 5, GOODBYE = 6, ERROR = 8, PUBLISH = 16, PUBLISHED = 17,
  SUBSCRIBE = 32, SUBSCRIBED = 33, UNSUBSCRIBE = 34, UNSUBSCRIBED = 35, EVENT = 36, CALL = 48, CANCEL = 49, RESULT = 50;

const roles = {
  caller: { features: { progressive_call_results: true, call_canceling: true } },
  publisher: { features: { publisher_exclusion: true } },
  subscriber: { features: { pattern_based_subscription: true, publisher_identification: true, event_retention: true } },
};

// The reasons of an ABORT after which another sign-in may help.
const signIn = /not_authorized|auth|no_such_(realm|role|principal)/;

const answerTime = 15000; // milliseconds until an unanswered call makes the connection a dead one
const shortestWait = 500, longestWait = 15000;

// WampError is an ERROR or ABORT of the router.
export class WampError extends Error {
  constructor(uri, args = [], kwargs = {}) {
    super(args.length && typeof args[0] === 'string' ? args.join(' ') : uri);
    this.uri = uri;
    this.args = args;
    this.kwargs = kwargs;
  }
}

// Client is one session after another. It dispatches 'state' when its state changes:
// 'connecting', 'open', 'waiting' (for the next attempt), 'signin' (the router wants credentials), 'closed'.
export class Client extends EventTarget {
  constructor(url, realm, credentials) {
    super();
    this.url = url;
    this.realm = realm;
    this.credentials = credentials; // {authid, secret}; undefined: cookie, certificate or anonymous
    this.state = 'closed';
    this.reason = '';
    this.session = 0;
    this.details = {};
    this.subscriptions = new Set();
    this.wait = shortestWait;
    this.reset();
  }

  reset() {
    this.id = 0;
    this.pending = new Map(); // request -> {resolve, reject, progress, timer}
    this.handlers = new Map(); // subscription id -> Set of subscriptions
  }

  become(state, reason = '') {
    this.state = state;
    this.reason = reason;
    this.dispatchEvent(new Event('state'));
  }

  connect() {
    clearTimeout(this.timer);
    this.become('connecting', this.reason);
    const socket = this.socket = new WebSocket(this.url, 'wamp.2.json');
    socket.onopen = () => this.hello();
    socket.onmessage = (m) => { if (socket === this.socket) this.receive(JSON.parse(m.data)); };
    socket.onclose = () => { if (socket === this.socket) this.lost(); };
  }

  // close ends the client for good.
  close(reason = 'wamp.close.normal') {
    clearTimeout(this.timer);
    if (this.state === 'open') this.send([GOODBYE, {}, reason]);
    const socket = this.socket;
    this.socket = undefined;
    if (socket) socket.close();
    this.fail('the console has closed the session');
    this.become('closed');
  }

  lost() {
    this.socket = undefined;
    this.fail('the connection is lost');
    if (this.state === 'signin') return;
    this.become('waiting', this.reason);
    this.timer = setTimeout(() => this.connect(), this.wait * (0.5 + Math.random() / 2));
    this.wait = Math.min(this.wait * 2, longestWait);
  }

  fail(text) {
    const { pending } = this;
    this.reset();
    for (const p of pending.values()) {
      clearTimeout(p.timer);
      p.reject(new WampError('wamp.error.network_failure', [text]));
    }
  }

  send(message) { this.socket.send(JSON.stringify(message)); }

  hello() {
    const details = { roles, agent: 'runnel-console' };
    this.login = new Login(this.credentials);
    this.login.fill(details);
    this.send([HELLO, this.realm, details]);
  }

  async receive(m) {
    switch (m[0]) {
      case EVENT: return this.event(m);
      case RESULT: return this.result(m);
      case ERROR: return this.settle(m[2], (p) => p.reject(new WampError(m[4], m[5], m[6])));
      case SUBSCRIBED: case UNSUBSCRIBED: case PUBLISHED:
        return this.settle(m[1], (p) => p.resolve(m[2]));
      case WELCOME: return this.welcome(m[1], m[2]);
      case CHALLENGE: return this.answer(m[1], m[2]);
      case ABORT: return this.refused(m[2], m[1].message);
      case GOODBYE:
        this.reason = m[1].message || m[2];
        if (/killed|logout/.test(m[2])) this.become('signin', this.reason);
        return this.socket.close();
    }
  }

  async answer(method, extra) {
    const { login, socket } = this;
    try {
      const [signature, more] = await login.answer(method, extra);
      if (socket === this.socket) this.send([AUTHENTICATE, signature, more]);
    } catch (e) {
      if (socket === this.socket) this.refused('runnel.console.cannot_sign_in', e.message);
    }
  }

  async welcome(session, details) {
    try {
      await this.login.verify(details);
    } catch (e) {
      return this.refused('runnel.console.cannot_sign_in', e.message);
    }
    this.session = session;
    this.details = details;
    this.wait = shortestWait;
    this.become('open');
    for (const s of this.subscriptions) this.request(s).catch((e) => s.refused && s.refused(e));
  }

  refused(uri, text) {
    const reason = text || uri;
    if (signIn.test(uri) || uri.startsWith('runnel.console.')) this.become('signin', reason);
    else this.reason = reason;
    this.socket.close();
  }

  settle(request, how) {
    const p = this.pending.get(request);
    if (!p) return;
    this.pending.delete(request);
    clearTimeout(p.timer);
    how(p);
  }

  result(m) {
    const value = { args: m[3] || [], kwargs: m[4] || {}, details: m[2] };
    const p = this.pending.get(m[1]);
    if (p && m[2].progress) {
      clearTimeout(p.timer);
      if (p.progress) p.progress(value);
      return;
    }
    this.settle(m[1], () => p.resolve(value));
  }

  event(m) {
    const set = this.handlers.get(m[1]);
    if (!set) return;
    const e = { at: Date.now(), publication: m[2], details: m[3], args: m[4] || [], kwargs: m[5] || {} };
    for (const s of set) s.handler({ ...e, topic: m[3].topic || s.uri });
  }

  // ask sends a request and returns the promise of its answer. patience is in milliseconds; 0: without limit.
  ask(make, { progress, patience = answerTime } = {}) {
    return new Promise((resolve, reject) => {
      if (this.state !== 'open') return reject(new WampError('wamp.error.network_failure', ['the console is not connected']));
      const request = ++this.id;
      const p = { resolve, reject, progress, request };
      if (patience) p.timer = setTimeout(() => this.socket && this.socket.close(), patience);
      this.pending.set(request, p);
      this.send(make(request));
    });
  }

  // call resolves to {args, kwargs, details}. options.patience 0 waits without limit; options.cancel is an AbortSignal.
  call(procedure, args = [], kwargs = {}, { progress, patience, cancel } = {}) {
    const options = progress ? { receive_progress: true } : {};
    return this.ask((id) => {
      if (cancel) cancel.addEventListener('abort', () => { if (this.pending.has(id)) this.send([CANCEL, id, { mode: 'killnowait' }]); }, { once: true });
      return [CALL, id, options, procedure, args, kwargs];
    }, { progress, patience });
  }

  // publish resolves to the publication's id.
  publish(topic, args = [], kwargs = {}, options = {}) {
    return this.ask((id) => [PUBLISH, id, { acknowledge: true, exclude_me: false, ...options }, topic, args, kwargs]);
  }

  // subscribe calls handler for each event until the returned function is called, across reconnects. refused is called with
  // the error of a later subscription; the error of the first one rejects.
  async subscribe(uri, match, handler, { retained = false, refused } = {}) {
    const s = { uri, match, handler, retained, refused, id: 0 };
    this.subscriptions.add(s);
    try {
      if (this.state === 'open') await this.request(s);
    } catch (e) {
      this.subscriptions.delete(s);
      throw e;
    }
    return () => this.unsubscribe(s);
  }

  async request(s) {
    const options = { match: s.match };
    if (s.retained) options.get_retained = true;
    // Events of a new subscription may follow its SUBSCRIBED at once, so the handler is set where that is received.
    const ended = this.ask((id) => {
      const p = this.pending.get(id), { resolve } = p;
      p.resolve = (subscription) => {
        s.id = subscription;
        if (!this.handlers.has(subscription)) this.handlers.set(subscription, new Set());
        if (this.subscriptions.has(s)) this.handlers.get(subscription).add(s);
        else this.drop(s);
        resolve(subscription);
      };
      return [SUBSCRIBE, id, options, s.uri];
    });
    return ended;
  }

  unsubscribe(s) {
    if (!this.subscriptions.delete(s) || this.state !== 'open' || !s.id) return;
    const set = this.handlers.get(s.id);
    if (!set || !set.delete(s)) return;
    this.drop(s);
  }

  // drop tells the router about a subscription that has no handler left.
  drop(s) {
    const set = this.handlers.get(s.id);
    if (set && set.size) return;
    this.handlers.delete(s.id);
    this.ask((id) => [UNSUBSCRIBE, id, s.id]).catch(() => {});
  }
}
