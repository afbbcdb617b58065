// Waits with a peer of every client until the router stops. Each peer must get GOODBYE, and its connection must close cleanly.
import { check, equal, finish } from './check.mjs';
import { clients } from './clients.mjs';

console.warn = () => {};

const peers = [];
for (const client of clients) peers.push({ client, peer: await client.open() });
console.log('ready');

// The first GOODBYE starts the time limit of the cases.
await Promise.race(peers.map(({ peer }) => peer.ended));
for (const { client, peer } of peers) {
  await check(`${client.name}: the router goes`, async () => {
    equal(await peer.ended, { reason: 'wamp.close.system_shutdown', clean: true }, 'the end');
  });
}
finish('shutdown-js');
