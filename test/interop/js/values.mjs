// Converts the values of cross.json to those of a client, and back.
//
//   {"$bytes": base64}, {"$zeros": n}    octets         {"$int": digits}             an integer beyond 2^53
//   {"$typed": base64}                   a Uint8Array   {"$repeat": [text, n]}       a long text
//
// JSON has no octets: WAMP encodes them as a text, "\u0000" and base64. Neither JavaScript client does so by itself, so
// programs that use them with JSON must.
import { readFileSync } from 'node:fs';
import { show } from './check.mjs';

export const { peers, values } = JSON.parse(readFileSync(new URL('../cross.json', import.meta.url)));

const octetsIn = (text) => `\u0000${Buffer.from(text).toString('base64')}`;

function special(value) {
  const [[key, of]] = Object.entries(value);
  switch (key) {
    case '$bytes': return { octets: Buffer.from(of, 'base64') };
    case '$typed': return { octets: Buffer.from(of, 'base64'), typed: true };
    case '$zeros': return { octets: Buffer.alloc(of) };
    case '$repeat': return { value: of[0].repeat(of[1]) };
    case '$int': return { value: BigInt(of) };
  }
}

const isSpecial = (value) => Object.keys(value)[0]?.startsWith('$');

/** native returns the value as a program passes it to the client. */
export function native(value, serializer) {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item) => native(item, serializer));
  if (!isSpecial(value)) return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, native(v, serializer)]));
  const { octets, typed, value: plain } = special(value);
  if (!octets) return plain;
  if (serializer === 'json') return octetsIn(octets);
  return typed ? new Uint8Array(octets) : octets;
}

/** difference returns where got differs from the wanted value, or null. */
export function difference(got, want, serializer, path = 'payload') {
  if (Array.isArray(want)) {
    if (!Array.isArray(got) || got.length !== want.length) return `${path} is ${show(got)}, not ${show(want)}`;
    return first(want.keys(), (i) => difference(got[i], want[i], serializer, `${path}[${i}]`));
  }
  if (want !== null && typeof want === 'object' && !isSpecial(want)) return differenceOfDicts(got, want, serializer, path);
  const wanted = want !== null && typeof want === 'object' ? special(want) : { value: want };
  const same = wanted.octets ? sameOctets(got, wanted.octets, serializer) : sameScalar(got, wanted.value);
  return same ? null : `${path} is ${show(got)}, not ${show(want)}`;
}

function differenceOfDicts(got, want, serializer, path) {
  const keys = Object.keys(want).sort();
  const found = got !== null && typeof got === 'object' && !Array.isArray(got) ? Object.keys(got).sort() : null;
  if (JSON.stringify(found) !== JSON.stringify(keys)) return `${path} is ${show(got)}, not ${show(want)}`;
  return first(keys, (key) => difference(got[key], want[key], serializer, `${path}.${key}`));
}

function first(keys, f) {
  for (const key of keys) {
    const found = f(key);
    if (found) return found;
  }
  return null;
}

function sameOctets(got, octets, serializer) {
  return serializer === 'json' ? got === octetsIn(octets) : got instanceof Uint8Array && octets.equals(got);
}

// A client may return an integer as a Number or as a BigInt.
function sameScalar(got, want) {
  const kinds = ['number', 'bigint'];
  // eslint-disable-next-line eqeqeq
  return kinds.includes(typeof want) ? kinds.includes(typeof got) && got == want : got === want;
}
