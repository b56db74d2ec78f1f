using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Rest.Routing;
using Sluice.Rest.Transport;
using Sluice.Rpc.Calls;

namespace Sluice.Rest.Calls;

/// <summary>Takes a transport's request through a call: route, handler, errors as JSON.</summary>
/// <remarks><b>Threads.</b> Any number of requests at once.</remarks>
internal sealed class RestDispatcher(RestRouter router, ILogger logger, bool logsAccess)
{
    private long _activeCount;

    /// <summary>Calls being served now.</summary>
    public long ActiveCount => Interlocked.Read(ref _activeCount);

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
            call.SendError(404, "Not Found");
            return;
        }

        exchange.SetHeader("Allow", string.Join(", ", call.Target.Routes.Select(route => route.Method)));
        call.SendError(405, "Method Not Allowed");
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
        if (logsAccess)
        {
            var exchange = call.Exchange;
            var microseconds = (long)Stopwatch.GetElapsedTime(call.BeganAt).TotalMicroseconds;
            RestLog.Access(logger, exchange.Method, exchange.Target, exchange.Status, microseconds);
        }

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
            call.SendError(status, error.Message);
        else
            call.SendError(fault.Code.ToHttpStatus(), fault.Message);
        return true;
    }
}
