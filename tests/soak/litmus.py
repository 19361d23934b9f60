#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""litmus BUILD MINUTES: is any row passed by the packer that follows its process? Eight threads hand
blocks to each other, on processors that others take from them at random moments, and are stopped at
others for longer than the packer stays behind, while it reads along. A row that came too late would be put behind later ones: that is counted by the packer
as repaired, and most such rows free a block that another thread seems not to have made yet. Ends
with status 1 where there is one."""

import json
import os
import random
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
THREADS = 8
SPIN = """
import os, random, time
os.nice(random.choice((0, 0, 5)))
while True:
    until = time.monotonic() + random.expovariate(1000)
    while time.monotonic() < until:
        pass
    time.sleep(random.expovariate(1000))
"""


class Litmus:
    """The built program in `folder`, and the seep that is tested."""

    def __init__(self, folder, seep, environment):
        self.folder = folder
        self.seep = seep
        self.environment = environment
        self.program = os.path.join(folder, "handoff")
        subprocess.run(["gcc", "-O1", "-pthread", "-fno-builtin", os.path.join(HERE, "handoff.c"),
                        "-o", self.program], check=True)

    def run(self, seconds, *options):
        """(events, of these repaired or contradicting) of one recording that was followed."""
        trace = os.path.join(self.folder, "x.seep")
        spinners = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(3)]
        try:
            subprocess.run([self.seep, "run", "-qf", "--spool-size=4M", *options, "-o", trace, "--",
                            self.program, str(THREADS), str(seconds)], check=True,
                           env=self.environment, stdout=subprocess.DEVNULL, timeout=20 * seconds + 60)
        finally:
            for spinner in spinners:
                spinner.kill()
                spinner.wait()
        told = subprocess.run([self.seep, "info", "--format=json", trace], check=True, text=True,
                              stdout=subprocess.PIPE, env=self.environment)
        info = json.loads(told.stdout)["result"]
        return (info["allocations"] + info["frees"],
                info["repaired"] + info["raced"] + info["unknown_frees"])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    until = time.monotonic() + 60 * float(sys.argv[2])
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SEEP_", "LD_"))}
    total = wrong = 0
    with tempfile.TemporaryDirectory(prefix="seep-litmus-") as folder:
        litmus = Litmus(folder, os.path.join(os.path.realpath(sys.argv[1]), "seep"), env)
        while time.monotonic() < until:
            events, passed = litmus.run(random.choice((5, 10, 20)))
            total += events
            wrong += passed
            print(f"{total:,} events, {wrong:,} out of their order", flush=True)
    sys.exit(wrong != 0)


if __name__ == "__main__":
    main()
