using System.Buffers;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Scheduling.Loading;

/// <summary>Copies of the inputs of a few requests that a model has taken, at most one a second: what its successor is warmed with.</summary>
/// <remarks>Requests of more than <see cref="MostBytes"/> are not kept. <b>Threads.</b> Any number offer; any may list.</remarks>
/// <param name="count">How many are kept.</param>
/// <param name="ticksPerSecond">Of the clock that <see cref="Offer"/> is told.</param>
internal sealed class RecentRequests(int count, long ticksPerSecond)
{
    /// <summary>Most bytes of one request's inputs.</summary>
    public const int MostBytes = 1 << 20;

    private readonly RecordedInput[]?[] _kept = new RecordedInput[count][];
    private long _nextAt = long.MinValue;
    private int _next;

    /// <summary>Those that are kept.</summary>
    public IReadOnlyList<RecordedInput[]> List() => [.. _kept.Select((_, i) => Volatile.Read(ref _kept[i])).OfType<RecordedInput[]>()];

    /// <summary>Keeps a bound request when it is time for one.</summary>
    public void Offer(InferRequest request, long now)
    {
        var due = Volatile.Read(ref _nextAt);
        if (now < due || Interlocked.CompareExchange(ref _nextAt, now + ticksPerSecond, due) != due)
            return;
        var inputs = request.Inputs;
        var bytes = 0L;
        foreach (ref readonly var input in inputs)
            bytes += input.Data.Length;
        if (bytes > MostBytes)
            return;
        var copies = new RecordedInput[inputs.Length];
        for (var i = 0; i < copies.Length; i++)
        {
            ref readonly var input = ref inputs[i];
            copies[i] = new RecordedInput(request.Text(input.Name).ToArray(), input.DataType, input.Shape, input.Data.ToArray());
        }

        Volatile.Write(ref _kept[(uint)Interlocked.Increment(ref _next) % (uint)count], copies);
    }
}

/// <summary>One input of a request that was kept.</summary>
/// <param name="Name">UTF-8.</param>
/// <param name="DataType">As the client sent it.</param>
/// <param name="Shape">As the client sent it.</param>
/// <param name="Data">A copy.</param>
internal sealed record RecordedInput(byte[] Name, DataType DataType, Shape Shape, byte[] Data);
