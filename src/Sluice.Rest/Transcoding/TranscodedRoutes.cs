using System.Buffers;
using System.Text;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Sluice.Inference;
using Sluice.Rest.Calls;
using Sluice.Rest.Routing;
using Sluice.Rpc.Calls;
using Sluice.Rpc.Dispatch;

namespace Sluice.Rest.Transcoding;

/// <summary>Gives the methods whose contracts have an HTTP form a route each, with JSON in protobuf's own mapping.</summary>
/// <remarks>Errors are <c>{"code": 5, "status": "NOT_FOUND", "message": "…"}</c>. A stream is one JSON object per line, or server-sent
/// events for clients that accept <c>text/event-stream</c>.</remarks>
public static class TranscodedRoutes
{
    private const string Lines = "application/x-ndjson";
    private const string Events = "text/event-stream";

    private static readonly JsonFormatter Formatter = new(JsonFormatter.Settings.Default.WithFormatDefaultValues(true));

    /// <summary>Creates the routes, and one for their description at <c>/openapi.json</c>.</summary>
    /// <param name="methods">What is served.</param>
    /// <param name="files">Contracts whose methods get routes.</param>
    /// <param name="title">What the description is of.</param>
    /// <param name="version">Its version.</param>
    public static IReadOnlyList<RestRoute> Create(
        MethodTable methods, IReadOnlyList<FileDescriptor> files, string title, string version)
    {
        var bindings = HttpRules.Read(methods, files);
        var description = OpenApiDocument.Write(bindings, title, version);
        return
        [
            new RestRoute("GET", "/openapi.json", call =>
            {
                call.Output.Write(description);
                return call.SendAsync(RestCall.Json);
            }) { ErrorBody = ErrorBodies.Status },
            .. bindings.Select(binding => new RestRoute(
                binding.HttpMethod, binding.Pattern, call => ServeAsync(binding, call)) { ErrorBody = ErrorBodies.Status }),
        ];
    }

    /// <summary>Sends a message as JSON.</summary>
    public static ValueTask SendMessageAsync(this RestCall call, IMessage message)
    {
        Write(call, message);
        return call.SendAsync(RestCall.Json);
    }

    /// <summary>Fills a message from a call's query, as the routes here do.</summary>
    public static void BindQuery(this RestCall call, IMessage message)
    {
        foreach (var (name, value) in call.Query())
            MessageBinder.Set(message, name, value);
    }

    private static async ValueTask ServeAsync(HttpBinding binding, RestCall call)
    {
        var context = new CallContext(call.Caller, call.CancellationToken);
        switch (binding.Handler)
        {
            case ICallerUnaryMethod unary:
                var request = await ReadAsync(binding, unary.RequestType, call).ConfigureAwait(false);
                var response = await unary.InvokeAsync(request, context).ConfigureAwait(false);
                await call.SendMessageAsync(response).ConfigureAwait(false);
                break;
            case ICallerStreamingMethod streaming:
                var asked = await ReadAsync(binding, streaming.RequestType, call).ConfigureAwait(false);
                await StreamAsync(streaming, asked, call).ConfigureAwait(false);
                break;
            default:
                throw new InferenceException(InferenceCode.Unimplemented, $"{binding.Method.FullName} has no HTTP form");
        }
    }

    private static async ValueTask<IMessage> ReadAsync(HttpBinding binding, MessageDescriptor type, RestCall call)
    {
        IMessage request;
        using (var body = await call.ReadBodyAsync().ConfigureAwait(false))
        {
            var bytes = body.Bytes;
            request = MessageBinder.ReadBody(binding, type, bytes.IsSingleSegment ? bytes.FirstSpan : bytes.ToArray());
        }

        // The path has the last word: what it names is what is meant.
        if (binding.Body != "*")
            call.BindQuery(request);
        foreach (var name in binding.Variables)
            MessageBinder.Set(request, name, call.Variable(name));
        return request;
    }

    private static async ValueTask StreamAsync(
        ICallerStreamingMethod method, IMessage request, RestCall call)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(call.CancellationToken, call.Stopping);
        var sendsEvents = call.Header("accept")?.Contains(Events, StringComparison.OrdinalIgnoreCase) == true;
        var hasBegun = false;
        try
        {
            await method.InvokeAsync(request, SendAsync, new CallContext(call.Caller, ending.Token)).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (hasBegun && call.Stopping.IsCancellationRequested && !call.CancellationToken.IsCancellationRequested)
        {
            // What was sent is whole; the client asks another server, or this one again.
        }

        if (!hasBegun)
            call.BeginStream(sendsEvents ? Events : Lines);

        async ValueTask SendAsync(IMessage message)
        {
            if (!hasBegun)
                call.BeginStream(sendsEvents ? Events : Lines);
            hasBegun = true;
            if (sendsEvents)
                call.Output.Write("data: "u8);
            Write(call, message);
            call.Output.Write(sendsEvents ? "\n\n"u8 : "\n"u8);
            if (!await call.FlushOutputAsync().ConfigureAwait(false))
                throw new OperationCanceledException("the client is gone");
        }
    }

    private static void Write(RestCall call, IMessage message) => call.Output.Write(Encoding.UTF8.GetBytes(Formatter.Format(message)));
}
