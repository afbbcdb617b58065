// Stores readings with autobahn-js. The router keeps a reading until this program has acknowledged it.
//
//     npm install
//     node autobahn.mjs [ws://127.0.0.1:8080/ws]
import autobahn from 'autobahn';
import { WebSocket } from 'ws';

globalThis.WebSocket ??= WebSocket; // Node.js has none before version 22

const url = process.argv[2] ?? 'ws://127.0.0.1:8080/ws';
const connection = new autobahn.Connection({ url, realm: 'realm1' });

connection.onopen = async (session) => {
  await session.subscribe('com.example.reading', async ([reading], kwargs, details, subscription) => {
    console.log('stored', reading);
    await session.call('runnel.durable.ack', [subscription.id, details.publication]);
    console.log('acknowledged', reading);
  }, { _durable: 'archive' });
  console.log('ready');
};
connection.open();
