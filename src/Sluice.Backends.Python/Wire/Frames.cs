namespace Sluice.Backends.Python.Wire;

/// <summary>Kinds and sizes of frames; the Python side is <c>sluice_worker/wire.py</c>, which describes them.</summary>
internal static class Frames
{
    public const int HeadBytes = 8;
    public const int MaxBytes = 64 << 20;
    public const int TensorBytes = 24;
    public const ulong NoBlock = ulong.MaxValue;

    // Less than this goes through the socket, where it costs no bookkeeping.
    public const int InlineLimit = 16 * 1024;

    // From the server.
    public const byte Load = 1;
    public const byte Execution = 2;
    public const byte Free = 3;
    public const byte Stop = 4;
    public const byte Ping = 5;
    public const byte EndpointCall = 6;
    public const byte Initialize = 7;
    public const byte Forget = 8;
    public const byte Cancel = 9;

    // To the server.
    public const byte Loaded = 65;
    public const byte Replied = 66;
    public const byte Response = 67;
    public const byte Release = 68;
    public const byte Pong = 69;
    public const byte EndpointReply = 70;
    public const byte Stopped = 71;
    public const byte Initialized = 72;
    public const byte Next = 73;

    // Calls into the server.
    public const byte InferCall = 1;
    public const byte CancelCall = 2;
    public const byte MetricCall = 3;
    public const byte ModelCall = 4;
    public const byte SendCall = 5;
    public const byte LogCall = 6;
    public const byte FlushCall = 7;

    // Where a tensor's bytes are.
    public const byte Theirs = 0;
    public const byte Ours = 1;
    public const byte Inline = 2;

    // A flag of answers: the worker ends after this one.
    public const uint Leaving = 2;

    // What an answer is.
    public const byte None = 0;
    public const byte Responded = 1;
    public const byte Failed = 2;
    public const byte Rescheduled = 3;

    /// <summary>Whether a worker sends frames of this kind, on either of its sockets.</summary>
    public static bool IsToServer(byte kind) => kind is >= Loaded and <= Next or >= InferCall and <= FlushCall;
}
