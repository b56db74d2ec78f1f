using System.Buffers;
using Sluice.Inference;
using Sluice.Rest.Calls;

namespace Sluice.Rest.Serve;

/// <summary>Serves <c>POST /serve/…</c>: a body in, what the endpoint's code or model gives out (spec clearml §3.2, §3.3).</summary>
/// <remarks><b>Ownership.</b> The body is lent to the endpoint until its call ends.</remarks>
internal sealed class ServeHandler(IEndpointCalls calls, int raisedStatus)
{
    /// <summary>Placeholder of the version in routes.</summary>
    public const string VersionVariable = "serve_version";

    private const string VersionKey = "version";

    public async ValueTask ServeAsync(RestCall call)
    {
        if (call.Caller is { IsConfined: true } caller && !caller.MayInfer(call.Target.ModelUtf8))
        {
            call.SendError(403, $"caller '{caller.Name}' has no scope 'infer:{call.Model}'");
            return;
        }

        BodyLease body;
        try
        {
            body = await call.ReadBodyAsync().ConfigureAwait(false);
        }
        catch (InferenceException error)
        {
            call.SendError(StatusOfBody(error), error.Message);
            return;
        }

        using (body)
        {
            // Most bodies lie in one piece; the endpoint's code wants one.
            var bytes = body.Bytes.IsSingleSegment ? body.Bytes.First : body.Bytes.ToArray();
            var read = ServeBody.Read(bytes, call.Exchange.RequestHeader("content-type"));
            if (read.Faults is { } faults)
            {
                await SendFaultsAsync(call, faults).ConfigureAwait(false);
                return;
            }

            var reply = await calls.CallAsync(
                call.Model, VersionOf(call), new EndpointCall(read.Kind, read.Content, false, call.CancellationToken) { Origin = call })
                .ConfigureAwait(false);
            await SendAsync(call, reply).ConfigureAwait(false);
        }
    }

    private ValueTask SendAsync(RestCall call, EndpointReply reply)
    {
        if (reply.Outcome != EndpointOutcome.Ok)
        {
            if (reply.Outcome == EndpointOutcome.Unavailable)
                call.Exchange.SetHeader("Retry-After", "1");
            call.SendError(StatusOf(reply.Outcome, raisedStatus), reply.Detail ?? reply.Outcome.ToString());
            return ValueTask.CompletedTask;
        }

        if (reply.Status is 204 or 205 or 304)
        {
            call.SendEmpty(reply.Status);
            return ValueTask.CompletedTask;
        }

        call.Output.Write(reply.Content.Span);
        return call.SendPlainAsync(reply.ContentType, reply.Status);
    }

    /// <summary>The middle column of spec clearml §3.3, for what the code raises also the first.</summary>
    private static int StatusOf(EndpointOutcome outcome, int raisedStatus) => outcome switch
    {
        EndpointOutcome.NotFound => 404,
        EndpointOutcome.BadRequest => 422,
        EndpointOutcome.Unavailable => 503,
        EndpointOutcome.TimedOut => 504,
        EndpointOutcome.Cancelled => 499,
        EndpointOutcome.Raised => raisedStatus,
        _ => 500,
    };

    private static int StatusOfBody(InferenceException error)
    {
        if (BodyReader.IsTooLarge(error))
            return 413;
        return error.Code switch
        {
            InferenceCode.Unimplemented => 415,
            InferenceCode.InvalidArgument or InferenceCode.Internal => 422,
            _ => error.Code.ToHttpStatus(),
        };
    }

    private static ValueTask SendFaultsAsync(RestCall call, byte[] faults)
    {
        call.Output.Write("{\"detail\":"u8);
        call.Output.Write(faults);
        call.Output.Write("}"u8);
        return call.SendPlainAsync(RestCall.Json, 422);
    }

    /// <summary>The version of the path, else that of the query.</summary>
    private static string VersionOf(RestCall call)
    {
        if (call.Variable(VersionVariable) is { Length: > 0 } version)
            return version;
        foreach (var (name, value) in call.Query())
        {
            if (name == VersionKey)
                return value;
        }

        return "";
    }
}
