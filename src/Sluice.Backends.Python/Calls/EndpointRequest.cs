using Sluice.Backends.Python.Wire;
using Sluice.Inference;

namespace Sluice.Backends.Python.Calls;

/// <summary>A <c>send_request</c> of an endpoint's code.</summary>
internal sealed record EndpointRequest(string Name, string Version, EndpointBody Kind, byte[] Content, int Depth, uint TimeoutMilliseconds)
{
    /// <summary>Reads it from a frame.</summary>
    public static EndpointRequest Read(ref FrameReader reader)
    {
        var (depth, kind, timeout) = (reader.U16(), reader.U8(), reader.U32());
        if (kind > (byte)EndpointBody.Bytes)
            throw new WireException($"a body of kind {kind}");
        return new EndpointRequest(reader.Text(), reader.Text(), (EndpointBody)kind, reader.Rest().ToArray(), depth, timeout);
    }

    /// <summary>Calls the endpoint.</summary>
    public async Task<EndpointReply> RunAsync(IEndpointCalls endpoints, CancellationToken ending)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ending);
        limit.CancelAfter(TimeSpan.FromMilliseconds(TimeoutMilliseconds));
        var call = new EndpointCall(Kind, Content, WantsStatistics: false, limit.Token)
        {
            Depth = Depth + 1,
            Deadline = DateTimeOffset.UtcNow + TimeSpan.FromMilliseconds(TimeoutMilliseconds),
        };
        return await endpoints.CallAsync(Name, Version, call).ConfigureAwait(false);
    }
}
