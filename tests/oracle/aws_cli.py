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
    # Each call hangs handlers on the session, all of which every later call would go through; they go with their call, as they do
    # where `aws` ends. Those of an operation's arguments come with its table, which is made anew.
    hang, hung = driver.session.register, []

    def noted(event_name, handler, *rest, **how):
        hung.append((event_name, handler))
        return hang(event_name, handler, *rest, **how)

    driver.session.register = noted

    def forget(service, operation):
        while hung:
            driver.session.unregister(*hung.pop())
        driver._get_command_table()[service]._get_command_table()[operation]._arg_table = None

    for line in calls:
        printed, complained = io.StringIO(), io.StringIO()
        arguments = json.loads(line)
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complained):
            try:
                status = driver.main(arguments)
            except SystemExit as end:
                status = end.code
        forget(*arguments[:2])
        answers.write(json.dumps([status, printed.getvalue(), complained.getvalue()]) + "\n")
        answers.flush()


main()
