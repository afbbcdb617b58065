"""Twisted or asyncio: the Python client works on either, and the cases are written for both.

The first argument of the program chooses. What a case awaits is a Deferred of the one or a Future of the other.
"""

import sys

import txaio

NAME = sys.argv[1]


def _use_twisted():
    txaio.use_twisted()
    from twisted.internet import defer, endpoints, reactor, ssl, task
    from twisted.python import log

    def within(seconds, coroutine):
        return defer.ensureDeferred(coroutine).addTimeout(seconds, reactor)

    def run(main, complain):
        def observe(event):
            if event["isError"]:
                complain(log.textFromEventDict(event))

        log.startLoggingWithObserver(observe, setStdout=False)
        task.react(lambda _: defer.ensureDeferred(main()))

    async def connect_tcp(factory, host, port):
        await endpoints.TCP4ClientEndpoint(reactor, host, port).connect(factory)

    async def connect_tls(factory, host, port, ca, certificate, newest):
        with open(ca) as f:
            roots = ssl.trustRootFromCertificates([ssl.Certificate.loadPEM(f.read())])
        options = {}
        if certificate:
            with open(certificate) as f:
                own = ssl.PrivateCertificate.loadPEM(f.read())
            options = dict(privateKey=own.privateKey.original, certificate=own.original)
        if not newest:
            options["lowerMaximumSecurityTo"] = ssl.TLSVersion.TLSv1_3  # the first version that is excluded
        creator = ssl.CertificateOptions(trustRoot=roots, **options)

        class Connection:  # Twisted's own class expects a name, but this is an address
            def clientConnectionForTLS(self, protocol):
                return ssl.SSL.Connection(creator.getContext(), None)

        from zope.interface import directlyProvides
        from twisted.internet.interfaces import IOpenSSLClientConnectionCreator

        connection = Connection()
        directlyProvides(connection, IOpenSSLClientConnectionCreator)
        await endpoints.wrapClientTLS(connection, endpoints.TCP4ClientEndpoint(reactor, host, port)).connect(factory)

    async def connect_unix(factory, path):
        await endpoints.UNIXClientEndpoint(reactor, path).connect(factory)

    def cancel(call):
        call.addErrback(lambda failure: failure.trap(defer.CancelledError))
        call.cancel()

    return within, run, connect_tcp, connect_tls, connect_unix, cancel


def _use_asyncio():
    txaio.use_asyncio()
    import asyncio
    import ssl

    def within(seconds, coroutine):
        return asyncio.wait_for(coroutine, seconds)

    def run(main, complain):
        async def body():
            loop = txaio.config.loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: complain(repr(context.get("exception") or context["message"])))
            await main()

        asyncio.run(body())

    async def connect_tcp(factory, host, port):
        await txaio.config.loop.create_connection(factory, host, port)

    async def connect_tls(factory, host, port, ca, certificate, newest):
        context = ssl.create_default_context(cafile=ca)
        if certificate:
            context.load_cert_chain(certificate)
        if not newest:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        await txaio.config.loop.create_connection(factory, host, port, ssl=context)

    async def connect_unix(factory, path):
        await txaio.config.loop.create_unix_connection(factory, path)

    def cancel(call):
        call.cancel()

    return within, run, connect_tcp, connect_tls, connect_unix, cancel


# within(seconds, coroutine): an awaitable that fails after a timeout.
# run(main, complain): runs the coroutine function main, and calls complain for other errors.
# connect_tls(factory, host, port, ca, certificate, newest): certificate may be None; without newest it is TLS 1.2.
# cancel(call): cancels the result of session.call.
within, run, connect_tcp, connect_tls, connect_unix, cancel = {"twisted": _use_twisted, "asyncio": _use_asyncio}[NAME]()


class Flag:
    """A flag that is raised once. Any number of coroutines may wait for it."""

    def __init__(self):
        self._waiting = []
        self._heirs = []
        self._value = None
        self.raised = False

    def raise_(self, value=None):
        if self.raised:
            return
        self.raised, self._value = True, value
        for f in self._waiting:
            if not txaio.is_called(f):
                txaio.resolve(f, value)
        for f in self._heirs:
            f(value)

    def then(self, f):
        """Calls f when the flag is raised. It must not be raised yet."""
        self._heirs.append(f)

    async def wait(self):
        if not self.raised:
            f = txaio.create_future()
            self._waiting.append(f)
            await f
        return self._value


class Inbox:
    """A queue: get waits for the next item."""

    def __init__(self):
        self._items = []
        self._waiting = []

    def put(self, item):
        while self._waiting:
            f = self._waiting.pop(0)
            if not txaio.is_called(f):
                txaio.resolve(f, item)
                return
        self._items.append(item)

    def empty(self):
        return not self._items

    async def get(self):
        if self._items:
            return self._items.pop(0)
        f = txaio.create_future()
        self._waiting.append(f)
        return await f
