using Sluice.Inference;
using Sluice.Rpc.Access;

namespace Sluice.Rpc.Calls;

/// <summary>One method of a service: its name and how a call of it is served.</summary>
/// <remarks>One subclass per call shape. Handlers throw <see cref="InferenceException"/> for a status.</remarks>
public abstract class RpcMethod
{
    /// <summary>Creates a method.</summary>
    /// <param name="service">Full name of the service, such as <c>inference.GRPCInferenceService</c>.</param>
    /// <param name="name">Name of the method.</param>
    protected RpcMethod(string service, string name)
    {
        Service = service;
        Name = name;
        Path = $"/{service}/{name}";
        Scope = AccessTable.OfMethod(Path);
    }

    /// <summary>Full name of the service.</summary>
    public string Service { get; }

    /// <summary>Name of the method.</summary>
    public string Name { get; }

    /// <summary>Path of the method's requests.</summary>
    public string Path { get; }

    /// <summary>Never blocks its thread, so that it may run on one that serves other connections too. Default false.</summary>
    public virtual bool NeverBlocks => false;

    /// <summary>What a caller needs permission for, where callers are asked who they are.</summary>
    public AccessScope Scope { get; }

    /// <summary>Serves one call: reads its messages, writes its responses, sets its status when it fails.</summary>
    public abstract ValueTask InvokeAsync(RpcCall call);
}
