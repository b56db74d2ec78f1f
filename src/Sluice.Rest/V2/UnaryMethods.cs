using Google.Protobuf;
using Sluice.Inference;
using Sluice.Rest.Calls;
using Sluice.Rpc.Calls;
using Sluice.Rpc.Dispatch;

namespace Sluice.Rest.V2;

/// <summary>Calls the inference service's unary methods, the same handlers that gRPC calls.</summary>
internal sealed class UnaryMethods(MethodTable methods)
{
    private const string Service = "inference.GRPCInferenceService";

    public ValueTask<IMessage> InvokeAsync(string name, IMessage request, RestCall call) =>
        methods.Find($"/{Service}/{name}") is IUnaryMethod method
            ? method.InvokeAsync(request, call.CancellationToken)
            : throw new InferenceException(InferenceCode.Unimplemented, $"{name} is not supported by this server");
}
