using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using Sluice.Protocol.Codec;

namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>Sends bodies byte by byte as a test wants them, without any knowledge of gRPC.</summary>
internal sealed class RawCaller(Uri address) : IDisposable
{
    public const string InferPath = "/inference.GRPCInferenceService/ModelInfer";
    public const string StreamPath = "/inference.GRPCInferenceService/ModelStreamInfer";

    private readonly HttpMessageInvoker _invoker = new(new SocketsHttpHandler { UseProxy = false });

    public static byte[] Message(InferRequestMessage request)
    {
        var message = new ArrayBufferWriter<byte>();
        InferRequestWriter.Write(message, request);
        return message.WrittenSpan.ToArray();
    }

    public static byte[] Frame(ReadOnlySpan<byte> message, byte flag = 0, uint? claimedLength = null)
    {
        var frame = new byte[5 + message.Length];
        frame[0] = flag;
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(1), claimedLength ?? (uint)message.Length);
        message.CopyTo(frame.AsSpan(5));
        return frame;
    }

    public async Task<RawAnswer> SendAsync(
        string path, HttpContent? content, HttpMethod? method = null, string contentType = "application/grpc",
        string? timeout = null, CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(method ?? HttpMethod.Post, new Uri(address, path))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        if (timeout is not null)
            request.Headers.TryAddWithoutValidation("grpc-timeout", timeout);
        if (content is not null)
            content.Headers.ContentType = contentType.Length == 0 ? null : MediaTypeHeaderValue.Parse(contentType);
        using var response = await _invoker.SendAsync(request, cancellationToken);
        var body = await response.Content.ReadAsByteArrayAsync(cancellationToken);
        return new RawAnswer(
            (int)response.StatusCode,
            Find(response.Headers, "grpc-status") ?? Find(response.TrailingHeaders, "grpc-status"),
            Find(response.Headers, "grpc-message") ?? Find(response.TrailingHeaders, "grpc-message") ?? "",
            body);
    }

    public void Dispose() => _invoker.Dispose();

    private static string? Find(HttpHeaders headers, string name) =>
        headers.NonValidated.TryGetValues(name, out var values) ? values.ToString() : null;
}

/// <summary>What came back.</summary>
internal sealed record RawAnswer(int HttpStatus, string? GrpcStatus, string GrpcMessage, byte[] Body);

/// <summary>A body that a test writes piece by piece; the stream ends when it says so.</summary>
internal sealed class HandFedContent : HttpContent
{
    private readonly TaskCompletionSource<Stream> _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _completed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public async Task WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        var stream = await _opened.Task.WaitAsync(ServerFixture.Patience);
        await stream.WriteAsync(bytes);
        await stream.FlushAsync();
    }

    public void Complete() => _completed.TrySetResult();

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(
        Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        await stream.FlushAsync(cancellationToken);
        _opened.TrySetResult(stream);
        await _completed.Task.WaitAsync(cancellationToken);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}
