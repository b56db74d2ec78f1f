namespace Sluice.Inference;

/// <summary>What the core may ask about the call that brought a request; a front end's <see cref="ICallLifetime"/> has it.</summary>
/// <remarks>Asked only by features that are switched on, never on the plain path.</remarks>
public interface ICallOrigin
{
    /// <summary><c>GRPC</c> or <c>HTTP</c>, as the names of traces begin.</summary>
    string FrontEnd { get; }

    /// <summary>When the call began, ticks of <see cref="System.Diagnostics.Stopwatch"/>; 0 = not noted.</summary>
    long BeganAt { get; }

    /// <summary>Who calls; null when callers are not asked who they are.</summary>
    CallerIdentity? Caller { get; }

    /// <summary>Returns a header's value; null when absent.</summary>
    /// <param name="name">Lower case.</param>
    string? Header(string name);
}
