namespace Sluice.Server.Logging;

/// <summary>Holds the log settings of the moment.</summary>
/// <remarks><b>Threads.</b> Any number of readers and writers.</remarks>
public sealed class LogState(LogSnapshot first)
{
    private readonly Lock _writers = new();
    private readonly List<Action<LogSnapshot>> _followers = [];
    private volatile LogSnapshot _current = first;

    /// <summary>What holds now.</summary>
    public LogSnapshot Current => _current;

    /// <summary>Replaces the settings by ones made from them.</summary>
    /// <returns>The new ones. An exception of <paramref name="change"/> leaves the old ones.</returns>
    public LogSnapshot Update(Func<LogSnapshot, LogSnapshot> change)
    {
        lock (_writers)
        {
            _current = change(_current);
            _followers.ForEach(follower => follower(_current));
            return _current;
        }
    }

    /// <summary>Tells the settings now and after each change, one after the other.</summary>
    public void Follow(Action<LogSnapshot> follower)
    {
        lock (_writers)
        {
            _followers.Add(follower);
            follower(_current);
        }
    }
}
