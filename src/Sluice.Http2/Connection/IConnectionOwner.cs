namespace Sluice.Http2.Connection;

/// <summary>Whoever moves a connection's bytes and gives it its turns.</summary>
internal interface IConnectionOwner
{
    /// <summary>True when the calling thread runs the connection's turn now.</summary>
    bool IsInTurn { get; }

    /// <summary>Asks for <see cref="Http2Connection.Turn"/> to be called soon. Any thread.</summary>
    void RequestTurn();

    /// <summary>The connection is lost. Memory of it may still be read or written by the owner: then it sees to the end of that, and
    /// calls <see cref="Http2Connection.Lost"/> again.</summary>
    /// <returns>False when nothing is under way.</returns>
    bool TryPostponeLoss();
}
