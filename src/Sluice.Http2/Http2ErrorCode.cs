namespace Sluice.Http2;

/// <summary>Why a stream or a connection ends (RFC 9113 §7).</summary>
public enum Http2ErrorCode
{
    /// <summary>Nothing is wrong.</summary>
    NoError = 0x0,

    /// <summary>A rule of the protocol was broken.</summary>
    ProtocolError = 0x1,

    /// <summary>A fault of the sender of the code.</summary>
    InternalError = 0x2,

    /// <summary>More was sent than the window allows.</summary>
    FlowControlError = 0x3,

    /// <summary>The handshake took too long.</summary>
    SettingsTimeout = 0x4,

    /// <summary>A frame came for a stream that has ended.</summary>
    StreamClosed = 0x5,

    /// <summary>A frame has the wrong length.</summary>
    FrameSizeError = 0x6,

    /// <summary>The stream was not served at all; the call may be made again.</summary>
    RefusedStream = 0x7,

    /// <summary>The stream is not needed any more.</summary>
    Cancel = 0x8,

    /// <summary>A header block cannot be decoded.</summary>
    CompressionError = 0x9,

    /// <summary>A tunnel was lost.</summary>
    ConnectError = 0xa,

    /// <summary>The peer does too much of something.</summary>
    EnhanceYourCalm = 0xb,

    /// <summary>The transport's security does not suffice.</summary>
    InadequateSecurity = 0xc,

    /// <summary>HTTP/1.1 is to be used.</summary>
    Http11Required = 0xd,
}
