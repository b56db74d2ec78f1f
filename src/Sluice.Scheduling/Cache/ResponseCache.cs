using System.Diagnostics;
using Sluice.Inference;
using Sluice.Scheduling.Timing;
using Sluice.Tensors;

namespace Sluice.Scheduling.Cache;

/// <summary>Keeps answers for equal requests, bounded in bytes; those that were not used for longest go first (spec §3.5).</summary>
/// <remarks>
/// <para><b>Ownership.</b> Requests and answers are copied into buffers of the pool. A hit lends the answer's buffers: they go back when
/// the entry has gone and the last response made of it has been written.</para>
/// <para><b>Threads.</b> Any number; one lock guards the index and is held for list operations and the comparison of a candidate.</para>
/// </remarks>
public sealed class ResponseCache : IDisposable
{
    // What an entry costs beside its bytes.
    private const int EntryOverheadBytes = 512;

    private readonly object _gate = new();
    private readonly Dictionary<UInt128, CacheEntry> _entries = [];
    private readonly LinkedList<CacheEntry> _byUse = [];
    private readonly TensorBufferPool _pool;
    private readonly IDelayTimer _clock;
    private readonly CacheOptions _options;
    private readonly long _lifetimeTicks;
    private long _lastModel;
    private long _usedBytes;

    /// <summary>Creates an empty cache.</summary>
    /// <param name="options">Its bounds; a size of at least 1.</param>
    /// <param name="pool">Memory for what is kept.</param>
    /// <param name="clock">Says when answers stop to hold.</param>
    public ResponseCache(CacheOptions options, TensorBufferPool pool, IDelayTimer clock)
    {
        _options = options;
        _pool = pool;
        _clock = clock;
        _lifetimeTicks = (long)(options.Lifetime.TotalSeconds * Stopwatch.Frequency);
    }

    /// <summary>Bytes that count against the bound now.</summary>
    public long UsedBytes => Volatile.Read(ref _usedBytes);

    /// <summary>Answers kept now.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
                return _entries.Count;
        }
    }

    internal long Now => _clock.Now;

    /// <summary>Gives back everything that is kept.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            foreach (var entry in _byUse)
                entry.Release();
            _byUse.Clear();
            _entries.Clear();
            _usedBytes = 0;
        }
    }

    /// <summary>Gives a number to a model that has just been loaded; keys hold it, so no answer outlives its model.</summary>
    internal long AddModel() => Interlocked.Increment(ref _lastModel);

    /// <summary>Drops what is kept of a model that is gone.</summary>
    internal void RemoveModel(long model)
    {
        lock (_gate)
        {
            for (var node = _byUse.First; node is not null;)
            {
                var entry = node.Value;
                node = node.Next;
                if (entry.Model == model)
                    Remove(entry);
            }
        }
    }

    /// <summary>Finds the answer of an equal request.</summary>
    /// <param name="key">The request's.</param>
    /// <returns>With a reference that the caller releases; null when there is none.</returns>
    internal ExecutionBatch? Find(in CacheKey key)
    {
        lock (_gate)
        {
            if (!_entries.TryGetValue(key.Hash, out var entry) || !key.IsSame(entry.Request.GetSpan()))
                return null;
            if (entry.ExpiresAt <= _clock.Now)
            {
                Remove(entry);
                return null;
            }

            _byUse.Remove(entry.Node!);
            _byUse.AddFirst(entry.Node!);
            entry.Answer.AddReference();
            return entry.Answer;
        }
    }

    /// <summary>Keeps the answer that stands in a request, if there is room for it.</summary>
    /// <returns>False when it is too large, or the pool has no memory.</returns>
    internal bool TryAdd(in CacheKey key, long model, InferRequest answered)
    {
        var byteSize = key.ByteLength + EntryOverheadBytes;
        foreach (ref readonly var output in answered.Outputs)
            byteSize += output.Length;
        if (byteSize > _options.SizeBytes || key.ByteLength > int.MaxValue || !TryMakeRoom(byteSize))
            return false;
        if (!_pool.TryRent((int)key.ByteLength, out var request))
            return false;
        var answer = new ExecutionBatch(answered.Settings!, _pool, static _ => { });
        answer.Begin(answered.RowCount);
        if (!TryCopy(answered, answer))
        {
            request.Dispose();
            answer.Release();
            return false;
        }

        key.CopyTo(request.GetSpan());
        var expiresAt = _lifetimeTicks > 0 ? _clock.Now + _lifetimeTicks : long.MaxValue;
        Insert(new CacheEntry(key.Hash, model, request, answer, byteSize, expiresAt));
        return true;
    }

    private bool TryCopy(InferRequest answered, ExecutionBatch answer)
    {
        foreach (ref readonly var output in answered.Outputs)
        {
            if (!_pool.TryRent(output.Length, out var copy))
                return false;
            output.Data.CopyTo(copy.GetSpan());
            answer.SetTypedOutput(output.Index, output.DataType, output.Shape, copy);
        }

        foreach (ref readonly var parameter in answered.ResponseParameters)
            answer.AddParameter(in parameter);
        return true;
    }

    /// <summary>Drops what was not used for longest before memory is taken for something new.</summary>
    private bool TryMakeRoom(long byteSize)
    {
        lock (_gate)
        {
            while (_usedBytes + byteSize > _options.SizeBytes && _byUse.Last is { } last)
                Remove(last.Value);
            return _usedBytes + byteSize <= _options.SizeBytes;
        }
    }

    private void Insert(CacheEntry entry)
    {
        lock (_gate)
        {
            if (_entries.TryGetValue(entry.Hash, out var old))
                Remove(old);

            // Others may have taken the room meanwhile.
            while (_usedBytes + entry.ByteSize > _options.SizeBytes && _byUse.Last is { } last)
                Remove(last.Value);
            entry.Node = _byUse.AddFirst(entry);
            _entries.Add(entry.Hash, entry);
            _usedBytes += entry.ByteSize;
        }
    }

    private void Remove(CacheEntry entry)
    {
        _entries.Remove(entry.Hash);
        _byUse.Remove(entry.Node!);
        _usedBytes -= entry.ByteSize;
        entry.Release();
    }
}
