"""The command line: one verb for each task; each calls the package that does it.

Arguments come in. Results go to standard output, logs and progress to standard error.
It may import every other package.

Nothing heavy is imported before a verb runs: --help answers at once.
"""

import os
import re
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from mothertongue.cli.app import app
from mothertongue.cli.support import NO_FOLDER, explained, fail, missing_extra
from mothertongue.errors import ConfigError, MothertongueError
from mothertongue.system import runtime

# isort: off
# What is imported joins the app, in the order of --help.
from mothertongue.cli import corpus, training, models, label, lm, serving, comparing  # noqa: F401
# isort: on


EMPTY_OPTION = re.compile("--[a-z-]+=")


def main() -> None:
    """Run the console script: an error of the user gives one message and an exit code."""
    runtime.set_up(os.environ)
    signal.signal(signal.SIGTERM, _end)
    try:
        _refuse_empty(sys.argv[1:])
        app()
    except MothertongueError as error:
        sys.exit(fail(str(error), error.exit_code))
    except KeyboardInterrupt:
        sys.exit(fail("interrupted", 130))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except ModuleNotFoundError as error:
        if (message := missing_extra(error)) is None:
            raise
        sys.exit(fail(message, ConfigError.exit_code))
    except Exception as error:
        if (message := explained(error)) is None:
            raise
        sys.exit(fail(message, ConfigError.exit_code if isinstance(error, NO_FOLDER) else 1))


def _refuse_empty(arguments: Sequence[str]) -> None:
    """Raise ConfigError for an empty argument: as a path it would be the current folder."""
    if empty := [each for each in arguments if not each or EMPTY_OPTION.fullmatch(each)]:
        raise ConfigError(
            f"{empty[0] or 'an argument'}: got nothing, expected a value; leave it out, or look "
            "for a shell variable that is not set"
        )


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """End as after Ctrl-C, with cleaning up; verbs that save their work have another handler."""
    sys.exit(fail("terminated", 128 + number))
