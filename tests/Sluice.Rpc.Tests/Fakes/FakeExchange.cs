using System.Buffers.Binary;
using System.IO.Pipelines;
using Google.Protobuf;
using Sluice.Rpc.Transport;

namespace Sluice.Rpc.Tests;

/// <summary>A call in memory: the test writes the request's bytes in pieces of its choice and reads what came back.</summary>
internal sealed class FakeExchange : IRpcExchange
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Pipe _request = new(new PipeOptions(pauseWriterThreshold: 0, useSynchronizationContext: false));
    private readonly Pipe _response = new(new PipeOptions(pauseWriterThreshold: 0, useSynchronizationContext: false));
    private readonly Dictionary<string, string> _requestHeaders = new(StringComparer.Ordinal)
    {
        ["content-type"] = "application/grpc",
    };

    public FakeExchange(string path) => Path = path;

    public string HttpMethod { get; init; } = "POST";

    public string Path { get; }

    public PipeReader Body => _request.Reader;

    public PipeWriter Output => _response.Writer;

    public int ConnectionKey => 1;

    public CancellationTokenSource AbortSource { get; } = new();

    public CancellationToken Aborted => AbortSource.Token;

    public int HttpStatus { get; private set; } = 200;

    public Dictionary<string, string> Headers { get; } = [];

    public Dictionary<string, string> Trailers { get; } = [];

    /// <summary>The status, wherever it was written.</summary>
    public string? GrpcStatus => Trailers.GetValueOrDefault("grpc-status") ?? Headers.GetValueOrDefault("grpc-status");

    public string? GrpcMessage => Trailers.GetValueOrDefault("grpc-message") ?? Headers.GetValueOrDefault("grpc-message");

    public static byte[] Frame(byte[] message, byte flag = 0)
    {
        var frame = new byte[5 + message.Length];
        frame[0] = flag;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), message.Length);
        message.CopyTo(frame, 5);
        return frame;
    }

    public FakeExchange With(string header, string? value)
    {
        if (value is null)
            _requestHeaders.Remove(header);
        else
            _requestHeaders[header] = value;
        return this;
    }

    /// <summary>Sends bytes as one arrival.</summary>
    public async Task WriteAsync(ReadOnlyMemory<byte> bytes) => await _request.Writer.WriteAsync(bytes);

    public Task WriteMessageAsync(IMessage message) => WriteAsync(Frame(message.ToByteArray()));

    public void EndRequest() => _request.Writer.Complete();

    /// <summary>The messages that were written, when the call is over.</summary>
    public async Task<List<(byte Flag, byte[] Message)>> ReadToEndAsync()
    {
        _response.Writer.Complete();
        using var stream = new MemoryStream();
        await _response.Reader.AsStream().CopyToAsync(stream);
        var rest = stream.ToArray().AsSpan();
        var messages = new List<(byte, byte[])>();
        while (!rest.IsEmpty)
        {
            var length = BinaryPrimitives.ReadInt32BigEndian(rest[1..]);
            messages.Add((rest[0], rest.Slice(5, length).ToArray()));
            rest = rest[(5 + length)..];
        }

        return messages;
    }

    /// <summary>Waits for the next message while the call goes on.</summary>
    public async Task<byte[]> NextMessageAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        var result = await _response.Reader.ReadAtLeastAsync(5, patience.Token);
        var prefix = new byte[5];
        System.Buffers.BuffersExtensions.CopyTo(result.Buffer.Slice(0, 5), prefix);
        _response.Reader.AdvanceTo(result.Buffer.GetPosition(5));
        var length = BinaryPrimitives.ReadInt32BigEndian(prefix.AsSpan(1));
        if (length == 0)
            return [];
        result = await _response.Reader.ReadAtLeastAsync(length, patience.Token);
        var message = System.Buffers.BuffersExtensions.ToArray(result.Buffer.Slice(0, length));
        _response.Reader.AdvanceTo(result.Buffer.GetPosition(length));
        return message;
    }

    public string? RequestHeader(string name) => _requestHeaders.GetValueOrDefault(name);

    public IEnumerable<KeyValuePair<string, string>> RequestHeaders() => _requestHeaders;

    public void SetHttpStatus(int status) => HttpStatus = status;

    public void SetHeader(string name, string value) => Headers[name] = value;

    public void SetTrailer(string name, string value) => Trailers[name] = value;

    public async ValueTask<bool> FillAsync(Memory<byte> destination)
    {
        if (destination.IsEmpty)
            return true;
        var result = await Body.ReadAtLeastAsync(destination.Length);
        var isWhole = result.Buffer.Length >= destination.Length;
        var part = isWhole ? result.Buffer.Slice(0, destination.Length) : result.Buffer;
        System.Buffers.BuffersExtensions.CopyTo(part, destination.Span);
        Body.AdvanceTo(part.End);
        return isWhole;
    }

    public bool IsOnSharedThread => false;

    public int DirectSendBytes => int.MaxValue;

    public void LeaveSharedThread()
    {
    }

    public async ValueTask<bool> SendAsync(ReadOnlyMemory<byte> memory, bool isLast)
    {
        await Output.WriteAsync(memory);
        return true;
    }

    public void Abort(int http2ErrorCode) => AbortSource.Cancel();
}
