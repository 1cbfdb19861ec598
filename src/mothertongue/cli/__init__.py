"""The verbs. Results go to standard output, logs and progress to standard error.

Nothing heavy is imported before a verb runs: --help answers at once.
"""

import os
import sys

from mothertongue import runtime
from mothertongue.cli.app import app
from mothertongue.cli.support import fail
from mothertongue.errors import MothertongueError

# isort: off
# What is imported joins the app, in the order of --help.
from mothertongue.cli import corpus, training, models, lm, serving, comparing  # noqa: F401
# isort: on


def main() -> None:
    """The console script: one message and an exit code for whatever a user can cause."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    runtime.set_up(os.environ)
    try:
        app()
    except MothertongueError as error:
        sys.exit(fail(str(error), error.exit_code))
    except KeyboardInterrupt:
        sys.exit(fail("interrupted", 130))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        sys.exit(fail(f"{error.filename or 'input/output'}: {error.strerror or error}", 1))
