using System.Collections.Concurrent;

namespace Sluice.Scheduling.Decoupled;

/// <summary>One execution of several requests, counted once when the last of them has ended; kept and used again.</summary>
internal sealed class GroupExecution
{
    private const int MostKept = 64;
    private static readonly ConcurrentQueue<GroupExecution> Idle = new();

    private int _left;
    private int _rows;

    /// <summary>Begins one.</summary>
    /// <param name="requests">How many have to leave it.</param>
    /// <param name="rows">Rows of all of them together.</param>
    public static GroupExecution Rent(int requests, int rows)
    {
        if (!Idle.TryDequeue(out var execution))
            execution = new GroupExecution();
        execution._left = requests;
        execution._rows = rows;
        return execution;
    }

    /// <summary>One of its requests has ended.</summary>
    /// <param name="rows">Rows of the whole execution.</param>
    /// <returns>True for the last one; the execution is not to be touched after this.</returns>
    public bool Leave(out int rows)
    {
        rows = _rows;
        if (Interlocked.Decrement(ref _left) > 0)
            return false;
        if (Idle.Count < MostKept)
            Idle.Enqueue(this);
        return true;
    }
}
