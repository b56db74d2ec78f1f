using System.Diagnostics;

namespace Sluice.Inference;

/// <summary>When the steps of a request's execution happened, ticks of <see cref="Stopwatch"/>; all 0 when it never ran.</summary>
/// <param name="Started">Its batch was taken.</param>
/// <param name="Gathered">The inputs lay ready.</param>
/// <param name="Inferred">The engine had run.</param>
/// <param name="Answered">The outputs were handed out.</param>
public readonly record struct RequestTimes(long Started, long Gathered, long Inferred, long Answered);
