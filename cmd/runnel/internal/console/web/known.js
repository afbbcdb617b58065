// The URIs that are known here, for completion.

const most = 300; // of each kind

// known resolves to {procedures, topics}: what is registered and subscribed to, and the topics that this page has seen.
export async function known({ client, topics, status }) {
  const [procedures, subscribed] = await Promise.all([uris(client, 'registration'), uris(client, 'subscription')]);
  const own = (uri) => !uri.startsWith('wamp.');
  if (!status.denied) procedures.push('runnel.status');
  return { procedures: sorted(procedures.filter(own)), topics: sorted([...topics, ...subscribed.filter(own)]) };
}

const sorted = (list) => [...new Set(list)].sort().slice(0, most);

// uris lists the exact URIs of all registrations or subscriptions. What the role may not see is left out.
async function uris(client, kind) {
  try {
    const { args: [ids] } = await client.call(`wamp.${kind}.list`);
    const found = await details(client, `wamp.${kind}.get`, ids.exact.slice(0, most));
    return found.map((d) => d.uri);
  } catch { return []; }
}

// details calls a procedure for each id, a few at a time. Ids that are gone meanwhile are left out.
export async function details(client, procedure, ids) {
  const list = [];
  for (let i = 0; i < ids.length; i += 16) {
    const part = await Promise.allSettled(ids.slice(i, i + 16).map((id) => client.call(procedure, [id])));
    for (const p of part) if (p.status === 'fulfilled') list.push(p.value.args[0]);
  }
  return list;
}
