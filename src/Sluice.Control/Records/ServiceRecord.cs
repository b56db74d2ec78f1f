namespace Sluice.Control.Records;

/// <summary>One serving service, without its records.</summary>
/// <param name="Id">Given by the server; 32 hex digits.</param>
/// <param name="Name">For people; need not be unique.</param>
/// <param name="Project">Its project.</param>
/// <param name="Tags">For people.</param>
/// <param name="CreatedAt">When it was created; services are listed in this order.</param>
/// <param name="Version">Version of the program that created it.</param>
/// <param name="IsStarted">A replica has served it.</param>
public sealed record ServiceRecord(
    string Id, string Name, string Project, ValueList<string> Tags, DateTimeOffset CreatedAt, string Version, bool IsStarted)
{
    /// <summary>Name of a service that was given none.</summary>
    public const string DefaultName = "Serving Service";

    /// <summary>Project of a service that was given none.</summary>
    public const string DefaultProject = "DevOps";
}
