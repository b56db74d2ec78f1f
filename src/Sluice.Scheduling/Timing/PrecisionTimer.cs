using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Sluice.Scheduling.Timing;

/// <summary>One thread that sleeps until the earliest due time, to within some tens of microseconds on Linux.</summary>
/// <remarks>
/// <para>It waits in <c>ppoll</c> on an eventfd, whose time-out counts nanoseconds; an earlier due time wakes it by the
/// eventfd. Elsewhere it waits by whole milliseconds.</para>
/// <para><b>Threads.</b> Any number of callers; the thread exists once the first delay is asked for.</para>
/// </remarks>
public sealed partial class PrecisionTimer : IDelayTimer, IDisposable
{
    private readonly PriorityQueue<ITimerTarget, long> _targets = new();
    private readonly object _gate = new();
    private Thread? _thread;
    private long _sleepsUntil = long.MaxValue;
    private int _eventFd = -1;
    private bool _isDisposed;

    /// <inheritdoc/>
    public long Now => Stopwatch.GetTimestamp();

    /// <inheritdoc/>
    public void Schedule(ITimerTarget target, long dueAt)
    {
        lock (_gate)
        {
            if (_isDisposed || target.DueAt <= dueAt)
                return;
            target.DueAt = dueAt;
            _targets.Enqueue(target, dueAt);
            if (_thread is null)
                StartThread();
            else if (dueAt < _sleepsUntil)
                Wake();
        }
    }

    /// <summary>Ends the thread; pending calls are dropped.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isDisposed)
                return;
            _isDisposed = true;
            Wake();
        }

        _thread?.Join();
        if (_eventFd >= 0)
            _ = Close(_eventFd);
    }

    private void StartThread()
    {
        if (OperatingSystem.IsLinux())
            _eventFd = EventFd(0, 0);
        _thread = new Thread(Run) { IsBackground = true, Name = "sluice-timer" };
        _thread.Start();
    }

    private void Run()
    {
        while (true)
        {
            ITimerTarget? due = null;
            lock (_gate)
            {
                if (_isDisposed)
                    return;
                if (_targets.TryPeek(out var target, out var dueAt) && dueAt <= Now)
                {
                    _targets.Dequeue();
                    // An entry whose target has been given another due time since is stale.
                    if (target.DueAt == dueAt)
                    {
                        target.DueAt = long.MaxValue;
                        due = target;
                    }
                }
                else
                {
                    _sleepsUntil = _targets.Count > 0 ? dueAt : long.MaxValue;
                    if (_eventFd < 0)
                    {
                        Monitor.Wait(_gate, WaitMilliseconds());
                        continue;
                    }
                }

                if (due is null && _targets.Count > 0 && _sleepsUntil <= Now)
                    continue;
            }

            if (due is not null)
                due.OnTimer();
            else
                SleepOnEvent();
        }
    }

    private int WaitMilliseconds() => _sleepsUntil == long.MaxValue
        ? Timeout.Infinite
        : (int)Math.Clamp((_sleepsUntil - Now) * 1000 / Stopwatch.Frequency, 1, 60_000);

    private unsafe void SleepOnEvent()
    {
        var until = Volatile.Read(ref _sleepsUntil);
        var left = Math.Max(0, until - Now);
        var poll = new PollFd { Fd = _eventFd, Events = PollIn };
        var time = new TimeSpec { Seconds = left / Stopwatch.Frequency };
        time.Nanoseconds = (left - (time.Seconds * Stopwatch.Frequency)) * 1_000_000_000 / Stopwatch.Frequency;
        if (PPoll(&poll, 1, until == long.MaxValue ? null : &time, 0) > 0)
        {
            ulong count;
            _ = Read(_eventFd, &count, sizeof(ulong));
        }

        Volatile.Write(ref _sleepsUntil, 0);
    }

    private unsafe void Wake()
    {
        if (_eventFd >= 0)
        {
            ulong one = 1;
            _ = Write(_eventFd, &one, sizeof(ulong));
        }
        else
        {
            Monitor.PulseAll(_gate);
        }
    }

    private const short PollIn = 1;

    [StructLayout(LayoutKind.Sequential)]
    private struct PollFd
    {
        public int Fd;
        public short Events;
        public short Returned;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }

    [LibraryImport("libc", EntryPoint = "eventfd")]
    private static partial int EventFd(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "ppoll")]
    private static unsafe partial int PPoll(PollFd* fds, nuint count, TimeSpec* timeout, nint signals);

    [LibraryImport("libc", EntryPoint = "read")]
    private static unsafe partial nint Read(int fd, void* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "write")]
    private static unsafe partial nint Write(int fd, void* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int fd);
}
