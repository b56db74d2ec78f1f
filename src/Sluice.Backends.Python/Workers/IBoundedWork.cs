namespace Sluice.Backends.Python.Workers;

/// <summary>Work whose time is looked at now and then.</summary>
internal interface IBoundedWork
{
    /// <summary>Ends what has taken too long.</summary>
    /// <param name="now">Milliseconds of the runtime's clock.</param>
    void Check(long now);
}
