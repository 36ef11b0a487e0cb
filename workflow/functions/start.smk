# A run says that it works in this folder, and its jobs end with it.
import os
import signal
import sys

from cutpoint.errors import UserError
from cutpoint.faults import check_writable
from cutpoint.lifeline import STARTED_BY, name_self
from cutpoint.runlock import enter

os.environ[STARTED_BY] = name_self()
if workflow.is_main_process and not workflow.output_settings.dryrun:
    try:
        enter(".snakemake")
        check_writable(["results", "logs"])
    except UserError as error:
        sys.exit(f"cutpoint: {error}")
    # A terminal that closes ends the run as Ctrl-C does. nohup ignores it.
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.default_int_handler)
