// The cases for every JavaScript client. `unless` excludes a client that does not support a feature, and gives the reason.
import { check, equal, Inbox, rejection, truth } from './check.mjs';
import { clients, Failure, open } from './clients.mjs';

let serial = 0;
/** fresh makes a URI that no other case uses. */
const fresh = (name = 'thing') => `com.example.${name}.n${process.pid}_${++serial}`;

const cases = [];
const test = (name, body, unless = () => false) => cases.push({ name, body, unless });

/** run runs all cases with one client. */
export async function run(client) {
  for (const { name, body, unless } of cases) {
    if (!unless(client)) await check(`${client.name}: ${name}`, (t) => body(t, client));
  }
}

const is = (kind) => (client) => client.kind === kind;

/** pair opens two peers. */
async function pair(t, client) {
  return [await open(t, client), await open(t, client)];
}

/** listen subscribes and returns an Inbox of the events. */
async function listen(peer, topic, options) {
  const inbox = new Inbox();
  await peer.subscribe(topic, (event) => inbox.put(event), options);
  return inbox;
}

const acknowledge = { acknowledge: true };
const uriOf = async (promise, what) => (await rejection(promise, what)).uri;

// ------------------------------------------------------------------------------------------------------- the session

test('joins and is told its role and what the router can do', async (t, client) => {
  const peer = await open(t, client);
  const id = Number(peer.id);
  truth(Number.isSafeInteger(id - 1) && id > 0, `the session id ${peer.id} is in [1, 2^53]`);
  equal(peer.welcome.authrole, 'guest', 'authrole');
  equal(peer.welcome.authmethod, 'anonymous', 'authmethod');
  equal(typeof peer.welcome.authid, 'string', 'the type of authid');
  const { broker, dealer } = peer.welcome.roles;
  for (const feature of ['pattern_based_subscription', 'publisher_exclusion', 'publisher_identification', 'subscriber_blackwhite_listing']) {
    equal(broker.features[feature], true, `broker feature ${feature}`);
  }
  for (const feature of ['call_canceling', 'call_timeout', 'caller_identification', 'pattern_based_registration', 'progressive_call_results', 'shared_registration']) {
    equal(dealer.features[feature], true, `dealer feature ${feature}`);
  }
});

test('leaves: GOODBYE is answered and the connection closed in good order', async (t, client) => {
  const peer = await client.open();
  const end = await peer.leave();
  equal(end.reason, 'wamp.close.goodbye_and_out', 'the reason');
  equal(end.clean, true, 'a clean end');
});

test('is refused an unknown realm', async (t, client) => {
  equal(await uriOf(client.open({ realm: 'com.example.nowhere' }), 'HELLO'), 'wamp.error.no_such_realm', 'the reason');
});

// -------------------------------------------------------------------------------------------------- publish, subscribe

test('events carry args and kwargs, both, one or none', async (t, client) => {
  const [publisher, subscriber] = await pair(t, client);
  const topic = fresh();
  const inbox = await listen(subscriber, topic);
  const payloads = [[['a', 1], { b: true }], [[1, 'two', [3]]], [[], { only: 'kwargs' }], []];
  for (const [args, kwargs] of payloads) {
    await publisher.publish(topic, args, kwargs);
    const event = await inbox.next();
    equal([event.args, event.kwargs], [args ?? [], kwargs ?? {}], 'the payload');
  }
});

test('an acknowledged publication has an id, which the event carries', async (t, client) => {
  const [publisher, subscriber] = await pair(t, client);
  const topic = fresh();
  const inbox = await listen(subscriber, topic);
  const id = await publisher.publish(topic, [1], undefined, acknowledge);
  const event = await inbox.next();
  truth(Number(id) > 0, `the publication id ${id} is positive`);
  if (client.kind === 'autobahn') equal(event.details.publication, id, 'the publication id'); // wampy does not pass it on
});

test('a publisher does not get its own event', async (t, client) => {
  const [peer, other] = await pair(t, client);
  const topic = fresh();
  const inbox = await listen(peer, topic);
  await peer.publish(topic, ['own'], undefined, acknowledge);
  await other.publish(topic, ['other']);
  equal((await inbox.next()).args, ['other'], 'the first event');
});

test('a publisher gets its own event with exclude_me: false', async (t, client) => {
  const peer = await open(t, client);
  const topic = fresh();
  const inbox = await listen(peer, topic);
  await peer.publish(topic, ['own'], undefined, { exclude_me: false });
  equal((await inbox.next()).args, ['own'], 'the event');
}, is('wampy')); // it drops an exclude_me that is false (wampy.js, publish)

// The next event shows which peers a list excluded, because the events of one publisher arrive in order.
test('black and white lists by session, authid and authrole', async (t, client) => {
  const [publisher, one] = await pair(t, client);
  const two = await open(t, client);
  const topic = fresh();
  const inboxes = [await listen(one, topic), await listen(two, topic)];
  const ids = [one, two].map((peer) => peer.id);
  const authids = [one, two].map((peer) => peer.welcome.authid);
  const rows = [
    [{ eligible: [ids[0]] }, true, false],
    [{ exclude: [ids[0]] }, false, true],
    [{ eligible: ids, exclude: [ids[1]] }, true, false],
    [{ eligible_authid: [authids[1]] }, false, true],
    [{ exclude_authid: [authids[1]] }, true, false],
    [{ eligible_authrole: ['guest'] }, true, true],
    [{ eligible_authrole: ['nobody'] }, false, false],
    [{ exclude_authrole: ['guest'] }, false, false],
  ];
  if (client.kind !== 'wampy') rows.push([{ eligible: [] }, false, false]); // wampy rejects empty lists
  for (const [options, ...gets] of rows) {
    await publisher.publish(topic, ['listed'], undefined, { ...options, ...acknowledge });
    await publisher.publish(topic, ['all']);
    for (const i of [0, 1]) {
      const want = gets[i] ? ['listed', 'all'] : ['all'];
      const got = (await inboxes[i].take(want.length)).map((event) => event.args[0]);
      equal(got, want, `what subscriber ${i + 1} got for ${Object.entries(options)}`);
    }
  }
});

test('a prefix subscription matches by characters and is told the topic', async (t, client) => {
  const [publisher, subscriber] = await pair(t, client);
  const base = fresh();
  const inbox = await listen(subscriber, base, { match: 'prefix' });
  const other = fresh('other');
  for (const topic of [other, `${base}.a.b`, `${base}bis`, base]) await publisher.publish(topic, [topic], undefined, acknowledge);
  const events = await inbox.take(3);
  const want = [`${base}.a.b`, `${base}bis`, base];
  equal(events.map((event) => event.args[0]), want, 'the events');
  equal(events.map((event) => event.details.topic), want, 'their topics');
});

test('a wildcard subscription matches component by component and is told the topic', async (t, client) => {
  const [publisher, subscriber] = await pair(t, client);
  const base = fresh();
  const inbox = await listen(subscriber, `${base}..end`, { match: 'wildcard' });
  for (const topic of [`${base}.a.b.end`, `${base}.a.other`, `${base}.a.end`, `${base}.b.end`]) {
    await publisher.publish(topic, [topic], undefined, acknowledge);
  }
  const events = await inbox.take(2);
  equal(events.map((event) => event.details.topic), [`${base}.a.end`, `${base}.b.end`], 'the topics');
});

test('a session with two matching subscriptions gets one event for each', async (t, client) => {
  const [publisher, subscriber] = await pair(t, client);
  const topic = fresh();
  const exact = await listen(subscriber, topic);
  const prefix = await listen(subscriber, topic, { match: 'prefix' });
  const id = await publisher.publish(topic, ['x'], undefined, acknowledge);
  const events = [await exact.next(), await prefix.next()];
  equal(events.map((event) => event.args), [['x'], ['x']], 'the events');
  if (client.kind === 'autobahn') equal(events.map((event) => event.details.publication), [id, id], 'the publication ids');
});

test('two handlers of one topic share a subscription', async (t, client) => {
  const [publisher, subscriber] = await pair(t, client);
  const topic = fresh();
  const inboxes = [new Inbox(), new Inbox()];
  const [first, second] = [
    await subscriber.subscribe(topic, (event) => inboxes[0].put(event)),
    await subscriber.subscribe(topic, (event) => inboxes[1].put(event)),
  ];
  equal(second.id, first.id, 'the second subscription id');
  await publisher.publish(topic, ['both']);
  for (const inbox of inboxes) equal((await inbox.next()).args, ['both'], 'the event');
});

test('events of one publisher come in order', async (t, client) => {
  const [publisher, subscriber] = await pair(t, client);
  const topic = fresh();
  const inbox = await listen(subscriber, topic);
  const numbers = Array.from({ length: 300 }, (_, i) => i);
  for (const i of numbers) {
    publisher.publish(topic, [i]);
  }
  equal((await inbox.take(numbers.length)).map((event) => event.args[0]), numbers, 'the order');
});

test('no event after UNSUBSCRIBED', async (t, client) => {
  const [publisher, subscriber] = await pair(t, client);
  const topic = fresh();
  const gone = new Inbox();
  const subscription = await subscriber.subscribe(topic, (event) => gone.put(event));
  await publisher.publish(topic, ['before'], undefined, acknowledge);
  equal((await gone.next()).args, ['before'], 'the event');
  await subscription.cancel();
  await publisher.publish(topic, ['after'], undefined, acknowledge);
  // After a new SUBSCRIBE, the session gets the events published from then on.
  const inbox = await listen(subscriber, topic);
  await publisher.publish(topic, ['anew']);
  equal((await inbox.next()).args, ['anew'], 'the first event of the new subscription');
});

test('a pattern subscription can be given up', async (t, client) => {
  const [publisher, subscriber] = await pair(t, client);
  const base = fresh();
  const subscription = await subscriber.subscribe(base, () => { throw new Error('an event after UNSUBSCRIBED'); }, { match: 'prefix' });
  await subscription.cancel();
  await publisher.publish(`${base}.a`, ['after'], undefined, acknowledge);
  const inbox = await listen(subscriber, base, { match: 'prefix' });
  await publisher.publish(`${base}.b`, ['anew'], undefined, acknowledge);
  equal((await inbox.next()).args, ['anew'], 'the first event');
}, is('wampy')); // on UNSUBSCRIBED it looks for the subscription without its options and throws (wampy.js, _onUnsubscribedMessage)

test('a publisher is disclosed when it asks, and only then', async (t, client) => {
  const [publisher, subscriber] = await pair(t, client);
  const topic = fresh();
  const inbox = await listen(subscriber, topic);
  await publisher.publish(topic, [], undefined, acknowledge);
  await publisher.publish(topic, [], undefined, { disclose_me: true, ...acknowledge });
  const [silent, open] = await inbox.take(2);
  equal(silent.details.publisher, undefined, 'the publisher that did not ask');
  equal(open.details.publisher, publisher.id, 'the publisher');
  equal(open.details.publisher_authid, publisher.welcome.authid, 'publisher_authid');
  equal(open.details.publisher_authrole, 'guest', 'publisher_authrole');
});

test('a publisher is disclosed where the permission says so', async (t, client) => {
  const [publisher, subscriber] = await pair(t, client);
  const topic = fresh('disclosed');
  const inbox = await listen(subscriber, topic);
  await publisher.publish(topic);
  equal((await inbox.next()).details.publisher, publisher.id, 'the publisher');
});

// wampy checks retain but does not send it (wampy.js, publish), so autobahn-js publishes for it.
const publisherFor = (client) => (client.kind === 'wampy' ? clients.find((c) => c.name === `autobahn-js websocket ${client.serializer}`) : client);

test('a retained event is there for who subscribes later and asks for it', async (t, client) => {
  const publisher = await open(t, publisherFor(client));
  const subscriber = await open(t, client);
  const base = fresh();
  for (const [topic, value] of [[`${base}.a`, 1], [`${base}.a`, 2], [`${base}.b`, 3]]) {
    await publisher.publish(topic, [value], { k: [value] }, { retain: true, ...acknowledge });
  }
  const inbox = await listen(subscriber, base, { match: 'prefix', get_retained: true });
  const got = await inbox.take(2);
  got.sort((a, b) => a.args[0] - b.args[0]);
  equal(got.map(({ args, kwargs, details }) => [args, kwargs, details.topic, details.retained]),
    [[[2], { k: [2] }, `${base}.a`, true], [[3], { k: [3] }, `${base}.b`, true]], 'the retained events');
  await publisher.publish(`${base}.a`, [4]);
  equal((await inbox.next()).args, [4], 'the next event');
});

test('the history of a topic can be asked for', async (t, client) => {
  const [publisher, subscriber] = await pair(t, client);
  const topic = fresh('history');
  for (let i = 0; i < 5; i++) await publisher.publish(topic, [i], { kw: `n${i}` }, acknowledge);
  // The history belongs to the configured pattern.
  const { args: [subscription] } = await subscriber.call('wamp.subscription.lookup', ['com.example.history.', { match: 'prefix' }]);
  const { args: events } = await subscriber.call('wamp.subscription.get_events', [subscription], { limit: 3, reverse: true, topic });
  equal(events.map(({ args, kwargs }) => [args, kwargs]), [4, 3, 2].map((i) => [[i], { kw: `n${i}` }]), 'the newest events');
});

// ------------------------------------------------------------------------------------------------- register, call

test('calls carry args and kwargs there and back', async (t, client) => {
  const [caller, callee] = await pair(t, client);
  const procedure = fresh();
  await callee.register(procedure, ({ args, kwargs }) => ({ args, kwargs }));
  for (const [args, kwargs] of [[['a', 1], { b: true }], [[1]], [[], { only: 'kwargs' }], []]) {
    equal(await caller.call(procedure, args, kwargs), { args: args ?? [], kwargs: kwargs ?? {} }, 'the result');
  }
});

test('a session calls its own procedure', async (t, client) => {
  const peer = await open(t, client);
  const procedure = fresh();
  await peer.register(procedure, ({ args }) => ({ args: [args[0] + args[1]] }));
  equal((await peer.call(procedure, [2, 3])).args, [5], 'the result');
});

test('an error arrives with its URI, args and kwargs', async (t, client) => {
  const [caller, callee] = await pair(t, client);
  const procedure = fresh();
  await callee.register(procedure, ({ args }) => { throw new Failure('com.example.error.odd', [args[0], 'odd'], { hint: [1, 2] }); });
  const error = await rejection(caller.call(procedure, [7]), 'the call');
  equal([error.uri, error.args, error.kwargs], ['com.example.error.odd', [7, 'odd'], { hint: [1, 2] }], 'the error');
});

test('an unknown procedure is no_such_procedure', async (t, client) => {
  const caller = await open(t, client);
  equal(await uriOf(caller.call(fresh()), 'the call'), 'wamp.error.no_such_procedure', 'the error');
});

test('a hundred calls under way each get their own answer', async (t, client) => {
  const [caller, callee] = await pair(t, client);
  const procedure = fresh();
  const held = []; // answered in reverse order, once all have arrived
  await callee.register(procedure, ({ args }) => new Promise((resolve) => {
    held.push(() => resolve({ args: [args[0] * 2] }));
    if (held.length === 100) held.reverse().forEach((answer) => answer());
  }));
  const numbers = Array.from({ length: 100 }, (_, i) => i);
  const results = await Promise.all(numbers.map((i) => caller.call(procedure, [i])));
  equal(results.map((result) => result.args[0]), numbers.map((i) => i * 2), 'the results');
});

test('progressive results come in order, then the final one', async (t, client) => {
  const [caller, callee] = await pair(t, client);
  const procedure = fresh();
  await callee.register(procedure, ({ args, progress }) => {
    for (let i = 0; i < args[0]; i++) progress([i], { chunk: `n${i}` });
    return { args: ['done'] };
  });
  const chunks = [];
  const result = await caller.call(procedure, [5], undefined, { progress: (chunk) => chunks.push(chunk) });
  equal(result, { args: ['done'], kwargs: {} }, 'the final result');
  equal(chunks, [0, 1, 2, 3, 4].map((i) => ({ args: [i], kwargs: { chunk: `n${i}` } })), 'the chunks');
});

test('progressive results that nobody asked for are left out', async (t, client) => {
  const [caller, callee] = await pair(t, client);
  const procedure = fresh();
  let asked;
  await callee.register(procedure, ({ progress }) => {
    asked = Boolean(progress);
    progress?.(['chunk']);
    return { args: ['done'] };
  });
  equal((await caller.call(procedure)).args, ['done'], 'the result');
  if (client.kind === 'autobahn') equal(asked, false, 'receive_progress'); // wampy's callee sends chunks without being asked
});

// In the modes skip and killnowait, autobahn-js itself ends a call, and then takes the router's ERROR for a protocol
// violation (session.js, cancel). kill works. Neither client's callee supports INTERRUPT, so every mode acts as skip: the
// caller gets its ERROR at once, and the router drops the callee's late answer.
for (const mode of ['kill', 'killnowait', 'skip', undefined]) {
  test(`a call is canceled (${mode ?? 'no mode'}), and its late answer is dropped`, async (t, client) => {
    const [caller, callee] = await pair(t, client);
    const procedure = fresh();
    const invoked = new Inbox();
    await callee.register(procedure, ({ args }) => new Promise((resolve) => invoked.put(() => resolve({ args }))));
    const call = caller.call(procedure, ['first']);
    const error = rejection(call, 'the canceled call');
    const answer = await invoked.next();
    call.cancel(mode);
    equal((await error).uri, 'wamp.error.canceled', 'the error');
    answer();
    const second = caller.call(procedure, ['second']);
    (await invoked.next())();
    equal((await second).args, ['second'], 'the next result');
  }, (client) => (client.kind === 'autobahn' ? mode !== 'kill' : mode === undefined)); // wampy requires a mode
}

test('a call runs out of time', async (t, client) => {
  const [caller, callee] = await pair(t, client);
  const procedure = fresh();
  await callee.register(procedure, ({ args }) => (args[0] === 'hang' ? new Promise(() => {}) : { args }));
  equal(await uriOf(caller.call(procedure, ['hang'], undefined, { timeout: 50 }), 'the call'), 'wamp.error.timeout', 'the error');
  equal((await caller.call(procedure, ['prompt'], undefined, { timeout: 5000 })).args, ['prompt'], 'the next result');
});

test('a caller is disclosed when it asks, and only then', async (t, client) => {
  const [caller, callee] = await pair(t, client);
  const procedure = fresh();
  const calls = new Inbox();
  await callee.register(procedure, ({ details }) => void calls.put(details));
  await caller.call(procedure);
  await caller.call(procedure, [], undefined, { disclose_me: true });
  const [silent, open] = await calls.take(2);
  equal(silent?.caller, undefined, 'the caller that did not ask');
  equal(open.caller, caller.id, 'the caller');
  equal(open.caller_authid, caller.welcome.authid, 'caller_authid');
  equal(open.caller_authrole, 'guest', 'caller_authrole');
});

test('a caller is disclosed where the permission says so', async (t, client) => {
  const [caller, callee] = await pair(t, client);
  const procedure = fresh('disclosed');
  const calls = new Inbox();
  await callee.register(procedure, ({ details }) => void calls.put(details));
  await caller.call(procedure);
  equal((await calls.next()).caller, caller.id, 'the caller');
});

// How each policy distributes calls among three callees.
for (const [invoke, want] of [['roundrobin', 'abcabc'], ['first', 'aaaaaa'], ['last', 'cccccc']]) {
  test(`a shared registration, ${invoke}`, async (t, client) => {
    const caller = await open(t, client);
    const procedure = fresh();
    for (const name of 'abc') {
      const callee = await open(t, client);
      await callee.register(procedure, () => ({ args: [name] }), { invoke });
    }
    let got = '';
    for (let i = 0; i < want.length; i++) got += (await caller.call(procedure)).args[0];
    equal(got, want, 'who answered');
  });
}

test('a shared registration, random, uses every callee', async (t, client) => {
  const caller = await open(t, client);
  const procedure = fresh();
  for (const name of 'ab') {
    const callee = await open(t, client);
    await callee.register(procedure, () => ({ args: [name] }), { invoke: 'random' });
  }
  const seen = new Set();
  for (let i = 0; i < 100 && seen.size < 2; i++) seen.add((await caller.call(procedure)).args[0]);
  equal([...seen].sort(), ['a', 'b'], 'who answered in 100 calls');
});

test('a second registration is refused, and another policy too', async (t, client) => {
  const [one, two] = await pair(t, client);
  const single = fresh();
  await one.register(single, () => {});
  equal(await uriOf(two.register(single, () => {}), 'REGISTER'), 'wamp.error.procedure_already_exists', 'the error');
  const shared = fresh();
  await one.register(shared, () => {}, { invoke: 'first' });
  equal(await uriOf(two.register(shared, () => {}, { invoke: 'last' }), 'REGISTER'), 'wamp.error.procedure_already_exists', 'the error');
});

test('the best pattern answers: exact, the longest prefix, then wildcard', async (t, client) => {
  const [caller, callee] = await pair(t, client);
  const base = fresh();
  const named = (name) => ({ details }) => ({ args: [name, details.procedure] });
  await callee.register(`${base}.a.exact`, () => ({ args: ['exact'] }));
  await callee.register(base, named('short'), { match: 'prefix' });
  await callee.register(`${base}.a`, named('long'), { match: 'prefix' });
  const wild = fresh('wild');
  await callee.register(`${wild}..end`, named('wildcard'), { match: 'wildcard' });
  equal((await caller.call(`${base}.a.exact`)).args, ['exact'], 'the exact one');
  for (const [procedure, name] of [[`${base}.a.other`, 'long'], [`${base}.b`, 'short'], [`${wild}.x.end`, 'wildcard']]) {
    equal((await caller.call(procedure)).args, [name, procedure], `who answered ${procedure}, and what it was told`);
  }
  equal(await uriOf(caller.call(`${wild}.x.y.end`), 'the call'), 'wamp.error.no_such_procedure', 'no match');
});

test('an unregistered procedure is gone and can be registered anew', async (t, client) => {
  const [caller, callee] = await pair(t, client);
  const procedure = fresh();
  const registration = await callee.register(procedure, () => ({ args: ['old'] }));
  equal((await caller.call(procedure)).args, ['old'], 'the result');
  await registration.cancel();
  equal(await uriOf(caller.call(procedure), 'the call'), 'wamp.error.no_such_procedure', 'the error');
  await callee.register(procedure, () => ({ args: ['new'] }));
  equal((await caller.call(procedure)).args, ['new'], 'the result');
});

test('a callee that leaves fails the calls under way, and its registrations end', async (t, client) => {
  const caller = await open(t, client);
  const callee = await client.open();
  const procedure = fresh();
  const invoked = new Inbox();
  await callee.register(procedure, () => { invoked.put(); return new Promise(() => {}); });
  const error = rejection(caller.call(procedure), 'the call');
  await invoked.next();
  await callee.leave();
  equal((await error).uri, 'wamp.error.canceled', 'the error');
  equal(await uriOf(caller.call(procedure), 'the call'), 'wamp.error.no_such_procedure', 'the error');
});

// --------------------------------------------------------------------------------------------------------- rejections

test('what the role may not do is refused', async (t, client) => {
  const peer = await open(t, client);
  const uri = fresh('forbidden');
  const attempts = {
    PUBLISH: () => peer.publish(uri, [], undefined, acknowledge),
    SUBSCRIBE: () => peer.subscribe(uri, () => {}),
    CALL: () => peer.call(uri),
    REGISTER: () => peer.register(uri, () => {}),
  };
  for (const [what, attempt] of Object.entries(attempts)) equal(await uriOf(attempt(), what), 'wamp.error.not_authorized', what);
});

test('a bad URI is an ERROR, not the end of the session', async (t, client) => {
  const peer = await open(t, client);
  equal(await uriOf(peer.publish('com..example', [], undefined, acknowledge), 'PUBLISH'), 'wamp.error.invalid_uri', 'PUBLISH');
  equal(await uriOf(peer.subscribe('com.exa mple', () => {}), 'SUBSCRIBE'), 'wamp.error.invalid_uri', 'SUBSCRIBE');
  equal(await uriOf(peer.call('com.example.#'), 'CALL'), 'wamp.error.invalid_uri', 'CALL');
  equal(await uriOf(peer.register('wamp.mine', () => {}), 'REGISTER'), 'wamp.error.invalid_uri', 'REGISTER');
}, is('wampy')); // it checks URIs itself

// ----------------------------------------------------------------------------------------------------------- values

test('half a megabyte goes there and back', async (t, client) => {
  const [caller, callee] = await pair(t, client);
  const procedure = fresh();
  await callee.register(procedure, ({ args }) => ({ args }));
  const long = '0123456789abcdef'.repeat(1 << 15);
  const { args } = await caller.call(procedure, [long]);
  truth(args[0] === long, 'the text came back as it was');
});

test('octets stay octets', async (t, client) => {
  const [publisher, subscriber] = await pair(t, client);
  const topic = fresh();
  const inbox = await listen(subscriber, topic);
  const octets = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await publisher.publish(topic, [octets, { nested: [octets] }], { kw: octets });
  const { args, kwargs } = await inbox.next();
  for (const got of [args[0], args[1].nested[0], kwargs.kw]) {
    truth(got instanceof Uint8Array && octets.equals(got), 'the octets came as they were');
  }
}, (client) => client.serializer === 'json'); // a text in JSON; cross.mjs checks the values that other clients get

test('integers up to 2^53 - 1, fractions and texts come as they were', async (t, client) => {
  const [caller, callee] = await pair(t, client);
  const procedure = fresh();
  await callee.register(procedure, ({ args, kwargs }) => ({ args, kwargs }));
  const numbers = [0, -1, 23, 24, 127, 128, -128, -129, 255, 256, 65535, 65536, 2 ** 31, -(2 ** 31) - 1, 2 ** 32, 2 ** 40,
    Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 0.1, -2.5, 1e300, 5e-324];
  const texts = { empty: '', umlaut: 'Grüße', emoji: '🛰️', quotes: '"\\/\b\n\u2028', key: 'x' };
  const result = await caller.call(procedure, [numbers, null, true, false, [[]], {}], { texts, 'a key': [{}] });
  // wampy's MessagePack returns integers beyond 32 bits as BigInt.
  const plain = (v) => (typeof v === 'bigint' ? Number(v) : v);
  equal(result.args[0].map(plain), numbers, 'the numbers');
  equal(result.args.slice(1), [null, true, false, [[]], {}], 'the other values');
  equal(result.kwargs, { texts, 'a key': [{}] }, 'the texts');
});
