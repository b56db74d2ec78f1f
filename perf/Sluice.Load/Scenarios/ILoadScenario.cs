namespace Sluice.Load.Scenarios;

/// <summary>A way to send the request.</summary>
internal interface ILoadScenario : IAsyncDisposable
{
    /// <summary>Sends one request and checks the answer.</summary>
    /// <exception cref="Exception">The request failed.</exception>
    ValueTask SendAsync();
}
