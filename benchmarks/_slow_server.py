"""A server that takes its time, for `search_speed.py`: each answer waits as long as its prompt's hash says.

    python _slow_server.py LEAST_SECONDS MOST_SECONDS

Prints its port. `waits` says the same to whoever wants to know how long a perfect client would need.
"""

from __future__ import annotations

import asyncio
import json
import sys
import zlib

ANSWER = {"choices": [{"message": {"content": "a towel"}, "finish_reason": "stop"}], "usage": {}}


def waits(prompt: str, least: float, most: float) -> float:
    """Seconds that a prompt takes."""
    return least + (most - least) * zlib.crc32(prompt.encode()) / 2**32


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    least, most = map(float, sys.argv[1:])
    body = json.dumps(ANSWER).encode()
    said = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        % len(body)
        + body
    )
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            size = next(
                int(line[15:])
                for line in head.split(b"\r\n")
                if line.startswith(b"content-length:")
            )
            asked = json.loads(await reader.readexactly(size))
            await asyncio.sleep(waits(asked["messages"][-1]["content"], least, most))
            writer.write(said)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
