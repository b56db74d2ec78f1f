using Sluice.Inference;

namespace Sluice.Backends.Samples;

/// <summary>Responses that go on after the execution has ended: a failure has nobody else to go to than the caller.</summary>
internal static class BackgroundResponses
{
    /// <summary>Makes a failure the final response.</summary>
    public static ValueTask FailAsync(IResponseChannel responses, Exception error) => responses.FailAsync(
        (error as InferenceException)?.Code ?? InferenceCode.Internal, error.Message, isFinal: true);
}
