using System.Globalization;
using Sluice.Protocol.Control.V1;

namespace Sluice.Cli.Control;

/// <summary>Finds the service that a command works on (spec clearml §1.1).</summary>
internal static class ServiceChoice
{
    /// <summary>Takes the given id, or else the service that the server serves, or else the oldest.</summary>
    /// <exception cref="CommandException">There is none.</exception>
    public static async Task<Service> FindAsync(CommandContext context)
    {
        if (context.Arguments.One("--id") is { } id)
            return await context.Control.CallAsync<Service>(
                "Services/GetService", new GetServiceRequest { ServiceId = id }, context.CancellationToken).ConfigureAwait(false);
        context.Output.Notice("Notice! serving service ID not provided, selecting the first active service");
        var found = (await context.Control.CallAsync<ListServicesResponse>(
            "Services/ListServices", new ListServicesRequest(), context.CancellationToken).ConfigureAwait(false)).Services;
        if (found.Count == 0)
            throw new CommandException("Could not find any valid control tasks; make one by: create --name \"my service\"");
        var chosen = found.FirstOrDefault(service => service.IsServedHere) ?? found[0];
        if (found.Count > 1)
            context.Output.Notice($"Warning: more than one valid Controller Tasks found, using Task ID={chosen.Id}");
        return chosen;
    }

    /// <summary>Asks before a service of another version is edited.</summary>
    /// <returns>False when nothing is to be changed.</returns>
    public static bool Confirm(CommandContext context, Service service)
    {
        var (mine, its) = (MajorMinor(ProgramVersion.Text), MajorMinor(service.Version.Length == 0 ? "1.0.0" : service.Version));
        if (mine == its)
            return true;
        context.Output.Notice(
            $"Warning: the service '{service.Name}' was made by version {service.Version}, this is version {ProgramVersion.Text}. Continue? [n]/y");
        if (context.Arguments.Has("--yes"))
        {
            context.Output.Notice("y");
            return true;
        }

        if (context.Input.ReadLine()?.Trim().ToLowerInvariant() is "y" or "yes")
            return true;
        context.Output.Notice($"Nothing was changed. Install version {its.Major}.{its.Minor} of the program, or say --yes.");
        return false;
    }

    private static (int Major, int Minor) MajorMinor(string version)
    {
        var parts = version.Split('.', '-', '+');
        return (Part(0), Part(1));

        int Part(int index) =>
            index < parts.Length && int.TryParse(parts[index], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
    }
}
