#!/usr/bin/env python3
"""Fails when an example in the documentation is not the file that it claims to be; with --write, makes it so.

A line `<!-- client/examples/x.ts -->` in a document says that the fenced block after it shows that file, by its path from
the document.
"""

import re
import sys
from pathlib import Path

BLOCK = re.compile(r"<!-- (?P<file>\S+) -->\n```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


def shown(match, folder):
    text = (folder / match["file"]).read_text(encoding="utf-8")
    return f"<!-- {match['file']} -->\n```{match['language']}\n{text}```"


def main():
    write = "--write" in sys.argv[1:]
    wrong = count = 0
    for document in sorted(Path("docs").glob("*.md")):
        before = document.read_text(encoding="utf-8")
        after, found = BLOCK.subn(lambda match: shown(match, document.parent), before)
        count += found
        if before == after:
            continue
        if write:
            document.write_text(after, encoding="utf-8")
        else:
            wrong += 1
            print(f"{document}: an example is not its file any more: make client", file=sys.stderr)
    if wrong:
        sys.exit(1)
    print(f"examples in documents: ok ({count})")


main()
