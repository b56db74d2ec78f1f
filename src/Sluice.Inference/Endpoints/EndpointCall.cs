namespace Sluice.Inference;

/// <summary>What a call's body is, as the code around the model sees it.</summary>
public enum EndpointBody
{
    /// <summary>No body: <c>None</c>.</summary>
    Empty,

    /// <summary>A JSON object, checked to be one: <c>dict</c>.</summary>
    JsonObject,

    /// <summary>Anything else: <c>bytes</c>.</summary>
    Bytes,
}

/// <summary>One call of an endpoint.</summary>
/// <param name="Body">What <paramref name="Content"/> is.</param>
/// <param name="Content">Lent until the call ends.</param>
/// <param name="WantsStatistics">The call is sampled, so the code gets a function that takes statistics of its own.</param>
/// <param name="CancellationToken">Cancelled when nobody waits for the answer.</param>
public sealed record EndpointCall(
    EndpointBody Body, ReadOnlyMemory<byte> Content, bool WantsStatistics, CancellationToken CancellationToken)
{
    /// <summary>The call is sampled, so the code gets a function that takes statistics of its own; set by the router.</summary>
    public bool WantsStatistics { get; set; } = WantsStatistics;

    /// <summary>When the caller stops waiting; null = never.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>Calls of endpoints by endpoints that led to this one; bounded, so that a ring of them ends.</summary>
    public int Depth { get; init; }

    /// <summary>The request behind the call, for headers and who calls; null when there is none.</summary>
    public ICallOrigin? Origin { get; init; }
}

/// <summary>How a call of an endpoint ended.</summary>
public enum EndpointOutcome
{
    /// <summary>With a body.</summary>
    Ok,

    /// <summary>No endpoint has that name.</summary>
    NotFound,

    /// <summary>The caller's fault: <c>ValueError</c> of the code, or inputs that do not fit the model.</summary>
    BadRequest,

    /// <summary>The model, the code's process or the server failed.</summary>
    Failed,

    /// <summary>It cannot be called now: loading, restarting, too much at once.</summary>
    Unavailable,

    /// <summary>The deadline or the endpoint's own limit passed.</summary>
    TimedOut,

    /// <summary>The caller went away.</summary>
    Cancelled,

    /// <summary>The code raised an exception that is no <c>ValueError</c>.</summary>
    Raised,
}

/// <summary>The answer to a call.</summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="Content">The body, owned by the reply; empty on failure.</param>
/// <param name="ContentType">Of <paramref name="Content"/>.</param>
/// <param name="Detail">What went wrong, for the caller; null on success.</param>
public sealed record EndpointReply(EndpointOutcome Outcome, ReadOnlyMemory<byte> Content, string ContentType, string? Detail)
{
    /// <summary>HTTP status of a call that ended with <see cref="EndpointOutcome.Ok"/>: 200 unless the code chose another.</summary>
    public int Status { get; init; } = 200;

    /// <summary>Statistics that the code gave, one JSON object; empty = none.</summary>
    public ReadOnlyMemory<byte> StatisticsJson { get; init; }

    /// <summary>The traceback of the user's code, for the endpoint's log; null when there is none.</summary>
    public string? Traceback { get; init; }

    /// <summary>Key of the endpoint that answered, after canaries; null when none was reached.</summary>
    public string? Endpoint { get; init; }

    /// <summary>A successful reply with a JSON body.</summary>
    public static EndpointReply Json(ReadOnlyMemory<byte> content) => new(EndpointOutcome.Ok, content, "application/json", null);

    /// <summary>A failed reply.</summary>
    public static EndpointReply Fail(EndpointOutcome outcome, string detail) => new(outcome, default, "application/json", detail);
}
