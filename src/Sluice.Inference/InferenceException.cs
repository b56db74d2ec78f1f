namespace Sluice.Inference;

/// <summary>Carries a status that a caller may see, from where it is found to the edge that reports it.</summary>
/// <remarks>The message is one sentence for the client: it names the model, the tensor and both values that disagree.</remarks>
public sealed class InferenceException : Exception
{
    /// <summary>Creates a failure with a message that is sent to the client as it stands.</summary>
    public InferenceException(InferenceCode code, string message)
        : base(message) => Code = code;

    /// <summary>Creates a failure that keeps the error behind it for the log.</summary>
    public InferenceException(InferenceCode code, string message, Exception inner)
        : base(message, inner) => Code = code;

    /// <summary>The status; never <see cref="InferenceCode.Ok"/>.</summary>
    public InferenceCode Code { get; }

    /// <summary>Creates an <see cref="InferenceCode.InvalidArgument"/> failure.</summary>
    public static InferenceException Invalid(string message) => new(InferenceCode.InvalidArgument, message);
}
