"""What the parts in Python share; see control.mjs for the protocol."""

import json
import sys


def say(answer):
    print(json.dumps(answer), flush=True)


def configuration():
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    return json.loads(line)


def obey(ready, commands):
    say(ready)
    for line in sys.stdin:
        try:
            command = json.loads(line)
            say({"ok": True, **commands[command["do"]](command)})
        except Exception as error:  # whatever it is, the test shall read it
            say({"ok": False, "error": f"{type(error).__name__}: {error}"})
