using Sluice.Client;
using Sluice.Protocol.Codec;

namespace Sluice.Load.Scenarios;

/// <summary>One <c>ModelInfer</c> call per request.</summary>
internal sealed class GrpcUnaryScenario(LoadOptions options) : ILoadScenario
{
    private readonly SluiceClient _client = new(
        new Uri("http://" + (options.Address ?? "localhost:8001")), new SluiceClientOptions { Retry = RetryPolicy.None });

    private readonly InferRequestMessage _request = new() { ModelName = options.Model, Inputs = options.Inputs };

    public async ValueTask SendAsync()
    {
        using var result = await _client.InferAsync(_request);
        if (result.OutputCount == 0)
            throw new InvalidDataException("an answer without outputs");
    }

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        return ValueTask.CompletedTask;
    }
}
