"""``vitrine doctor``: is everything here that serving needs?"""

import dataclasses
import json
import sys

import click

from app.commands.exits import EXIT_FAILURE

_MARKS = {"ok": "ok", "warning": "warning", "failed": "FAILED"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Check this machine, the settings, the store and the models, and say what to do about each fault.

    Exit 1 if something keeps the service from running as it is set. A picture is computed; nothing is kept.
    """
    import logging

    from app.doctor import examine

    logging.getLogger("vitrine").addHandler(logging.NullHandler())  # a finding says what a warning would
    findings = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            click.echo(f"{_MARKS[finding.state]:<8} {finding.check}: {finding.found}")
            if finding.remedy:
                click.echo(f"         {finding.remedy}")
    failed = [finding for finding in findings if finding.state == "failed"]
    if as_json:
        told = {"ok": not failed, "findings": [dataclasses.asdict(finding) for finding in findings]}
        click.echo(json.dumps(told, indent=2))
    else:
        warnings = sum(finding.state == "warning" for finding in findings)
        click.echo(f"{len(findings)} checks, {warnings} warnings, {len(failed)} failed")
    sys.exit(EXIT_FAILURE if failed else 0)
