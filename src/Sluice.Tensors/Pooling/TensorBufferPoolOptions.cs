namespace Sluice.Tensors;

/// <summary>Settings of a <see cref="TensorBufferPool"/>.</summary>
public sealed record TensorBufferPoolOptions
{
    /// <summary>Gets the most native memory the pool may hold, rented and idle together. Bytes; default 4 GiB.</summary>
    public long MaxBytes { get; init; } = 4L << 30;

    /// <summary>Gets how long a buffer lies idle before its memory is given back. Default 30 s; zero: never.</summary>
    public TimeSpan TrimAfter { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Gets whether to look for misuse: returned memory is scrambled and checked, renters are remembered, a second
    /// dispose throws, and what was never returned is reported. Slow; default false.
    /// </summary>
    public bool Debug { get; init; }

    /// <summary>Gets who hears of each leak found at the pool's dispose in debug mode. Default: a trace error.</summary>
    public Action<string>? OnLeak { get; init; }
}
