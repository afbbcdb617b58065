"""The Python client over each of its transports, with each serializer."""

import os

import framework

if framework.NAME == "twisted":
    from autobahn.twisted.rawsocket import WampRawSocketClientFactory
    from autobahn.twisted.wamp import ApplicationSession
    from autobahn.twisted.websocket import WampWebSocketClientFactory
else:
    from autobahn.asyncio.wamp import ApplicationSession
    from autobahn.asyncio.websocket import WampWebSocketClientFactory

import txaio
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.serializer import CBORSerializer, JsonSerializer, MsgPackSerializer
from autobahn.wamp.types import ComponentConfig

from check import LIMIT, complain

REALM = "realm1"
HOST = "127.0.0.1"
PORT = int(os.environ["INTEROP_PORT"])
PING_PORT = int(os.environ["INTEROP_PING_PORT"])  # on this port the router sends a PING to a silent peer
TLS_PORT = int(os.environ["INTEROP_TLS_PORT"])
SOCKET = os.environ["INTEROP_SOCKET"]
CA = os.path.join(os.environ["INTEROP_FILES"], "ca.pem")

SERIALIZERS = {"json": JsonSerializer, "msgpack": MsgPackSerializer, "cbor": CBORSerializer}


class Session(ApplicationSession):
    """A session that reports its outcome: joined is its details or the rejection, ended is how the connection ended."""

    def __init__(self, realm, via="websocket", authid=None, authenticators=()):
        super().__init__(ComponentConfig(realm))
        self._via = via
        self._authid = authid
        self._proofs = {a.name: a for a in authenticators}
        self.joined = txaio.create_future()
        self.ended = framework.Flag()
        self._reason = None

    @property
    def id(self):
        return self._session_id

    def onConnect(self):
        extra = {}
        for proof in self._proofs.values():
            extra.update(proof.authextra or {})
        self.join(self.config.realm, authmethods=list(self._proofs) or None, authid=self._authid, authextra=extra or None)

    def onChallenge(self, challenge):
        return self._proofs[challenge.method].on_challenge(self, challenge)

    def onWelcome(self, welcome):
        proof = self._proofs.get(welcome.authmethod)
        return proof and proof.on_welcome(self, welcome.authextra)

    def onJoin(self, details):
        txaio.resolve(self.joined, details)

    def onLeave(self, details):
        self._reason = details.reason
        self._refuse(ApplicationError(details.reason, details.message))
        return super().onLeave(details)

    def onClose(self, was_clean):
        because = getattr(self._transport, "wasNotCleanReason", None)  # WebSocket reports it
        super().onClose(was_clean)
        self._refuse(ConnectionError("the connection ended before the session began"))
        if self._via in ("rawsocket/unix", "rawsocket/tls"):
            # Twisted reports a connection over a Unix socket or TLS as lost if both sides close it at the same time: its
            # epoll loop then sees only the hang-up. The case requires only that GOODBYE came.
            was_clean = was_clean or self._reason in ("wamp.close.goodbye_and_out", "wamp.close.system_shutdown")
        end = {"reason": self._reason, "clean": was_clean}
        self.ended.raise_(end if was_clean else {**end, "because": because})

    def _refuse(self, error):
        if not txaio.is_called(self.joined):
            txaio.reject(self.joined, error)

    def onUserError(self, fail, msg):
        if not isinstance(fail.value, ApplicationError):  # an endpoint answers with an ERROR by raising it
            complain("%r: %s" % (fail.value, msg))

    async def leave_and_wait(self):
        if self._session_id is not None:
            self.leave()
        return await self.ended.wait()


def websocket_factory(session, url, serializer):
    factory = WampWebSocketClientFactory(lambda: session, url=url, serializers=[serializer])
    # The client's own timeouts of a few seconds are too short for a busy machine.
    factory.setProtocolOptions(openHandshakeTimeout=LIMIT, closeHandshakeTimeout=LIMIT, serverConnectionDropTimeout=LIMIT)
    return factory


class Client:
    def __init__(self, via, serializer):
        self.via = via
        self.serializer = serializer
        self.name = "autobahn-python/%s %s %s" % (framework.NAME, via, serializer)

    async def open(self, realm=REALM, authid=None, authenticators=(), **tls):
        session = Session(realm, self.via, authid, authenticators)
        await self._connect(session, **tls)
        session.details = await session.joined
        return session

    async def _connect(self, session, certificate=None, newest=True):
        make = SERIALIZERS[self.serializer]
        if self.via == "rawsocket/unix":
            await framework.connect_unix(WampRawSocketClientFactory(lambda: session, serializer=make()), SOCKET)
        elif self.via == "rawsocket/tcp":
            await framework.connect_tcp(WampRawSocketClientFactory(lambda: session, serializer=make()), HOST, PORT)
        elif self.via == "rawsocket/tls":
            factory = WampRawSocketClientFactory(lambda: session, serializer=make())
            await framework.connect_tls(factory, HOST, TLS_PORT, CA, certificate, newest)
        elif self.via == "websocket/tls":
            factory = websocket_factory(session, "wss://%s:%d/ws" % (HOST, TLS_PORT), make())
            await framework.connect_tls(factory, HOST, TLS_PORT, CA, certificate, newest)
        else:
            url = "ws://%s:%d/ws" % (HOST, PORT)
            serializer = make(batched=self.via == "websocket/batched")
            factory = websocket_factory(session, url, serializer)
            await framework.connect_tcp(factory, HOST, PORT)


def _clients():
    yield from (Client("websocket", serializer) for serializer in SERIALIZERS)
    if framework.NAME == "asyncio":
        # Its RawSocket has no transport_details, which its session needs at WELCOME. It therefore aborts every session
        # (autobahn 22.7.1, asyncio/rawsocket.py and wamp/protocol.py).
        return
    # Its batched JSON ends a message with 0x18 instead of 0x1e (wamp/serializer.py: b'\\30' is octal).
    yield from (Client("websocket/batched", serializer) for serializer in ("msgpack", "cbor"))
    yield from (Client("rawsocket/tcp", serializer) for serializer in SERIALIZERS)
    yield from (Client("rawsocket/unix", serializer) for serializer in SERIALIZERS)


CLIENTS = list(_clients())

SECURE = [Client("websocket/tls", serializer) for serializer in SERIALIZERS]
if framework.NAME == "twisted":
    SECURE.append(Client("rawsocket/tls", "cbor"))


async def open_pinged(on_ping):
    """Opens a session on the port where the router sends PINGs. on_ping is called for each.

    Only WebSocket: neither framework's RawSocket knows PING. Twisted's takes it for the head of a long message, asyncio's
    raises NotImplementedError.
    """
    session = Session(REALM)
    url = "ws://%s:%d/ws" % (HOST, PING_PORT)
    factory = websocket_factory(session, url, CBORSerializer())

    class Pinged(factory.protocol):
        def onPing(self, payload):
            on_ping()
            super().onPing(payload)

    factory.protocol = Pinged
    await framework.connect_tcp(factory, HOST, PING_PORT)
    await session.joined
    return session


async def open_peer(t, client, **options):
    """Opens a session for the duration of a case. At its end the session must leave cleanly."""
    session = await client.open(**options)

    async def leave():
        end = await session.leave_and_wait()
        if not end["clean"]:
            raise AssertionError("the connection did not end cleanly: %r" % end)

    t.after(leave)
    return session
