"""`python -m bench.run [WORD ...]`: every benchmark, or those whose name contains a word."""

import sys

import uvloop
from bench import parts, server

if __name__ == "__main__":
    parts.main(sys.argv[1:])
    uvloop.run(server.main(sys.argv[1:]))
