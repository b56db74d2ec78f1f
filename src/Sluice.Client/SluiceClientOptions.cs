namespace Sluice.Client;

/// <summary>Settings of a client; bound when it is made.</summary>
public sealed record SluiceClientOptions
{
    /// <summary>Time-out of calls that name none; null (default) = none.</summary>
    public TimeSpan? DefaultTimeout { get; init; }

    /// <summary>Compress requests with gzip. Default false: tensors seldom shrink enough to pay for it.</summary>
    public bool CompressesRequests { get; init; }

    /// <summary>How failed unary calls are tried again. Default: up to 3 attempts when the request cannot have run.</summary>
    public RetryPolicy Retry { get; init; } = new();

    /// <summary>Largest message received, bytes after decompression. Default and most 2,147,483,591 (.NET's longest array).</summary>
    public int MaxReceiveMessageBytes { get; init; } = Array.MaxLength;

    /// <summary>Longest time to make a connection. Default 10 s.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Bytes of one stream that may be unread. Default 4 MiB.</summary>
    public int StreamWindowBytes { get; init; } = 4 * 1024 * 1024;

    /// <summary>Changes the HTTP handler before first use, for certificates, proxies or pings; null = as is.</summary>
    public Action<SocketsHttpHandler>? ConfigureHandler { get; init; }

    /// <summary>The clock of deadlines and back-off.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;
}
