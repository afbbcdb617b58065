"""Stores readings with autobahn-python. The router keeps a reading until this program has acknowledged it.

    apt install python3-autobahn
    python3 autobahn_archive.py [ws://127.0.0.1:8080/ws]
"""

import sys

from autobahn.asyncio.wamp import ApplicationRunner, ApplicationSession
from autobahn.wamp import message
from autobahn.wamp.types import SubscribeOptions

TOPIC = "com.example.reading"

# autobahn-python sends only the options of SUBSCRIBE that it knows. This adds the name of the durable subscription.
known_options = message.Subscribe.marshal_options


def marshal_options(subscribe):
    options = known_options(subscribe)
    if subscribe.topic == TOPIC:
        options["_durable"] = "archive"
    return options


message.Subscribe.marshal_options = marshal_options


class Archive(ApplicationSession):
    async def onJoin(self, details):
        async def on_reading(reading, details):
            print("stored", reading, flush=True)
            await self.call("runnel.durable.ack", details.subscription.id, details.publication)
            print("acknowledged", reading, flush=True)

        await self.subscribe(on_reading, TOPIC, options=SubscribeOptions(details_arg="details"))
        print("ready", flush=True)


if __name__ == "__main__":
    url = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8080/ws"
    ApplicationRunner(url, "realm1").run(Archive)
