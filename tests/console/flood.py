"""In place of the process in which pages are made: it is ready, begins an answer of a gigabyte, and
goes on with it until it is killed."""

from __future__ import annotations

import sys

from tierline.console.page_process import LENGTH_BYTES, PageAnswer, framed

if __name__ == "__main__":
    sys.stdout.buffer.write(framed(PageAnswer(0, 200, [], b"")))
    sys.stdout.buffer.write((1 << 30).to_bytes(LENGTH_BYTES))
    while True:
        sys.stdout.buffer.write(bytes(1 << 16))
