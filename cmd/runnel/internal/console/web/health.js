// Finds the parts of a status that need an operator's attention. The findings and their remedies are those of runnel doctor.

import { plural } from './dom.js';

// doctorCommand checks the installation by hand.
export const doctorCommand = 'sudo runnel doctor';

// findings returns a list of {level, object, text, remedy, command}.
export function findings(s) {
  const list = [];
  const add = (level, object, text, remedy, command) => list.push({ level, object, text, remedy, command });
  for (const f of s.faults || []) add('bad', f.part, `does not run: ${f.error}`, 'Correct the cause. The router retries by itself. This makes it retry at once:', 'sudo systemctl reload runnel');
  for (const r of s.router.realms || []) {
    if (r.trouble) add('bad', `realm ${r.name}`, `retained events and histories are not kept on disk: ${r.trouble}`, 'Check the data directory: free space, and its owner.');
  }
  for (const c of s.router.clashes || []) {
    add('bad', `node ${c.node}`, `two routers linked to realm ${c.realm} have this id: ${c.first} and ${c.second}`, 'Give one of the two routers another [node] id, and restart it.');
  }
  for (const l of s.listeners) {
    certificate(add, `listener ${l.url}`, l.certificate);
    if (l.connections >= l.limit) add('bad', `listener ${l.url}`, `all ${l.limit} connections are in use`, 'Raise max_connections of the listener.');
  }
  for (const l of s.serial) serial(add, l);
  for (const u of s.uplinks) uplink(add, u);
  for (const w of s.webhooks || []) {
    if (w.problem) add('bad', `webhook ${w.name}`, w.problem, 'The router keeps its events. Check the server and its log, and the webhook\'s url, secret and authorization.');
  }
  if (s.memory && s.memory.limit && s.memory.used > 0.9 * s.memory.limit) add('warn', 'memory', 'more than 90 % of the limit is in use', 'Raise [limits] memory, or lower the limits of retained events and histories.');
  return list;
}

function certificate(add, object, c) {
  if (c && c.alarm) add('bad', object, c.alarm, 'Renew the certificate. The router loads the new files by itself.');
}

function serial(add, l) {
  const object = `line ${l.name}`;
  for (const alarm of l.alarms || []) add('bad', object, alarm, 'Check the device and its wiring.', doctorCommand);
  if (l.state === 'refused' || l.state === 'waiting') {
    add('bad', object, `the port is not open (${l.state})${l.error ? `: ${l.error}` : ''}`, 'This command shows the ports of the machine and the programs that hold them:', 'runnel serial ls');
  }
}

function uplink(add, u) {
  const object = `link ${u.name}`;
  if (!u.up) add('bad', object, `is down${u.error ? `: ${u.error}` : ''}`, 'This command checks the address, the certificate and the permissions at the centre:', doctorCommand);
  if (u.clash) add('bad', object, u.clash, 'Give this node another [node] id, then:', 'sudo systemctl restart runnel');
  if (u.queue.alarm) add('bad', object, `its queue: ${u.queue.alarm}`, 'Check the data directory: free space, and its owner.');
  if (u.queue.held_events) add('bad', object, `the centre rejects events; ${plural(u.queue.held_events, 'event')} of ${plural(u.queue.held_topics, 'topic')} ${u.queue.held_events === 1 ? 'is' : 'are'} held`, 'Permit the topics at the centre, then:', `runnel queue retry ${u.name}`);
  for (const refused of u.refused || []) add('bad', object, `rejected: ${refused}`, 'Add the permission at the centre, or remove the rule from the uplink.');
  certificate(add, object, u.certificate);
}

// lineState returns the kind and word of a serial line's state.
export function lineState(l) {
  if (l.alarms && l.alarms.length) return ['bad', 'alarm'];
  switch (l.state) {
    case 'serving': return l.link && !l.link.up ? ['warn', 'link down'] : ['ok', 'serving'];
    case 'listening': return ['idle', 'open, no device yet'];
    case 'waiting': return ['bad', 'device missing'];
    case 'refused': return ['bad', 'refused'];
  }
  return ['idle', l.state];
}

// linkState returns the kind and word of an uplink's state.
export function linkState(u) {
  if (u.clash) return ['bad', 'clash'];
  if (!u.up) return ['bad', 'down'];
  if (u.queue.alarm) return ['bad', 'queue alarm'];
  if (u.queue.held_events) return ['warn', 'up, events held'];
  if (u.refused && u.refused.length) return ['warn', 'up, rules rejected'];
  return ['ok', 'up'];
}
