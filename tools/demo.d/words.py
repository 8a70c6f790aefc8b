"""The demo's word count. A word is a run of ASCII letters, digits and underscores.

words.py map WORK     counts the words of the files in WORK/in/INDEX, split by word into WORK/map/INDEX/*
words.py reduce WORK  adds up part INDEX of every map task, into WORK/out/INDEX

A task may run more than once, where its agent died: results appear whole, by renaming.
"""
import collections
import os
import re
import shutil
import sys
import time
import zlib

step, work = sys.argv[1:]
index = os.environ["CLUSTER_INDEX"]
parts = int(os.environ["PARTS"])
scratch = f"{work}/scratch/{os.environ['CLUSTER_TASK']}"
os.makedirs(scratch)

if step == "map":
    began = time.monotonic()
    counts = collections.Counter()
    with open(f"{work}/in/{index}", "rb") as files:
        for path in files.read().split(b"\0"):
            with open(path, "rb") as file:
                counts.update(re.findall(rb"[A-Za-z0-9_]+", file.read()))
    outputs = [open(f"{scratch}/{part}", "wb") for part in range(parts)]
    for word, count in counts.items():
        outputs[zlib.crc32(word) % parts].write(b"%d %s\n" % (count, word))
    for output in outputs:
        output.close()
    # Takes its time on any machine, so that there is something to interrupt.
    time.sleep(max(0.0, float(os.environ["PACE"]) - (time.monotonic() - began)))
    target = f"{work}/map/{index}"
else:
    counts = collections.Counter()
    for name in os.listdir(f"{work}/map"):
        with open(f"{work}/map/{name}/{index}", "rb") as file:
            for line in file:
                count, word = line.split()
                counts[word] += int(count)
    with open(f"{scratch}/counts", "wb") as output:
        for word in sorted(counts):
            output.write(b"%d %s\n" % (counts[word], word))
    target = f"{work}/out/{index}"

try:
    os.rename(scratch, target)
except OSError:
    # Another run of this task was first; what it made is the same.
    if not os.path.isdir(target):
        raise
    shutil.rmtree(scratch)
