// Authentication of the JavaScript clients: each method that a client supports, over each of its transports. autobahn-js
// supports neither SCRAM nor channel binding nor client certificates; wampy supports neither SCRAM nor channel binding.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import autobahn from 'autobahn';
import nacl from 'tweetnacl';
import * as wampyCryptosign from 'wampy/cryptosign.js';
import * as wampyCRA from 'wampy/wampcra.js';
import { check, equal, rejection } from './check.mjs';
import { clients, open, secure } from './clients.mjs';

const realm = 'guarded';
const secret = process.env.INTEROP_SECRET;
const file = (name) => readFileSync(join(process.env.INTEROP_FILES, name), 'utf8');

const cra = {
  autobahn: (password) => (_, extra) => {
    const key = extra.salt ? autobahn.auth_cra.derive_key(password, extra.salt, extra.iterations, extra.keylen) : password;
    return autobahn.auth_cra.sign(key, extra.challenge);
  },
  wampy: (password) => wampyCRA.sign(password),
};

const cryptosign = {
  autobahn: (seed) => {
    const pair = nacl.sign.keyPair.fromSeed(Buffer.from(seed, 'hex'));
    return { answer: (_, extra) => autobahn.auth_cryptosign.sign_challenge(pair, extra), extra: { pubkey: autobahn.auth_cryptosign.public_key(pair) } };
  },
  wampy: (seed) => {
    const { publicKey } = nacl.sign.keyPair.fromSeed(Buffer.from(seed, 'hex'));
    return { answer: wampyCryptosign.sign(seed), extra: { pubkey: Buffer.from(publicKey).toString('hex') } };
  },
};

// The proofs by principal, valid and invalid ones.
const proofs = {
  ticket: (kind, right) => ({ methods: ['ticket'], answer: () => (right ? secret : 'guess') }),
  wampcra: (kind, right) => ({ methods: ['wampcra'], answer: cra[kind](right ? secret : 'guess') }),
  salted: (kind, right) => ({ methods: ['wampcra'], answer: cra[kind](right ? secret : 'guess') }),
  cryptosign: (kind, right) => ({ methods: ['cryptosign'], ...cryptosign[kind](right ? file('key.hex').trim() : '11'.repeat(32)) }),
};

/** run runs all cases with the clients of one kind. */
export async function run(kind) {
  for (const client of [...clients, ...secure].filter((c) => c.kind === kind)) {
    for (const authid of Object.keys(proofs)) await withProof(client, authid);
    await check(`${client.name}: is refused with a wrong proof`, () => refused(client));
    await check(`${client.name}: is refused without a proof`, async () => {
      equal(await refusal(client, {}), 'wamp.error.authentication_required', 'the reason');
    });
    await check(`${client.name}: proves who it is by one of several methods`, (t) => several(t, client));
  }
  if (kind === 'wampy') for (const client of secure.filter((c) => c.kind === kind)) await certified(client);
}

async function withProof(client, authid) {
  const proof = proofs[authid](client.kind, true);
  await check(`${client.name}: proves who it is, ${authid}`, async (t) => {
    const peer = await open(t, client, { realm, proof: { authid, ...proof } });
    equal(who(peer), [authid, 'member', proof.methods[0]], 'who it is');
    await works(peer);
  });
}

/** refused makes all attempts at the same time, because the router delays each rejection by a second. */
async function refused(client) {
  const attempts = Object.entries(proofs).flatMap(([authid, make]) => [
    { authid, ...make(client.kind, false) },
    { authid: 'nobody', ...make(client.kind, true) },
  ]);
  await Promise.all(attempts.map(async (proof) => {
    equal(await refusal(client, { proof }), 'wamp.error.authentication_failed', `the reason, with ${proof.methods}`);
  }));
}

const who = ({ welcome }) => [welcome.authid, welcome.authrole, welcome.authmethod];
const refusal = async (client, options) => (await rejection(client.open({ realm, ...options }), 'HELLO')).uri;

/** works checks that the session has the role of the proved identity: it may publish. */
async function works(peer) {
  await peer.publish('com.example.proved', ['x'], undefined, { acknowledge: true });
}

async function several(t, client) {
  const sign = proofs.cryptosign(client.kind, true);
  const proof = {
    authid: 'ticket',
    methods: ['cryptosign', 'ticket'],
    extra: sign.extra,
    answer: (method, extra) => (method === 'ticket' ? secret : sign.answer(method, extra)),
  };
  const peer = await open(t, client, { realm, proof });
  equal(who(peer), ['ticket', 'member', 'ticket'], 'who it is');
  await works(peer);
}

async function certified(client) {
  await check(`${client.name}: is known by its certificate`, async (t) => {
    const tls = { cert: file('client.pem'), key: file('client.pem') };
    const peer = await open(t, client, { realm, tls });
    equal(who(peer), ['tls', 'member', 'tls'], 'who it is');
    await works(peer);
  });
}
