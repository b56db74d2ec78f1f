using Sluice.Protocol.Health;
using Sluice.Rpc.Calls;
using static Sluice.Protocol.Health.HealthCheckResponse.Types;

namespace Sluice.Rpc.Health;

/// <summary>The standard health service, <c>grpc.health.v1</c>: Check and Watch, for the server and per model.</summary>
public sealed class HealthService(IHealthSource source)
{
    private const string Name = "grpc.health.v1.Health";

    /// <summary>The service's methods.</summary>
    public IEnumerable<RpcMethod> Methods =>
    [
        new UnaryMethod<HealthCheckRequest, HealthCheckResponse>(
            Name, "Check", HealthCheckRequest.Parser, (request, _) => ValueTask.FromResult(Answer(request.Service))),
        new ServerStreamingMethod<HealthCheckRequest, HealthCheckResponse>(
            Name, "Watch", HealthCheckRequest.Parser, WatchAsync),
    ];

    private HealthCheckResponse Answer(string service) => new()
    {
        Status = source.IsServing(service) ? ServingStatus.Serving : ServingStatus.NotServing,
    };

    private async ValueTask WatchAsync(
        HealthCheckRequest request, ResponseSender<HealthCheckResponse> responses, CancellationToken cancellationToken)
    {
        var last = ServingStatus.Unknown;
        while (true)
        {
            var version = source.Version;
            var answer = Answer(request.Service);
            if (answer.Status != last)
                await responses.SendAsync(answer).ConfigureAwait(false);
            last = answer.Status;
            await source.WaitForChangeAsync(version, cancellationToken).ConfigureAwait(false);
        }
    }
}
