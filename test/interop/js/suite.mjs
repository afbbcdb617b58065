// Runs the cases with the clients of one kind: node suite.mjs autobahn|wampy
import { check, equal, finish, Inbox, truth } from './check.mjs';
import { run } from './cases.mjs';
import { run as prove } from './proofs.mjs';
import { clients, openPinged, openWithAll } from './clients.mjs';

const kind = process.argv[2];
console.warn = () => {}; // autobahn-js warns of the end of each connection

for (const client of clients.filter((c) => c.kind === kind)) await run(client);
await prove(kind);

if (kind === 'autobahn') {
  for (const names of [['json', 'msgpack', 'cbor'], ['cbor', 'msgpack', 'json'], ['msgpack', 'json']]) {
    await check(`autobahn-js websocket: offers ${names}`, async () => {
      const peer = await openWithAll(names);
      truth(names.includes(peer.protocol.replace('wamp.2.', '')), `${peer.protocol} is one of them`);
      equal((await peer.leave()).clean, true, 'a clean end');
    });
  }
}

await check(`${kind}: lives on after a PING`, async () => {
  const pings = new Inbox();
  const peer = await openPinged(kind, () => pings.put());
  await pings.next();
  equal((await peer.leave()).clean, true, 'a clean end');
});
finish(kind);
