"""Runs every default rule of NVIDIA's asset validator on a USD file and writes one JSON
object to a file.

usage: usd_nvidia.py FILE.usdz ANSWER.json

It needs a virtual environment of its own, since its USD takes the place of usd-core.

    failures, errors, warnings   lists of texts, each beginning with the name of the rule
"""

import json
import sys
from pathlib import Path

from usd_validation_nvidia import IssueSeverity, ValidationEngine


def main():
    source, answer = sys.argv[1:]
    # Its resolver takes a plain name for that of a search path.
    results = ValidationEngine().validate(str(Path(source).resolve()))
    found = {severity: [] for severity in IssueSeverity}
    for issue in results.issues():
        rule = issue.rule.__name__ if issue.rule else "other"
        found[issue.severity].append(f"{rule}: {issue.message} At {place(issue)}")
    result = {
        "failures": found[IssueSeverity.FAILURE],
        "errors": found[IssueSeverity.ERROR],
        "warnings": found[IssueSeverity.WARNING],
    }
    with open(answer, "w", encoding="utf-8") as file:
        json.dump(result, file)


def place(issue):
    return issue.at.as_str() if issue.at else "the file"


if __name__ == "__main__":
    main()
