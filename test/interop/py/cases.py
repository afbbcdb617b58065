"""The cases for the Python client. They use its own API, as its users do."""

import itertools
import os

import txaio
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import CallOptions, CallResult, PublishOptions, RegisterOptions, SubscribeOptions

from check import check, equal, rejection, truth
from clients import open_peer
from framework import cancel, Flag, Inbox

_serial = itertools.count(1)
_cases = []


def fresh(name="thing"):
    """Returns a URI that no other case uses."""
    return "com.example.%s.p%d_%d" % (name, os.getpid(), next(_serial))


def case(name):
    def note(body):
        _cases.append((name, body))
        return body

    return note


async def run(client):
    for name, body in _cases:
        await check("%s: %s" % (client.name, name), lambda t: body(t, client))


async def pair(t, client):
    return await open_peer(t, client), await open_peer(t, client)


async def listen(session, topic, match=None):
    """Subscribes and returns an Inbox of (args, kwargs, details)."""
    inbox = Inbox()

    def handler(*args, details, **kwargs):
        inbox.put((list(args), kwargs, details))

    subscription = await session.subscribe(handler, topic, options=SubscribeOptions(match=match, details_arg="details"))
    inbox.subscription = subscription
    return inbox


def acknowledged(**options):
    return PublishOptions(acknowledge=True, **options)


def echo(*args, **kwargs):
    return CallResult(*args, **kwargs)


def folded(result):
    """Undoes autobahn's conversion: it returns a single argument as itself, and no arguments as None."""
    if isinstance(result, CallResult):
        return [list(result.results), result.kwresults]
    return [[] if result is None else [result], {}]


# ------------------------------------------------------------------------------------------------------- the session


@case("joins and is told its role and what the router can do")
async def _(t, client):
    session = await open_peer(t, client)
    truth(1 <= session.id <= 2**53, "the session id %r is in [1, 2^53]" % session.id)
    equal(session.details.authrole, "guest", "authrole")
    equal(session.details.authmethod, "anonymous", "authmethod")
    equal(session.details.realm, "realm1", "realm")
    broker, dealer = session._router_roles["broker"], session._router_roles["dealer"]
    for feature in ("pattern_based_subscription", "publisher_exclusion", "publisher_identification", "subscriber_blackwhite_listing"):
        equal(getattr(broker, feature), True, feature)
    for feature in ("call_canceling", "caller_identification", "pattern_based_registration", "progressive_call_results", "shared_registration"):
        equal(getattr(dealer, feature), True, feature)


@case("leaves: GOODBYE is answered and the connection closed in good order")
async def _(t, client):
    session = await client.open()
    end = await session.leave_and_wait()
    equal(end, {"reason": "wamp.close.goodbye_and_out", "clean": True}, "the end")


@case("is refused an unknown realm")
async def _(t, client):
    refusal = await rejection(client.open(realm="com.example.nowhere"), "HELLO")
    equal(refusal.error, "wamp.error.no_such_realm", "the reason")


# -------------------------------------------------------------------------------------------------- publish, subscribe


@case("events carry args and kwargs, both, one or none")
async def _(t, client):
    publisher, subscriber = await pair(t, client)
    topic = fresh()
    inbox = await listen(subscriber, topic)
    for args, kwargs in [(["a", 1], {"b": True}), ([1, "two", [3]], {}), ([], {"only": "kwargs"}), ([], {})]:
        publisher.publish(topic, *args, **kwargs)
        event = await inbox.get()
        equal(event[:2], (args, kwargs), "the payload")


@case("an acknowledged publication has an id, which the event carries")
async def _(t, client):
    publisher, subscriber = await pair(t, client)
    topic = fresh()
    inbox = await listen(subscriber, topic)
    publication = await publisher.publish(topic, 1, options=acknowledged())
    equal((await inbox.get())[2].publication, publication.id, "the publication id")


@case("a publisher does not get its own event, but with exclude_me=False")
async def _(t, client):
    session = await open_peer(t, client)
    topic = fresh()
    inbox = await listen(session, topic)
    await session.publish(topic, "kept", options=acknowledged())
    await session.publish(topic, "own", options=acknowledged(exclude_me=False))
    equal((await inbox.get())[0], ["own"], "the first event")


# The next event shows which peers a list excluded, because the events of one publisher arrive in order.
@case("black and white lists by session, authid and authrole")
async def _(t, client):
    publisher, one = await pair(t, client)
    two = await open_peer(t, client)
    topic = fresh()
    inboxs = [await listen(one, topic), await listen(two, topic)]
    authids = [one.details.authid, two.details.authid]
    rows = [
        (dict(eligible=[one.id]), True, False),
        (dict(eligible=[]), False, False),
        (dict(exclude=[one.id]), False, True),
        (dict(eligible=[one.id, two.id], exclude=[two.id]), True, False),
        (dict(eligible_authid=[authids[1]]), False, True),
        (dict(exclude_authid=[authids[1]]), True, False),
        (dict(eligible_authrole=["guest"]), True, True),
        (dict(eligible_authrole=["nobody"]), False, False),
        (dict(exclude_authrole=["guest"]), False, False),
    ]
    for options, *gets in rows:
        await publisher.publish(topic, "listed", options=acknowledged(**options))
        publisher.publish(topic, "all")
        for inbox, listed in zip(inboxs, gets):
            want = ["listed", "all"] if listed else ["all"]
            got = [(await inbox.get())[0][0] for _ in want]
            equal(got, want, "what a subscriber got for %r" % options)


@case("a prefix subscription matches by characters and is told the topic")
async def _(t, client):
    publisher, subscriber = await pair(t, client)
    base = fresh()
    inbox = await listen(subscriber, base, "prefix")
    want = [base + ".a.b", base + "bis", base]
    for topic in [fresh("other")] + want:
        publisher.publish(topic, topic)
    for topic in want:
        args, _, details = await inbox.get()
        equal([args, details.topic], [[topic], topic], "the event and its topic")


@case("a wildcard subscription matches component by component and is told the topic")
async def _(t, client):
    publisher, subscriber = await pair(t, client)
    base = fresh()
    inbox = await listen(subscriber, base + "..end", "wildcard")
    for tail in (".a.b.end", ".a.other", ".a.end", ".b.end"):
        publisher.publish(base + tail)
    for tail in (".a.end", ".b.end"):
        equal((await inbox.get())[2].topic, base + tail, "the topic")


@case("a session with two matching subscriptions gets one event for each")
async def _(t, client):
    publisher, subscriber = await pair(t, client)
    topic = fresh()
    inboxs = [await listen(subscriber, topic), await listen(subscriber, topic, "prefix")]
    publication = await publisher.publish(topic, "x", options=acknowledged())
    for inbox in inboxs:
        args, _, details = await inbox.get()
        equal([args, details.publication], [["x"], publication.id], "the event")


@case("two handlers of one topic share a subscription")
async def _(t, client):
    publisher, subscriber = await pair(t, client)
    topic = fresh()
    inboxs = [await listen(subscriber, topic), await listen(subscriber, topic)]
    equal(inboxs[1].subscription.id, inboxs[0].subscription.id, "the second subscription id")
    publisher.publish(topic, "both")
    for inbox in inboxs:
        equal((await inbox.get())[0], ["both"], "the event")


@case("events of one publisher come in order")
async def _(t, client):
    publisher, subscriber = await pair(t, client)
    topic = fresh()
    inbox = await listen(subscriber, topic)
    for i in range(1000):
        publisher.publish(topic, i)
    equal([(await inbox.get())[0][0] for _ in range(1000)], list(range(1000)), "the order")


@case("no event after UNSUBSCRIBED")
async def _(t, client):
    publisher, subscriber = await pair(t, client)
    for match in (None, "prefix", "wildcard"):
        topic = fresh()
        inbox = await listen(subscriber, topic, match)
        await publisher.publish(topic, "before", options=acknowledged())
        equal((await inbox.get())[0], ["before"], "the event")
        await inbox.subscription.unsubscribe()
        await publisher.publish(topic, "after", options=acknowledged())
        # After a new SUBSCRIBE, the session gets the events published from then on.
        anew = await listen(subscriber, topic, match)
        publisher.publish(topic, "anew")
        equal((await anew.get())[0], ["anew"], "the first event of the new subscription")
        equal(inbox.empty(), True, "nothing came for the old one")


# This version of the client can't ask for disclosure (PublishOptions, CallOptions have no disclose_me).
@case("a publisher is disclosed where the permission says so, and only there")
async def _(t, client):
    publisher, subscriber = await pair(t, client)
    for topic, publisher_id in ((fresh(), None), (fresh("disclosed"), publisher.id)):
        inbox = await listen(subscriber, topic)
        publisher.publish(topic)
        details = (await inbox.get())[2]
        equal(details.publisher, publisher_id, "the publisher")
        equal(details.publisher_authid, publisher_id and publisher.details.authid, "publisher_authid")
        equal(details.publisher_authrole, publisher_id and "guest", "publisher_authrole")


@case("a retained event is there for who subscribes later and asks for it")
async def _(t, client):
    publisher, subscriber = await pair(t, client)
    base = fresh()
    for topic, value in ((base + ".a", 1), (base + ".a", 2), (base + ".b", 3)):
        await publisher.publish(topic, value, b"\x00\xff", options=acknowledged(retain=True))
    inbox = Inbox()

    def handler(*args, details, **kwargs):
        inbox.put([list(args), details.topic, details.retained])

    options = SubscribeOptions(match="prefix", get_retained=True, details_arg="details")
    await subscriber.subscribe(handler, base, options=options)
    got = sorted([await inbox.get(), await inbox.get()])
    equal(got, [[[2, b"\x00\xff"], base + ".a", True], [[3, b"\x00\xff"], base + ".b", True]], "the retained events")
    publisher.publish(base + ".a", 4)
    equal((await inbox.get())[0], [4], "the next event")


@case("the history of a topic can be asked for")
async def _(t, client):
    publisher, subscriber = await pair(t, client)
    topic = fresh("history")
    inbox = await listen(subscriber, topic)
    published = []
    for i in range(5):
        published.append((await publisher.publish(topic, i, b"\x00\xff", kw=2**60, options=acknowledged())).id)
        await inbox.get()
    # The history belongs to the configured pattern.
    subscription = await subscriber.call("wamp.subscription.lookup", "com.example.history.", {"match": "prefix"})
    events, _ = folded(await subscriber.call("wamp.subscription.get_events", subscription, limit=3, reverse=True, topic=topic))
    equal([e["publication"] for e in events], published[:1:-1], "the publications, the newest first")
    equal([[e["args"], e["kwargs"]] for e in events], [[[i, b"\x00\xff"], {"kw": 2**60}] for i in (4, 3, 2)], "what they carried")


# ------------------------------------------------------------------------------------------------- register, call


@case("calls carry args and kwargs there and back")
async def _(t, client):
    caller, callee = await pair(t, client)
    procedure = fresh()
    await callee.register(echo, procedure)
    for args, kwargs in [(["a", 1], {"b": True}), ([1], {}), ([], {"only": "kwargs"}), ([], {})]:
        equal(folded(await caller.call(procedure, *args, **kwargs)), [args, kwargs], "the result")


@case("a session calls its own procedure")
async def _(t, client):
    session = await open_peer(t, client)
    procedure = fresh()
    await session.register(lambda a, b: a + b, procedure)
    equal(await session.call(procedure, 2, 3), 5, "the result")


@case("an error arrives with its URI, args and kwargs")
async def _(t, client):
    caller, callee = await pair(t, client)
    procedure = fresh()

    def odd(n):
        raise ApplicationError("com.example.error.odd", n, "odd", hint=[1, 2])

    await callee.register(odd, procedure)
    error = await rejection(caller.call(procedure, 7), "the call")
    equal([error.error, error.args, error.kwargs], ["com.example.error.odd", [7, "odd"], {"hint": [1, 2]}], "the error")


@case("an unknown procedure is no_such_procedure")
async def _(t, client):
    caller = await open_peer(t, client)
    error = await rejection(caller.call(fresh()), "the call")
    equal(error.error, "wamp.error.no_such_procedure", "the error")


@case("a hundred calls under way each get their own answer")
async def _(t, client):
    caller, callee = await pair(t, client)
    procedure = fresh()
    held = []  # answered in reverse order, once all have arrived

    async def twice(n):
        mine = Flag()
        held.append(mine)
        if len(held) == 100:
            for flag in reversed(held):
                flag.raise_()
        await mine.wait()
        return n * 2

    await callee.register(twice, procedure)
    results = await txaio.gather([caller.call(procedure, i) for i in range(100)], consume_exceptions=False)
    equal(results, [i * 2 for i in range(100)], "the results")


@case("progressive results come in order, then the final one")
async def _(t, client):
    caller, callee = await pair(t, client)
    procedure = fresh()

    def count(n, details):
        for i in range(n):
            details.progress(i, chunk="n%d" % i)
        return "done"

    await callee.register(count, procedure, options=RegisterOptions(details_arg="details"))
    chunks = []
    options = CallOptions(on_progress=lambda i, chunk: chunks.append((i, chunk)))
    equal(await caller.call(procedure, 5, options=options), "done", "the final result")
    equal(chunks, [(i, "n%d" % i) for i in range(5)], "the chunks")


@case("a callee is not asked for progressive results that nobody wants")
async def _(t, client):
    caller, callee = await pair(t, client)
    procedure = fresh()
    await callee.register(lambda details: details.progress is None, procedure, options=RegisterOptions(details_arg="details"))
    equal(await caller.call(procedure), True, "details.progress is None")


@case("a canceled call interrupts the callee, and its late answer is dropped")
async def _(t, client):
    caller, callee = await pair(t, client)
    procedure = fresh()
    invoked, interrupted = Flag(), Flag()

    async def hang(how):
        if how == "prompt":
            return how
        invoked.raise_()
        try:
            await Flag().wait()
        except BaseException:  # each framework has a CancelledError of its own
            interrupted.raise_()
            return "late"  # a YIELD for a call that has ended

    await callee.register(hang, procedure)
    call = caller.call(procedure, "hang")
    await invoked.wait()
    cancel(call)  # CANCEL without a mode
    await interrupted.wait()
    equal(await caller.call(procedure, "prompt"), "prompt", "the next result")
    # The ERROR for the canceled call came before that result, so the client has no pending call left.
    equal(len(caller._call_reqs), 0, "the number of calls that the caller thinks are under way")


@case("a call runs out of time")
async def _(t, client):
    caller, callee = await pair(t, client)
    procedure = fresh()
    interrupted = Flag()

    async def hang():
        try:
            await Flag().wait()
        except BaseException:  # each framework has a CancelledError of its own
            interrupted.raise_()

    await callee.register(hang, procedure)
    error = await rejection(caller.call(procedure, options=CallOptions(timeout=50)), "the call")
    equal(error.error, "wamp.error.timeout", "the error")
    await interrupted.wait()


@case("a caller is disclosed where the permission says so, and only there")
async def _(t, client):
    caller, callee = await pair(t, client)

    def who(details):
        return [details.caller, details.caller_authid, details.caller_authrole]

    for procedure, want in (
        (fresh(), [None, None, None]),
        (fresh("disclosed"), [caller.id, caller.details.authid, "guest"]),
    ):
        await callee.register(who, procedure, options=RegisterOptions(details_arg="details"))
        equal(await caller.call(procedure), want, "the caller of " + procedure)


async def shared(t, client, invoke):
    """Opens a caller and the callees a, b, c of one procedure."""
    caller = await open_peer(t, client)
    procedure = fresh()
    for name in "abc":
        callee = await open_peer(t, client)
        await callee.register(lambda name=name: name, procedure, options=RegisterOptions(invoke=invoke))
    return caller, procedure


@case("a shared registration: roundrobin, first, last")
async def _(t, client):
    for invoke, want in (("roundrobin", "abcabc"), ("first", "aaaaaa"), ("last", "cccccc")):
        caller, procedure = await shared(t, client, invoke)
        equal("".join([await caller.call(procedure) for _ in want]), want, "who answered, " + invoke)


@case("a shared registration: random uses every callee")
async def _(t, client):
    caller, procedure = await shared(t, client, "random")
    seen = {await caller.call(procedure) for _ in range(200)}
    equal(sorted(seen), ["a", "b", "c"], "who answered in 200 calls")


@case("a second registration is refused, and another policy too")
async def _(t, client):
    one, two = await pair(t, client)
    for first, second in ((None, None), ("first", "last")):
        procedure = fresh()
        await one.register(echo, procedure, options=RegisterOptions(invoke=first))
        error = await rejection(two.register(echo, procedure, options=RegisterOptions(invoke=second)), "REGISTER")
        equal(error.error, "wamp.error.procedure_already_exists", "the error")


@case("the best pattern answers: exact, the longest prefix, then wildcard")
async def _(t, client):
    caller, callee = await pair(t, client)
    base, wild = fresh(), fresh("wild")

    async def offer(name, procedure, match):
        options = RegisterOptions(match=match, details_arg="details")
        await callee.register(lambda details: [name, details.procedure], procedure, options=options)

    await offer("exact", base + ".a.exact", "exact")
    await offer("short", base, "prefix")
    await offer("long", base + ".a", "prefix")
    await offer("wildcard", wild + "..end", "wildcard")
    for name, procedure in (("long", base + ".a.other"), ("short", base + ".b"), ("wildcard", wild + ".x.end")):
        equal(await caller.call(procedure), [name, procedure], "who answered, and what it was told")
    equal((await caller.call(base + ".a.exact"))[0], "exact", "who answered")
    error = await rejection(caller.call(wild + ".x.y.end"), "the call")
    equal(error.error, "wamp.error.no_such_procedure", "the error")


@case("an unregistered procedure is gone and can be registered anew")
async def _(t, client):
    caller, callee = await pair(t, client)
    procedure = fresh()
    registration = await callee.register(lambda: "old", procedure)
    equal(await caller.call(procedure), "old", "the result")
    await registration.unregister()
    equal((await rejection(caller.call(procedure), "the call")).error, "wamp.error.no_such_procedure", "the error")
    await callee.register(lambda: "new", procedure)
    equal(await caller.call(procedure), "new", "the result")


@case("a callee that leaves fails the calls under way, and its registrations end")
async def _(t, client):
    caller = await open_peer(t, client)
    callee = await client.open()
    procedure = fresh()
    invoked, over = Flag(), Flag()

    async def hang():
        invoked.raise_()
        await over.wait()

    await callee.register(hang, procedure)
    call = caller.call(procedure)
    await invoked.wait()
    await callee.leave_and_wait()
    over.raise_()
    equal((await rejection(call, "the call")).error, "wamp.error.canceled", "the error")
    equal((await rejection(caller.call(procedure), "the call")).error, "wamp.error.no_such_procedure", "the error")


# --------------------------------------------------------------------------------------------------------- rejections


@case("what the role may not do is refused")
async def _(t, client):
    session = await open_peer(t, client)
    uri = fresh("forbidden")
    for what, attempt in {
        "PUBLISH": session.publish(uri, options=acknowledged()),
        "SUBSCRIBE": session.subscribe(echo, uri),
        "CALL": session.call(uri),
        "REGISTER": session.register(echo, uri),
    }.items():
        equal((await rejection(attempt, what)).error, "wamp.error.not_authorized", what)


@case("a bad URI is an ERROR, not the end of the session")
async def _(t, client):
    session = await open_peer(t, client)
    # The client checks URIs itself and accepts only these.
    equal((await rejection(session.subscribe(echo, "com..example"), "SUBSCRIBE")).error, "wamp.error.invalid_uri", "SUBSCRIBE")
    equal((await rejection(session.register(echo, "wamp.mine"), "REGISTER")).error, "wamp.error.invalid_uri", "REGISTER")


# ----------------------------------------------------------------------------------------------------------- values


@case("half a megabyte goes there and back")
async def _(t, client):
    caller, callee = await pair(t, client)
    procedure = fresh()
    await callee.register(echo, procedure)
    text = "0123456789abcdef" * (1 << 15)
    truth(await caller.call(procedure, text) == text, "the text came back as it was")


@case("octets stay octets")
async def _(t, client):
    publisher, subscriber = await pair(t, client)
    topic = fresh()
    inbox = await listen(subscriber, topic)
    octets = bytes(range(256))
    publisher.publish(topic, octets, {"nested": [octets, b""]}, kw=octets)
    equal((await inbox.get())[:2], ([octets, {"nested": [octets, b""]}], {"kw": octets}), "the payload")


@case("numbers, also beyond 2^53, and texts come as they were")
async def _(t, client):
    caller, callee = await pair(t, client)
    procedure = fresh()
    await callee.register(echo, procedure)
    edges = [0, 23, 24, 127, 128, 255, 256, 2**15, 2**16, 2**31, 2**32, 2**53, 2**53 + 1, 2**63 - 1]
    numbers = edges + [-n for n in edges] + [-(2**63), 2**63, 2**64 - 1, 0.1, -2.5, 1e300, 5e-324]
    texts = {"empty": "", "umlaut": "Grüße", "emoji": "🛰️", "quotes": '"\\/\b\n\u2028'}
    args = [numbers, None, True, False, [[]], {}]
    result = await caller.call(procedure, *args, texts=texts)
    equal(folded(result), [args, {"texts": texts}], "the result")
