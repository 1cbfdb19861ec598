"""Types verbs one after the other in one process; a line of standard input is a verb, as JSON.

Started with NO_NETWORK first on PYTHONPATH, it and its children write down every connection that
Python tries, into the file that $ATTEMPTS names. With --forks the children are forks.
"""

import json
import sys
import traceback

from mothertongue import cli

NO_NETWORK = """
import os, sys

def watch(event, arguments):
    is_connect = event == "socket.connect" and isinstance(arguments[1], tuple)  # no Unix socket
    if is_connect or event == "socket.getaddrinfo":
        with open(os.environ["ATTEMPTS"], "a") as file:
            file.write(f"{event} {arguments[is_connect:]}\\n")

sys.addaudithook(watch)
"""


def main() -> None:
    if "--forks" in sys.argv:
        from forks import use_forks

        use_forks()
    for line in sys.stdin:
        sys.argv = ["mothertongue", *json.loads(line)]
        try:
            cli.main()
        except SystemExit as stopped:
            if stopped.code:
                sys.exit(f"{sys.argv}: exit code {stopped.code}")
        except BaseException:
            traceback.print_exc()
            sys.exit(f"{sys.argv}: a traceback")


if __name__ == "__main__":
    main()
