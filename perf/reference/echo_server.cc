// A bare gRPC C++ server that answers ModelInfer and ModelStreamInfer with the tensors it was sent.
//
// It is the yardstick of perf/compare.sh: what the gRPC C++ asynchronous API costs when the server
// does nothing else. So it is written to be quick: call objects and messages are reused, tensors
// are moved and never copied, a stream reads ahead while it writes. All other methods of the
// service are left unanswered.

#include <grpcpp/grpcpp.h>
#include <malloc.h>
#include <pthread.h>

#include <climits>
#include <csignal>
#include <deque>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "completion.h"
#include "flags.h"
#include "inference/v2/grpc_service.grpc.pb.h"

namespace sluice {
namespace {

using inference::GRPCInferenceService;
using inference::ModelInferRequest;
using inference::ModelInferResponse;
using inference::ModelStreamInferResponse;

// Calls of each kind that a thread offers from the start; it adds one whenever none is left
// waiting. Few, because gRPC takes them in turn and each keeps the memory of its last message: many
// would not fit the caches.
constexpr int kOfferedCalls = 8;
// Responses a stream may hold back before it stops reading.
constexpr size_t kMaxQueuedResponses = 64;

// Makes `response` the echo of `request`. The raw tensors change owner; `request` keeps its spare
// memory.
void Echo(ModelInferRequest* request, ModelInferResponse* response) {
  response->Clear();
  response->set_model_name(request->model_name());
  response->set_model_version("1");
  response->set_id(request->id());
  for (auto& input : *request->mutable_inputs()) {
    auto* output = response->add_outputs();
    output->set_name(input.name());
    output->set_datatype(input.datatype());
    output->mutable_shape()->CopyFrom(input.shape());
    if (input.has_contents()) output->mutable_contents()->Swap(input.mutable_contents());
  }
  response->mutable_raw_output_contents()->Swap(request->mutable_raw_input_contents());
}

class ServerCall;

// What the calls of one completion queue share. Only the queue's thread touches it.
struct Worker {
  GRPCInferenceService::AsyncService* service;
  std::unique_ptr<grpc::ServerCompletionQueue> queue;
  std::thread thread;
  std::vector<std::unique_ptr<ServerCall>> calls;
  // Calls that are offered or under way. The queue may be shut down only when there are none.
  int live_calls = 0;
  // Set by the first offer that the server hands back when it shuts down; nothing is offered after
  // it.
  bool closing = false;
};

// A call object: offered to gRPC, taken by a client, served, offered again.
class ServerCall {
 public:
  virtual ~ServerCall() = default;

  void Offer() {
    ++worker_->live_calls;
    ++*idle_;
    Request();
  }

 protected:
  // `idle` counts the offered calls of this kind.
  ServerCall(Worker* worker, int* idle) : worker_(worker), idle_(idle) {}

  // Asks gRPC for a client's next call; its arrival completes `arrived_`.
  virtual void Request() = 0;
  // Answers the call that has arrived; the end of it completes `finished_`.
  virtual void Serve() = 0;
  virtual std::unique_ptr<ServerCall> MakeSibling() const = 0;

  Worker* const worker_;
  int* const idle_;
  Completion arrived_{[this](bool ok) { OnArrived(ok); }};
  Completion finished_{[this](bool) { OnFinished(); }};

 private:
  void OnArrived(bool ok) {
    --*idle_;
    if (!ok) {
      worker_->closing = true;
      Retire();
      return;
    }
    if (*idle_ == 0 && !worker_->closing) {
      worker_->calls.push_back(MakeSibling());
      worker_->calls.back()->Offer();
    }
    Serve();
  }

  void OnFinished() {
    if (worker_->closing) {
      Retire();
      return;
    }
    --worker_->live_calls;
    Offer();
  }

  void Retire() {
    if (--worker_->live_calls == 0) worker_->queue->Shutdown();
  }
};

class UnaryCall final : public ServerCall {
 public:
  UnaryCall(Worker* worker, int* idle) : ServerCall(worker, idle) {}

 private:
  void Request() override {
    responder_.reset();
    context_.emplace();
    responder_.emplace(&*context_);
    worker_->service->RequestModelInfer(&*context_, &request_, &*responder_, worker_->queue.get(),
                                        worker_->queue.get(), &arrived_);
  }

  void Serve() override {
    Echo(&request_, &response_);
    responder_->Finish(response_, grpc::Status::OK, &finished_);
  }

  std::unique_ptr<ServerCall> MakeSibling() const override {
    return std::make_unique<UnaryCall>(worker_, idle_);
  }

  std::optional<grpc::ServerContext> context_;
  std::optional<grpc::ServerAsyncResponseWriter<ModelInferResponse>> responder_;
  ModelInferRequest request_;
  ModelInferResponse response_;
};

// One bidirectional stream: at most one read and one write under way, responses wait in order in
// between.
class StreamCall final : public ServerCall {
 public:
  StreamCall(Worker* worker, int* idle) : ServerCall(worker, idle) {}

 private:
  void Request() override {
    stream_.reset();
    context_.emplace();
    stream_.emplace(&*context_);
    reading_ = writing_ = ended_ = false;
    worker_->service->RequestModelStreamInfer(&*context_, &*stream_, worker_->queue.get(),
                                              worker_->queue.get(), &arrived_);
  }

  void Serve() override { Advance(); }

  std::unique_ptr<ServerCall> MakeSibling() const override {
    return std::make_unique<StreamCall>(worker_, idle_);
  }

  void OnRead(bool ok) {
    reading_ = false;
    if (ok) {
      Echo(&request_, queued_.emplace_back(TakeSpare())->mutable_infer_response());
    } else {
      ended_ = true;
    }
    Advance();
  }

  void OnWritten(bool ok) {
    writing_ = false;
    spare_.push_back(std::move(queued_.front()));
    queued_.pop_front();
    if (!ok) {
      // The client is gone: a pending read fails soon, and what is queued has no reader.
      ended_ = true;
      queued_.clear();
    }
    Advance();
  }

  // Starts whatever may start now.
  void Advance() {
    if (!reading_ && !ended_ && queued_.size() < kMaxQueuedResponses) {
      reading_ = true;
      stream_->Read(&request_, &read_);
    }
    if (!writing_ && !queued_.empty()) {
      writing_ = true;
      // With more to come the transport may wait and send several messages at once.
      grpc::WriteOptions options;
      if (queued_.size() > 1) options.set_buffer_hint();
      stream_->Write(*queued_.front(), options, &written_);
    }
    if (ended_ && !reading_ && !writing_) stream_->Finish(grpc::Status::OK, &finished_);
  }

  std::unique_ptr<ModelStreamInferResponse> TakeSpare() {
    if (spare_.empty()) return std::make_unique<ModelStreamInferResponse>();
    auto response = std::move(spare_.back());
    spare_.pop_back();
    return response;
  }

  std::optional<grpc::ServerContext> context_;
  std::optional<grpc::ServerAsyncReaderWriter<ModelStreamInferResponse, ModelInferRequest>> stream_;
  bool reading_ = false;
  bool writing_ = false;
  bool ended_ = false;
  ModelInferRequest request_;
  std::deque<std::unique_ptr<ModelStreamInferResponse>> queued_;
  std::vector<std::unique_ptr<ModelStreamInferResponse>> spare_;
  Completion read_{[this](bool ok) { OnRead(ok); }};
  Completion written_{[this](bool ok) { OnWritten(ok); }};
};

template <typename Call>
void OfferCalls(Worker* worker, int* idle) {
  for (int i = 0; i < kOfferedCalls; ++i) {
    worker->calls.push_back(std::make_unique<Call>(worker, idle));
    worker->calls.back()->Offer();
  }
}

// Runs until the server shuts down and the last call has ended.
void Work(Worker* worker) {
  int idle_unary = 0;
  int idle_streams = 0;
  OfferCalls<UnaryCall>(worker, &idle_unary);
  OfferCalls<StreamCall>(worker, &idle_streams);
  void* tag;
  bool ok;
  while (worker->queue->Next(&tag, &ok)) (*static_cast<Completion*>(tag))(ok);
}

int Main(int argc, char** argv) {
  std::string address = "127.0.0.1:8001";
  int64_t thread_count = 1;
  Flags flags;
  flags.String("address", "where to listen; port 0 picks a free one", &address);
  flags.Int("threads", "completion queues, one thread each", 1, 256, &thread_count);
  flags.ParseOrExit(argc, argv);

  // Memory of large messages stays with the process instead of being faulted in anew for each of
  // them; at 1 MiB that saves the reference a third of its time.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);

  // Blocked before any thread starts, so that only sigwait below sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  GRPCInferenceService::AsyncService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(-1);
  builder.RegisterService(&service);
  std::vector<Worker> workers(thread_count);
  for (auto& worker : workers) {
    worker.service = &service;
    worker.queue = builder.AddCompletionQueue();
  }
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    for (auto& worker : workers) worker.queue->Shutdown();
    std::cerr << "cannot listen on " << address << "\n";
    return 1;
  }
  for (auto& worker : workers) worker.thread = std::thread(Work, &worker);
  std::cout << "listening on port " << port << std::endl;

  int signal;
  sigwait(&signals, &signal);
  server->Shutdown(std::chrono::system_clock::now());
  for (auto& worker : workers) worker.thread.join();
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) { return sluice::Main(argc, argv); }
