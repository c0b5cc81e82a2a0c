#include "kafka/topics.h"

#include "kafka/client.h"
#include "kafka/producer_limits.h"

#include <fmt/format.h>
#include <memory>

namespace tidemark::kafka {
namespace {

template <auto destroy>
struct Destroy {
  template <class T>
  void operator()(T* pointer) const {
    destroy(pointer);
  }
};
using Client = std::unique_ptr<rd_kafka_t, Destroy<rd_kafka_destroy>>;
using Queue = std::unique_ptr<rd_kafka_queue_t, Destroy<rd_kafka_queue_destroy>>;
using Options = std::unique_ptr<rd_kafka_AdminOptions_t, Destroy<rd_kafka_AdminOptions_destroy>>;
using Topic = std::unique_ptr<rd_kafka_NewTopic_t, Destroy<rd_kafka_NewTopic_destroy>>;
using Event = std::unique_ptr<rd_kafka_event_t, Destroy<rd_kafka_event_destroy>>;

ErrorKind topic_error_kind(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
      return ErrorKind::refused;
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
      return ErrorKind::config;
    default:
      return ErrorKind::dependency_down;
  }
}

}  // namespace

Status create_topics(const std::string& brokers, const std::map<std::string, Secret>& client_settings,
                     const std::vector<NewTopic>& topics) {
  Client client(TRY(open_client(RD_KAFKA_PRODUCER,
                                {{"bootstrap.servers", brokers},
                                 {"client.id", "tidemark"},
                                 {"reconnect.backoff.max.ms", "1000"},
                                 {"log_level", "3"}},
                                client_settings, nullptr)));
  std::vector<Topic> owned;
  std::vector<rd_kafka_NewTopic_t*> wanted;
  char text[error_text_bytes] = {};
  for (const auto& topic : topics) {
    owned.emplace_back(
        rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions, topic.replication, text, sizeof text));
    if (owned.back() == nullptr)
      return fail(ErrorKind::config, fmt::format("topic {}: {}", topic.name, text));
    for (const auto& [name, value] : topic.settings)
      rd_kafka_NewTopic_set_config(owned.back().get(), name.c_str(), value.c_str());
    wanted.push_back(owned.back().get());
  }
  int timeout = static_cast<int>(limits::create_topics_wait_max.count());
  Options options(rd_kafka_AdminOptions_new(client.get(), RD_KAFKA_ADMIN_OP_CREATETOPICS));
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout, text, sizeof text);
  rd_kafka_AdminOptions_set_operation_timeout(options.get(), timeout, text, sizeof text);
  Queue queue(rd_kafka_queue_new(client.get()));
  rd_kafka_CreateTopics(client.get(), wanted.data(), wanted.size(), options.get(), queue.get());
  Event event(rd_kafka_queue_poll(queue.get(), timeout + 1'000));
  if (event == nullptr) return fail(ErrorKind::dependency_down, "Kafka: making topics: no answer");
  if (auto code = rd_kafka_event_error(event.get()); code != RD_KAFKA_RESP_ERR_NO_ERROR)
    return fail(topic_error_kind(code),
                fmt::format("Kafka: making topics: {}", rd_kafka_event_error_string(event.get())),
                "check that the brokers are up and `brokers` names them");
  size_t count = 0;
  const auto* results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  for (size_t index = 0; index < count; ++index) {
    auto code = rd_kafka_topic_result_error(results[index]);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) continue;
    const char* reason = rd_kafka_topic_result_error_string(results[index]);
    return fail(topic_error_kind(code),
                fmt::format("Kafka: making topic {}: {}", rd_kafka_topic_result_name(results[index]),
                            reason != nullptr ? reason : rd_kafka_err2str(code)),
                "make it by hand, or allow it");
  }
  return {};
}

}  // namespace tidemark::kafka
