// A Kafka broker in a process of its own: librdkafka's mock cluster, which speaks the protocol to any client.
//
//   kafka_broker            prints its address; then takes a word per line: down, up; ends with its input
//
// "down" closes every connection and refuses new ones, as a broker that was killed; "up" takes them again, on the same port and
// with what it had stored.
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

namespace {

constexpr int kBroker = 1;
constexpr int kPartitions = 3;
constexpr const char* kTopic = "clearml_inference_stats";

[[noreturn]] void Die(const std::string& what) {
  std::cerr << "kafka_broker: " << what << std::endl;
  std::exit(1);
}

void Check(rd_kafka_resp_err_t error, const char* what) {
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) Die(std::string(what) + ": " + rd_kafka_err2str(error));
}

}  // namespace

int main() {
  char text[512];
  rd_kafka_t* host = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof(text));
  if (host == nullptr) Die(text);
  rd_kafka_mock_cluster_t* cluster = rd_kafka_mock_cluster_new(host, 1);
  if (cluster == nullptr) Die("no mock cluster");
  Check(rd_kafka_mock_topic_create(cluster, kTopic, kPartitions, 1), "topic");
  std::cout << rd_kafka_mock_cluster_bootstraps(cluster) << std::endl;

  std::string word;
  while (std::getline(std::cin, word)) {
    if (word == "down") {
      Check(rd_kafka_mock_broker_set_down(cluster, kBroker), "down");
    } else if (word == "up") {
      Check(rd_kafka_mock_broker_set_up(cluster, kBroker), "up");
    } else {
      Die("unknown word '" + word + "'");
    }
    std::cout << word << std::endl;
  }

  rd_kafka_mock_cluster_destroy(cluster);
  rd_kafka_destroy(host);
  return 0;
}
