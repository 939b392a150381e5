"""An HTTP upstream on asyncio: `GET /?seconds=S` is answered after S seconds."""

import asyncio
import urllib.request
from urllib.parse import parse_qs, urlsplit

PYTHON = "3.13"
PACKAGES = {}
EXCLUDE_NEWER = "2026-11-01"
DEBIAN = ()
MEMORY_MIB = 256
STARTUP_S = 30

PORT = 7801
BACKLOG = 4096


async def answer(reader, writer):
    """Read one request, wait as long as it says, answer, close."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        target = head.split(b" ", 2)[1].decode()
        seconds = float(parse_qs(urlsplit(target).query).get("seconds", ["0"])[0])
        await asyncio.sleep(seconds)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def ask():
    """One request of its own, in a thread: the loop answers it."""
    with urllib.request.urlopen("http://127.0.0.1:%d/?seconds=0" % PORT, timeout=10) as response:
        if response.read() != b"ok":
            raise RuntimeError("the upstream does not answer as it should")


async def main():
    """Serve until killed; print the ready line when it answers."""
    from contract import COMPANION_READY

    server = await asyncio.start_server(answer, "127.0.0.1", PORT, backlog=BACKLOG)
    await asyncio.get_running_loop().run_in_executor(None, ask)
    print(COMPANION_READY, flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
