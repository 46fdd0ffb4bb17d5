"""What schemathesis can't know of the API from its document."""

import re
import string
import uuid

import schemathesis
from hypothesis import strategies

WELL_FORMED_KEY = re.compile(r"[!-~]{1,255}")

# Addresses that the document means: with a top-level domain, in ASCII. The generator's own have forms that no mail system
# that Tandem knows delivers to.
letters = strategies.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)
schemathesis.openapi.format("email", strategies.builds("{}@{}.example.com".format, letters, letters))


@schemathesis.hook
def before_call(context, case, kwargs):
    """A call that a test makes is another call than the one before: it gets a key of its own, where the key is sound.

    The generator likes to send one key with many bodies, of which only the first would reach the operation.
    """
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and WELL_FORMED_KEY.fullmatch(key):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
