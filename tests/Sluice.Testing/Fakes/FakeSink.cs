using System.Collections.Concurrent;
using Sluice.Inference;

namespace Sluice.Testing;

/// <summary>What a front end was given: the first value of the first output, or the failure.</summary>
public sealed record SinkEntry(ResponseKind Kind, InferenceCode Status, string Message, int? Value, int OutputCount);

/// <summary>A front end that takes responses, at once or when the test makes room.</summary>
public sealed class FakeSink : IResponseSink
{
    private readonly ConcurrentQueue<SinkEntry> _entries = new();

    public IReadOnlyList<SinkEntry> Entries => [.. _entries];

    public bool HasBegun { get; private set; }

    /// <summary>Set: a response is taken and there is no room for another one until this has completed.</summary>
    public TaskCompletionSource? Room { get; set; }

    public void Begin(InferRequest request) => HasBegun = true;

    public async ValueTask WriteAsync(InferRequest request, ResponseKind kind)
    {
        int? value = request.OutputCount > 0 ? BitConverter.ToInt32(request.Outputs[0].Data) : null;
        _entries.Enqueue(new SinkEntry(kind, request.Status, request.StatusMessage, value, request.OutputCount));
        if (Room is not null)
            await Room.Task;
    }
}
