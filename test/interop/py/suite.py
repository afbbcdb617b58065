"""Runs the cases with the Python client over each transport, with each serializer: suite.py twisted|asyncio"""

import cases
import check
import clients
import framework
import proofs


async def body():
    for client in clients.CLIENTS:
        await cases.run(client)
    await proofs.run()
    await check.check("autobahn-python/%s: lives on after a PING" % framework.NAME, pinged)


async def pinged(_):
    ping = framework.Flag()
    session = await clients.open_pinged(ping.raise_)
    await ping.wait()
    check.equal((await session.leave_and_wait())["clean"], True, "a clean end")


check.main("autobahn-python/" + framework.NAME, body)
