"""The demo's story: story.py PROGRAM DIRECTORY. Exits with 0 only if every check held."""
import json
import os
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM, BASE = sys.argv[1:]
DIRECTORY, WORK = BASE + "/c", BASE + "/work"
MAPS, PARTS, PACE = 240, 8, 1.0
AGENT_TIMEOUT = 5
OUTAGE_MAX = 30.0  # Of one instance whose agent died: the timeout, and room for a busy machine.

began = time.monotonic()
failures = []


def say(text):
    print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)


def check(held, text):
    say(("  ok: " if held else "  FAILED: ") + text)
    if not held:
        failures.append(text)


def cluster(command, *arguments, timeout=90):
    done = subprocess.run([PROGRAM, command, "--dir", DIRECTORY, *arguments], capture_output=True,
                          text=True, timeout=timeout)
    if done.returncode != 0:
        raise RuntimeError(f"cluster {command} {' '.join(arguments)}: exit {done.returncode}: "
                           f"{done.stdout}{done.stderr}")
    return done.stdout


def ask(command, *arguments):
    return json.loads(cluster(command, "--json", *arguments))


def until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {seconds} s: {what}")
        time.sleep(0.1)
    return value


def daemons():
    with open(DIRECTORY + "/cluster.json", encoding="utf-8") as file:
        root = json.load(file)
    return {daemon["name"]: daemon for daemon in root["masters"] + root["agents"]}


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def processes_below(directory):
    """Whoever works in `directory` or was started with a path in it: supervisors and tasks."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                if file.read().rsplit(")", 1)[1].split()[0] in "ZX":
                    continue
            with open(f"/proc/{name}/cmdline", "rb") as file:
                arguments = file.read().decode(errors="replace").split("\0")
            paths = [os.readlink(f"/proc/{name}/cwd")] + arguments
        except OSError:
            continue
        if any(path == directory or path.startswith(directory + "/") for path in paths):
            found.append(int(name))
    return found


def free_ports(count):
    """Ports nobody listens on, from below the range that the kernel hands out by itself."""
    ports, port = [], 10_000 + os.getpid() % 7_000
    while len(ports) < count:
        port += 1
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
                ports.append(port)
            except OSError:
                pass
    return ports


def submit(name, text):
    path = f"{WORK}/{name}.toml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return cluster("submit", path).strip()


def tasks_of(job):
    return ask("tasks", "--job", job, "--limit", "100000")


def name_of(agent_endpoint):
    return next((name for name, daemon in daemons().items()
                 if daemon["endpoint"] == agent_endpoint), "?")


def headers():
    """Every file under /usr/include, in lists that take about equally long."""
    files = []
    for folder, _, names in os.walk(b"/usr/include"):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                files.append((os.path.getsize(path), path))
    files.sort(reverse=True)
    lists = [[] for _ in range(MAPS)]
    for n, (_, path) in enumerate(files):
        lists[n % MAPS].append(path)
    return files, [part for part in lists if part]


def start_service(ports):
    service = submit("web", f'''
name = "web"
kind = "service"
instances = 3
command = ["python3", "{HERE}/server.py"]
env = {{ PORTS = "{','.join(str(p) for p in ports)}" }}
cpus = 0.5
mem = 64
''')
    prober = subprocess.Popen([sys.executable, f"{HERE}/prober.py", *map(str, ports)],
                              stdout=open(f"{WORK}/probes", "w", encoding="utf-8"))
    until(lambda: all_answer(), 60, "all instances of the service answer")
    return service, prober


def probes():
    with open(f"{WORK}/probes", encoding="utf-8") as file:
        lines = [line.split() for line in file if line.endswith("\n")]
    return [(float(line[0]), [ok == "1" for ok in line[1:]]) for line in lines]


def all_answer():
    rounds = probes()
    return rounds and all(rounds[-1][1])


def start_batch():
    files, lists = headers()
    for folder in ("in", "map", "out", "scratch"):
        os.mkdir(f"{WORK}/{folder}")
    for n, part in enumerate(lists):
        with open(f"{WORK}/in/{n}", "wb") as file:
            file.write(b"\0".join(part))
    job = submit("words", f'''
name = "words"

[[stage]]
name = "map"
instances = {len(lists)}
attempts = 3
command = ["python3", "{HERE}/words.py", "map", "{WORK}"]
env = {{ PARTS = "{PARTS}", PACE = "{PACE}" }}
cpus = 1
mem = 64

[[stage]]
name = "reduce"
after = ["map"]
instances = {PARTS}
attempts = 3
command = ["python3", "{HERE}/words.py", "reduce", "{WORK}"]
env = {{ PARTS = "{PARTS}" }}
cpus = 1
mem = 256
''')
    say(f"the batch: words of {len(files)} headers ({sum(f[0] for f in files) >> 20} MiB) in "
        f"{len(lists)} map and {PARTS} reduce tasks")
    return job, [path for _, path in files], len(lists) + PARTS


def mapped():
    return len(os.listdir(f"{WORK}/map"))


def wait_for_maps(share):
    until(lambda: mapped() >= share * MAPS or len(os.listdir(f"{WORK}/out")) > 0, 120,
          f"{share:.0%} of the map tasks are done")


def kill_leader():
    status = ask("status")
    leader = f"master-{status['leader']}"
    say(f"SIGKILL to {leader}, which leads term {status['term']}; {mapped()} map tasks are done")
    at = time.monotonic()
    kill([daemons()[leader]["pid"]])
    after = until(lambda: (s := ask("status", "--wait", "30s"))["leader"] != status["leader"] and s,
                  40, "another master leads")
    took = time.monotonic() - at
    say(f"  master-{after['leader']} leads term {after['term']} after {took:.2f} s")
    check(after["term"] > status["term"], "the new leader's term is higher")
    cluster("up")
    say(f"  {leader} is started again and follows")
    return took


def kill_agent_process(service, agent):
    before = {t["id"] for t in tasks_of(service) if t["state"] == "running"}
    pid = daemons()[agent]["pid"]
    on_it = [p for p in processes_below(f"{DIRECTORY}/{agent}") if p != pid]
    say(f"SIGKILL to the process of {agent}; its tasks are {len(on_it)} processes")
    kill([pid])
    cluster("up")
    after = {t["id"] for t in tasks_of(service) if t["state"] == "running"}
    check(before == after, "the service's instances are the same: the agent found its tasks again")


def kill_agent_with_tasks(service, agent):
    running = [t for t in ask("tasks", "--open") if t["state"] in ("running", "starting", "staging")
               and name_of(t["agent_endpoint"]) == agent]
    say(f"SIGKILL to {agent} with its {len(running)} tasks, and it stays away")
    kill([daemons()[agent]["pid"]])
    # Twice: what was about to be started may have been missed.
    for _ in range(2):
        kill(processes_below(f"{DIRECTORY}/{agent}"))
        time.sleep(0.1)
    at = time.monotonic()

    def moved():
        tasks = [t for t in tasks_of(service) if t["state"] == "running"]
        return len(tasks) == 3 and all(name_of(t["agent_endpoint"]) != agent for t in tasks)

    until(moved, 60, "three instances run on the other agents")
    until(all_answer, 30, "all instances of the service answer")
    say(f"  all three instances answer again after {time.monotonic() - at:.1f} s, without {agent}")


def check_service(since):
    rounds = [(at, seen) for at, seen in probes() if at >= since]
    at_least_two = sum(1 for _, seen in rounds if sum(seen) >= 2)
    check(at_least_two == len(rounds),
          f"the service answered in all of {len(rounds)} rounds (at least 2 of 3 instances: "
          f"{at_least_two})")
    outage_max = 0.0
    for index in range(3):
        last = since
        for at, seen in rounds:
            if seen[index]:
                outage_max = max(outage_max, at - last)
                last = at
    check(outage_max <= OUTAGE_MAX,
          f"no instance was away for longer than {outage_max:.1f} s (allowed: {OUTAGE_MAX:.0f} s)")
    check(all(rounds[-1][1]), "all three instances answer at the end")


def check_words(paths):
    """The same count by a plain pipeline that shares no code with the tasks."""
    with open(f"{WORK}/paths", "wb") as file:
        file.write(b"\0".join(paths) + b"\0")
    # grep ends every file with a newline: else its last word would join the next one's first.
    pipeline = (f"xargs -0 grep -ha '' < {WORK}/paths | tr -cs 'A-Za-z0-9_' '\\n' | sed '/^$/d' | "
                f"sort | uniq -c | awk '{{print $1, $2}}' | sort > {WORK}/expected")
    subprocess.run(["bash", "-o", "pipefail", "-c", pipeline], check=True,
                   env={**os.environ, "LC_ALL": "C"})
    merge = f"cat {WORK}/out/*/counts | sort > {WORK}/counted"
    subprocess.run(["bash", "-c", merge], check=True, env={**os.environ, "LC_ALL": "C"})
    with open(f"{WORK}/expected", "rb") as one, open(f"{WORK}/counted", "rb") as other:
        expected, counted = one.read(), other.read()
    words = sum(int(line.split()[0]) for line in counted.splitlines())
    check(bool(counted) and expected == counted,
          f"{words} words, {counted.count(10)} different ones: equal to the plain pipeline's count")


def check_tasks(service, batch, pieces):
    rows = [row for job in (service, batch) for row in tasks_of(job) if row["state"] != "waiting"]
    jobs = {row["id"]: row for row in ask("jobs")}
    launched = jobs[service]["launches"] + jobs[batch]["launches"]
    states = {}
    for row in rows:
        states[row["state"]] = states.get(row["state"], 0) + 1
    lost = [row for row in rows if row["state"] == "lost"]
    retried = launched - pieces - 3
    known = {"finished", "running", "failed", "killed", "lost"}
    unaccounted = launched - len({row["id"] for row in rows if row["state"] in known})
    say(f"tasks: {launched} launched ({', '.join(f'{n} {s}' for s, n in sorted(states.items()))}), "
        f"{retried} retried, {len(lost)} lost with their agent, {unaccounted} unaccounted")
    check(unaccounted == 0, "every launched task is accounted for")
    check(all(row["reason"] == "agent_lost" for row in lost), "none was lost but with its agent")
    check(jobs[batch]["state"] == "succeeded" and jobs[batch]["succeeded"] == pieces,
          f"all {pieces} tasks of the batch succeeded")
    check(states.get("finished", 0) == pieces, "each of them finished once")
    check(states.get("running", 0) == 3, "the service's three instances run")


def main():
    os.mkdir(WORK)
    say("three masters and three agents are started on this machine")
    up = cluster("up", "--masters", "3", "--agents", "3", "--agent-cpus", "4", "--agent-mem", "2048",
                 "--agent-timeout", f"{AGENT_TIMEOUT}s")
    for line in up.splitlines():
        if "leads" in line or "is up" in line:
            say("  " + line.strip())
    for agent in ask("agents")[:1]:
        say(f"  tasks are held to their limits by: {agent['isolation']}")

    service, prober = start_service(free_ports(3))
    try:
        places = {t["index"]: name_of(t["agent_endpoint"]) for t in tasks_of(service)}
        say("the service: 3 HTTP servers, " +
            ", ".join(f"{index} on {agent}" for index, agent in sorted(places.items())))
        since = time.monotonic()
        batch, paths, pieces = start_batch()

        wait_for_maps(0.05)
        failover = kill_leader()
        wait_for_maps(0.3)
        kill_agent_process(service, places[0])
        wait_for_maps(0.5)
        # Rather one that runs a single instance, so that two go on answering.
        shared = sorted(places.values())
        victim = min(shared, key=lambda agent: (shared.count(agent), agent == places[0]))
        kill_agent_with_tasks(service, victim)

        say(f"the batch goes on; {mapped()} map tasks are done")
        until(lambda: next(j for j in ask("jobs") if j["id"] == batch)["state"] != "active", 170,
              "the batch ends")
        say("the batch has ended")
        check_service(since)
        check_tasks(service, batch, pieces)
        check_words(paths)
    finally:
        prober.kill()
        prober.wait()

    say("stopping everything")
    cluster("down")
    left = processes_below(DIRECTORY)
    check(not left, f"no process is left ({len(left)})")
    check(not os.path.exists(DIRECTORY), "the cluster's directory is gone")
    if failures:
        say(f"{len(failures)} checks FAILED: " + "; ".join(failures))
        return 1
    say(f"every check held; the failover took {failover:.2f} s, the whole "
        f"{time.monotonic() - began:.0f} s")
    return 0


def end_by_signal(number, frame):
    raise SystemExit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end_by_signal)
    try:
        sys.exit(main())
    except (RuntimeError, subprocess.SubprocessError, OSError) as error:
        say(f"FAILED: {error}")
        sys.exit(1)
