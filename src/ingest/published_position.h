// How far a source's changes are published, as Kafka itself says it: a message in
// <prefix>.tidemark_positions, keyed by the source, written in the same Kafka transaction as the changes it
// speaks of. So it is never ahead of them and never behind them, whatever is killed. Only its last committed
// message counts; the topic is compacted. Each
// source has its own: in a shared one the end could not be read while another source has a transaction open.
#pragma once

#include "kafka/producer.h"
#include "postgres/lsn.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tidemark::ingest {

struct PublishedPosition {
  std::string source;
  std::string system_id;
  uint32_t timeline = 0;
  std::string slot;
  std::string selection;       // what is taken of the tables; empty: everything
  postgres::Lsn slot_lsn = 0;  // the slot's consistent point: rows of the initial copy are as of it
  // The initial copy. Tables that are done, and of the one under way the last key, as text.
  bool copied = false;
  std::set<std::string> copied_tables;  // "public.orders"
  std::string copying;
  std::vector<std::string> copied_to;
  // The stream.
  uint64_t cut = 0;
  postgres::Lsn end_lsn = 0;
  int64_t committed_at = 0;

  std::string to_json() const;
  // Errors: corrupt.
  static Result<PublishedPosition> from_json(std::string_view text);
};

std::string position_topic(const std::string& prefix, const std::string& source);

// The last committed one. Call it when nobody can publish any more: after Producer::initialise().
Result<std::optional<PublishedPosition>> read_position(const kafka::ProducerOptions& options,
                                                       const std::string& prefix, const std::string& source,
                                                       const std::atomic<bool>& stop);

}  // namespace tidemark::ingest
