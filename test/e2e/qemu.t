#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Virtual machines, connected by a stream socket."""
import sys

sys.dont_write_bytecode = True
from qemu_cases import main     # noqa: E402

main()
