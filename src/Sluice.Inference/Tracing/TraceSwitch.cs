namespace Sluice.Inference;

/// <summary>Says whether any request could be traced; all that an untraced request pays is a look at it.</summary>
/// <remarks><b>Threads.</b> Any number of readers.</remarks>
public sealed class TraceSwitch
{
    private volatile bool _isActive;

    /// <summary>True while some model's requests are traced.</summary>
    public bool IsActive
    {
        get => _isActive;
        set => _isActive = value;
    }
}
