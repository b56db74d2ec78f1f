using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Scheduling.Cache;

/// <summary>One kept answer with the request that it belongs to.</summary>
/// <param name="hash">Of the request.</param>
/// <param name="model">Number of the loaded model.</param>
/// <param name="request">What <see cref="CacheKey.CopyTo"/> wrote.</param>
/// <param name="answer">The outputs; counted, the cache holds one reference.</param>
/// <param name="byteSize">What it counts against the cache's bound.</param>
/// <param name="expiresAt">When it stops to hold, clock ticks.</param>
internal sealed class CacheEntry(UInt128 hash, long model, TensorBuffer request, ExecutionBatch answer, long byteSize, long expiresAt)
{
    public UInt128 Hash => hash;

    public long Model => model;

    public TensorBuffer Request => request;

    public ExecutionBatch Answer => answer;

    public long ByteSize => byteSize;

    public long ExpiresAt => expiresAt;

    /// <summary>Its place among all entries by their last use; guarded by the cache.</summary>
    public LinkedListNode<CacheEntry>? Node { get; set; }

    /// <summary>Lets go of the memory; who still writes the answer keeps that part.</summary>
    public void Release()
    {
        request.Dispose();
        answer.Release();
    }
}
