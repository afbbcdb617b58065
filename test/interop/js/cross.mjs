// Every client with every other, with any serializers.
//
//   node cross.mjs serve    registers the procedures and receives the events of the JavaScript peers, until it is stopped
//   node cross.mjs drive    calls and publishes from the JavaScript peers to all peers
//
// Passive peers: com.example.cross.PEER.{echo,fail,progress}.VALUE answer with the value, as a result, an error, or a
// progressive result and a result; .seen(TOPIC) returns what was wrong with the event on that topic, which begins with .event.
import { check, finish, Inbox, rejection } from './check.mjs';
import { clients, Failure, open } from './clients.mjs';
import { difference, native, peers, values } from './values.mjs';

console.warn = () => {};

const nameOf = ([kind, via, serializer]) => `${kind} ${via} ${serializer}`;
const baseOf = (peer) => `com.example.cross.${nameOf(peer).replaceAll(/\W/g, '_')}`;
const clientOf = ([kind, via, serializer]) => clients.find((c) => c.kind === kind && c.via === via && c.serializer === serializer);

// The clients that keep integers beyond 2^53. The others convert them to floating-point numbers.
const keepsIntegers = ([kind, , serializer]) => kind === 'python' || (kind === 'autobahn' && serializer === 'cbor') || (kind === 'wampy' && serializer === 'msgpack');

function payload(value, serializer) {
  return { args: native(value.args, serializer), kwargs: native(value.kwargs, serializer) };
}

function wrong(got, value, serializer) {
  return difference(got.args, value.args, serializer, 'args') ?? difference(got.kwargs, value.kwargs, serializer, 'kwargs');
}

// ---------------------------------------------------------------------------------------------------------- passive

async function serve(which) {
  const client = clientOf(which);
  const { serializer } = client;
  const peer = await client.open();
  const base = baseOf(which);
  const offer = (kind, value, answer) => peer.register(`${base}.${kind}.${value.name}`, (call) => {
    const found = wrong(call, value, serializer);
    if (found) throw new Failure('com.example.error.mismatch', [`the callee got: ${found}`]);
    return answer(call);
  });
  for (const value of values) {
    await offer('echo', value, () => payload(value, serializer));
    await offer('fail', value, () => {
      const { args, kwargs } = payload(value, serializer);
      throw new Failure('com.example.error.cross', args, kwargs);
    });
    await offer('progress', value, ({ progress }) => {
      const { args, kwargs } = payload(value, serializer);
      progress(args, kwargs);
      return { args, kwargs };
    });
  }
  await takeEvents(peer, base, serializer);
}

async function takeEvents(peer, base, serializer) {
  const seen = new Map(); // by topic
  const inbox = (topic) => seen.get(topic) ?? seen.set(topic, new Inbox()).get(topic);
  await peer.subscribe(`${base}.event`, ({ details: { topic }, ...event }) => {
    const value = values.find(({ name }) => topic.startsWith(`${base}.event.${name}.`));
    inbox(topic).put(wrong(event, value, serializer) ?? 'nothing');
  }, { match: 'prefix' });
  await peer.register(`${base}.seen`, async ({ args: [topic] }) => ({ args: [await inbox(topic).next()] }));
}

// ----------------------------------------------------------------------------------------------------------- active

// The actions of an active peer with a value. Each returns what was wrong, or null.
const kinds = {
  async event(peer, base, value, { args, kwargs }, me) {
    const topic = `${base}.event.${value.name}.${me.replaceAll(/\W/g, '_')}`;
    await peer.publish(topic, args, kwargs, { acknowledge: true });
    const { args: [found] } = await peer.call(`${base}.seen`, [topic]);
    return found === 'nothing' ? null : `the subscriber got: ${found}`;
  },
  async call(peer, base, value, { args, kwargs }, me, serializer) {
    return wrong(await peer.call(`${base}.echo.${value.name}`, args, kwargs), value, serializer);
  },
  async error(peer, base, value, { args, kwargs }, me, serializer) {
    const error = await rejection(peer.call(`${base}.fail.${value.name}`, args, kwargs), 'the call');
    return error.uri === 'com.example.error.cross' ? wrong(error, value, serializer) : String(error);
  },
  async progress(peer, base, value, { args, kwargs }, me, serializer) {
    const chunks = [];
    const options = { progress: (chunk) => chunks.push(chunk) };
    const result = await peer.call(`${base}.progress.${value.name}`, args, kwargs, options);
    if (chunks.length !== 1) return `${chunks.length} progressive results`;
    return wrong(chunks[0], value, serializer) ?? wrong(result, value, serializer);
  },
};

async function drive(active, passive) {
  const client = clientOf(active);
  const common = values.filter((value) => value.needs !== 'int64' || (keepsIntegers(active) && keepsIntegers(passive)));
  for (const [kind, act] of Object.entries(kinds)) {
    await check(`cross ${nameOf(active)} -> ${nameOf(passive)}: ${kind}`, async (t) => {
      const peer = await open(t, client);
      for (const value of common) {
        const found = await act(peer, baseOf(passive), value, payload(value, client.serializer), nameOf(active), client.serializer);
        if (found) throw new Error(`${value.name}: ${found}`);
      }
    });
  }
}

if (process.argv[2] === 'serve') {
  // If a client fails to start, the cases that need it fail.
  await Promise.all(peers.js.map((which) => serve(which).catch((error) => console.error(nameOf(which), error))));
  console.log('ready');
} else {
  for (const active of peers.js) {
    for (const passive of [...peers.js, ...peers.python]) await drive(active, passive);
  }
  finish('cross-js');
}
