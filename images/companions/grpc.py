"""A gRPC upstream on grpc.aio: the request is a number of seconds as text, the answer its echo.

`Unary` answers once, after that time; `Stream` three times, spread over it. Bytes on both sides, so
that no protobuf version takes part.
"""

import asyncio

PYTHON = "3.13"
PACKAGES = {"grpcio": "==1.76.0"}
EXCLUDE_NEWER = "2026-11-01"
DEBIAN = ()
MEMORY_MIB = 512
STARTUP_S = 30

PORT = 7802
PARTS = 3


async def unary(request, _context):
    """Answer after the requested time."""
    await asyncio.sleep(float(request))
    return request


async def stream(request, _context):
    """Answer in parts over the requested time."""
    for _ in range(PARTS):
        await asyncio.sleep(float(request) / PARTS)
        yield request


async def main():
    """Serve until killed; print the ready line when it answers."""
    from contract import COMPANION_READY
    from grpc import aio, method_handlers_generic_handler
    from grpc import unary_stream_rpc_method_handler as streaming
    from grpc import unary_unary_rpc_method_handler as single

    server = aio.server()
    handlers = {"Unary": single(unary), "Stream": streaming(stream)}
    server.add_generic_rpc_handlers(
        (method_handlers_generic_handler("upstream.Upstream", handlers),)
    )
    server.add_insecure_port("127.0.0.1:%d" % PORT)
    await server.start()
    async with aio.insecure_channel("127.0.0.1:%d" % PORT) as channel:
        await channel.unary_unary("/upstream.Upstream/Unary")(b"0")
    print(COMPANION_READY, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
