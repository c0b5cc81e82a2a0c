// Makes topics. Those that are there already stay as they are, whatever their settings.
//
// Errors: dependency_down, refused (not allowed, a policy of the brokers), config (bad name or settings).
#pragma once

#include "base/error.h"
#include "base/secret.h"

#include <map>
#include <string>
#include <vector>

namespace tidemark::kafka {

struct NewTopic {
  std::string name;
  int partitions = -1;                          // -1: as the brokers' num.partitions says
  int replication = -1;                         // -1: as the brokers' default.replication.factor says
  std::map<std::string, std::string> settings;  // "cleanup.policy": "compact"
};

Status create_topics(const std::string& brokers, const std::map<std::string, Secret>& client_settings,
                     const std::vector<NewTopic>& topics);

}  // namespace tidemark::kafka
