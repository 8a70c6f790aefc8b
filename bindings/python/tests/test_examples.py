"""The examples, run as a reader would."""
import pathlib
import re
import select
import subprocess
import sys
import time

from conftest import PATIENCE, free_port

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"


def lines_of(program, until):
    """Counts that it prints, until `until` of them says so."""
    counts = []
    deadline = time.monotonic() + PATIENCE
    while not until(counts):
        assert select.select([program.stdout], [], [], deadline - time.monotonic())[0], counts
        line = program.stdout.readline()
        assert line, f"it ended after {counts}"
        counts += [int(number) for number in re.findall(r"\d+: (\d+)$", line.strip())]
    return counts


def test_the_counter_survives_the_loss_of_a_copy(tmp_path):
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(3)]
    copies = [subprocess.Popen([sys.executable, "-u", EXAMPLES / "counter.py", str(me), *addresses],
                               cwd=tmp_path, stdout=subprocess.PIPE, text=True)
              for me in (1, 2, 3)]
    try:
        before = lines_of(copies[0], lambda counts: len(counts) >= 3)
        copies[0].kill()
        after = lines_of(copies[1], lambda counts: counts and counts[-1] > before[-1] + 3)
        assert after == sorted(set(after))
    finally:
        for copy in copies:
            copy.kill()
            copy.wait()
            copy.stdout.close()
