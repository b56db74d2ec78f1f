using System.Collections.Concurrent;

namespace Sluice.Backends.Python.Interop;

/// <summary>The one thread that starts processes.</summary>
/// <remarks>The kernel ends a worker when the thread that started it ends, so that thread lives as long as the server.</remarks>
internal static class Spawner
{
    private static readonly BlockingCollection<Action> Work = [];
    private static readonly Lazy<Thread> Thread = new(Begin);

    /// <summary>Runs a start on the thread and waits for it.</summary>
    public static T Run<T>(Func<T> start)
    {
        _ = Thread.Value;
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Work.Add(() =>
        {
            try
            {
                done.SetResult(start());
            }
            catch (Exception error)
            {
                done.SetException(error);
            }
        });
        return done.Task.GetAwaiter().GetResult();
    }

    private static Thread Begin()
    {
        var thread = new Thread(() =>
        {
            foreach (var work in Work.GetConsumingEnumerable())
                work();
        })
        { IsBackground = true, Name = "python-spawner" };
        thread.Start();
        return thread;
    }
}
