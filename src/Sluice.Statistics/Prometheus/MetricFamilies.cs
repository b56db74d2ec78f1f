namespace Sluice.Statistics.Prometheus;

/// <summary>Every metric family that is exposed. Operators' dashboards depend on these names: a test holds the list.</summary>
/// <remarks>The <c>nv_*</c> ones are those of spec §4; the others are ours, in seconds and bytes.</remarks>
public static class MetricFamilies
{
    internal static readonly MetricFamily RequestSuccess = new(
        "nv_inference_request_success", "counter", "Inference requests that succeeded, whatever their batch size");

    internal static readonly MetricFamily RequestFailure = new(
        "nv_inference_request_failure", "counter", "Inference requests that failed, by reason");

    internal static readonly MetricFamily InferenceCount = new(
        "nv_inference_count", "counter", "Inferences performed: a batch of n counts n");

    internal static readonly MetricFamily ExecutionCount = new(
        "nv_inference_exec_count", "counter", "Executions of the model: a batch counts 1");

    internal static readonly MetricFamily RequestDuration = new(
        "nv_inference_request_duration_us", "counter", "Time of requests from receipt to response, microseconds added up");

    internal static readonly MetricFamily QueueDuration = new(
        "nv_inference_queue_duration_us", "counter", "Time of requests in the queue, microseconds added up");

    internal static readonly MetricFamily InputDuration = new(
        "nv_inference_compute_input_duration_us", "counter", "Time of gathering inputs, microseconds added up over requests");

    internal static readonly MetricFamily InferDuration = new(
        "nv_inference_compute_infer_duration_us", "counter", "Time of running the model, microseconds added up over requests");

    internal static readonly MetricFamily OutputDuration = new(
        "nv_inference_compute_output_duration_us", "counter", "Time of handing out outputs, microseconds added up over requests");

    internal static readonly MetricFamily PendingCount = new(
        "nv_inference_pending_request_count", "gauge", "Requests received and not yet executing");

    internal static readonly MetricFamily LoadDuration = new(
        "nv_model_load_duration_secs", "gauge", "Time that the model's last load took, seconds");

    internal static readonly MetricFamily CpuUtilization = new(
        "nv_cpu_utilization", "gauge", "Share of the machine's CPU time in use, 0 to 1");

    internal static readonly MetricFamily MemoryTotal = new(
        "nv_cpu_memory_total_bytes", "gauge", "Memory of the machine, bytes");

    internal static readonly MetricFamily MemoryUsed = new(
        "nv_cpu_memory_used_bytes", "gauge", "Memory of the machine in use, bytes");

    internal static readonly MetricFamily RequestLatency = new(
        "sluice_request_duration_seconds", "histogram", "Time of each successful request from receipt to response");

    internal static readonly MetricFamily QueueLatency = new(
        "sluice_queue_duration_seconds", "histogram", "Time of each request in the queue");

    internal static readonly MetricFamily InferLatency = new(
        "sluice_infer_duration_seconds", "histogram", "Time of each execution of the model");

    internal static readonly MetricFamily BatchWaitLatency = new(
        "sluice_batch_wait_duration_seconds", "histogram", "Part of the time in the queue in which an instance was free and the batch waited for company");

    internal static readonly MetricFamily ReceiveLatency = new(
        "sluice_receive_duration_seconds", "histogram", "Time of each successful request from the beginning of its call to its last byte, by port");

    internal static readonly MetricFamily RespondLatency = new(
        "sluice_respond_duration_seconds", "histogram", "Time of each successful request from its outputs to the written response, by port");

    internal static readonly MetricFamily BatchRows = new(
        "sluice_batch_rows", "histogram", "Rows of each execution of the model");

    internal static readonly MetricFamily Cancelled = new(
        "sluice_cancelled_requests_total", "counter", "Requests that nobody waited for any more, by whether their deadline had passed");

    internal static readonly MetricFamily BatchCuts = new(
        "sluice_batch_cut_total", "counter", "Batches closed, by what closed them");

    internal static readonly MetricFamily Refused = new(
        "sluice_refused_requests_total", "counter", "Requests that were not let run, by what was against it");

    internal static readonly MetricFamily PoolRented = new(
        "sluice_tensor_pool_rented_bytes", "gauge", "Native tensor memory in use, bytes");

    internal static readonly MetricFamily PoolPooled = new(
        "sluice_tensor_pool_pooled_bytes", "gauge", "Native tensor memory lying idle in the pool, bytes");

    internal static readonly MetricFamily Sequences = new(
        "sluice_sequences", "gauge", "Sequences under way, those that wait for a slot included");

    internal static readonly MetricFamily SequencesWaiting = new(
        "sluice_sequences_waiting", "gauge", "Sequences that wait for a slot");

    internal static readonly MetricFamily PoolRefused = new(
        "sluice_tensor_pool_refused_total", "counter", "Tensor buffers refused because the pool's limit was reached");

    internal static readonly MetricFamily PinnedTotal = new(
        "nv_pinned_memory_pool_total_bytes", "gauge", "Most native tensor memory that the server takes, bytes");

    internal static readonly MetricFamily PinnedUsed = new(
        "nv_pinned_memory_pool_used_bytes", "gauge", "Native tensor memory in use, bytes");

    internal static readonly MetricFamily QueueDepth = new(
        "sluice_queue_depth", "gauge", "Requests received and not yet executing, of all models together");

    internal static readonly MetricFamily Hanging = new(
        "sluice_executions_hanging", "gauge", "Executions that run longer than the watchdog allows");

    internal static readonly MetricFamily ConnectionsOpen = new(
        "sluice_connections_open", "gauge", "Connections that are open, by port");

    internal static readonly MetricFamily ConnectionsTotal = new(
        "sluice_connections_total", "counter", "Connections that were opened, by port");

    internal static readonly MetricFamily CallsActive = new(
        "sluice_calls_active", "gauge", "Calls being served, by port");

    internal static readonly MetricFamily CallsEnded = new(
        "sluice_calls_total", "counter", "Calls that ended, by port and status");

    internal static readonly MetricFamily TransportEvents = new(
        "sluice_transport_events_total", "counter", "What the port's transport has seen, broken rules by their HTTP/2 error code");

    internal static readonly MetricFamily ManagedAllocated = new(
        "sluice_managed_allocated_bytes_total", "counter", "Memory that the runtime has allocated in managed objects since the start, bytes");

    internal static readonly MetricFamily TracesDropped = new(
        "sluice_traces_dropped_total", "counter", "Traces that found their queue full");

    internal static readonly MetricFamily EndpointCalls = new(
        "sluice_endpoint_calls_total", "counter", "Calls of endpoints on all fronts, by how they ended");

    internal static readonly MetricFamily EndpointDuration = new(
        "sluice_endpoint_duration_seconds", "histogram", "Time of each successful call of an endpoint");

    internal static readonly MetricFamily CanaryCalls = new(
        "sluice_canary_calls_total", "counter", "Calls of canaries, by the endpoint they were drawn for and how they ended");

    internal static readonly MetricFamily CanaryDuration = new(
        "sluice_canary_duration_seconds", "histogram", "Time of each successful call of a canary, by the endpoint it was drawn for");

    internal static readonly MetricFamily Samples = new(
        "sluice_samples_total", "counter", "Sampled calls of endpoints and responses of decoupled models, by what became of the sample");

    internal static readonly MetricFamily KafkaRecords = new(
        "sluice_kafka_records_total", "counter", "Records of sampled calls for Kafka, by what became of them");

    internal static readonly MetricFamily KafkaWaiting = new(
        "sluice_kafka_records_waiting", "gauge", "Records of sampled calls that no broker has confirmed yet");

    internal static readonly MetricFamily HistoryPoints = new(
        "sluice_history_points", "gauge", "Points that the history keeps");

    internal static readonly MetricFamily HistoryBytes = new(
        "sluice_history_bytes", "gauge", "Bytes of the history in its store");

    internal static readonly MetricFamily HistoryDropped = new(
        "sluice_history_points_dropped_total", "counter", "Points of the history that were given up for want of room or of a store");

    internal static readonly MetricFamily IgnoredValues = new(
        "sluice_sample_values_ignored_total", "counter", "Sampled values that their variable could not take, by why");

    internal static readonly MetricFamily RequestSummary = new(
        "nv_inference_request_summary_us", "summary", "Time of requests from receipt to response, microseconds");

    internal static readonly MetricFamily QueueSummary = new(
        "nv_inference_queue_summary_us", "summary", "Time of requests in the queue, microseconds");

    internal static readonly MetricFamily InputSummary = new(
        "nv_inference_compute_input_summary_us", "summary", "Time of gathering inputs per request, microseconds");

    internal static readonly MetricFamily InferSummary = new(
        "nv_inference_compute_infer_summary_us", "summary", "Time of running the model per request, microseconds");

    internal static readonly MetricFamily OutputSummary = new(
        "nv_inference_compute_output_summary_us", "summary", "Time of handing out outputs per request, microseconds");

    internal static readonly MetricFamily CacheHits = new(
        "nv_cache_num_hits_per_model", "counter", "Requests that the response cache answered");

    internal static readonly MetricFamily CacheMisses = new(
        "nv_cache_num_misses_per_model", "counter", "Requests whose answer was not in the response cache");

    internal static readonly MetricFamily CacheHitDuration = new(
        "nv_cache_hit_duration_per_model", "counter", "Time of finding answers in the response cache, microseconds added up");

    internal static readonly MetricFamily CacheMissDuration = new(
        "nv_cache_miss_duration_per_model", "counter", "Time of looking for answers in vain and of keeping them, microseconds added up");

    internal static readonly MetricFamily CacheHitSummary = new(
        "nv_cache_hit_summary_per_model", "summary", "Time of finding an answer in the response cache, microseconds");

    internal static readonly MetricFamily CacheMissSummary = new(
        "nv_cache_miss_summary_per_model", "summary", "Time of looking for an answer in vain and of keeping it, microseconds");

    internal static readonly MetricFamily FirstResponse = new(
        "nv_inference_first_response_histogram_ms", "histogram", "Time of requests to decoupled models until their first response, milliseconds");

    /// <summary>Families that are written only when asked for, those of the cache when a model uses it.</summary>
    public static IReadOnlyList<MetricFamily> Optional { get; } =
    [
        RequestSummary, QueueSummary, InputSummary, InferSummary, OutputSummary, FirstResponse,
        CacheHits, CacheMisses, CacheHitDuration, CacheMissDuration, CacheHitSummary, CacheMissSummary,
    ];

    /// <summary>All others, in the order in which they are written.</summary>
    public static IReadOnlyList<MetricFamily> All { get; } =
    [
        RequestSuccess, RequestFailure, InferenceCount, ExecutionCount, RequestDuration, QueueDuration, InputDuration,
        InferDuration, OutputDuration, PendingCount, LoadDuration, CpuUtilization, MemoryTotal, MemoryUsed,
        RequestLatency, QueueLatency, BatchWaitLatency, InferLatency, BatchRows, BatchCuts, Refused, Cancelled, Sequences, SequencesWaiting,
        PoolRented, PoolPooled, PoolRefused,
        PinnedTotal, PinnedUsed, QueueDepth, Hanging, ConnectionsOpen, ConnectionsTotal, CallsActive, CallsEnded,
        TransportEvents, ReceiveLatency, RespondLatency, ManagedAllocated, TracesDropped, EndpointCalls, EndpointDuration, CanaryCalls, CanaryDuration, Samples,
        IgnoredValues, KafkaRecords, KafkaWaiting, HistoryPoints, HistoryBytes, HistoryDropped,
    ];
}
