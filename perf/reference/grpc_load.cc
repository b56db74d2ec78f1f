// A closed-loop gRPC C++ load client for ModelInfer and ModelStreamInfer: a fixed number of calls
// in flight, one thread. Prints one line of JSON with latencies and, given the server's process id,
// its CPU time per request. The request is serialised once and responses are looked into once per
// slot, so that the client saturates last.

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <deque>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "completion.h"
#include "flags.h"
#include "infer_request.h"
#include "measurement.h"

namespace sluice {
namespace {

using inference::ModelInferRequest;
using inference::ModelInferResponse;
using inference::ModelStreamInferResponse;

// Without any completion for this long the server is taken for dead.
constexpr auto kStallLimit = std::chrono::seconds(20);

template <typename Message>
bool Parse(const grpc::ByteBuffer& bytes, Message* message) {
  // Parsing consumes its buffer; a copy shares the memory.
  grpc::ByteBuffer copy(bytes);
  return grpc::SerializationTraits<Message>::Deserialize(&copy, message).ok();
}

// What all calls of a run share.
struct Run {
  ModelInferRequest request;
  grpc::ByteBuffer request_bytes;
  bool expect_echo = false;
  Measurement* measurement = nullptr;
  grpc::CompletionQueue queue;
  // Calls and streams that have operations under way.
  int active = 0;

  // Says what is wrong with a response; empty when nothing is.
  std::string Check(const ModelInferResponse& response) const {
    if (response.outputs().empty()) return "a response without outputs";
    return expect_echo ? CompareEcho(request, response) : "";
  }
};

// One call in flight, started anew when it completes.
class UnarySlot {
 public:
  UnarySlot(Run* run, grpc::GenericStub* stub) : run_(run), stub_(stub) {}

  void Start() {
    reader_.reset();
    context_.emplace();
    started_ = Clock::now();
    reader_ = stub_->PrepareUnaryCall(&*context_, "/inference.GRPCInferenceService/ModelInfer",
                                      run_->request_bytes, &run_->queue);
    reader_->StartCall();
    reader_->Finish(&response_, &status_, &finished_);
    ++run_->active;
  }

 private:
  void OnFinished() {
    --run_->active;
    if (const auto error = Error(); error.empty()) {
      run_->measurement->Succeeded(started_);
    } else {
      run_->measurement->Failed(error);
    }
    if (run_->measurement->running()) Start();
  }

  std::string Error() {
    if (!status_.ok()) {
      return "status " + std::to_string(status_.error_code()) + ": " + status_.error_message();
    }
    if (expected_length_ != 0) {
      return response_.Length() == expected_length_ ? "" : "a response of another length";
    }
    expected_length_ = response_.Length();
    ModelInferResponse response;
    return Parse(response_, &response) ? run_->Check(response) : "a response that does not parse";
  }

  Run* const run_;
  grpc::GenericStub* const stub_;
  std::optional<grpc::ClientContext> context_;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader_;
  grpc::ByteBuffer response_;
  grpc::Status status_;
  Clock::time_point started_;
  size_t expected_length_ = 0;
  Completion finished_{[this](bool) { OnFinished(); }};
};

// One bidirectional stream with up to `depth` unanswered requests. Responses come in the order of
// the requests.
class Stream {
 public:
  Stream(Run* run, grpc::GenericStub* stub, size_t depth) : run_(run), depth_(depth) {
    call_ = stub->PrepareCall(&context_, "/inference.GRPCInferenceService/ModelStreamInfer",
                              &run->queue);
  }

  void Start() {
    ++run_->active;
    call_->StartCall(&opened_);
  }

 private:
  void OnOpened(bool ok) {
    if (!ok) return Finish();
    call_->Read(&response_, &read_);
    Advance();
  }

  void OnRead(bool ok) {
    if (!ok) {
      reading_ = false;
      return Advance();
    }
    if (const auto error = Error(); error.empty()) {
      run_->measurement->Succeeded(sent_.front());
    } else {
      run_->measurement->Failed(error);
    }
    if (!sent_.empty()) sent_.pop_front();
    call_->Read(&response_, &read_);
    Advance();
  }

  void OnWritten(bool ok) {
    writing_ = false;
    broken_ |= !ok;
    Advance();
  }

  void Advance() {
    if (writing_ || finishing_) return;
    if (!reading_) return Finish();
    if (broken_ || half_closed_) return;
    if (!run_->measurement->running()) {
      if (!sent_.empty()) return;
      half_closed_ = writing_ = true;
      call_->WritesDone(&written_);
    } else if (sent_.size() < depth_) {
      writing_ = true;
      sent_.push_back(Clock::now());
      call_->Write(run_->request_bytes, &written_);
    }
  }

  void Finish() {
    finishing_ = true;
    call_->Finish(&status_, &finished_);
  }

  void OnFinished() {
    --run_->active;
    if (!status_.ok() || !half_closed_) {
      run_->measurement->Failed("the stream ended with status " +
                                std::to_string(status_.error_code()) + ": " +
                                status_.error_message());
    }
  }

  std::string Error() {
    if (sent_.empty()) return "a response to no request";
    if (expected_length_ != 0) {
      return response_.Length() == expected_length_ ? "" : "a response of another length";
    }
    expected_length_ = response_.Length();
    ModelStreamInferResponse response;
    if (!Parse(response_, &response)) return "a response that does not parse";
    if (!response.error_message().empty()) return response.error_message();
    return run_->Check(response.infer_response());
  }

  Run* const run_;
  const size_t depth_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer response_;
  grpc::Status status_;
  // When each unanswered request was sent.
  std::deque<Clock::time_point> sent_;
  size_t expected_length_ = 0;
  bool reading_ = true;
  bool writing_ = false;
  bool broken_ = false;
  bool half_closed_ = false;
  bool finishing_ = false;
  Completion opened_{[this](bool ok) { OnOpened(ok); }};
  Completion read_{[this](bool ok) { OnRead(ok); }};
  Completion written_{[this](bool ok) { OnWritten(ok); }};
  Completion finished_{[this](bool) { OnFinished(); }};
};

std::vector<std::unique_ptr<grpc::GenericStub>> Connect(const std::string& address, int64_t count) {
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs;
  for (int64_t i = 0; i < count; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    // Channels to one address share a connection unless each has a pool of its own.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stubs.push_back(std::make_unique<grpc::GenericStub>(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments)));
  }
  return stubs;
}

// Handles completions until no call is under way.
void Drive(Run* run) {
  while (run->active > 0) {
    void* tag;
    bool ok;
    const auto limit = std::chrono::system_clock::now() + kStallLimit;
    if (run->queue.AsyncNext(&tag, &ok, limit) != grpc::CompletionQueue::GOT_EVENT) {
      std::cerr << "no completion for " << kStallLimit.count() << " s with " << run->active
                << " calls under way; giving up\n";
      // Their operations still point at the calls, so nothing may be destroyed.
      std::_Exit(1);
    }
    (*static_cast<Completion*>(tag))(ok);
  }
}

Clock::duration FromSeconds(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

int Main(int argc, char** argv) {
  Run run;
  std::string address = "127.0.0.1:8001";
  std::string model = "simple";
  std::string frame_file;
  double seconds = 5, warm_up = 1;
  int64_t in_flight = 1, connections = 1, streams = 0, server_pid = 0, expect_echo = 0;
  Flags flags;
  flags.String("address", "the server", &address);
  flags.String("model", "the model to call", &model);
  flags.Each("input", "NAME:DATATYPE:DIM,DIM,... once per input", [&](auto& spec) {
    const auto error = AddInput(spec, &run.request);
    if (!error.empty()) std::cerr << error << "\n";
    return error.empty();
  });
  flags.Int("in-flight", "requests under way at any time, over all connections", 1, 100000,
            &in_flight);
  flags.Int("connections", "TCP connections", 1, 1000, &connections);
  flags.Int("streams", "bidirectional streams to send on; 0 sends unary calls", 0, 10000, &streams);
  flags.Seconds("seconds", "how long to measure", &seconds);
  flags.Seconds("warmup", "how long to send before measuring", &warm_up);
  flags.Int("server-pid", "process whose CPU time is reported; 0 for none", 0, 1 << 30,
            &server_pid);
  flags.Int("expect-echo", "1 checks that outputs equal inputs", 0, 1, &expect_echo);
  flags.String("write-frame", "write the request as a gRPC frame to this file and stop",
               &frame_file);
  flags.ParseOrExit(argc, argv);
  if (run.request.inputs().empty()) {
    std::cerr << "at least one --input is needed\n";
    return 2;
  }
  run.request.set_model_name(model);
  run.expect_echo = expect_echo != 0;

  if (!frame_file.empty()) {
    std::ofstream file(frame_file, std::ios::binary);
    file << GrpcFrame(run.request) << std::flush;
    return file.good() ? 0 : 1;
  }

  bool own_buffer;
  if (!grpc::SerializationTraits<ModelInferRequest>::Serialize(run.request, &run.request_bytes,
                                                               &own_buffer)
           .ok()) {
    std::cerr << "the request is too large for one message\n";
    return 2;
  }
  const auto stubs = Connect(address, connections);
  Measurement measurement(FromSeconds(warm_up), FromSeconds(seconds), server_pid);
  run.measurement = &measurement;
  std::vector<std::unique_ptr<UnarySlot>> slots;
  std::vector<std::unique_ptr<Stream>> open_streams;
  if (streams == 0) {
    for (int64_t i = 0; i < in_flight; ++i) {
      slots.push_back(std::make_unique<UnarySlot>(&run, stubs[i % connections].get()));
      slots.back()->Start();
    }
  } else {
    for (int64_t i = 0; i < streams; ++i) {
      // The first streams take what an even split leaves over.
      const int64_t depth = in_flight / streams + (i < in_flight % streams ? 1 : 0);
      if (depth == 0) break;
      open_streams.push_back(std::make_unique<Stream>(&run, stubs[i % connections].get(), depth));
      open_streams.back()->Start();
    }
  }
  Drive(&run);
  std::cout << measurement.Report() << std::endl;
  return measurement.errors() == 0 && measurement.requests() > 0 ? 0 : 1;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) { return sluice::Main(argc, argv); }
