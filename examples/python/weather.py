"""The Python example: offers a procedure, subscribes to a topic, publishes a reading and calls the procedure.

    apt install python3-autobahn
    python3 weather.py [ws://127.0.0.1:8080/ws]
"""

import asyncio
import sys

from autobahn.asyncio.wamp import ApplicationRunner, ApplicationSession
from autobahn.wamp.types import PublishOptions


class Weather(ApplicationSession):
    async def onJoin(self, details):
        received = asyncio.get_running_loop().create_future()

        async def to_fahrenheit(celsius):
            return celsius * 9 / 5 + 32

        def on_weather(celsius):
            if not received.done():
                print("event com.example.weather", celsius)
                received.set_result(None)

        await self.register(to_fahrenheit, "com.example.python.to_fahrenheit")
        await self.subscribe(on_weather, "com.example.weather")

        # A publisher does not get its own events unless it asks for them.
        await self.publish("com.example.weather", 21.5, options=PublishOptions(acknowledge=True, exclude_me=False))
        await received

        print("result", await self.call("com.example.python.to_fahrenheit", 21.5))
        self.leave()

    def onDisconnect(self):
        asyncio.get_running_loop().stop()


if __name__ == "__main__":
    url = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8080/ws"
    ApplicationRunner(url, "realm1").run(Weather)
