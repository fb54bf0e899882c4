"""A parser that dies at document 2 and stalls at document 5, unless it is asked to leave them out."""

import json
import os
import sys
import time


def main() -> int:
    say({"ready": True})
    sys.stdin.readline()
    say({"serving": True})
    for line in sys.stdin:
        question = json.loads(line)
        with open(f"/out/{question['out']}", "x"):  # noqa: PTH123
            pass
        if question["file"] == "always":
            os._exit(1)
        for number in range(7):
            if str(number) in question["refused"]:
                continue
            say({"parsing": number})
            if number == 2:
                os._exit(1)
            if number == 5:
                time.sleep(1000)
        if question["file"] == "liar":
            say({"verdict": {"outcome": "sanitized", "reason": "../../etc"}})
        bad = [
            {"document": int(number), "offset": 0, "size": 1, "sha1": "0" * 40, "error": why}
            for number, why in question["refused"].items()
        ]
        say({"verdict": {"outcome": "sanitized", "bad": len(bad), "documents": 7 - len(bad), "bad_documents": bad}})
    return 0


def say(answer: dict) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
