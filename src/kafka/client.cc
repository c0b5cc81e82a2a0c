#include "kafka/client.h"

#include "base/log.h"

#include <fmt/format.h>

namespace tidemark::kafka {

Result<rd_kafka_t*> open_client(rd_kafka_type_t type, std::map<std::string, std::string> settings,
                                const std::map<std::string, Secret>& own,
                                const std::function<void(rd_kafka_conf_t*)>& prepare) {
  for (const auto& [name, value] : own) settings[name] = value.reveal();
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char text[error_text_bytes] = {};
  for (const auto& [name, value] : settings)
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text, sizeof text) != RD_KAFKA_CONF_OK) {
      rd_kafka_conf_destroy(conf);
      // librdkafka's text quotes the value.
      return fail(ErrorKind::config,
                  fmt::format("Kafka setting `{}` is unknown or cannot have this value", name),
                  "librdkafka's CONFIGURATION.md lists its settings");
    }
  if (prepare) prepare(conf);
  rd_kafka_t* client = rd_kafka_new(type, conf, text, sizeof text);
  if (client != nullptr) return client;
  rd_kafka_conf_destroy(conf);
  return fail(ErrorKind::config, fmt::format("Kafka client: {}", text));
}

void complain(Complaints& complaints, rd_kafka_t* client, int code, const char* reason) {
  auto error = static_cast<rd_kafka_resp_err_t>(code);
  char text[error_text_bytes] = {};
  if (error == RD_KAFKA_RESP_ERR__FATAL) error = rd_kafka_fatal_error(client, text, sizeof text);
  complaints.set(fmt::format("{}: {}", rd_kafka_err2name(error), text[0] != 0 ? text : reason));
}

void log_of_client(const rd_kafka_t*, int level, const char*, const char* text) {
  constexpr int warning = 4;  // of syslog
  if (level < warning) log::warn("Kafka client: {}", text);
}

}  // namespace tidemark::kafka
