using Microsoft.Extensions.Logging;
using Sluice.Rpc.Dispatch;
using Sluice.Rpc.Transport;
using Sluice.Tensors;

namespace Sluice.Http2.Connection;

/// <summary>What connections are made of.</summary>
internal sealed record ConnectionParts(
    RpcDispatcher Dispatcher, Http2ServerOptions Options, TensorBufferPool Memory, Http2Counters Counters,
    ConnectionCounter Connections, TimeProvider Time, ILogger Logger)
{
    /// <summary>Makes a connection.</summary>
    public Http2Connection Create(IConnectionOwner owner) => new(owner, Dispatcher, Options.Limits, Memory, Counters, Time, Logger);
}
