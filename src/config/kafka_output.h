// Where `tidemark up --role capture` publishes to (`kafka:` in tidemark.yaml). docs/KAFKA_OUT.md is its
// reference. Plain values, checked by the loader.
#pragma once

#include "base/error.h"
#include "base/secret.h"
#include "config/diagnostic.h"

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace tidemark::config {

struct KafkaOutput {
  std::string brokers;
  std::string prefix;                      // topics are <prefix>.<schema>.<table>
  bool schema = false;                     // messages carry their Connect schema
  int partitions = -1;                     // of topics that do not exist yet; -1: as the brokers say
  int replication = -1;                    // likewise
  std::map<std::string, Secret> settings;  // of the client: security.protocol, sasl.password, ...
  Location where;
};

// Of the project in this directory; nothing when it says none. load_project() reports its mistakes too, so
// this is for the one role that needs it. Errors: config.
Result<std::optional<KafkaOutput>> load_kafka_output(const std::filesystem::path& directory);

}  // namespace tidemark::config
