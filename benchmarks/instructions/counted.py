"""Run under callgrind: goes through each path and prints, as one JSON document, the instructions of one operation.

Strategy. Counting begins only here, so that imports cost little time. Each path is gone through until it is warm, and
then between two readings of the counter, with the garbage collector off; what a reading itself costs is measured in the
same way and taken off. The hash seed is fixed by the parent. What remains of chance are the lengths of the segments in
which a server's replies arrive: less than one percent, as measured.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import subprocess
import sys

from .paths import Path, opened

_WARM = 0.2
_TURN = 200
_TOTAL = re.compile(r"Th +\d+ +([\d,]+)")


def _control(*arguments: str) -> str:
    command = ["callgrind_control", *arguments, str(os.getpid())]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _read() -> int:
    """Instructions so far, of all threads."""
    totals = _TOTAL.findall(_control("-e", "-b"))
    if not totals:
        raise RuntimeError("callgrind_control tells no totals")
    return sum(int(total.replace(",", "")) for total in totals)


async def _go(path: Path, times: int) -> int:
    before = _read()
    for number in range(times):
        await path.step()
        if not number % _TURN:  # hits alone would never let the loop hear from the server
            await asyncio.sleep(0)
    return _read() - before


async def _count(url: str) -> dict[str, float]:
    found: dict[str, float] = {}
    async with opened(url) as paths:
        _control("-i", "on")
        await _go(paths[0], 10)
        gc.collect()
        gc.disable()
        reading = min([await _go(paths[0], 0) for _ in range(3)])
        for path in paths:
            await _go(path, max(1, round(path.times * _WARM)))
            counted = await _go(path, path.times)
            found[path.name] = (counted - reading) / (path.times * path.operations)
        _control("-i", "off")
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_count(sys.argv[1]))))
