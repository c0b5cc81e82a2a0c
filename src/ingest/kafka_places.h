// How far a Kafka source has been read: for each partition the offset of the next message and the marks of
// its order (kafka_order.h), and for each table its last TRUNCATE. Travels as text with every cut, in
// tidemark.cuts, so a place is never ahead of its rows and never behind them.
//
// Plain value; not thread-safe.
#pragma once

#include "base/error.h"
#include "ingest/kafka_order.h"
#include "kafka/message.h"

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidemark::ingest {

struct KafkaPlace {
  int64_t offset = 0;  // of the next message
  PartitionMarks marks;
  int64_t begun = unknown;  // of the first message that was to be read: where a proof begins

  static constexpr int64_t unknown = -1;  // written by a version that did not remember it

  bool operator==(const KafkaPlace&) const = default;
};

struct KafkaPlaces {
  std::map<std::pair<std::string, int32_t>, KafkaPlace> partitions;
  std::map<std::string, Version> truncated;  // by the table's name in bronze

  // Only grows: what the ladder calls a position.
  uint64_t sum() const;
  // Every partition of `other` is at least as far here.
  bool reached(const KafkaPlaces& other) const;
  std::vector<kafka::Position> positions() const;

  std::string text() const;
  // Errors: corrupt.
  static Result<KafkaPlaces> parse(std::string_view text);

  bool operator==(const KafkaPlaces&) const = default;
};

}  // namespace tidemark::ingest
