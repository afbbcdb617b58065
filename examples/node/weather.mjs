// The Node example: offers a procedure, subscribes to a topic, publishes a reading and calls the procedure.
//
//     npm install
//     node weather.mjs [ws://127.0.0.1:8080/ws]
import { Wampy } from 'wampy';
import ws from 'ws';

const url = process.argv[2] ?? 'ws://127.0.0.1:8080/ws';

// The station measures and converts; the display prints. There are two clients, because a publisher does not get its own events.
const station = new Wampy(url, { realm: 'realm1', ws });
const display = new Wampy(url, { realm: 'realm1', ws });
await station.connect();
await display.connect();

await station.register('com.example.node.to_fahrenheit', ({ argsList: [celsius] }) => ({ argsList: [(celsius * 9) / 5 + 32] }));

let shown;
const received = new Promise((resolve) => { shown = resolve; });
await display.subscribe('com.example.weather', ({ argsList: [celsius] }) => {
  console.log('event com.example.weather', celsius);
  shown();
});
await station.publish('com.example.weather', { argsList: [21.5] });
await received;

const { argsList: [fahrenheit] } = await display.call('com.example.node.to_fahrenheit', { argsList: [21.5] });
console.log('result', fahrenheit);
await display.disconnect();
await station.disconnect();
