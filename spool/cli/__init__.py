"""
The command line of the engine: `python -m spool VERB`. One module a verb; this one finds and runs them.

Exit codes, the same for every verb:

    0  done
    1  a person is needed: the message says what is wrong, the hint what to do
    2  the command line is wrong
    3  trying again may help: a neighbour does not answer
    4  append: the outcome is unknown
    5  verify: the archive and Kafka differ
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from spool.cli import append, cat, ls, replay, rewind, ship, stats, verify
from spool.cli.output import Output
from spool.cli.verb import Verb, add_common_options
from spool.errors import AppendUnknown, SpoolError, TransientError, VerifyFailed

DONE, PERSON_NEEDED, USAGE, TRY_AGAIN, UNKNOWN, DIFFERENCE = range(6)

VERBS: dict[str, Verb] = {
    "append": append.VERB,
    "ship": ship.VERB,
    "replay": replay.VERB,
    "verify": verify.VERB,
    "rewind": rewind.VERB,
    "ls": ls.VERB,
    "cat": cat.VERB,
    "stats": stats.VERB,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; errors of the engine become a message, a hint and an exit code, never a traceback."""
    options = parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    for noisy in ("aiokafka", "botocore", "boto3", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    output = Output(as_json=options.json)
    try:
        return VERBS[options.verb].run(options, output)
    except SpoolError as error:
        output.error(error)
        return _exit_code(error)
    except BrokenPipeError:  # `... | head`: the reader has what it wanted
        sys.stderr.close()
        return DONE
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m spool",
        description="Durable events: local log, then S3, then Kafka exactly once.",
        epilog=_EPILOG,
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in VERBS.items():
        sub = verbs.add_parser(name, help=verb.help, description=verb.description)
        add_common_options(sub)
        verb.add_options(sub)
    return top


_EPILOG = (
    "Places come from SPOOL_FOLDER, SPOOL_S3_BUCKET, SPOOL_S3_ENDPOINT, SPOOL_S3_ACCESS_KEY, SPOOL_S3_SECRET_KEY, "
    "SPOOL_KAFKA_BOOTSTRAP. Exit codes: 0 done, 1 a person is needed, 2 usage, 3 try again, 4 unknown outcome, "
    "5 difference."
)


def _exit_code(error: SpoolError) -> int:
    if isinstance(error, AppendUnknown):
        return UNKNOWN
    if isinstance(error, VerifyFailed):
        return DIFFERENCE
    return TRY_AGAIN if isinstance(error, TransientError) else PERSON_NEEDED
