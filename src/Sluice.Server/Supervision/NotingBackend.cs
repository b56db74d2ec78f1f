using Sluice.Inference;

namespace Sluice.Server.Supervision;

/// <summary>An engine whose native code is noted while it runs, and which does not load what has crashed the server before.</summary>
/// <param name="inner">The engine; owned by the caller.</param>
/// <param name="notes">Where it is noted.</param>
/// <param name="quarantine">Models that are not loaded.</param>
internal sealed class NotingBackend(IBackend inner, CrashNotes notes, Quarantine quarantine) : IBackend
{
    public string Name => inner.Name;

    public IBackendModel Load(ModelSettings settings)
    {
        quarantine.Check(settings);
        var line = notes.Take(settings.Name);
        notes.Mark(line, isAtWork: true);
        try
        {
            return new NotingModel(inner.Load(settings), notes);
        }
        finally
        {
            notes.Return(line);
        }
    }

    public void Dispose()
    {
        // The engine is its owner's.
    }

    private sealed class NotingModel(IBackendModel inner, CrashNotes notes) : IBackendModel
    {
        public ModelDescription Description => inner.Description;

        public IModelInstance CreateInstance(ModelSettings settings, InstancePlacement placement)
        {
            var instance = inner.CreateInstance(settings, placement);

            // What streams or takes requests one by one is code of ours or works in a process of its own.
            return instance is IStreamingInstance or IRequestInstance ? instance : new NotingInstance(instance, notes, notes.Take(settings.Name));
        }

        public void Dispose() => inner.Dispose();
    }

    private sealed class NotingInstance(IModelInstance inner, CrashNotes notes, int line) : IModelInstance
    {
        public bool IsHealthy => inner.IsHealthy;

        public ValueTask ExecuteAsync(ExecutionBatch batch)
        {
            notes.Mark(line, isAtWork: true);
            ValueTask running;
            try
            {
                running = inner.ExecuteAsync(batch);
            }
            catch
            {
                notes.Mark(line, isAtWork: false);
                throw;
            }

            if (!running.IsCompleted)
                return EndLaterAsync(running);
            notes.Mark(line, isAtWork: false);
            return running;
        }

        public void Terminate() => inner.Terminate();

        public void Dispose()
        {
            inner.Dispose();
            notes.Return(line);
        }

        private async ValueTask EndLaterAsync(ValueTask running)
        {
            try
            {
                await running.ConfigureAwait(false);
            }
            finally
            {
                notes.Mark(line, isAtWork: false);
            }
        }
    }
}
