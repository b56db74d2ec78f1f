using System.Collections.Frozen;
using Google.Protobuf.Reflection;
using Sluice.Rpc.Calls;

namespace Sluice.Rpc.Dispatch;

/// <summary>All methods that the server serves, found by path; immutable.</summary>
public sealed class MethodTable
{
    private readonly FrozenDictionary<string, RpcMethod> _byPath;

    /// <summary>Builds the table.</summary>
    /// <param name="methods">The methods; paths are unique.</param>
    /// <param name="files">Descriptors of their contracts, for reflection.</param>
    public MethodTable(IEnumerable<RpcMethod> methods, IEnumerable<FileDescriptor> files)
    {
        _byPath = methods.ToFrozenDictionary(method => method.Path, StringComparer.Ordinal);
        Files = [.. files];
        Services = [.. _byPath.Values.Select(method => method.Service).Distinct().Order(StringComparer.Ordinal)];
    }

    /// <summary>Descriptors of the contracts.</summary>
    public IReadOnlyList<FileDescriptor> Files { get; }

    /// <summary>Full names of all services, sorted.</summary>
    public IReadOnlyList<string> Services { get; }

    /// <summary>Finds a method.</summary>
    /// <param name="path">Such as <c>/inference.GRPCInferenceService/ModelInfer</c>.</param>
    public RpcMethod? Find(string path) => _byPath.GetValueOrDefault(path);
}
