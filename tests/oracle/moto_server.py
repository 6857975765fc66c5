"""moto on a free port of 127.0.0.1 until it is ended: prints one line, its address, when ready.

It is a process of its own, as moto patches the botocore of its process.
"""

import logging
import os
import signal

# moto looks for credentials of somebody; nobody's are used.
os.environ.update(AWS_ACCESS_KEY_ID="moto", AWS_SECRET_ACCESS_KEY="moto", AWS_EC2_METADATA_DISABLED="true")
# AWS has these of its own accord; moto only when it is told.
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"

from moto.server import ThreadedMotoServer


def main():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    print("http://{}:{}".format(*server.get_host_and_port()), flush=True)
    signal.pause()


main()
