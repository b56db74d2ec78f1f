using System.Buffers;
using Sluice.Inference;

namespace Sluice.Rest.Calls;

/// <summary>What handlers of other projects may ask of a call and send by it.</summary>
public static class RestCallAccess
{
    /// <summary>Returns a request header's value; null when absent.</summary>
    /// <param name="call">The call.</param>
    /// <param name="name">Lower case.</param>
    public static string? Header(this RestCall call, string name) => call.Exchange.RequestHeader(name);

    /// <summary>Returns the value of a placeholder of the route's pattern, decoded; empty when it has none of that name.</summary>
    public static string Variable(this RestCall call, string name)
    {
        foreach (var (known, value) in call.Target.Variables)
        {
            if (known == name)
                return value;
        }

        return "";
    }

    /// <summary>Lists the query's parameters, decoded, in their order.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Query(this RestCall call)
    {
        foreach (var pair in call.Target.Query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            yield return equals < 0
                ? KeyValuePair.Create(Decode(pair), "")
                : KeyValuePair.Create(Decode(pair[..equals]), Decode(pair[(equals + 1)..]));
        }
    }

    /// <summary>Returns who calls; null when callers are not asked who they are.</summary>
    public static CallerIdentity? Caller(this RestCall call) => call.Caller;

    /// <summary>Opens the body to be read piece by piece, however long it is; the call owns it.</summary>
    public static Stream OpenBody(this RestCall call) => call.Exchange.Body.AsStream(leaveOpen: true);

    /// <summary>Returns the body's declared length; null when it is not declared.</summary>
    public static long? ContentLength(this RestCall call) => call.Exchange.ContentLength;

    /// <summary>Reads the whole body, decompressed; within the port's limit.</summary>
    public static async ValueTask<byte[]> ReadBytesAsync(this RestCall call)
    {
        using var body = await call.ReadBodyAsync().ConfigureAwait(false);
        return body.Bytes.ToArray();
    }

    /// <summary>Sends the JSON in <see cref="RestCall.Output"/> with a status, never compressed.</summary>
    public static ValueTask SendJsonAsync(this RestCall call, int status) => call.SendPlainAsync(RestCall.Json, status);

    /// <summary>Sets a response header; before anything is sent.</summary>
    public static void SetHeader(this RestCall call, string name, string value) => call.Exchange.SetHeader(name, value);

    /// <summary>Sends bytes as the response's body, as they are.</summary>
    /// <param name="call">The call.</param>
    /// <param name="status">The HTTP status.</param>
    /// <param name="contentType">Their content type.</param>
    /// <param name="content">Copied.</param>
    public static ValueTask SendBytesAsync(this RestCall call, int status, string contentType, ReadOnlySpan<byte> content)
    {
        call.Output.Write(content);
        return call.SendPlainAsync(contentType, status);
    }

    /// <summary>Says that what the client has is still right; headers were set before.</summary>
    public static void SendNotModified(this RestCall call) => call.Exchange.SetHead(304, null, -1);

    /// <summary>Sends a stream as the response's body, piece by piece.</summary>
    /// <param name="call">The call.</param>
    /// <param name="contentType">Its content type.</param>
    /// <param name="content">Read to its end.</param>
    /// <param name="length">Its length; -1 = not known.</param>
    public static async ValueTask SendStreamAsync(this RestCall call, string contentType, Stream content, long length)
    {
        const int PieceBytes = 64 * 1024;
        call.Exchange.SetHead(200, contentType, length);
        var output = call.Exchange.Output;
        while (await content.ReadAsync(output.GetMemory(PieceBytes), call.CancellationToken).ConfigureAwait(false) is var count and > 0)
        {
            output.Advance(count);
            var flushed = await output.FlushAsync(call.CancellationToken).ConfigureAwait(false);
            if (flushed.IsCompleted || flushed.IsCanceled)
                throw new OperationCanceledException("the client is gone");
        }
    }

    private static string Decode(string text) => Uri.UnescapeDataString(text.Replace('+', ' '));
}
