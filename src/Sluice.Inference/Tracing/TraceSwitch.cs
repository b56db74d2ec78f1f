namespace Sluice.Inference;

/// <summary>Says what is noted of calls at the moment; a call that nothing is noted of pays a look at it.</summary>
/// <remarks><b>Threads.</b> Any number of readers; each flag has one writer.</remarks>
public sealed class TraceSwitch
{
    private volatile bool _isActive;
    private volatile bool _logsCalls;

    /// <summary>Some model's requests are traced.</summary>
    public bool IsActive
    {
        get => _isActive;
        set => _isActive = value;
    }

    /// <summary>Every call is logged, because details are.</summary>
    public bool LogsCalls
    {
        get => _logsCalls;
        set => _logsCalls = value;
    }
}
