"""The entry of a worker process; started by the server, with its sockets and memory as files 3 to 6."""

import ctypes
import json
import os
import signal
import sys

PACKAGE = os.path.dirname(os.path.abspath(__file__))
DEATH_SIGNAL, NO_NEW_PRIVILEGES = 1, 38


def end_with_parent():
    """The kernel ends this process when the server ends, however that comes about."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(os.environ.pop("SLUICE_WORKER_PARENT", os.getppid())):
        os._exit(1)
    return libc


def apply_limits(limits, libc):
    """What the operator allows this process, set before any code of users runs."""
    import resource
    if limits.get("nice"):
        os.nice(limits["nice"])
    if limits.get("cpus"):
        os.sched_setaffinity(0, limits["cpus"])
    if limits.get("memory_bytes"):
        resource.setrlimit(resource.RLIMIT_DATA, (limits["memory_bytes"], limits["memory_bytes"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limits.get("user"):
        import pwd
        user = pwd.getpwnam(limits["user"])
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        os.environ["HOME"] = user.pw_dir
        libc.prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    restriction = limits.get("restrict")
    if restriction:
        from sluice_worker import restrict
        try:
            restrict.apply(libc, restriction["network"])
        except OSError as error:
            if restriction["required"]:
                print("RESTRICT asks for a filter of system calls, which this system does not set: %s" % error, file=sys.stderr)
                sys.exit(1)


def main():
    libc = end_with_parent()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="replace")
    sys.path[0] = os.path.dirname(PACKAGE)
    try:
        from sluice_worker import wire, worker as workers
        connection = workers.Worker()
    except ImportError as error:
        print("the Python interpreter %s cannot run models: %s" % (sys.executable, error), file=sys.stderr)
        return 78
    frames = connection.reader.read()
    if not frames:
        return 0
    kind, data = frames[0]
    plan = json.loads(data[8:])
    apply_limits(plan.get("limits", {}), libc)
    from sluice_worker import pb_utils, services
    pb_utils._worker = services.worker = connection
    sys.modules["triton_python_backend_utils"] = pb_utils
    sys.modules["c_python_backend_utils"] = pb_utils
    # Only the package itself was wanted from there; the folder may hold anything.
    sys.path[:1] = plan.get("import_paths", [])
    from sluice_worker import imports
    sys.path.append(imports.SHIMS)
    if plan["kind"] == "endpoint":
        from sluice_worker.endpoint_server import EndpointServer
        server = EndpointServer(connection)
    elif plan["kind"] == "forest":
        from sluice_worker.forest_export import ExportServer
        server = ExportServer(connection)
    else:
        from sluice_worker.model_server import ModelServer
        server = ModelServer(connection)
    # Users' folders stay as they are: a repository that is polled would see a change.
    sys.dont_write_bytecode = True
    if not server.load(plan):
        return 1
    frames = connection.reader.read()
    if not frames:
        return 0
    kind, data = frames[0]
    if kind == wire.STOP:
        return 0
    if not server.initialize(json.loads(data[8:])):
        return 1
    server.run()
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    try:
        code = main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        import traceback
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of users' code must not keep the process.
    os._exit(code)
