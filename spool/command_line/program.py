"""
One program: its verbs, the options that all of them have, and the way from an error to an exit code.

A verb is named by the module and the attribute that hold it; only the verb of the command line is imported. So
`--help` costs what argparse costs, and `append` does not pay for what `verify` needs.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import NamedTuple

from spool.command_line.exit_codes import MEANINGS, ExitCode, exit_code
from spool.command_line.output import Output
from spool.errors import SpoolError, TerminalError

_NOISY = ("aiokafka", "botocore", "boto3", "urllib3", "pymongo")
_VALUE_SHOWN = 500


class Verb(NamedTuple):
    """One command: its text, its options and what it does. `run` returns the exit code."""

    description: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Output], int]


class VerbEntry(NamedTuple):
    """A verb as the list of verbs has it: its line of help, and the place it is imported from."""

    help: str
    module: str
    attribute: str = "VERB"

    def load(self) -> Verb:
        verb: Verb = getattr(import_module(self.module), self.attribute)
        return verb


class Failed(TerminalError):
    """The machine refused something, such as a file that may not be read."""


@dataclass(frozen=True)
class Program:
    """
    `name` is what a person types before the verb. A program with the single verb `""` has no verb on its command line.

    `epilog` is printed below the help, above the exit codes.
    """

    name: str
    description: str
    verbs: Mapping[str, VerbEntry]
    epilog: str = ""

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Run one verb and return its exit code. Errors become a message and a hint, never a traceback."""
        given = list(sys.argv[1:] if arguments is None else arguments)
        options = self.parser(given).parse_args(given)
        _log_to_standard_error(verbose=options.verbose)
        output = Output(as_json=options.json)
        try:
            return int(options.run_verb(options, output))
        except SpoolError as error:
            output.error(error)
            return exit_code(error)
        except BrokenPipeError:  # `... | head`: the reader has what it wanted
            sys.stderr.close()
            return ExitCode.DONE
        except KeyboardInterrupt:
            return ExitCode.INTERRUPTED
        except OSError as error:
            output.error(Failed(str(error), hint="check the path, its permissions and the free space"))
            return ExitCode.FAILED
        except Exception as error:  # noqa: BLE001  the last line of defence: a person never reads a traceback unasked
            return _defect(error, output, verbose=options.verbose)

    def parser(self, arguments: Sequence[str]) -> argparse.ArgumentParser:
        """The parser with the options of those verbs that `arguments` names."""
        parser = argparse.ArgumentParser(
            prog=self.name,
            description=self.description,
            epilog=f"{self.epilog}\n\nexit codes:\n{_exit_code_lines()}".strip(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if list(self.verbs) == [""]:
            _add_verb(parser, self.verbs[""])
            return parser
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for name, entry in self.verbs.items():
            sub = verbs.add_parser(name, help=entry.help)
            if name in arguments:
                _add_verb(sub, entry)
        return parser


def _add_verb(parser: argparse.ArgumentParser, entry: VerbEntry) -> None:
    verb = entry.load()
    parser.description = parser.description or verb.description
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    parser.add_argument("--verbose", action="store_true", help="debug messages on standard error")
    verb.add_options(parser)
    parser.set_defaults(run_verb=verb.run)


def _exit_code_lines() -> str:
    return "\n".join(f"  {code.value:<4} {meaning}" for code, meaning in MEANINGS.items())


def _log_to_standard_error(*, verbose: bool) -> None:
    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.ERROR)


def _defect(error: Exception, output: Output, *, verbose: bool) -> ExitCode:
    if verbose:
        logging.exception("the traceback")
    message = f"a defect of this program: {type(error).__name__}: {str(error)[:_VALUE_SHOWN]}"
    output.error(Failed(message, hint="run it again with --verbose and report what it prints"))
    return ExitCode.DEFECT
