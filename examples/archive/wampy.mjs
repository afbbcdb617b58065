// Stores readings with wampy. The router keeps a reading until this program has acknowledged it. Handlers of wampy do not get the
// id of a publication, so the program acknowledges by position.
//
//     npm install
//     node wampy.mjs [ws://127.0.0.1:8080/ws]
import { Wampy } from 'wampy';
import ws from 'ws';

const url = process.argv[2] ?? 'ws://127.0.0.1:8080/ws';
const client = new Wampy(url, { realm: 'realm1', ws });
await client.connect();

// Events may come before subscribe has returned the id.
let subscribed;
const subscription = new Promise((resolve) => { subscribed = resolve; });
const { subscriptionId } = await client.subscribe('com.example.reading', async ({ details, argsList: [reading] }) => {
  console.log('stored', reading);
  await client.call('runnel.durable.ack', { argsList: [await subscription], argsDict: { position: details._position } });
  console.log('acknowledged', reading);
}, { _durable: 'archive' });
subscribed(subscriptionId);
console.log('ready');
