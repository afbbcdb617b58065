// One interface to both JavaScript clients, so that every case runs with both.
//
// A client opens peers. A peer has
//   id, welcome                                         its session's id and WELCOME
//   subscribe(topic, handler, options)                  handler({args, kwargs, details}); returns {id, cancel()}
//   publish(topic, args, kwargs, options)               returns the publication's id with options.acknowledge
//   register(procedure, endpoint, options)              endpoint({args, kwargs, details, progress}); returns {cancel()}
//   call(procedure, args, kwargs, {progress, ...})      returns {args, kwargs}; the promise has cancel(mode)
//   leave()                                             sends GOODBYE; returns how the connection ended
//   ended                                               a promise of the same: {reason, clean}
// An endpoint returns {args, kwargs}, or throws a Failure; call is rejected with a Failure.
import autobahn from 'autobahn';
import rawsocket from 'autobahn/lib/transport/rawsocket.js';
import { Wampy } from 'wampy';
import { CborSerializer } from 'wampy/CborSerializer.js';
import { JsonSerializer } from 'wampy/JsonSerializer.js';
import { MsgpackSerializer } from 'wampy/MsgpackSerializer.js';
import ws from 'ws';
import websocket from 'websocket';
import { complain, show } from './check.mjs';
import { XMLHttpRequest } from './request.mjs';

globalThis.XMLHttpRequest = XMLHttpRequest; // autobahn-js makes its long-poll requests with it

const realm = 'realm1';
const host = '127.0.0.1';
const port = Number(process.env.INTEROP_PORT);
const socket = process.env.INTEROP_SOCKET;
const url = `ws://${host}:${port}/ws`;
const secureURL = `wss://${host}:${process.env.INTEROP_TLS_PORT}/ws`;
const pingPort = Number(process.env.INTEROP_PING_PORT); // on this port the router sends a PING to a silent peer

export class Failure extends Error {
  constructor(uri, args = [], kwargs = {}) {
    super([uri, ...args.map(show)].join(' ').slice(0, 400));
    this.name = 'Failure';
    Object.assign(this, { uri, args, kwargs });
  }
}

// ------------------------------------------------------------------------------------------------------ autobahn-js

const autobahnSerializers = {
  json: () => new autobahn.serializer.JSONSerializer(),
  msgpack: () => new autobahn.serializer.MsgpackSerializer(),
  cbor: () => new autobahn.serializer.CBORSerializer(),
};

class AutobahnPeer {
  #connection;
  #session;

  constructor(connection, session, details, ended) {
    this.#connection = connection;
    this.#session = session;
    this.welcome = details;
    this.protocol = details.transport.protocol;
    this.ended = ended;
  }

  get id() {
    return this.#session.id;
  }

  async subscribe(topic, handler, options) {
    const subscription = await this.#session.subscribe(topic, (args, kwargs, details) => handler({ args, kwargs, details }), options).catch(refold);
    return { id: subscription.id, cancel: () => this.#session.unsubscribe(subscription) };
  }

  async publish(topic, args, kwargs, options) {
    const publication = await this.#session.publish(topic, args, kwargs, { ...options })?.catch(refold);
    return publication?.id;
  }

  async register(procedure, endpoint, options) {
    const invoked = async (args, kwargs, details) => {
      try {
        const result = await endpoint({ args, kwargs, details, progress: details.progress });
        return new autobahn.Result(result?.args, result?.kwargs);
      } catch (error) {
        throw error instanceof Failure ? new autobahn.Error(error.uri, error.args, error.kwargs) : error;
      }
    };
    const registration = await this.#session.register(procedure, invoked, options).catch(refold);
    return { cancel: () => this.#session.unregister(registration) };
  }

  call(procedure, args, kwargs, { progress, ...options } = {}) {
    if (progress) options.receive_progress = true;
    const call = this.#session.call(procedure, args, kwargs, options);
    const answer = call.then(unfold, refold, progress && ((result) => progress(unfold(result))));
    return Object.assign(answer, { cancel: (mode) => call.cancel({ mode }) });
  }

  leave() {
    if (this.#session.isOpen) this.#session.leave();
    return this.ended;
  }
}

// autobahn-js returns null for a result without arguments, and a single argument as itself.
function unfold(result) {
  if (result instanceof autobahn.Result) return { args: result.args, kwargs: result.kwargs };
  return { args: result === null ? [] : [result], kwargs: {} };
}

function refold(error) {
  throw error instanceof autobahn.Error ? new Failure(error.error, error.args, error.kwargs) : error;
}

// proof is {authid, methods, answer(method, extra), extra}.
function openAutobahn({ proof, ...transport }) {
  const connection = new autobahn.Connection({
    transports: [transport],
    realm: transport.realm ?? realm,
    ...(proof && { authid: proof.authid, authmethods: proof.methods, authextra: proof.extra, onchallenge: (_, method, extra) => proof.answer(method, extra) }),
    max_retries: 0,
    retry_if_unreachable: false,
    on_user_error: (error) => error instanceof autobahn.Error || complain(error),
    on_internal_error: complain,
  });
  return new Promise((resolve, reject) => {
    let end;
    const ended = new Promise((f) => { end = f; });
    connection.onopen = (session, details) => resolve(new AutobahnPeer(connection, session, details, ended));
    connection.onclose = (reason, details) => {
      reject(new Failure(details.reason ?? reason));
      end({ reason: details.reason, clean: reason === 'closed' });
      return true;
    };
    connection.open();
  });
}

const rawsockets = {
  'rawsocket/tcp': { type: 'rawsocket', host, port },
  'rawsocket/unix': { type: 'rawsocket', path: socket },
};
const longpoll = { type: 'longpoll', url: `http://${host}:${port}/lp` };

function autobahnClient(via, serializer) {
  const address = via === 'websocket/tls' ? secureURL : url;
  const transport = via === 'longpoll' ? longpoll : rawsockets[via] ?? { type: 'websocket', url: address, serializers: [autobahnSerializers[serializer]()] };
  return {
    name: `autobahn-js ${via} ${serializer}`,
    kind: 'autobahn',
    via,
    serializer,
    open: (options) => openAutobahn({ ...transport, ...options }),
  };
}

/** openWithAll offers all serializers and lets the router choose. */
export function openWithAll(names) {
  return openAutobahn({ type: 'websocket', url, serializers: names.map((name) => autobahnSerializers[name]()) });
}

// ------------------------------------------------------------------------------------------------------------ wampy

const wampySerializers = { json: JsonSerializer, msgpack: MsgpackSerializer, cbor: CborSerializer };

class WampyPeer {
  #wampy;

  constructor(wampy, welcome, ended) {
    this.#wampy = wampy;
    this.welcome = welcome;
    this.ended = ended;
    this.id = wampy.getSessionId();
  }

  async subscribe(topic, handler, options) {
    const received = ({ details, argsList = [], argsDict = {} }) => handler({ args: argsList, kwargs: argsDict, details });
    const { subscriptionId, subscriptionKey } = await this.#wampy.subscribe(topic, received, options).catch(unwrap);
    return { id: subscriptionId, cancel: () => this.#wampy.unsubscribe(subscriptionKey).catch(unwrap) };
  }

  // wampy always asks for an acknowledgement.
  async publish(topic, args, kwargs, { acknowledge, ...options } = {}) {
    const { publicationId } = await this.#wampy.publish(topic, payload(args, kwargs), options).catch(unwrap);
    return acknowledge ? publicationId : undefined;
  }

  async register(procedure, endpoint, options) {
    const invoked = async ({ details, argsList = [], argsDict = {}, result_handler }) => {
      const progress = (args, kwargs) => result_handler({ ...payload(args, kwargs), options: { progress: true } });
      try {
        const result = await endpoint({ args: argsList, kwargs: argsDict, details, progress });
        return payload(result?.args, result?.kwargs);
      } catch (error) {
        throw error instanceof Failure ? { error: error.uri, argsList: error.args, argsDict: error.kwargs } : error;
      }
    };
    await this.#wampy.register(procedure, invoked, options).catch(unwrap);
    return { cancel: () => this.#wampy.unregister(procedure).catch(unwrap) };
  }

  call(procedure, args, kwargs, { progress, ...options } = {}) {
    const result = ({ argsList = [], argsDict = {} }) => ({ args: argsList, kwargs: argsDict });
    if (progress) options.progress_callback = (chunk) => progress(result(chunk));
    const call = this.#wampy.call(procedure, payload(args, kwargs), options);
    const { reqId } = this.#wampy.getOpStatus();
    return Object.assign(call.then(result, unwrap), { cancel: (mode) => this.#wampy.cancel(reqId, { mode }) });
  }

  async leave() {
    await this.#wampy.disconnect();
    return this.ended;
  }
}

function payload(args, kwargs) {
  if (!args && !kwargs) return undefined;
  return { ...(args && { argsList: args }), ...(kwargs && { argsDict: kwargs }) };
}

function unwrap(error) {
  throw error.errorUri ? new Failure(error.errorUri, error.argsList, error.argsDict) : error;
}

// Both WebSocket modules that wampy's documentation names. observed reports how the connection ends, because wampy does not.
const modules = { 'websocket/ws': ws, 'websocket/w3c': websocket.w3cwebsocket };

// This class passes a certificate to "ws", because wampy cannot.
class Secure extends ws {
  static files = {};

  constructor(address, protocols) {
    super(address, protocols, Secure.files);
  }
}

// The codes of a clean close: 1000, and 1005 for a close without a code.
const normal = [1000, 1005];

function observed(module, onClose, onPing) {
  return class extends module {
    constructor(...args) {
      super(...args);
      this.addEventListener('close', onClose);
      if (onPing) this.on('ping', onPing);
    }
  };
}

async function openWampy(via, serializer, { onPing, proof, tls, ...options } = {}) {
  let reason;
  let end;
  const ended = new Promise((f) => { end = f; });
  const isSecure = via === 'websocket/tls';
  Secure.files = tls ?? {};
  const wampy = new Wampy(isSecure ? secureURL : onPing ? url.replace(port, pingPort) : url, {
    realm,
    autoReconnect: false,
    serializer: new wampySerializers[serializer](),
    ws: observed(isSecure ? Secure : modules[via], (event) => end({ reason, clean: event.wasClean && normal.includes(event.code) }), onPing),
    // wampy reports GOODBYE only in its log.
    debug: true,
    logger: ([what, message]) => {
      if (what.startsWith('websocket message received') && message[0] === 6) reason = message[2];
    },
    ...(proof && { authid: proof.authid, authmethods: proof.methods, authextra: proof.extra, onChallenge: proof.answer }),
    ...options,
  });
  const welcome = await wampy.connect().catch(unwrap);
  wampy.setOptions({ onError: (error) => complain(error.errorUri ? new Failure(error.errorUri, [error.details]) : error) });
  return new WampyPeer(wampy, welcome, ended);
}

function wampyClient(via, serializer) {
  return {
    name: `wampy ${via} ${serializer}`,
    kind: 'wampy',
    via,
    serializer,
    open: (options) => openWampy(via, serializer, options),
  };
}

// ---------------------------------------------------------------------------------------------------------- all clients

export const clients = [
  ...['json', 'msgpack', 'cbor'].map((s) => autobahnClient('websocket', s)),
  ...['rawsocket/tcp', 'rawsocket/unix', 'longpoll'].map((via) => autobahnClient(via, 'json')), // autobahn-js supports no other serializer there
  ...['json', 'msgpack', 'cbor'].flatMap((s) => Object.keys(modules).map((via) => wampyClient(via, s))),
];

/** secure lists the clients over TLS. */
export const secure = ['json', 'msgpack', 'cbor'].flatMap((s) => [autobahnClient('websocket/tls', s), wampyClient('websocket/tls', s)]);

/** openPinged opens a peer on the port where the router sends PINGs. onPing is called for each PING. */
export function openPinged(kind, onPing) {
  if (kind === 'wampy') return openWampy('websocket/ws', 'json', { onPing });
  const { prototype } = rawsocket.Protocol;
  const answer = prototype._handlePingPacket;
  prototype._handlePingPacket = function (octets) {
    onPing();
    return answer.call(this, octets);
  };
  return openAutobahn({ type: 'rawsocket', host, port: pingPort });
}

/** open opens a peer for the duration of a case. At its end the peer must leave cleanly. */
export async function open(t, client, options) {
  const peer = await client.open(options);
  t.after(async () => {
    const { clean } = await peer.leave();
    if (!clean) throw new Error('the connection did not end cleanly');
  });
  return peer;
}
