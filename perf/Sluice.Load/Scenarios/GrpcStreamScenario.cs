using System.Collections.Concurrent;
using Sluice.Client;
using Sluice.Protocol.Codec;

namespace Sluice.Load.Scenarios;

/// <summary>All requests on one bidirectional stream; answers come in the requests' order.</summary>
internal sealed class GrpcStreamScenario : ILoadScenario
{
    private readonly SluiceClient _client;
    private readonly InferRequestMessage _request;
    private readonly InferStreamCall _stream;
    private readonly SemaphoreSlim _writing = new(1);
    private readonly ConcurrentQueue<TaskCompletionSource> _waiting = new();
    private readonly Task _reading;

    public GrpcStreamScenario(LoadOptions options)
    {
        _client = new SluiceClient(new Uri("http://" + (options.Address ?? "localhost:8001")));
        _request = new InferRequestMessage { ModelName = options.Model, Inputs = options.Inputs };
        _stream = _client.OpenInferStream();
        _reading = ReadAsync();
    }

    public async ValueTask SendAsync()
    {
        var answered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await _writing.WaitAsync();
        try
        {
            _waiting.Enqueue(answered);
            await _stream.WriteAsync(_request);
        }
        finally
        {
            _writing.Release();
        }

        await answered.Task;
    }

    public async ValueTask DisposeAsync()
    {
        _stream.Complete();
        await _reading;
        await _stream.DisposeAsync();
        _client.Dispose();
        _writing.Dispose();
    }

    private async Task ReadAsync()
    {
        Exception end = new InvalidDataException("the stream has ended");
        try
        {
            while (await _stream.ReadAsync() is { } result)
            {
                using (result)
                {
                    _waiting.TryDequeue(out var answered);
                    if (result.Error is { } error)
                        answered?.TrySetException(new InvalidDataException(error));
                    else
                        answered?.TrySetResult();
                }
            }
        }
        catch (SluiceException error)
        {
            end = error;
        }

        while (_waiting.TryDequeue(out var lost))
            lost.TrySetException(end);
    }
}
