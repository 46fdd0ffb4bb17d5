"""What schemathesis can't know of the API from its document."""

import hashlib
import hmac
import os
import re
import string
import time
import uuid

import requests
import schemathesis
from hypothesis import strategies

WELL_FORMED_KEY = re.compile(r"[!-~]{1,255}")

# Addresses that the document means: with a top-level domain, in ASCII. The generator's own have forms that no mail system
# that Tandem knows delivers to.
letters = strategies.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)
schemathesis.openapi.format("email", strategies.builds("{}@{}.example.com".format, letters, letters))


# Stands in the settings for a signature, which only the bytes of the body can tell.
TO_BE_SIGNED = "to-be-signed"


class Signatures(requests.auth.AuthBase):
    """Signs deliveries as payment providers do. A call that is made to try another signature, or none, is left as it is."""

    def __call__(self, request):
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        if request.headers.get("Stripe-Signature") == TO_BE_SIGNED:
            second = str(int(time.time()))
            code = mac("STRIPE_WEBHOOK_SECRET", second.encode() + b"." + body)
            request.headers["Stripe-Signature"] = f"t={second},v1={code}"
        if request.headers.get("X-Signature") == TO_BE_SIGNED:
            request.headers["X-Signature"] = mac("LEMONSQUEEZY_WEBHOOK_SECRET", body)
        return request


def mac(secret, message):
    return hmac.new(os.environ[secret].encode(), message, hashlib.sha256).hexdigest()


@schemathesis.hook
def before_call(context, case, kwargs):
    """A call that a test makes is another call than the one before: it gets a key of its own, where the key is sound.

    The generator likes to send one key with many bodies, of which only the first would reach the operation.
    """
    kwargs["auth"] = Signatures()
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and WELL_FORMED_KEY.fullmatch(key):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
