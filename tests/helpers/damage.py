"""Ways to damage a file, and processes of bounded memory and time that read what is left."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

PROCESSES = 2
SECONDS = 10  # for one file
MEMORY = 8 * 2**30  # addresses of a process
MOST_MEMORY = 2**30  # what may really be in use

# What a script begins with that reads files: `each(outcome)` calls it for every file.
START = """
import json, resource, signal, sys, warnings

warnings.simplefilter("ignore")
seconds, memory, *arguments = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))


def peak_memory():
    # What `getrusage` tells begins with the size of the process that this one was born of.
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def each(outcome, paths):
    from holdfast.exceptions import HoldfastError

    for path in paths:
        print(json.dumps({"file": path}), flush=True)
        signal.alarm(int(seconds))
        try:
            result = outcome(path)
        except HoldfastError as error:
            result = "refused: " + str(error)
        except BaseException as error:
            result = f"other: {type(error).__name__}: {error}"
        signal.alarm(0)
        print(json.dumps({"file": path, "result": result, "memory": peak_memory()}), flush=True)

"""


def cut(data, rng):
    return data[: rng.integers(len(data) - 1)]


def flipped_bits(data, rng):
    for at in rng.integers(len(data), size=rng.integers(1, 8)):
        data[at] ^= 1 << int(rng.integers(8))
    return data


def other_bytes(data, rng):
    for at in rng.integers(len(data), size=rng.integers(2, 20)):
        data[at] = rng.integers(256)
    return data


def zeroed(data, rng):
    at = rng.integers(len(data))
    data[at : at + 200] = bytes(len(data[at : at + 200]))
    return data


def huge_number(data, rng):
    """Write a huge number where there may be a length."""
    at = rng.integers(len(data) - 4)
    data[at : at + 4] = b"\xff\xff\xff\x7f"
    return data


def inserted(data, rng):
    at = rng.integers(len(data))
    data[at:at] = rng.bytes(int(rng.integers(1, 40)))
    return data


def dropped(data, rng):
    at = rng.integers(len(data))
    del data[at : at + rng.integers(1, 60)]
    return data


def noise(data, rng):
    return bytearray(rng.bytes(len(data)))


def read_all(script, paths, *arguments):
    """Return what became of each file, and the most memory that a process used.

    `script` follows `START`; `arguments` come before the paths.
    """
    with ThreadPoolExecutor(PROCESSES) as pool:
        parts = list(
            pool.map(
                lambda start: _read_some(
                    script, list(map(str, paths))[start::PROCESSES], arguments
                ),
                range(PROCESSES),
            )
        )
    results = {path: result for part, _ in parts for path, result in part.items()}
    assert len(results) == len(paths)
    return results, max(peak for _, peak in parts)


def _read_some(script, waiting, arguments):
    """A process that dies takes only one file with it."""
    results, peak = {}, 0
    while waiting:
        command = [sys.executable, str(script), str(SECONDS), str(MEMORY), *arguments, *waiting]
        done = subprocess.run(command, capture_output=True, text=True)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert lines, done.stderr
        for line in lines:
            results[line["file"]] = line.get("result", f"crash: status {done.returncode}")
            peak = max(peak, line.get("memory", 0))
        waiting = [path for path in waiting if path not in results]
    return results, peak
