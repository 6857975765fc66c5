"""The AWS CLI kept running: one line of JSON in, its arguments; one out, `[exit status, standard output, standard error]`.

Most of a call's time is the start of the CLI's process. Here `awscli` parses, calls and prints as it does under `aws`, in a
process that stays. It is no part of the callers' process, as awscli brings a botocore of its own and takes that name.
"""

import contextlib
import io
import json
import os
import sys

import awscli.clidriver


def main():
    calls, answers = sys.stdin, sys.stdout
    sys.stdin = open(os.devnull)
    driver = awscli.clidriver.create_clidriver()
    # The CLI builds a client for each call; one serves all, as nothing in it depends on the call.
    build, built = driver.session.create_client, {}

    def once(service, **how):
        if service == "s3":
            # A stream goes into a file by a handler that each call hangs on the session, where a client takes it from when it is made.
            return build(service, **how)
        key = (service, repr(sorted(how.items())))
        if key not in built:
            built[key] = build(service, **how)
        return built[key]

    driver.session.create_client = once
    for line in calls:
        printed, complained = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complained):
            try:
                status = driver.main(json.loads(line))
            except SystemExit as end:
                status = end.code
        answers.write(json.dumps([status, printed.getvalue(), complained.getvalue()]) + "\n")
        answers.flush()


main()
