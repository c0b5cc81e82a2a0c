// A Kafka source as the user wrote it (sources/<name>.yaml with `kafka:`). docs/KAFKA.md is its reference.
// Plain values, checked by the loader; column types are those of base/column_type.h.
#pragma once

#include "base/column_type.h"
#include "base/secret.h"
#include "config/diagnostic.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace tidemark::config {

enum class KafkaFormat { debezium, flat, outbox, json, ndjson, lines };

struct KafkaTable {
  std::string table;                // name in database bronze
  std::vector<std::string> topics;  // names, or ^patterns
  // Empty: from the messages' schema, or from the values of the first messages.
  std::vector<std::pair<std::string, ColumnType>> columns;
  std::map<std::string, std::string> forms;  // column -> how its values are written (kafka/column_plan.h)
  std::vector<std::string> key;
  bool append_only = false;
  Location where;
};

struct KafkaSource {
  std::string name;
  std::string brokers;
  std::vector<std::string> topics;  // names, or ^patterns; those of `tables` are among them
  std::string group;                // default tidemark_<name>
  uint32_t slots = 1;               // shares that several processes may work on (docs/KAFKA.md)
  KafkaFormat format = KafkaFormat::debezium;
  bool from_latest = false;  // what is there before the first start is not read
  bool accept_gaps = false;  // messages that the brokers removed before they were read are passed over
  bool ignore_unknown_fields = false;  // fields that are no columns are not refused
  std::string placeholder = "__debezium_unavailable_value";
  std::map<std::string, Secret> settings;  // of the client: security.protocol, sasl.password, ...
  std::vector<KafkaTable> tables;
  Location where;
};

}  // namespace tidemark::config
