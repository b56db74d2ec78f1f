using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Idle execution batches of one model, the last used first, so that their input memory stays warm.</summary>
internal sealed class BatchPool : IDisposable
{
    private readonly Stack<ExecutionBatch> _idle = new();
    private readonly ModelSettings _settings;
    private readonly TensorBufferPool _pool;
    private readonly Action<ExecutionBatch> _recycle;
    private bool _isDisposed;

    public BatchPool(ModelSettings settings, TensorBufferPool pool)
    {
        _settings = settings;
        _pool = pool;
        _recycle = Recycle;
    }

    public ExecutionBatch Rent()
    {
        lock (_idle)
        {
            if (_idle.TryPop(out var batch))
                return batch;
        }

        return new ExecutionBatch(_settings, _pool, _recycle);
    }

    public void Dispose()
    {
        lock (_idle)
        {
            _isDisposed = true;
            foreach (var batch in _idle)
                batch.TrimInputs(0);
            _idle.Clear();
        }
    }

    private void Recycle(ExecutionBatch batch)
    {
        lock (_idle)
        {
            if (!_isDisposed)
            {
                _idle.Push(batch);
                return;
            }
        }

        // A response outlived its model; nobody will use this batch again.
        batch.TrimInputs(0);
    }
}
