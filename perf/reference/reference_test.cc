// Tests of what grpc_load builds and counts, without a server. Prints each failed line; exits 1
// when there is one.

#include <unistd.h>

#include <iostream>
#include <string>
#include <thread>

#include "infer_request.h"
#include "measurement.h"

namespace sluice {
namespace {

using namespace std::chrono_literals;

int failures = 0;

void Expect(bool condition, const char* text, int line) {
  if (condition) return;
  ++failures;
  std::cerr << "line " << line << ": " << text << "\n";
}
#define EXPECT(condition) Expect((condition), #condition, __LINE__)

void AddInput_FillsShapeAndData() {
  inference::ModelInferRequest request;
  EXPECT(AddInput("A:INT32:2,18", &request).empty());
  EXPECT(request.inputs(0).name() == "A" && request.inputs(0).datatype() == "INT32");
  EXPECT(request.inputs(0).shape(0) == 2 && request.inputs(0).shape(1) == 18);
  const auto& raw = request.raw_input_contents(0);
  EXPECT(raw.size() == 144);
  EXPECT(raw.substr(64, 8) == std::string({16, 0, 0, 0, 0, 0, 0, 0}));
}

void AddInput_BadSpec_IsRefused() {
  for (const char* spec : {"", "A", "A:INT32", "A:INT32:", ":INT32:1", "A:INT32:0", "A:INT32:-1",
                           "A:INT32:1,x", "A:COMPLEX:1", "A:INT32:4294967296,4294967296"}) {
    inference::ModelInferRequest request;
    const bool refused = !AddInput(spec, &request).empty();
    if (!refused) std::cerr << "accepted '" << spec << "': ";
    EXPECT(refused);
  }
}

void CompareEcho_NamesWhatDiffers() {
  inference::ModelInferRequest request;
  EXPECT(AddInput("A:FP32:4", &request).empty());
  inference::ModelInferResponse response;
  EXPECT(!CompareEcho(request, response).empty());
  auto* output = response.add_outputs();
  output->set_name("A");
  output->set_datatype("FP32");
  output->add_shape(4);
  *response.add_raw_output_contents() = request.raw_input_contents(0);
  EXPECT(CompareEcho(request, response).empty());
  output->set_shape(0, 5);
  EXPECT(!CompareEcho(request, response).empty());
  output->set_shape(0, 4);
  (*response.mutable_raw_output_contents(0))[3] ^= 1;
  EXPECT(!CompareEcho(request, response).empty());
}

void GrpcFrame_CarriesTheLength() {
  inference::ModelInferRequest request;
  EXPECT(AddInput("A:INT8:1000", &request).empty());
  const auto frame = GrpcFrame(request);
  const size_t length = frame.size() - 5;
  EXPECT(frame[0] == 0 && frame[1] == 0 && frame[2] == 0);
  EXPECT(static_cast<unsigned char>(frame[3]) * 256u + static_cast<unsigned char>(frame[4]) ==
         length);
  inference::ModelInferRequest parsed;
  EXPECT(parsed.ParseFromString(frame.substr(5)) && parsed.raw_input_contents(0).size() == 1000);
}

void ProcessCpu_GrowsWithWork_AndIsNegativeForNobody() {
  const double before = ProcessCpuMicroseconds(getpid());
  const auto until = Clock::now() + 200ms;
  while (Clock::now() < until) {
  }
  const double used = ProcessCpuMicroseconds(getpid()) - before;
  // Other processes may take most of the time, the clock ticks in 10 ms.
  EXPECT(before >= 0 && used >= 10e3 && used <= 400e3);
  EXPECT(ProcessCpuMicroseconds(1 << 30) < 0);
}

void Measurement_CountsOnlyAfterWarmUp_AndStops() {
  Measurement measurement(20ms, 50ms, 0);
  measurement.Succeeded(Clock::now());
  EXPECT(measurement.requests() == 0 && measurement.running());
  while (measurement.running()) {
    measurement.Succeeded(Clock::now() - 5ms);
    std::this_thread::sleep_for(1ms);
  }
  const auto counted = measurement.requests();
  EXPECT(counted > 0 && measurement.errors() == 0);
  measurement.Succeeded(Clock::now());
  EXPECT(measurement.requests() == counted);
  measurement.Failed("a \"quoted\" reason");
  const auto report = measurement.Report();
  EXPECT(report.find("\"errors\":1,") != std::string::npos);
  EXPECT(report.find("\"p50_us\":50") != std::string::npos);
  EXPECT(report.find("\"cpu_us_per_request\":") != std::string::npos);
  EXPECT(report.find("a \\\"quoted\\\" reason") != std::string::npos);
}

}  // namespace
}  // namespace sluice

int main() {
  sluice::AddInput_FillsShapeAndData();
  sluice::AddInput_BadSpec_IsRefused();
  sluice::CompareEcho_NamesWhatDiffers();
  sluice::GrpcFrame_CarriesTheLength();
  sluice::ProcessCpu_GrowsWithWork_AndIsNegativeForNobody();
  sluice::Measurement_CountsOnlyAfterWarmUp_AndStops();
  return sluice::failures == 0 ? 0 : 1;
}
