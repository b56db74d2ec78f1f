using System.ComponentModel;
using System.Globalization;
using System.Text;
using Sluice.Backends.Python.Interop;
using Sluice.Backends.Python.Wire;
using Sluice.Inference;

namespace Sluice.Backends.Python.Workers;

/// <summary>One worker process with its sockets and memory; ends for good when the process does.</summary>
/// <remarks><b>Threads.</b> Sends may come from any thread; a thread of its own receives.</remarks>
internal sealed class WorkerConnection
{
    private readonly IWorkerClient _client;
    private readonly WorkerPlan _plan;
    private readonly int _wakeUp;
    private readonly OutputLines _output;
    private readonly OutputLines _errors;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly object _gate = new();
    private TaskCompletionSource<string>? _answer;
    private string? _reason;
    private volatile bool _isGone;

    private WorkerConnection(WorkerPlan plan, IWorkerClient client)
    {
        _plan = plan;
        _client = client;
        Region = new SharedRegion(plan.Limits.SharedBytes);
        Heap = new SharedHeap(new SharedRegion(plan.Limits.SharedBytes));
        _wakeUp = LibC.CreateWakeUp();
        if (!LibC.CreateSockets(out var main, out var theirMain) || !LibC.CreateSockets(out var calls, out var theirCalls) ||
            !LibC.CreatePipe(out var output, out var theirOutput) || !LibC.CreatePipe(out var errors, out var theirErrors))
            throw new InferenceException(InferenceCode.ResourceExhausted, "the system gives no more sockets");
        Main = new WorkerSocket(main, _wakeUp);
        Calls = new WorkerSocket(calls, _wakeUp);
        _output = new OutputLines(output, line => client.OnOutput(this, isError: false, line));
        _errors = new OutputLines(errors, line => client.OnOutput(this, isError: true, line));
        int[] handed = [theirOutput, theirErrors, theirMain, theirCalls, Heap.Region.File, Region.File];
        try
        {
            ProcessId = Spawner.Run(() => Spawn(handed));
        }
        finally
        {
            foreach (var file in handed.AsSpan(0, 4))
                LibC.Close(file);
        }
    }

    /// <summary>The process's number.</summary>
    public int ProcessId { get; }

    /// <summary>Executions and answers.</summary>
    public WorkerSocket Main { get; }

    /// <summary>Calls into the server.</summary>
    public WorkerSocket Calls { get; }

    /// <summary>Memory that the server writes.</summary>
    public SharedHeap Heap { get; }

    /// <summary>Memory that the worker writes.</summary>
    public SharedRegion Region { get; }

    /// <summary>Done when the process has ended and everything of it has been given back.</summary>
    public Task Ended => _ended.Task;

    /// <summary>The process has ended, or will at once.</summary>
    public bool IsGone => _isGone;

    /// <summary>Starts a process.</summary>
    /// <exception cref="InferenceException">The interpreter cannot be started.</exception>
    public static WorkerConnection Start(WorkerPlan plan, IWorkerClient client)
    {
        var connection = new WorkerConnection(plan, client);
        new Thread(connection.Receive) { IsBackground = true, Name = $"python-{plan.Name}" }.Start();
        return connection;
    }

    /// <summary>Sends JSON and waits for the answer that the worker gives to it; for the start and stop only.</summary>
    /// <returns>The JSON of the answer.</returns>
    /// <exception cref="InferenceException">The process ended, or gave no answer in time.</exception>
    public async Task<string> AskAsync(byte kind, string json, TimeSpan limit, CancellationToken cancellationToken)
    {
        var answer = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _answer = answer;
            if (_isGone)
                answer.TrySetException(Lost());
        }

        var writer = new FrameWriter();
        writer.Begin(kind);
        writer.Bytes(Encoding.UTF8.GetBytes(json));
        Main.Send(writer.End());
        try
        {
            return await answer.Task.WaitAsync(limit, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            var what = string.Create(
                CultureInfo.InvariantCulture, $"it did not answer within its limit of {limit.TotalSeconds} seconds");
            Kill(what);
            throw new InferenceException(InferenceCode.DeadlineExceeded, $"Stub process '{_plan.Name}' is not healthy: {what}");
        }
    }

    /// <summary>Keeps the memory that the server writes, whatever becomes of the process, until <see cref="Leave"/>.</summary>
    /// <returns>False when the process has ended.</returns>
    public bool TryEnter() => !_isGone && Heap.Region.TryAddReference();

    /// <summary>Ends a use begun by <see cref="TryEnter"/>.</summary>
    public void Leave() => Heap.Region.Release();

    /// <summary>Ends the process at once.</summary>
    /// <param name="reason">For the messages of those who wait.</param>
    public void Kill(string reason)
    {
        lock (_gate)
        {
            if (_isGone)
                return;
            _reason ??= reason;
            LibC.KillGroup(ProcessId);
        }
    }

    private int Spawn(int[] files)
    {
        var high = new int[files.Length];
        for (var i = 0; i < files.Length; i++)
            high[i] = LibC.DuplicateHigh(files[i]);
        try
        {
            var package = Path.Combine(AppContext.BaseDirectory, "sluice_worker", "__main__.py");
            return ProcessStart.Start(
                _plan.Interpreter, [_plan.Interpreter, package],
                [.. _plan.Environment, $"SLUICE_WORKER_PARENT={Environment.ProcessId}"], high);
        }
        catch (Win32Exception error)
        {
            throw new InferenceException(
                InferenceCode.FailedPrecondition,
                $"the Python interpreter '{_plan.Interpreter}' for '{_plan.Owner}' cannot be started: {error.Message}", error);
        }
        finally
        {
            foreach (var file in high)
                LibC.Close(file);
        }
    }

    private void Receive()
    {
        try
        {
            while (PollOnce())
            {
            }
        }
        catch (WireException error)
        {
            Kill($"it sent what no worker sends ({error.Message})");
        }

        End();
    }

    private bool PollOnce()
    {
        Span<LibC.PollEntry> entries =
        [
            new() { File = Main.File, Wanted = Events(Main) },
            new() { File = Calls.File, Wanted = Events(Calls) },
            new() { File = _output.File, Wanted = LibC.PollIn },
            new() { File = _errors.File, Wanted = LibC.PollIn },
            new() { File = _wakeUp, Wanted = LibC.PollIn },
        ];
        if (LibC.Poll(entries) < 0)
            return true;
        if (entries[4].Found != 0)
            LibC.ClearWakeUp(_wakeUp);
        if (entries[2].Found != 0)
            _output.Read();
        if (entries[3].Found != 0)
            _errors.Read();
        return Serve(Calls, entries[1].Found, isMain: false) && Serve(Main, entries[0].Found, isMain: true);
    }

    private static short Events(WorkerSocket socket) =>
        socket.HasPending ? (short)(LibC.PollIn | LibC.PollOut) : LibC.PollIn;

    private bool Serve(WorkerSocket socket, short found, bool isMain)
    {
        if ((found & LibC.PollOut) != 0)
            socket.Flush();
        if ((found & ~LibC.PollOut) == 0)
            return true;
        var isOpen = socket.Receive();
        TakeFrames(socket, isMain);
        return isOpen;
    }

    private void TakeFrames(WorkerSocket socket, bool isMain)
    {
        while (socket.TryTake(out var kind, out var frame))
        {
            if (!isMain)
                _client.OnCall(this, kind, frame);
            else if (kind is Frames.Loaded or Frames.Initialized or Frames.Stopped)
                Answer(Encoding.UTF8.GetString(frame[Frames.HeadBytes..]));
            else if (kind == Frames.Release)
                Release(frame);
            else
                _client.OnFrame(this, kind, frame);
        }
    }

    /// <summary>The end of one socket may be seen before what the process sent last on the other.</summary>
    private void TakeLastFrames()
    {
        try
        {
            while (Main.ReceiveRest())
                TakeFrames(Main, isMain: true);
        }
        catch (WireException)
        {
            // It broke off within a frame.
        }
    }

    private void Release(ReadOnlySpan<byte> frame)
    {
        if (!Heap.Release((long)new FrameReader(frame).U64()))
            throw new WireException("it gave memory back that it does not have");
    }

    private void Answer(string json)
    {
        lock (_gate)
            Interlocked.Exchange(ref _answer, null)?.TrySetResult(json);
    }

    private void End()
    {
        LibC.KillGroup(ProcessId);
        var status = LibC.WaitFor(ProcessId);
        TakeLastFrames();
        _output.Drain();
        _errors.Drain();
        lock (_gate)
        {
            _reason ??= Describe(status);
            _isGone = true;
        }

        _client.OnEnded(this, _reason);
        lock (_gate)
            Interlocked.Exchange(ref _answer, null)?.TrySetException(Lost());
        Main.Dispose();
        Calls.Dispose();
        LibC.Close(_wakeUp);
        Heap.Region.Release();
        Region.Release();
        _ended.SetResult();
    }

    private InferenceException Lost() =>
        new(InferenceCode.Unavailable, $"Stub process '{_plan.Name}' is not healthy: {_reason}{_errors.Tail}");

    /// <summary>Says how a process ended.</summary>
    private static string Describe(int status)
    {
        if ((status & 0x7F) == 0)
            return $"it exited with code {(status >> 8) & 0xFF}";
        var signal = status & 0x7F;
        return signal == LibC.SignalKill
            ? "it was killed by signal 9, which is also what the system does when memory runs out"
            : $"it was ended by signal {signal}";
    }
}
