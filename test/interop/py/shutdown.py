"""Waits with a session over every transport until the router stops. Each session must get GOODBYE and end cleanly.

shutdown.py twisted|asyncio
"""

import check
import clients
import framework


async def body():
    first = framework.Flag()
    sessions = []
    for client in clients.CLIENTS:
        session = await client.open()
        session.ended.then(first.raise_)
        sessions.append((client, session))
    print("ready", flush=True)
    # The first GOODBYE starts the time limit of the cases.
    await first.wait()
    for client, session in sessions:

        async def told(_):
            check.equal(await session.ended.wait(), {"reason": "wamp.close.system_shutdown", "clean": True}, "the end")

        await check.check("%s: the router goes" % client.name, told)


check.main("shutdown-python/" + framework.NAME, body)
