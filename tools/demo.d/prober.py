"""Asks every instance of the demo's service again and again, from a process of its own.

prober.py PORT... : prints one line a round, "TIME OK OK OK" with OK 1 where the instance answered.
"""
import concurrent.futures
import http.client
import json
import sys
import time


def answers(index, port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        return json.load(connection.getresponse())["index"] == index
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return False
    finally:
        connection.close()


ports = [int(port) for port in sys.argv[1:]]
with concurrent.futures.ThreadPoolExecutor(len(ports)) as pool:
    while True:
        at = time.monotonic()
        seen = list(pool.map(answers, range(len(ports)), ports))
        print(f"{at:.3f}", *[int(ok) for ok in seen], flush=True)
        time.sleep(max(0.0, 0.1 - (time.monotonic() - at)))
