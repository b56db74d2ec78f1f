using System.Globalization;
using Sluice.Rpc.Calls;

namespace Sluice.Server.Services;

/// <summary>Serves a method some seconds late; the original's test hook for time-outs of all calls but inference (spec §5.7).</summary>
internal sealed class DelayedMethod(RpcMethod inner, TimeSpan delay) : RpcMethod(inner.Service, inner.Name)
{
    /// <summary>The variable that asks for it.</summary>
    public const string Variable = "TRITONSERVER_SERVER_DELAY_GRPC_RESPONSE_SEC";

    /// <summary>Puts the delay before all methods but inference when the variable has a number of seconds.</summary>
    public static IReadOnlyList<RpcMethod> Apply(IReadOnlyList<RpcMethod> methods, string? seconds) =>
        double.TryParse(seconds, CultureInfo.InvariantCulture, out var number) && number is > 0 and < 1e6
            ? [.. methods.Select(method => method is RawMethod ? method : new DelayedMethod(method, TimeSpan.FromSeconds(number)))]
            : methods;

    /// <inheritdoc/>
    public override async ValueTask InvokeAsync(RpcCall call)
    {
        await Task.Delay(delay, call.CancellationToken).ConfigureAwait(false);
        await inner.InvokeAsync(call).ConfigureAwait(false);
    }
}
