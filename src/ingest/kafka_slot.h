// A share of a Kafka source's partitions. A source with `slots: n` is n streams, and a slot is one of them:
// it has cuts, places and fences of its own (tidemark.cuts, source "<name>#<k>") and owns the partitions that
// owns() says. Which process works on a slot is for the group to say (kafka_lease.h).
//
// The rule is stable: it depends on nothing but names and numbers, so any process comes to the same answer,
// also about topics and partitions that are new. Partitions of a topic follow each other from slot to slot.
#pragma once

#include "base/cut_number.h"

#include <string>
#include <string_view>

namespace tidemark::ingest {

struct KafkaSlot {
  uint32_t number = 0;
  uint32_t count = 1;

  // Several processes may work on the source: nothing is done before it is agreed on in the warehouse.
  bool shared() const { return count > 1; }
  bool owns(std::string_view topic, int32_t partition) const {
    uint64_t hash = 14'695'981'039'346'656'037ULL;  // FNV-1a
    for (char byte : topic) hash = (hash ^ static_cast<unsigned char>(byte)) * 1'099'511'628'211ULL;
    return (hash % count + static_cast<uint32_t>(partition)) % count == number;
  }
  std::string stream(const std::string& source) const {
    return shared() ? source + "#" + std::to_string(number) : source;
  }
  uint64_t first_cut() const { return number * cuts_a_stream; }
};

// The source that a stream is of.
inline std::string source_of_stream(const std::string& stream) {
  return stream.substr(0, stream.find('#'));
}

}  // namespace tidemark::ingest
