#!/usr/bin/env python3
# supervisord.py - of supervisord what microvm.nix's virtiofsd-run asks for: it runs the programs of a file until it is told to end.
"""usage: supervisord --configuration FILE"""
import configparser
import signal
import subprocess
import sys


def main(path):
    configuration = configparser.RawConfigParser()
    configuration.read(path, encoding="utf-8")
    # The scripts' own bash may be made for another system than this one.
    children = [subprocess.Popen(["/bin/bash", configuration[section]["command"]], start_new_session=True)
                for section in configuration.sections() if section.startswith("program:")]

    def end(*_):
        for child in children:
            child.terminate()

    signal.signal(signal.SIGTERM, end)
    return max(child.wait() for child in children)


if __name__ == "__main__":
    sys.exit(main(sys.argv[2]))
