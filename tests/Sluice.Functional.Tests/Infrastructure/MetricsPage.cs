using System.Globalization;

namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>One scrape of a metrics page.</summary>
internal sealed class MetricsPage(string text)
{
    private readonly Dictionary<string, double> _series = text.Split('\n')
        .Where(line => line.Length > 0 && line[0] != '#')
        .ToDictionary(
            line => line[..line.LastIndexOf(' ')], line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));

    public string Text => text;

    /// <summary>A series' value; 0 when it is not there.</summary>
    public double this[string series] => _series.GetValueOrDefault(series);

    public bool Has(string series) => _series.ContainsKey(series);

    /// <summary>Scrapes; two samples of one series fail.</summary>
    public static async Task<MetricsPage> ReadAsync(Uri address)
    {
        using var http = new HttpClient();
        return new MetricsPage(await http.GetStringAsync(new Uri(address, "/metrics")));
    }
}
