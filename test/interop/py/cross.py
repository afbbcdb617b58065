"""Every client with every other, with any serializers. js/cross.mjs describes the course.

cross.py twisted serve|drive
"""

import re
import sys

from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import CallOptions, CallResult, PublishOptions, RegisterOptions, SubscribeOptions

import check
import clients
import framework
from clients import open_peer
from values import PEERS, VALUES, native, wrong

# The clients that keep integers beyond 2^53. The others convert them to floating-point numbers.
KEEPS_INTEGERS = {("autobahn", "cbor"), ("wampy", "msgpack"), ("python", "json"), ("python", "msgpack"), ("python", "cbor")}


def name_of(peer):
    return " ".join(peer)


def plain(text):
    return re.sub(r"\W", "_", text, flags=re.ASCII)


def base_of(peer):
    return "com.example.cross." + plain(name_of(peer))


def client_of(peer):
    return next(c for c in clients.CLIENTS if [c.via, c.serializer] == peer[1:])


def keeps_integers(peer):
    return (peer[0], peer[2]) in KEEPS_INTEGERS


def result_of(value):
    return CallResult(*native(value["args"]), **native(value["kwargs"]))


# ------------------------------------------------------------------------------------------------------------- passive


async def serve(peer):
    session = await client_of(peer).open()
    base = base_of(peer)
    for value in VALUES:
        await offer(session, "%s.echo.%s" % (base, value["name"]), value, lambda value, _: result_of(value))
        await offer(session, "%s.fail.%s" % (base, value["name"]), value, fail)
        await offer(session, "%s.progress.%s" % (base, value["name"]), value, progress)
    await take_events(session, base)


async def offer(session, procedure, value, answer):
    def endpoint(*args, details, **kwargs):
        found = wrong(args, kwargs, value)
        if found:
            raise ApplicationError("com.example.error.mismatch", "the callee got: " + found)
        return answer(value, details)

    await session.register(endpoint, procedure, options=RegisterOptions(details_arg="details"))


def fail(value, _):
    raise ApplicationError("com.example.error.cross", *native(value["args"]), **native(value["kwargs"]))


def progress(value, details):
    details.progress(*native(value["args"]), **native(value["kwargs"]))
    return result_of(value)


async def take_events(session, base):
    seen = {}  # by topic

    def inbox(topic):
        return seen.setdefault(topic, framework.Inbox())

    def handler(*args, details, **kwargs):
        value = next(v for v in VALUES if details.topic.startswith("%s.event.%s." % (base, v["name"])))
        inbox(details.topic).put(wrong(args, kwargs, value) or "nothing")

    async def was_seen(topic):
        return await inbox(topic).get()

    options = SubscribeOptions(match="prefix", details_arg="details")
    await session.subscribe(handler, base + ".event", options=options)
    await session.register(was_seen, base + ".seen")


# -------------------------------------------------------------------------------------------------------------- active


def wrong_result(result, value):
    if isinstance(result, CallResult):
        return wrong(list(result.results), result.kwresults, value)
    return wrong([] if result is None else [result], {}, value)


async def event(session, base, value, me):
    topic = "%s.event.%s.%s" % (base, value["name"], plain(me))
    options = PublishOptions(acknowledge=True)
    await session.publish(topic, *native(value["args"]), **native(value["kwargs"]), options=options)
    found = await session.call(base + ".seen", topic)
    return None if found == "nothing" else "the subscriber got: " + found


async def call(session, base, value, _):
    procedure = "%s.echo.%s" % (base, value["name"])
    return wrong_result(await session.call(procedure, *native(value["args"]), **native(value["kwargs"])), value)


async def error(session, base, value, _):
    procedure = "%s.fail.%s" % (base, value["name"])
    e = await check.rejection(session.call(procedure, *native(value["args"]), **native(value["kwargs"])), "the call")
    if e.error != "com.example.error.cross":
        return "%s %s" % (e.error, e.args)
    return wrong(list(e.args), e.kwargs, value)


async def progressive(session, base, value, _):
    chunks = []
    options = CallOptions(on_progress=lambda *args, **kwargs: chunks.append((list(args), kwargs)))
    procedure = "%s.progress.%s" % (base, value["name"])
    result = await session.call(procedure, *native(value["args"]), **native(value["kwargs"]), options=options)
    if len(chunks) != 1:
        return "%d progressive results" % len(chunks)
    return wrong(*chunks[0], value) or wrong_result(result, value)


KINDS = {"event": event, "call": call, "error": error, "progress": progressive}


async def drive(active, passive):
    common = [v for v in VALUES if "needs" not in v or (keeps_integers(active) and keeps_integers(passive))]
    for kind, act in KINDS.items():

        async def body(t):
            session = await open_peer(t, client_of(active))
            for value in common:
                found = await act(session, base_of(passive), value, name_of(active))
                if found:
                    raise AssertionError("%s: %s" % (value["name"], found))

        await check.check("cross %s -> %s: %s" % (name_of(active), name_of(passive), kind), body)


async def drive_all():
    for active in PEERS["python"]:
        for passive in PEERS["js"] + PEERS["python"]:
            await drive(active, passive)


async def serve_all():
    for peer in PEERS["python"]:
        await serve(peer)
    print("ready", flush=True)
    await framework.Flag().wait()


if sys.argv[2] == "serve":
    framework.run(serve_all, lambda what: print(what, file=sys.stderr))
else:
    check.main("cross-python", drive_all)
