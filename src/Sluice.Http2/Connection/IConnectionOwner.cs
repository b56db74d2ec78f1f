namespace Sluice.Http2.Connection;

/// <summary>Whoever moves a connection's bytes and gives it its turns.</summary>
internal interface IConnectionOwner
{
    /// <summary>True when the calling thread runs the connection's turn now.</summary>
    bool IsInTurn { get; }

    /// <summary>Asks for <see cref="Http2Connection.Turn"/> to be called soon. Any thread.</summary>
    void RequestTurn();
}
