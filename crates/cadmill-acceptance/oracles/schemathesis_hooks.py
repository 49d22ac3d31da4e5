"""What each request of schemathesis gets besides what it made up."""

import itertools
import re

import schemathesis
from schemathesis.generation.meta import CoverageScenario

LONGEST_URL = 2048
# A URL that the server takes: its scheme, its host and port, the rest.
URL = re.compile(r"(https?://)(?:\[[^\]]*\]|[^/?:\[]+)(?::[0-9]+)?([/?][!-~]*)?", re.ASCII)
numbers = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    be_somebody_else(case)
    if case.path.startswith("/api/webhooks") and isinstance(case.body, dict):
        case.body = lead_back(case.body)


def be_somebody_else(case):
    """Behind a proxy each token comes from another client, so that the check which sends bad ones is not told that it guesses."""
    data = case.meta.phase.data if case.meta else None
    # A token that was left out on purpose would come back with another header.
    if getattr(data, "scenario", None) != CoverageScenario.MISSING_PARAMETER:
        number = next(numbers)
        case.headers["X-Forwarded-For"] = f"198.18.{number // 256 % 256}.{number % 256}"


def lead_back(body):
    """No real host shall be reached: webhooks lead back to this machine, where nobody listens."""
    url = body.get("url")
    found = URL.fullmatch(url) if isinstance(url, str) else None
    if not found or len(url) > LONGEST_URL:
        return body
    scheme, rest = found.groups()
    return {**body, "url": f"{scheme}127.0.0.1:1{rest or ''}"[:LONGEST_URL]}
