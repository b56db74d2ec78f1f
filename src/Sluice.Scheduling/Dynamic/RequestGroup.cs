using System.Runtime.CompilerServices;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Runs batches of an instance that answers each request on its own; one per instance.</summary>
internal sealed class RequestGroup(InstanceScheduler owner, IRequestInstance instance) : IRequestGroup
{
    private ReadOnlyMemory<InferRequest> _requests;
    private InferRequest[] _answered = new InferRequest[4];
    private bool[] _isDone = new bool[4];

    public int Count => _requests.Length;

    public InferRequest this[int position] => _requests.Span[position];

    /// <summary>Runs a batch; every request of it has its answer or its failure in the end.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask RunAsync(ReadOnlyMemory<InferRequest> requests, int rows)
    {
        var startedAt = owner.Now;
        Begin(requests);
        Exception? error = null;
        try
        {
            await instance.ExecuteAsync(this).ConfigureAwait(false);
        }
        catch (Exception thrown)
        {
            error = thrown;
        }

        End(rows, startedAt, error);
    }

    /// <summary>Tells the instance that nobody waits for a request any more.</summary>
    public void Cancel(InferRequest cancelled)
    {
        var position = _requests.Span.IndexOf(cancelled);
        if (position >= 0)
            instance.Cancel(position);
    }

    public Shape InputShape(int position, in InputTensor input)
    {
        var request = this[position];
        return BatchAssembler.EngineShape(
            in input, owner.EngineSettings.Inputs[input.Index], owner.Settings.MaxBatchSize > 0, request.RowCount);
    }

    public void CopyInput(int position, in InputTensor input, Span<byte> target) =>
        BatchAssembler.Copy(this[position], in input, target);

    public ExecutionBatch Rent(int position)
    {
        var request = this[position];
        var response = owner.RentBatch(request.RowCount);
        BatchAssembler.RequestOutputs(response, request);
        return response;
    }

    public void Answer(int position, ExecutionBatch response)
    {
        try
        {
            for (var i = 0; i < owner.Settings.Outputs.Length; i++)
            {
                if (response.IsRequested(i) && response.GetOutput(i, out _) is null)
                    response.Withdraw(i);
            }

            owner.Split(response, _requests.Span.Slice(position, 1));
        }
        catch (InferenceException error)
        {
            this[position].Fail(error.Code, error.Message);
        }
        finally
        {
            response.Release();
            _isDone[position] = true;
        }
    }

    public void Fail(int position, InferenceCode code, string message)
    {
        this[position].HasModelFailed = true;
        owner.RecordFailure(this[position], new InferenceException(code, message));
        _isDone[position] = true;
    }

    public void Reschedule(int position)
    {
        if (!owner.AllowsReschedule)
        {
            Fail(position, InferenceCode.InvalidArgument, RequestEndings.CannotReschedule);
            return;
        }

        this[position].IsRescheduled = true;
        _isDone[position] = true;
    }

    private void Begin(ReadOnlyMemory<InferRequest> requests)
    {
        _requests = requests;
        if (_isDone.Length < requests.Length)
        {
            _isDone = new bool[requests.Length];
            _answered = new InferRequest[requests.Length];
        }

        Array.Clear(_isDone);
    }

    private void End(int rows, long startedAt, Exception? error)
    {
        var requests = _requests.Span;
        var (count, failedRows) = (0, 0);
        for (var i = 0; i < requests.Length; i++)
        {
            if (!_isDone[i] && owner.IsCounted(requests[i]))
            {
                owner.RecordFailure(requests[i], error ?? new InferenceException(
                    InferenceCode.Internal, $"model '{owner.Settings.Name}' gave no response"));
            }

            if (!owner.IsCounted(requests[i]))
                continue;
            if (requests[i] is { IsOk: true, IsRescheduled: false })
                _answered[count++] = requests[i];
            else
                failedRows += owner.Settings.MaxBatchSize == 0 ? 0 : requests[i].RowCount;
        }

        if (count > 0)
            owner.RecordSuccess(_answered.AsSpan(0, count), rows - failedRows, startedAt, startedAt, owner.Now);
        Array.Clear(_answered, 0, count);
    }
}
