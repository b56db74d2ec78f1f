using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Rest.Routing;
using Sluice.Rest.Transport;
using Sluice.Rpc.Access;
using Sluice.Rpc.Calls;

namespace Sluice.Rest.Calls;

/// <summary>Takes a transport's request through a call: route, handler, errors as JSON.</summary>
/// <remarks><b>Threads.</b> Any number of requests at once.</remarks>
internal sealed class RestDispatcher(RestRouter router, ILogger logger, RestListenOptions options)
{
    private const int MostStatus = 599;

    private readonly long[] _endedCounts = new long[MostStatus + 1];
    private long _activeCount;

    /// <summary>Calls being served now.</summary>
    public long ActiveCount => Interlocked.Read(ref _activeCount);

    /// <summary>Lists the statuses with which requests have ended.</summary>
    public IEnumerable<(int Status, long Count)> EndedCounts =>
        _endedCounts.Select((_, status) => (status, Volatile.Read(ref _endedCounts[status]))).Where(pair => pair.Item2 > 0);

    /// <summary>Serves one request. Fails only when the connection must be cut, because its response had begun.</summary>
    public ValueTask ServeAsync(RestCall call, IRestExchange exchange)
    {
        call.Begin(exchange, router);
        var route = call.Target.Find(exchange.Method);
        if (route is null)
        {
            Refuse(call, exchange);
            End(call);
            return ValueTask.CompletedTask;
        }

        if (route.RequiredHeader is { } required && !required.Admits(exchange.RequestHeader(required.LowerName)))
        {
            call.SendError(403, $"This API is restricted, expecting header '{required.Name}'", InferenceCode.PermissionDenied);
            End(call);
            return ValueTask.CompletedTask;
        }

        if (options.Authenticator is { } authenticator && !Admit(call, exchange, route, authenticator))
        {
            End(call);
            return ValueTask.CompletedTask;
        }

        Interlocked.Increment(ref _activeCount);
        try
        {
            var running = route.Handler(call);
            if (!running.IsCompletedSuccessfully)
                return AwaitAsync(running, call);
            running.GetAwaiter().GetResult();
            Finish(call);
            return ValueTask.CompletedTask;
        }
        catch (Exception error)
        {
            return AwaitAsync(ValueTask.FromException(error), call);
        }
    }

    private static void Refuse(RestCall call, IRestExchange exchange)
    {
        if (call.Target.Routes.Length == 0)
        {
            call.SendError(404, "Not Found", InferenceCode.NotFound);
            return;
        }

        exchange.SetHeader("Allow", string.Join(", ", call.Target.Routes.Select(route => route.Method)));
        call.SendError(405, "Method Not Allowed", InferenceCode.Unimplemented);
    }

    private static bool Admit(RestCall call, IRestExchange exchange, RestRoute route, IAuthenticator authenticator)
    {
        var code = AccessCheck.Check(
            authenticator, route.Scope, exchange.RequestHeader("authorization"), out var caller, out var message);
        call.Caller = caller;
        if (code == InferenceCode.Ok)
            return true;
        if (code == InferenceCode.Unauthenticated)
            exchange.SetHeader("WWW-Authenticate", "Bearer realm=\"sluice\"");
        call.SendError(code.ToHttpStatus(), message, code);
        return false;
    }

    private async ValueTask AwaitAsync(ValueTask running, RestCall call)
    {
        try
        {
            await running.ConfigureAwait(false);
        }
        catch (Exception error)
        {
            if (!TryReport(error, call))
                throw;
        }
        finally
        {
            Finish(call);
        }
    }

    private void Finish(RestCall call)
    {
        End(call);
        Interlocked.Decrement(ref _activeCount);
    }

    private void End(RestCall call)
    {
        if (options.AccessLog || options.Tracing.LogsCalls)
        {
            var exchange = call.Exchange;
            var microseconds = (long)Stopwatch.GetElapsedTime(call.BeganAt).TotalMicroseconds;
            var traceParent = exchange.RequestHeader("traceparent") ?? "-";
            if (options.AccessLog)
                RestLog.Access(logger, exchange.Method, exchange.Target, exchange.Status, microseconds, traceParent);
            else
                RestLog.Call(logger, exchange.Method, exchange.Target, exchange.Status, microseconds, traceParent);
        }

        // Three digits, as HTTP demands.
        Interlocked.Increment(ref _endedCounts[Math.Clamp(call.Exchange.Status, 0, MostStatus)]);
        call.End();
    }

    /// <summary>Answers whatever was thrown.</summary>
    /// <returns>False when the response had begun: the exception goes on to the transport, which cuts the connection.</returns>
    private bool TryReport(Exception error, RestCall call)
    {
        var exchange = call.Exchange;
        var fault = RpcFault.From(error);
        if (fault.IsUnexpected)
            RestLog.HandlerFailed(logger, exchange.Method, exchange.Target, error);
        if (!exchange.CanSetStatus)
            return false;

        var status = exchange.StatusOf(error);
        if (status != 0)
            call.SendError(status, error.Message, InferenceCode.InvalidArgument);
        else
            call.SendError(fault.Code.ToHttpStatus(), fault.Message, fault.Code);
        return true;
    }
}
