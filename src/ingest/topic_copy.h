// The initial copy of a source into topics: every row as a message with op r, in the order of the primary
// key, in chunks that are Kafka transactions of their own, each with the key it ends at. So a copy that is
// killed goes on behind its last chunk, and readers at read_committed see no row twice.
//
// The slot is made before and never again: a chunk may be read from a later snapshot than the one before it,
// because the stream brings everything since the slot's consistent point once more, and every row of the copy
// is older than that by its LSN. Uninterrupted, all chunks are of one snapshot.
//
// A table without a key, or append_only, is one Kafka transaction: there is no place in it to go on from.
// Failure: as of the first error; what is not committed comes again.
#pragma once

#include "ingest/kafka_publisher.h"
#include "postgres/connection.h"

namespace tidemark::ingest {

struct TopicCopy {
  kafka::Producer& producer;
  const Encoders& encoders;
  std::string prefix;
  const std::map<const CapturedTable*, TableCounters*>& counters;
  const std::atomic<bool>& stop;
};

// `connection`: in a transaction that sees one snapshot. `position` says where to go on, and comes back as it
// is in Kafka. Returns the rows copied now.
Result<uint64_t> copy_to_topics(const TopicCopy& copy, const std::vector<CapturedTable>& tables,
                                postgres::Connection& connection, PublishedPosition& position);

}  // namespace tidemark::ingest
