using System.Diagnostics;
using System.Globalization;

namespace Sluice.Inference;

/// <summary>What one front end adds to requests' times: receiving them and writing their answers.</summary>
/// <remarks><b>Threads.</b> Any number.</remarks>
public sealed class FrontEndStages
{
    /// <summary>Header by which a caller asks for the times of its request (its value is <c>1</c> or <c>true</c>).</summary>
    public const string TimingHeader = "sluice-timing";

    /// <summary>From the call's beginning to its last byte.</summary>
    public StripedHistogram Receive { get; } = new();

    /// <summary>From the finished outputs to the answer in the transport's hands.</summary>
    public StripedHistogram Respond { get; } = new();

    /// <summary>Counts a request whose answer was written.</summary>
    /// <param name="request">Not yet reset.</param>
    /// <param name="beganAt">When its call began, ticks of <see cref="Stopwatch"/>.</param>
    public void Record(InferRequest request, long beganAt)
    {
        Receive.Record(ModelStatistics.ToNanoseconds(request.ReceivedAt - beganAt));
        if (request.Times.Answered != 0)
            Respond.Record(ModelStatistics.ToNanoseconds(Stopwatch.GetTimestamp() - request.Times.Answered));
    }

    /// <summary>Says whether a caller asks for times.</summary>
    public static bool AsksForTiming(string? header) => header is "1" or "true";

    /// <summary>Writes what an answered request took, in nanoseconds: <c>queue=…,batch=…,compute=…,respond=…</c>.</summary>
    /// <remarks>Queue is until the batch was taken, batch the gathering of its inputs, compute the engine's run, respond from there
    /// until now. All are 0 but the last for an answer that no execution made.</remarks>
    public static string FormatTiming(InferRequest request)
    {
        var times = request.Times;
        var now = Stopwatch.GetTimestamp();
        if (times.Answered == 0)
            return string.Create(CultureInfo.InvariantCulture, $"queue=0,batch=0,compute=0,respond={Between(request.ReceivedAt, now)}");
        return string.Create(
            CultureInfo.InvariantCulture,
            $"queue={Between(request.QueuedAt, times.Started)},batch={Between(times.Started, times.Gathered)}," +
            $"compute={Between(times.Gathered, times.Inferred)},respond={Between(times.Inferred, now)}");

        static long Between(long from, long to) => ModelStatistics.ToNanoseconds(Math.Max(0, to - from));
    }
}
