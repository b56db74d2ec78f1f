using System.Collections.Frozen;
using Sluice.Rpc.Calls;

namespace Sluice.Rpc.Dispatch;

/// <summary>All methods that the server serves, found by path; immutable.</summary>
public sealed class MethodTable
{
    private readonly FrozenDictionary<string, RpcMethod> _byPath;

    /// <summary>Builds the table.</summary>
    /// <param name="methods">The methods; paths are unique.</param>
    public MethodTable(IEnumerable<RpcMethod> methods) =>
        _byPath = methods.ToFrozenDictionary(method => method.Path, StringComparer.Ordinal);

    /// <summary>All of them, in no order.</summary>
    public IEnumerable<RpcMethod> All => _byPath.Values;

    /// <summary>Finds a method.</summary>
    /// <param name="path">Such as <c>/inference.GRPCInferenceService/ModelInfer</c>.</param>
    public RpcMethod? Find(string path) => _byPath.GetValueOrDefault(path);
}
