"""Authentication of the Python client: each method that it supports, over each of its transports."""

import os

import framework
import txaio
from autobahn.wamp.auth import create_authenticator

from cases import acknowledged, fresh
from check import LIMIT, check, equal, rejection
from clients import CLIENTS, SECURE, open_peer
from framework import within

REALM = "guarded"
SECRET = os.environ["INTEROP_SECRET"]
FILES = os.environ["INTEROP_FILES"]


def file(name):
    return os.path.join(FILES, name)


def key():
    with open(file("key.hex")) as f:
        return f.read()


# The proofs by principal: a valid and an invalid one.
PROOFS = {
    "ticket": lambda right: create_authenticator("ticket", ticket=SECRET if right else "guess"),
    "wampcra": lambda right: create_authenticator("wampcra", authid="wampcra", secret=SECRET if right else "guess"),
    "salted": lambda right: create_authenticator("wampcra", authid="salted", secret=SECRET if right else "guess"),
    "scram": lambda right: create_authenticator("scram", authid="scram", password=SECRET if right else "guess"),
    "cryptosign": lambda right: create_authenticator("cryptosign", authid="cryptosign", privkey=key() if right else "11" * 32),
}


async def run():
    for client in CLIENTS + SECURE:
        for authid, proof in PROOFS.items():
            await check("%s: proves who it is, %s" % (client.name, authid), lambda t: accepted(t, client, authid, proof))
        await check("%s: is refused with a wrong proof" % client.name, lambda t: refused(client))
        await check("%s: is refused without a proof" % client.name, lambda t: stranger(client))
        await check("%s: proves who it is by one of several methods" % client.name, lambda t: several(t, client))
    for client in SECURE:
        await check("%s: is known by its certificate" % client.name, lambda t: certified(t, client))
        # On Twisted it signs the router's Finished message, where RFC 5929 requires the client's (twisted/util.py,
        # transport_channel_id: is_not_resumed is inverted).
        if framework.NAME == "asyncio":
            await check("%s: signs over the channel" % client.name, lambda t: bound(t, client))


async def works(session):
    """Checks that the session has the role of the proved identity: it may publish."""
    await session.publish(fresh(), "x", options=acknowledged())


async def accepted(t, client, authid, proof):
    session = await open_peer(t, client, realm=REALM, authid=authid, authenticators=[proof(True)])
    details = session.details
    equal([details.authid, details.authrole, details.authmethod], [authid, "member", proof(True).name], "who it is")
    await works(session)


async def refused(client):
    """Makes all attempts at the same time, because the router delays each rejection by a second."""

    async def attempt(authid, proof):
        refusal = await rejection(client.open(realm=REALM, authid=authid, authenticators=[proof]), "a wrong proof")
        equal(refusal.error, "wamp.error.authentication_failed", "the reason, with %s" % proof.name)

    attempts = [attempt(authid, proof(False)) for authid, proof in PROOFS.items()]
    attempts += [attempt("nobody", proof(True)) for proof in PROOFS.values()]
    await txaio.gather([within(LIMIT, a) for a in attempts], consume_exceptions=False)


async def stranger(client):
    refusal = await rejection(client.open(realm=REALM), "no proof")
    equal(refusal.error, "wamp.error.authentication_required", "the reason")


async def several(t, client):
    authenticators = [PROOFS["cryptosign"](True), create_authenticator("ticket", ticket=SECRET)]
    session = await open_peer(t, client, realm=REALM, authid="ticket", authenticators=authenticators)
    equal([session.details.authid, session.details.authmethod], ["ticket", "ticket"], "who it is")
    await works(session)


async def certified(t, client):
    session = await open_peer(t, client, realm=REALM, certificate=file("client.pem"))
    equal([session.details.authid, session.details.authrole, session.details.authmethod], ["tls", "member", "tls"], "who it is")
    await works(session)


async def bound(t, client):
    """With channel binding, which this client supports for TLS 1.2."""
    proof = create_authenticator("cryptosign", authid="cryptosign", privkey=key(), authextra={"channel_binding": "tls-unique"})
    session = await open_peer(t, client, realm=REALM, authid="cryptosign", authenticators=[proof], newest=False)
    equal([session.details.authid, session.details.authmethod], ["cryptosign", "cryptosign"], "who it is")
    await works(session)
