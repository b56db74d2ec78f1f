namespace Sluice.Inference;

/// <summary>A streaming instance that takes several requests in one execution and answers each on its own way back.</summary>
/// <remarks><b>Threads.</b> As <see cref="IStreamingInstance"/>: one execution at a time, of one request or of a group.</remarks>
public interface IStreamingGroupInstance : IStreamingInstance
{
    /// <summary>Takes a group of requests. The instance is given the next ones when the task ends.</summary>
    /// <remarks>An exception thrown becomes the final response of those requests that have none yet.</remarks>
    /// <param name="requests">At least one, in the order of taking; the memory is lent until the task ends, each request until its final
    /// response has been sent.</param>
    ValueTask ExecuteAsync(ReadOnlyMemory<IResponseChannel> requests);
}
